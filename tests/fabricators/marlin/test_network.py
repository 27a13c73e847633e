"""Boards behind a network, over real sockets: printing, loss, silence and return."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
import socket

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorConfig,
    FabricatorError,
    MachineState,
    Result,
    StartOutcome,
    Task,
)
from custom_components.printfarm.fabricators.marlin import (
    connection,
    engine,
    greeting,
    silence,
)
from custom_components.printfarm.fabricators.marlin.driver import MarlinFabricator
from custom_components.printfarm.fabricators.marlin.port import SerialPort
from custom_components.printfarm.fabricators.marlin.probe import probe
from tests.emulators.tcp_board import TcpBoard
from tests.emulators.telnet import TelnetFront
from tests.fabricators.watched import Watched, endless

from .bench import OURS
from .test_printing import GCODE, commands

pytestmark = pytest.mark.usefixtures("socket_enabled")

HTTP = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"


class Site(Watched[MarlinFabricator]):
    """A board behind a socket and the driver on it."""

    def __init__(self, board: TcpBoard, url: str | None = None) -> None:
        """Point the driver at the board, or at what stands before it."""
        super().__init__()
        self.board = board
        self.fabricator = MarlinFabricator(
            FabricatorConfig(
                key="k",
                name="Network",
                protocol="marlin",
                options={"port": url or board.url, "baudrate": 250000},
            ),
            self.on_snapshot,
            self.on_event,
        )

    async def print_until_moving(self, tmp_path: Path) -> None:
        """Have it in the middle of a print."""
        started = await self.fabricator.start(endless(tmp_path, run=4))
        assert started is StartOutcome.STARTED
        await self.state(MachineState.PRINTING)


@pytest.fixture
async def site(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    """A driver that is connected to a board."""
    monkeypatch.setattr(connection, "BACKOFF", (0.01,))
    async with TcpBoard() as board:
        site = Site(board)
        running = asyncio.create_task(site.fabricator.run())
        await site.state(MachineState.IDLE)
        board.executed.clear()
        yield site
        await site.fabricator.close()
        async with asyncio.timeout(5):
            await running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is given up after a moment."""
    monkeypatch.setattr(connection, "HELLO_GRACE", 0.05)
    monkeypatch.setattr(connection, "HANG_UP_AFTER", 0.1)
    monkeypatch.setattr(greeting, "HELLO_INTERVAL", 0.02)
    monkeypatch.setattr(engine, "SYNC_INTERVAL", 0.05)
    for patience in ("ASK_AFTER", "ASK_BUSY_AFTER", "ANSWER_TIMEOUT", "BUSY_TIMEOUT"):
        monkeypatch.setattr(silence, patience, 0.05)


async def test_print(site: Site) -> None:
    """A whole print over TCP, each command once and in order."""
    file = GCODE / "vase.gcode"
    task = Task(run=1, name="vase", source=file, gcode=file)
    assert await site.fabricator.start(task) is StartOutcome.STARTED
    assert (await site.ended()).result is Result.COMPLETED
    done = [line for line in site.board.executed if not line.startswith(OURS)]
    assert done == [
        line for line in commands("vase.gcode") if not line.startswith(OURS)
    ]


@pytest.fixture
async def front() -> AsyncIterator[TelnetFront]:
    """A telnet server before a board that is reset."""
    async with TcpBoard() as board, TelnetFront(board) as front:
        yield front


async def test_print_over_telnet(front: TelnetFront) -> None:
    """A server that lets its port be set, and does not acknowledge everything."""
    site = Site(front.board, front.url)
    running = asyncio.create_task(site.fabricator.run())
    await site.state(MachineState.IDLE)
    assert int.from_bytes(front.set[1]) == 250000
    front.board.executed.clear()
    file = GCODE / "limits.gcode"
    task = Task(run=1, name="limits", source=file, gcode=file)
    assert await site.fabricator.start(task) is StartOutcome.STARTED
    assert (await site.ended()).result is Result.COMPLETED
    _is_watched(site)
    await site.fabricator.close()
    await running
    done = [line for line in front.board.executed if not line.startswith(OURS)]
    assert done == [
        line for line in commands("limits.gcode") if not line.startswith(OURS)
    ]
    assert (await probe(front.url, 115200)).model == "Virtual 220"
    assert int.from_bytes(front.set[1]) == 115200


async def test_a_dead_peer_is_noticed(site: Site) -> None:
    """The system asks for it every now and then, and gives it up in half a minute."""
    _is_watched(site)


