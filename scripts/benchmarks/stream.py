"""How fast files go over the wire out of the streaming process, on pseudo-terminals."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
import os
from pathlib import Path
from statistics import median

from rich.table import Table

from custom_components.printfarm.fabricators.interface import Result

from .boards import Summary, c_board, c_host, compile_c, moves
from .gcode import VASE
from .measure import Lag, busy, loop_lag
from .streaming import Machine, Streaming, streaming


@dataclass(frozen=True, slots=True)
class Case:
    """One row: what the boards are like, and what goes on meanwhile."""

    name: str
    options: tuple[str, ...] = ()
    lines: int = 1_000_000
    """Lines of the file at most: slow boards get its beginning."""
    boards: int = 1
    busy: bool = False
    """Whether the interpreter of this process, Home Assistant's place, is kept busy."""
    floor: bool = True
    """Whether the host in C can cope with this board."""
    baud: int = 0
    rounds: int = 1
    """How often it is measured; where the processor decides, no two are the same."""


CASES = (
    Case("plain", rounds=5),
    Case("plain, interpreter kept busy", busy=True, rounds=5),
    Case("0.5 ms a line", ("-d", "500"), lines=5000),
    Case("0.5 ms a line, interpreter kept busy", ("-d", "500"), lines=5000, busy=True),
    Case("115200 baud", ("-s", "115200"), lines=3000, baud=115200),
    Case("250000 baud", ("-s", "250000"), lines=5000, baud=250000),
    Case("1 error in 100", ("-e", "100"), floor=False, rounds=3),
    Case("the same, no ok after Resend", ("-e", "100", "-O"), lines=5000, floor=False),
    Case("advanced ok", ("-a",), rounds=3),
    Case("every 5000th ok lost", ("-D", "5000"), floor=False),
    Case("10 boards at once", boards=10),
    Case("50 boards at 10 ms a line", ("-d", "10000"), lines=1500, boards=50),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures of one round; of several boards together."""

    summary: Summary
    cpu: float
    """Processor seconds of the streaming process per 1,000 lines."""
    lag: Lag | None
    """Of the loop in this process, where there is something to see."""
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
        "C host",
        "loop lag p99 / worst ms",
        "moves",
        title=f"stream {VASE.name}: of several rounds the middle one",
        caption=f"load average {os.getloadavg()[0]:.2f} before",
    )
    async with streaming(folder) as process:
        for case in CASES:
            ours, bounds = [], []
            # By turns, so that whatever else the machine does hits both.
            for _ in range(case.rounds):
                ours.append(await _stream(case, program, process))
                if host is not None and case.floor:
                    bounds.append(await _bound(case, program, host, folder))
            table.add_row(*_row(case, ours, bounds))
    return table


def _row(case: Case, ours: list[Outcome], bounds: list[Summary]) -> list[str]:
    outcome = _middle(ours, [one.summary for one in ours])
    summary = outcome.summary
    bound = _middle(bounds, bounds) if bounds else None
    return [
        case.name,
        f"{summary.lines_per_second:,.0f}",
        f"{_comparable(case, bound, summary):,.0f}" if bound else "",
        f"{outcome.cpu:.4f}",
        f"{summary.p50:.3f}",
        f"{summary.p99:.3f}",
        f"{bound.p99:.3f}" if bound else "",
        f"{outcome.lag.p99:.1f} / {outcome.lag.worst:.1f}" if outcome.lag else "",
        "exact" if all(one.exact for one in ours) else "DIFFERENT",
    ]


def _middle[T](rounds: list[T], summaries: list[Summary]) -> T:
    """Give the round with the median rate."""
    order = sorted(
        range(len(rounds)), key=lambda number: summaries[number].lines_per_second
    )
    return rounds[order[len(order) // 2]]


def _comparable(case: Case, bound: Summary, ours: Summary) -> float:
    """The rate of the host in C in lines as long as ours, where the wire is slow."""
    seconds = 1 / bound.lines_per_second
    if case.baud:
        seconds += (ours.line_bytes - bound.line_bytes) * 10 / case.baud
    return 1 / seconds


async def _stream(case: Case, program: Path, process: Streaming) -> Outcome:
    """Print on every board at once, and wait for the last."""
    folder = process.folder
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
        machines = [Machine(process.streamers, board.port) for board in boards]
        await asyncio.gather(*(machine.connect() for machine in machines))
        async with AsyncExitStack() as meanwhile:
            meanwhile.enter_context(busy(wanted=case.busy))
            # Looking all the time is work too: not beside a single board.
            crowd = case.boards > 1
            lag = await meanwhile.enter_async_context(loop_lag()) if crowd else None
            before = process.cpu()
            results = await asyncio.gather(
                *(machine.print(path) for machine in machines)
            )
            cpu = process.cpu() - before
        await asyncio.gather(*(machine.close() for machine in machines))
        summaries = [await board.summary() for board in boards]
    wanted = moves(path)
    exact = all(result is Result.COMPLETED for result in results) and all(
        board.moves() == wanted for board in boards
    )
    thousands = len(lines) * len(boards) / 1000
    return Outcome(_together(summaries), cpu / thousands, lag, exact)


async def _bound(case: Case, program: Path, host: Path, folder: Path) -> Summary:
    """What the host in C reaches; a process for each board."""
    count = min(case.lines, 20_000)
    async with AsyncExitStack() as stack:
        boards = [
            await stack.enter_async_context(
                c_board(program, case.options, folder / f"trace{number}")
            )
            for number in range(case.boards)
        ]
        with busy(wanted=case.busy):
            found = await asyncio.gather(
                *(c_host(host, board, count) for board in boards)
            )
    return _together(list(found))


def _together(summaries: list[Summary]) -> Summary:
    """Add the rates up; take the middle p50 and the worst p99."""
    return replace(
        summaries[0],
        lines_per_second=sum(summary.lines_per_second for summary in summaries),
        p50=median(summary.p50 for summary in summaries),
        p99=max(summary.p99 for summary in summaries),
    )
