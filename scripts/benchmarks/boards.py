"""A board in C that measures whoever streams to it, and a host in C to compare with."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
import re
import signal
import subprocess

_VALUE = re.compile(r"(\w+)=([\d.]+)")


@dataclass(frozen=True, slots=True)
class Summary:
    """What the board saw of one session: between its first and its last move."""

    lines_per_second: float
    line_bytes: float
    """Mean length of a line on the wire."""
    p50: float
    """Turnaround from the board's `ok` to the next line, in milliseconds."""
    p99: float


def compile_c(source: Path, folder: Path) -> Path:
    """Compile one file; the program lies in `folder`."""
    program = folder / source.stem
    subprocess.run(
        ["cc", "-O2", "-o", str(program), str(source.resolve()), "-lutil"],
        check=True,
    )
    return program


@dataclass(slots=True)
class CBoard:
    """A running board."""

    port: str
    trace: Path
    _process: Process

    async def summary(self) -> Summary:
        """Read what the board says once its host has closed the port.

        Now and then it does not notice that: then it is asked.
        """
        assert self._process.stderr is not None
        reading = asyncio.ensure_future(self._process.stderr.readline())
        if not (await asyncio.wait([reading], timeout=2))[0]:
            self._process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(10):
            text = (await reading).decode("ascii")
        values = {key: float(value) for key, value in _VALUE.findall(text)}
        return Summary(
            values["lines_per_s"],
            values["bytes"] / values["total_lines"],
            values["p50"] / 1000,
            values["p99"] / 1000,
        )

    def moves(self) -> list[str]:
        """Give the moves that were executed, in order."""
        return moves(self.trace)


def moves(path: Path) -> list[str]:
    """Give the moves of a file, without comments."""
    lines = (line.partition(";")[0].strip() for line in path.open(encoding="utf-8"))
    return [line for line in lines if line.startswith(("G0 ", "G1 "))]


@asynccontextmanager
async def c_board(
    program: Path, options: tuple[str, ...], trace: Path
) -> AsyncIterator[CBoard]:
    """Run a board as long as the block runs."""
    process = await asyncio.create_subprocess_exec(
        *(str(program), *options, "-t", str(trace)),
        stdout=PIPE,
        stderr=PIPE,
        # The system shares out time by sessions: a board is a machine of its own.
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        port = (await process.stdout.readline()).decode("ascii").strip()
        yield CBoard(port, trace, process)
    finally:
        process.terminate()
        await process.wait()


async def c_host(program: Path, board: CBoard, lines: int) -> Summary:
    """Let the host in C send moves of its own, one line in flight."""
    process = await asyncio.create_subprocess_exec(
        *(str(program), board.port, str(lines), "1"),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    await process.wait()
    return await board.summary()
