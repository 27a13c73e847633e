"""Real ports: pseudo-terminals through serialx, and what can be wrong with a port."""

import asyncio
from collections.abc import Callable, Iterator
import errno
import os
from pathlib import Path
import sys
import termios
from weakref import WeakSet

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorConfig,
    FabricatorError,
    MachineEvent,
    MachineEventType,
    MachineState,
    Result,
    StartOutcome,
    Task,
)
from custom_components.printfarm.fabricators.marlin import (
    connection,
    port as module,
    usb,
)
from custom_components.printfarm.fabricators.marlin.driver import MarlinFabricator
from custom_components.printfarm.fabricators.marlin.port import (
    Port,
    SerialPort,
    fault,
    hang_up,
)
from custom_components.printfarm.fabricators.marlin.probe import MachineInfo, probe
from custom_components.printfarm.fabricators.virtual.board import Faults
from tests.emulators.pty_board import PtyBoard
from tests.fabricators.watched import Watched, endless

from .bench import OURS, result_of
from .test_printing import GCODE, commands
from .test_usb import Plugged


@pytest.fixture
def pty() -> Iterator[PtyBoard]:
    """A board behind a pseudo-terminal."""
    board = PtyBoard(faults=Faults(corrupt_every=97))
    board.start()
    yield board
    board.unplug()


def _listener(gone: asyncio.Event) -> asyncio.Protocol:
    return Port(lambda _: None, lambda _: gone.set())


def _factory() -> asyncio.Protocol:
    return _listener(asyncio.Event())


async def test_print_over_a_pty(pty: PtyBoard) -> None:
    """A whole print over a real port, with damaged lines on the way."""
    executed: list[str] = []
    file = GCODE / "coin.gcode"
    pty.board.executed = lambda _, command: executed.append(command)
    events: asyncio.Queue[MachineEvent] = asyncio.Queue()
    idle = asyncio.Event()
    fabricator = MarlinFabricator(
        FabricatorConfig(
            key="k",
            name="PTY",
            protocol="marlin",
            options={"port": pty.path, "baudrate": 115200},
        ),
        lambda snapshot: idle.set() if snapshot.state is MachineState.IDLE else None,
        events.put_nowait,
    )
    running = asyncio.create_task(fabricator.run())
    async with asyncio.timeout(60):
        await idle.wait()
        with pytest.raises(FabricatorError) as busy:
            await probe(pty.path, 115200)
        assert busy.value.key == "port_busy"
        executed.clear()
        task = Task(run=1, name="coin", source=file, gcode=file)
        assert await fabricator.start(task) is StartOutcome.STARTED
        assert (await events.get()).type is MachineEventType.STARTED
        end = await events.get()
        assert (end.type, end.result) == (MachineEventType.ENDED, Result.COMPLETED)
        await fabricator.close()
        await running
    done = [line for line in executed if not line.startswith(OURS)]
    assert done == commands("coin.gcode")


async def test_probe(pty: PtyBoard) -> None:
    """Setting up asks the board what it is, and leaves the port to others."""
    for _ in range(2):
        info = await probe(pty.path, 115200)
        assert isinstance(info, MachineInfo)
        assert info.firmware.startswith("Marlin 2.1.2")
        assert info.model == "Virtual 220"
        assert info.build_volume == (220.0, 220.0, 250.0)
        assert info.tools == 1


@pytest.mark.parametrize(
    ("says", "key"),
    [(b"", "no_answer"), (b"Grbl 1.1h ['$' for help]\r\n", "not_marlin")],
)
async def test_probe_something_else(says: bytes, key: str) -> None:
    """A port without a board, or with another one."""
    master, slave = os.openpty()
    loop = asyncio.get_running_loop()

    def answer() -> None:
        os.read(master, 1000)
        os.write(master, says)

    loop.add_reader(master, answer)
    try:
        with pytest.raises(FabricatorError) as refused:
            await probe(os.ttyname(slave), 115200, timeout=0.5)
        assert refused.value.key == key
    finally:
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)


