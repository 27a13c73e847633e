"""A print on a serial port past asyncio, and what sends it back there."""

import asyncio
from collections.abc import Awaitable, Callable
import errno
import os
from pathlib import Path

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorConfig,
    MachineState,
    Result,
    StartOutcome,
    Task,
)
from custom_components.printfarm.fabricators.marlin import hotpath
from custom_components.printfarm.fabricators.marlin.connection import Connection
from custom_components.printfarm.fabricators.marlin.driver import MarlinFabricator
from custom_components.printfarm.fabricators.streamer.hot import new_event_loop
from tests.emulators.pty_board import PtyBoard
from tests.fabricators.watched import Watched, endless

from .bench import OURS
from .test_printing import GCODE, commands

COIN = GCODE / "coin.gcode"


class Site(Watched[MarlinFabricator]):
    """A driver on a real port."""

    def __init__(self, path: str) -> None:
        """Point the driver at the port."""
        super().__init__()
        options = {"port": path, "baudrate": 115200}
        self.fabricator = MarlinFabricator(
            FabricatorConfig(key="k", name="Hot", protocol="marlin", options=options),
            self.on_snapshot,
            self.on_event,
        )

    async def print(self, task: Task) -> None:
        """Begin a print as soon as the machine is idle."""
        await self.state(MachineState.IDLE)
        assert await self.fabricator.start(task) is StartOutcome.STARTED

    @property
    def wire(self) -> tuple[str, ...]:
        """Give direction and text of what went over the wire."""
        lines = self.fabricator._connection.wire.lines()
        return tuple(line.partition(" ")[2] for line in lines)


def _on_a_board(
    main: Callable[[Site, PtyBoard], Awaitable[None]],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = new_event_loop,
) -> list[str]:
    """Give what the board has executed of the file."""
    executed: list[str] = []

    async def body(board: PtyBoard) -> None:
        site = Site(board.path)
        running = asyncio.create_task(site.fabricator.run())
        await main(site, board)
        await site.fabricator.close()
        async with asyncio.timeout(20):
            await running

    with PtyBoard() as board, asyncio.Runner(loop_factory=loop_factory) as runner:
        board.board.executed = lambda _, command: executed.append(command)
        runner.run(body(board))
    return [line for line in executed if not line.startswith(OURS)]


async def _coin(site: Site, _board: PtyBoard) -> None:
    await site.print(Task(run=1, name="coin", source=COIN, gcode=COIN))
    assert (await site.ended()).result is Result.COMPLETED
    sent = [line for line in site.wire if line.startswith("> N")]
    heard = [line for line in site.wire if line.startswith("< ok")]
    assert len(sent) > 900
    assert abs(len(sent) - len(heard)) <= 1


@pytest.fixture
def asyncio_read(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Pieces that came in asyncio's way."""
    pieces: list[bytes] = []
    through = Connection._on_data

    def note(connection: Connection, data: bytes) -> None:
        pieces.append(data)
        through(connection, data)

    monkeypatch.setattr(Connection, "_on_data", note)
    return pieces


def _file() -> list[str]:
    return [line for line in commands("coin.gcode") if not line.startswith(OURS)]


def test_print(asyncio_read: list[bytes]) -> None:
    """Every command of a file once and in order, none of it through asyncio."""
    assert _on_a_board(_coin) == _file()
    assert asyncio_read == []


def test_ordinary_loop(asyncio_read: list[bytes]) -> None:
    """The same print where the loop is an ordinary one, and the same on the wire."""
    assert _on_a_board(_coin, asyncio.new_event_loop) == _file()
    assert asyncio_read


class Rough:
    """System calls of the hot path that do not always go smoothly."""

    def __init__(self) -> None:
        """Nothing was called yet."""
        self.reads = self.writes = 0
        self.read_fault: Exception | bytes | None = None
        """What the 100th reading comes to."""

    def read(self, fd: int, size: int) -> bytes:
        """Read; sometimes there is nothing after all."""
        self.reads += 1
        if self.reads % 10 == 0:
            raise BlockingIOError
        if self.reads == 101 and self.read_fault is not None:
            if isinstance(self.read_fault, bytes):
                return self.read_fault
            raise self.read_fault
        return os.read(fd, size)

    def write(self, fd: int, data: bytes) -> int:
        """Write; sometimes a part only, sometimes nothing."""
        self.writes += 1
        if self.writes % 7 == 0:
            raise BlockingIOError
        return os.write(fd, data[: len(data) // (1 + self.writes % 3)])


@pytest.fixture
def rough(monkeypatch: pytest.MonkeyPatch) -> Rough:
    """Stand between the hot path and the system."""
    rough = Rough()
    monkeypatch.setattr(hotpath, "os", rough)
    return rough


def test_cut_lines(rough: Rough, asyncio_read: list[bytes]) -> None:
    """What the system did not take at once goes on in order."""
    assert _on_a_board(_coin) == _file()
    assert rough.writes > len(_file())
    assert rough.reads > len(asyncio_read)


@pytest.mark.parametrize("fault", [b"", OSError(errno.EIO, "Input/output error")])
def test_given_back(
    rough: Rough, asyncio_read: list[bytes], fault: Exception | bytes
) -> None:
    """An end that the hot path sees is for the transport to judge."""
    rough.read_fault = fault
    assert _on_a_board(_coin) == _file()
    assert rough.reads == 101
    assert asyncio_read


def test_unplugged(tmp_path: Path) -> None:
    """A pulled plug ends the print, and the board counts as away."""

    async def main(site: Site, board: PtyBoard) -> None:
        await site.print(endless(tmp_path, 4))
        await site.state(MachineState.PRINTING)
        board.pull()
        end = await site.ended()
        assert (end.result, end.reason) == (Result.FAILED, "connection_lost")
        await site.state(MachineState.OFFLINE)

    _on_a_board(main)


def test_closed(tmp_path: Path, asyncio_read: list[bytes]) -> None:
    """Closing in mid-print goes its safe way to the end on the hot path too."""

    async def main(site: Site, _board: PtyBoard) -> None:
        await site.print(endless(tmp_path, 4))
        await site.state(MachineState.PRINTING)
        await site.fabricator.close()
        end = await site.ended()
        assert (end.result, end.reason) == (Result.FAILED, "stopped")

    assert "M104 S0" in _on_a_board(main)
    assert asyncio_read == []