def _is_watched(site: Site) -> None:
    transport = site.fabricator._connection._transport
    assert transport is not None
    connection = transport.get_extra_info("socket")
    assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert [
        connection.getsockopt(socket.IPPROTO_TCP, option)
        for option in (
            socket.TCP_KEEPIDLE,
            socket.TCP_KEEPINTVL,
            socket.TCP_KEEPCNT,
            socket.TCP_USER_TIMEOUT,
        )
    ] == [15, 5, 3, 30_000]
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_no_host() -> None:
    """An address without a port cannot be connected to."""
    with pytest.raises(FabricatorError) as refused:
        await probe("socket://127.0.0.1", 115200)
    assert refused.value.key == "cannot_connect"


async def test_unplugged(site: Site, tmp_path: Path) -> None:
    """A cut connection fails the run; what comes back is idle and adopts nothing."""
    await site.print_until_moving(tmp_path)
    site.board.unplug()
    end = await site.ended()
    assert (end.result, end.reason) == (Result.FAILED, "connection_lost")
    await site.state(MachineState.IDLE)
    assert site.board.connections == 2
    assert site.fabricator.snapshot.run is None
    assert site.fabricator.snapshot.position is None


async def test_server_away(site: Site) -> None:
    """A server that is switched off is asked again until it is back."""
    await site.board.stop()
    await site.state(MachineState.OFFLINE)
    await site.board.start()
    await site.state(MachineState.IDLE)


async def test_reset(site: Site, tmp_path: Path) -> None:
    """A reset in mid-print fails the run, on the same connection."""
    await site.print_until_moving(tmp_path)
    site.board.reset()
    end = await site.ended()
    assert (end.result, end.reason) == (Result.FAILED, "reset")
    await site.state(MachineState.IDLE)
    assert site.board.connections == 1


@pytest.mark.usefixtures("impatient")
async def test_half_open_while_idle(site: Site) -> None:
    """A peer that has gone without a word is hung up on, and called again."""
    site.board.silent = True
    await site.state(MachineState.OFFLINE)
    async with asyncio.timeout(30):
        while site.board.connections < 3:
            await asyncio.sleep(0.005)
    site.board.silent = False
    await site.state(MachineState.IDLE)


@pytest.mark.usefixtures("impatient")
async def test_half_open_while_printing(site: Site, tmp_path: Path) -> None:
    """A run on a dead connection ends, and says that the connection was lost."""
    await site.print_until_moving(tmp_path)
    site.board.silent = True
    end = await site.ended()
    assert (end.result, end.reason) == (Result.FAILED, "connection_lost")
    assert site.fabricator.snapshot.state is MachineState.OFFLINE
    site.board.silent = False
    await site.state(MachineState.IDLE)
    assert site.board.connections > 1


@pytest.mark.parametrize("command", ["M600", "M112"])
async def test_half_open_whatever_goes_on(
    site: Site, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Neither a person who is waited for nor a killed board holds a dead peer open."""
    request = asyncio.create_task(site.fabricator.command(command))
    while command not in site.board.executed and not site.board.board.killed:
        await asyncio.sleep(0)
    site.board.silent = True
    monkeypatch.setattr(connection, "SILENCE_LIMIT", 0.05)
    site.fabricator._connection.attend(asyncio.get_running_loop().time())
    await site.until(lambda: site.board.connections > 1 or site.snapshots)
    await site.state(MachineState.OFFLINE)
    async with asyncio.timeout(30):
        while site.board.connections < 2:
            await asyncio.sleep(0.005)
        await asyncio.wait([request])
    assert request.exception() is not None or command == "M112"


@pytest.mark.parametrize(
    ("url", "remote"),
    [
        ("socket://127.0.0.1:1", True),
        ("tcp://127.0.0.1:1", True),
        ("rfc2217://127.0.0.1:1", True),
        ("esphome://device/?port_name=uart", True),
        ("/dev/ttyUSB0", False),
        ("COM3", False),
        ("linux:///dev/ttyUSB0", False),
    ],
)
def test_what_may_be_opened_again(url: str, remote: bool) -> None:
    """Opening a port on this machine resets the board."""
    assert SerialPort(url, 115200).remote is remote


@pytest.mark.parametrize(("says", "key"), [(b"", "no_answer"), (HTTP, "not_marlin")])
async def test_probe_something_that_hangs_up(says: bytes, key: str) -> None:
    """A server of another kind behind the port, which does not care for a greeting."""

    async def refuse(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read(1)
        writer.write(says)
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(FabricatorError) as refused:
            await probe(f"socket://127.0.0.1:{port}", 115200, timeout=20)
    assert refused.value.key == key