async def test_port_not_found(tmp_path: Path) -> None:
    """A port that is not there, and again: it is not left in use."""
    for _ in range(2):
        with pytest.raises(FabricatorError) as refused:
            await probe(str(tmp_path / "ttyUSB7"), 115200)
        assert refused.value.key == "port_not_found"
    assert not module._in_use


async def test_same_port_by_another_name(pty: PtyBoard, tmp_path: Path) -> None:
    """A link to a port in use is that port: opening it would reset the board."""
    link = tmp_path / "by-id"
    link.symlink_to(pty.path)
    first = SerialPort(pty.path, 115200)
    gone = asyncio.Event()
    transport, _ = await first.open(lambda: _listener(gone))
    with pytest.raises(FabricatorError) as refused:
        await SerialPort(str(link), 115200).open(_factory)
    assert refused.value.key == "port_busy"
    await hang_up(transport, gone)
    first.release()
    first.release()
    again = SerialPort(str(link), 115200)
    gone.clear()
    transport, _ = await again.open(lambda: _listener(gone))
    await hang_up(transport, gone)
    again.release()


async def test_cancelled_opening_frees_the_port(
    pty: PtyBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Giving up while opening leaves nothing in use."""

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(module.serialx, "create_serial_connection", never)
    opening = asyncio.create_task(SerialPort(pty.path, 115200).open(_factory))
    while not module._in_use:
        await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not module._in_use


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (OSError(errno.EACCES, "no"), "permission_denied"),
        (OSError(errno.EBUSY, "no"), "port_busy"),
        (OSError(errno.EAGAIN, "no"), "port_busy"),
        (OSError(errno.ENXIO, "no"), "port_not_found"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), "cannot_connect"),
        (TimeoutError(), "cannot_connect"),
        (module.serialx.SerialException("no"), "cannot_connect"),
    ],
)
def test_fault(error: Exception, key: str) -> None:
    """Errors by name, also when wrapped."""
    assert fault(error) == key
    wrapped = module.serialx.SerialException("wrapped")
    wrapped.__cause__ = error
    assert fault(wrapped) == key


class Desk(Watched[MarlinFabricator]):
    """A driver on a port by its path, as somebody configured it."""

    def __init__(self, path: str, plugged: dict[str, object] | None = None) -> None:
        """Point the driver at the path, or at what is plugged in."""
        super().__init__()
        self.fabricator = MarlinFabricator(
            FabricatorConfig(
                key="k",
                name="Desk",
                protocol="marlin",
                options={"port": path, "baudrate": 115200, "usb": plugged},
            ),
            self.on_snapshot,
            self.on_event,
        )

    async def lose(self, tmp_path: Path) -> MachineEvent:
        """Print until something ends it."""
        task = endless(tmp_path, run=5)
        assert await self.fabricator.start(task) is StartOutcome.STARTED
        await self.until(lambda: len(self.events) == 2)
        assert [event.type for event in self.events] == [
            MachineEventType.STARTED,
            MachineEventType.ENDED,
        ]
        return self.events[1]


async def test_unplugged_and_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pulled plug fails the run; the port that returns is idle and adopts nothing."""
    monkeypatch.setattr(connection, "BACKOFF", (0.01,))
    link = tmp_path / "by-id"
    first = PtyBoard()
    first.board.executed = _at(3000, first.pull)
    link.symlink_to(first.path)
    first.start()
    desk = Desk(str(link))
    running = asyncio.create_task(desk.fabricator.run())
    await desk.state(MachineState.IDLE)
    end = await desk.lose(tmp_path)
    assert (end.run, end.result, end.reason) == (5, Result.FAILED, "connection_lost")
    await desk.state(MachineState.OFFLINE)
    first.unplug()
    executed: list[str] = []
    with PtyBoard() as second:
        second.board.executed = lambda _, command: executed.append(command)
        link.unlink()
        link.symlink_to(second.path)
        await desk.state(MachineState.IDLE)
        assert desk.fabricator.snapshot.run is None
        assert not [command for command in executed if command.startswith("G")]
        assert await result_of(desk.fabricator, 5) is Result.FAILED
        await desk.fabricator.close()
        await running
    assert len(desk.events) == 2


async def test_reset_over_a_pty(tmp_path: Path) -> None:
    """A board that starts anew in mid-print fails the run and is idle again."""
    with PtyBoard(faults=Faults(reset_at=3000)) as pty:
        desk = Desk(pty.path)
        running = asyncio.create_task(desk.fabricator.run())
        await desk.state(MachineState.IDLE)
        end = await desk.lose(tmp_path)
        assert (end.result, end.reason) == (Result.FAILED, "reset")
        await desk.state(MachineState.IDLE)
        await desk.fabricator.close()
        await running


def _at(count: int, deed: Callable[[], None]) -> Callable[[int | None, str], None]:
    """Do something at the count-th command that a board executes."""
    left = count

    def executed(_number: int | None, _command: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            deed()

    return executed


BOARD = usb.UsbIdentity(0x1D50, 0x6029, "0700A00C")
CLONE = usb.UsbIdentity(0x1A86, 0x7523)


def _plugged(path: str, what: usb.UsbIdentity) -> Plugged:
    return Plugged(path, what.vid, what.pid, what.serial_number)


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> list[Plugged]:
    """What the system lists as plugged in."""
    ports: list[Plugged] = []
    monkeypatch.setattr(usb.serialx, "list_serial_ports", lambda: list(ports))
    return ports


async def _opens(port: SerialPort) -> str:
    """Open a port and hang up; gives its path."""
    gone = asyncio.Event()
    transport, _ = await port.open(lambda: _listener(gone))
    assert isinstance(transport, module.serialx.SerialTransport)
    path = os.ttyname(transport.serial.fileno())
    await hang_up(transport, gone)
    port.release()
    return path


async def _missing(port: SerialPort) -> bool:
    with pytest.raises(FabricatorError) as refused:
        await port.open(_factory)
    return refused.value.key == "port_not_found"


async def test_replugged_under_another_name(
    pty: PtyBoard,
    tmp_path: Path,
    plugged: list[Plugged],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A device is found by its number, and where is said once."""
    gone = str(tmp_path / "ttyACM0")
    port = SerialPort(gone, 115200, BOARD)
    assert await _missing(port)
    plugged.append(_plugged(pty.path, BOARD))
    for _ in range(2):
        assert await _opens(port) == pty.path
    said = [each.message for each in caplog.records if each.name == module.__name__]
    assert said == [f"The device of {gone} is found at {pty.path}"]


async def test_another_device_under_its_name(
    pty: PtyBoard, plugged: list[Plugged]
) -> None:
    """A path that now belongs to something else is left alone."""
    other = PtyBoard()
    port = SerialPort(other.path, 115200, BOARD)
    plugged.append(_plugged(other.path, CLONE))
    assert await _missing(port)
    plugged.append(_plugged(pty.path, BOARD))
    assert await _opens(port) == pty.path
    plugged[:] = [_plugged(other.path, BOARD)]
    assert await _opens(port) == other.path
    # Nothing is known of what is there: its name has to do.
    plugged.clear()
    assert await _opens(port) == other.path
    other.start()
    other.unplug()


async def test_a_device_without_number(
    pty: PtyBoard,
    tmp_path: Path,
    plugged: list[Plugged],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only one that was here before is looked for, and only where it is the only one."""
    # Those of other tests may not be gone yet.
    monkeypatch.setattr(module, "_configured", WeakSet())
    link = tmp_path / "ttyUSB0"
    port = SerialPort(str(link), 115200, CLONE)
    plugged.append(_plugged(pty.path, CLONE))
    assert await _missing(port)
    link.symlink_to(pty.path)
    assert await _opens(port) == pty.path
    link.unlink()
    assert await _opens(port) == pty.path
    plugged.append(_plugged("/dev/null", CLONE))
    assert await _missing(port)
    plugged.pop()
    there = SerialPort(pty.path, 115200)
    assert await _missing(port)
    del there
    assert await _opens(port) == pty.path
    away = SerialPort("/dev/ttyUSB9", 115200, CLONE)
    assert await _missing(port)
    del away
    assert await _opens(port) == pty.path


async def test_a_port_of_another_fabricator(
    pty: PtyBoard, tmp_path: Path, plugged: list[Plugged]
) -> None:
    """What is open is never taken, whatever its number says."""
    port = SerialPort(str(tmp_path / "ttyACM0"), 115200, BOARD)
    plugged.append(_plugged(pty.path, BOARD))
    other, gone = SerialPort(pty.path, 115200), asyncio.Event()
    transport, _ = await other.open(lambda: _listener(gone))
    assert await _missing(port)
    await hang_up(transport, gone)
    other.release()
    assert await _opens(port) == pty.path


async def test_driver_finds_its_device(
    tmp_path: Path, plugged: list[Plugged], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unplugged in mid-print, plugged in again under another name, and idle there."""
    monkeypatch.setattr(connection, "BACKOFF", (0.01,))
    first = PtyBoard()
    first.board.executed = _at(3000, first.pull)
    first.start()
    plugged.append(_plugged(first.path, BOARD))
    desk = Desk(first.path, {"vid": 0x1D50, "pid": 0x6029, "serial_number": "0700A00C"})
    running = asyncio.create_task(desk.fabricator.run())
    await desk.state(MachineState.IDLE)
    with PtyBoard() as second:
        end = await desk.lose(tmp_path)
        assert (end.result, end.reason) == (Result.FAILED, "connection_lost")
        plugged[:] = [_plugged(second.path, BOARD)]
        await desk.state(MachineState.IDLE)
        assert desk.fabricator.snapshot.run is None
        await desk.fabricator.close()
        await running
    first.unplug()


def _flags(path: str) -> tuple[int, int]:
    """Return a port's control flags and speed."""
    port = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        attributes = termios.tcgetattr(port)
    finally:
        os.close(port)
    return attributes[2], attributes[5]


async def test_hanging_up_lowers_no_line(pty: PtyBoard) -> None:
    """Neither closing a port nor dying with it resets the board."""
    port = os.open(pty.path, os.O_RDWR | os.O_NOCTTY)
    attributes = termios.tcgetattr(port)
    attributes[2] |= termios.HUPCL
    termios.tcsetattr(port, termios.TCSANOW, attributes)
    os.close(port)
    assert _flags(pty.path)[0] & termios.HUPCL
    await _opens(SerialPort(pty.path, 115200))
    assert not _flags(pty.path)[0] & termios.HUPCL
    await _opens(SerialPort(f"device://{pty.path}", 115200))
    assert not _flags(pty.path)[0] & termios.HUPCL


_HOLDER = """
import asyncio, sys
from custom_components.printfarm.fabricators.marlin.port import Port, SerialPort

async def hold():
    port = SerialPort(sys.argv[1], 57600)
    await port.open(lambda: Port(lambda _: None, lambda _: None))
    print("open", flush=True)
    await asyncio.Event().wait()

asyncio.run(hold())
"""


async def test_a_port_that_another_process_holds(pty: PtyBoard) -> None:
    """It is busy, and nothing on it is touched; free again once that process dies."""
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _HOLDER, pty.path, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"open\n"
    before = _flags(pty.path)
    assert before[1] == termios.B57600
    for _ in range(2):
        with pytest.raises(FabricatorError) as busy:
            await probe(pty.path, 115200)
        assert busy.value.key == "port_busy"
    assert _flags(pty.path) == before
    holder.kill()
    await holder.wait()
    assert not _flags(pty.path)[0] & termios.HUPCL
    assert (await probe(pty.path, 115200)).model == "Virtual 220"
