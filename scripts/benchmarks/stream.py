"""How fast a file goes over the wire, on a pseudo-terminal."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
import threading
import time

from rich.table import Table

from custom_components.printfarm.fabricators.interface import (
    FabricatorConfig,
    MachineEvent,
    MachineEventType,
    MachineState,
    Result,
    Task,
)
from custom_components.printfarm.fabricators.marlin.driver import MarlinFabricator

from .boards import CBoard, Summary, c_board, c_host, compile_c, moves
from .gcode import VASE


@dataclass(frozen=True, slots=True)
class Case:
    """One row: what the board is like, and what goes on meanwhile."""

    name: str
    options: tuple[str, ...] = ()
    lines: int = 1_000_000
    """Lines of the file at most: slow boards get its beginning."""
    boards: int = 1
    interpreter_busy: bool = False
    floor: bool = True
    """Whether the host in C can cope with this board."""
    baud: int = 0


CASES = (
    Case("plain"),
    Case("interpreter kept busy", interpreter_busy=True, floor=False),
    Case("0.5 ms a line", ("-d", "500"), lines=5000),
    Case("115200 baud", ("-s", "115200"), lines=3000, baud=115200),
    Case("250000 baud", ("-s", "250000"), lines=5000, baud=250000),
    Case("1 error in 100", ("-e", "100"), floor=False),
    Case("the same, no ok after Resend", ("-e", "100", "-O"), lines=5000, floor=False),
    Case("advanced ok", ("-a",)),
    Case("every 5000th ok lost", ("-D", "5000"), floor=False),
    Case("10 boards at once", boards=10),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures of a case; of several boards together."""

    summary: Summary
    cpu: float
    """Processor seconds per 1,000 lines."""
    exact: bool
    """Whether every board executed the file's moves, each once and in order."""


async def run(folder: Path, board: Path, floor: Path | None) -> Table:
    """Stream the vase to boards of all kinds; `board` and `floor` are C files."""
    program = compile_c(board, folder)
    host = None if floor is None else compile_c(floor, folder)
    table = Table(
        "board",
        "lines/s",
        "C host",
        "CPU s/1000 lines",
        "p50 ms",
        "p99 ms",
        "moves",
        title="stream",
    )
    for case in CASES:
        outcome = await _stream(case, program, folder)
        summary = outcome.summary
        bound = None
        if host is not None and case.floor:
            bound = await _bound(case, program, host, summary.line_bytes, folder)
        table.add_row(
            case.name,
            f"{summary.lines_per_second:,.0f}",
            "" if bound is None else f"{bound:,.0f}",
            f"{outcome.cpu:.4f}",
            f"{summary.p50:.3f}",
            f"{summary.p99:.3f}",
            "exact" if outcome.exact else "DIFFERENT",
        )
    return table


async def _stream(case: Case, program: Path, folder: Path) -> Outcome:
    """Print on every board at once, and wait for the last."""
    path = folder / "file.gcode"
    lines = VASE.read_text("utf-8").splitlines(keepends=True)[: case.lines]
    path.write_text("".join(lines), "utf-8")
    async with AsyncExitStack() as stack:
        boards = [
            await stack.enter_async_context(
                c_board(program, case.options, folder / f"trace{number}")
            )
            for number in range(case.boards)
        ]
        hosts = [_Host(board) for board in boards]
        await asyncio.gather(*(host.connect() for host in hosts))
        with _busy(case.interpreter_busy) as others:
            before = time.process_time() - others()
            results = await asyncio.gather(*(host.print(path) for host in hosts))
            cpu = time.process_time() - others() - before
        await asyncio.gather(*(host.close() for host in hosts))
        summaries = [await board.summary() for board in boards]
    wanted = moves(path)
    exact = all(result is Result.COMPLETED for result in results) and all(
        board.moves() == wanted for board in boards
    )
    return Outcome(_together(summaries), cpu / len(lines) / len(boards) * 1000, exact)


async def _bound(
    case: Case, program: Path, host: Path, line_bytes: float, folder: Path
) -> float:
    """What the host in C reaches, in lines as long as ours where the wire is slow."""
    count = min(case.lines, 20_000)
    async with AsyncExitStack() as stack:
        boards = [
            await stack.enter_async_context(
                c_board(program, case.options, folder / f"trace{number}")
            )
            for number in range(case.boards)
        ]
        found = await asyncio.gather(*(c_host(host, board, count) for board in boards))
    total = _together(list(found))
    seconds = 1 / total.lines_per_second
    if case.baud:
        seconds += (line_bytes - total.line_bytes) * 10 / case.baud
    return 1 / seconds


def _together(summaries: list[Summary]) -> Summary:
    """Add the rates up; take the middle p50 and the worst p99."""
    return replace(
        summaries[0],
        lines_per_second=sum(summary.lines_per_second for summary in summaries),
        p50=median(summary.p50 for summary in summaries),
        p99=max(summary.p99 for summary in summaries),
    )


class _Host:
    """The real driver on one board."""

    def __init__(self, board: CBoard) -> None:
        self._changed = asyncio.Event()
        self._end: MachineEvent | None = None
        self._driver = MarlinFabricator(
            FabricatorConfig(
                key=board.port,
                name="Bench",
                protocol="marlin",
                options={"port": board.port, "baudrate": 115200},
            ),
            lambda _: self._changed.set(),
            self._event,
        )
        self._running: asyncio.Task[None] | None = None

    def _event(self, event: MachineEvent) -> None:
        if event.type is MachineEventType.ENDED:
            self._end = event
            self._changed.set()

    async def connect(self) -> None:
        self._running = asyncio.create_task(self._driver.run())
        async with asyncio.timeout(60):
            while self._driver.snapshot.state is not MachineState.IDLE:
                self._changed.clear()
                await self._changed.wait()

    async def print(self, path: Path) -> Result | None:
        await self._driver.start(Task(run=1, name=path.name, source=path, gcode=path))
        async with asyncio.timeout(600):
            while self._end is None:
                self._changed.clear()
                await self._changed.wait()
        return self._end.result

    async def close(self) -> None:
        await self._driver.close()
        if self._running is not None:
            await self._running


@contextmanager
def _busy(wanted: bool) -> Iterator[Callable[[], float]]:
    """Keep the interpreter busy in another thread; gives that thread's seconds."""
    if not wanted:
        yield lambda: 0.0
        return
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=work)
    thread.start()
    assert thread.ident is not None
    clock = time.pthread_getcpuclockid(thread.ident)
    try:
        yield lambda: time.clock_gettime(clock)
    finally:
        stop.set()
        thread.join()
