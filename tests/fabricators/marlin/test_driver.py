"""The driver on emulated boards in the event loop: what the farm sees."""

import asyncio
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
import logging
from pathlib import Path

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
    driver as module,
    greeting,
)
from custom_components.printfarm.fabricators.marlin.driver import MarlinFabricator
from custom_components.printfarm.fabricators.marlin.parking import Standby
from custom_components.printfarm.fabricators.virtual.bench import open_board
from custom_components.printfarm.fabricators.virtual.board import Faults
from custom_components.printfarm.fabricators.virtual.transport import BoardTransport
from tests.fabricators.watched import Watched

from .bench import OURS, result_of
from .test_printing import GCODE, commands

ENDED = MachineEventType.ENDED


class Shop(Watched[MarlinFabricator]):
    """A driver, the board behind it, and everything that it has reported."""

    def __init__(self, profile: str = "marlin_2", speed: float = 0.0) -> None:
        """Make the driver; nothing is connected yet."""
        super().__init__()
        self.profile = profile
        self.speed = speed
        self.faults = Faults()
        self.opened = 0
        self.error: Exception | None = None
        self.cable: BoardTransport | None = None
        self.executed: list[str] = []
        self.fabricator = MarlinFabricator(
            FabricatorConfig(key="k", name="Bench", protocol="marlin"),
            self.on_snapshot,
            self.on_event,
            open_port=self._open,
        )
        self.task: asyncio.Task[None] | None = None

    async def _open(
        self, factory: Callable[[], asyncio.Protocol]
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        self.opened += 1
        if self.error is not None:
            raise self.error
        cable, protocol = await open_board(
            factory, self.profile, self.speed, self.faults
        )
        self.cable = cable
        cable.board.executed = lambda _, command: self.executed.append(command)
        return cable, protocol

    async def connect(self) -> None:
        """Run the driver until the machine is idle."""
        self.task = asyncio.create_task(self.fabricator.run())
        await self.state(MachineState.IDLE)
        self.executed.clear()


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """A driver on a board that is as fast as it goes."""
    shop = Shop()
    yield shop
    await shop.fabricator.close()
    if shop.task is not None:
        await asyncio.wait_for(shop.task, 5)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BACKOFF", (0.01,))
    monkeypatch.setattr(module, "REPORT_INTERVAL", 0.01)


def _task(name: str = "coin.gcode", run: int = 7) -> Task:
    return Task(run=run, name=name, source=GCODE / name, gcode=GCODE / name)


def _slow(tmp_path: Path) -> Task:
    """A print that takes its time also on a board without any."""
    path = tmp_path / "slow.gcode"
    path.write_text(
        "G28\nM190 S60\n" + "".join(f"G1 X{x % 90}\n" for x in range(200000))
    )
    return Task(run=8, name="slow", source=path, gcode=path)


@pytest.mark.parametrize("name", ["coin.gcode", "vase.gcode", "two_tools.gcode"])
@pytest.mark.parametrize("profile", ["marlin_2", "marlin_1", "idex"])
async def test_print(shop: Shop, name: str, profile: str) -> None:
    """Every command of a sliced file is executed once, in its order."""
    shop.profile = profile
    await shop.connect()
    assert await shop.fabricator.start(_task(name)) is StartOutcome.STARTED
    assert shop.events == [MachineEvent(type=MachineEventType.STARTED, run=7)]
    end = await shop.ended()
    assert end == MachineEvent(type=ENDED, run=7, result=Result.COMPLETED)
    done = [line for line in shop.executed if not line.startswith(OURS)]
    expected = [line for line in commands(name) if not line.startswith(OURS)]
    assert (
        sha256("\n".join(done).encode()).digest()
        == sha256("\n".join(expected).encode()).digest()
    )
    running = [snapshot for snapshot in shop.snapshots if snapshot.run == 7]
    size = (GCODE / name).stat().st_size
    positions = [snapshot.position for snapshot in running]
    assert positions == sorted(positions)
    assert all(snapshot.size == size for snapshot in running)
    assert {snapshot.state for snapshot in running} == {
        MachineState.PREPARING,
        MachineState.PRINTING,
    }
    assert shop.fabricator.snapshot.state is MachineState.IDLE
    assert shop.fabricator.snapshot.run is None
    assert await result_of(shop.fabricator, 7) is Result.COMPLETED
    assert await result_of(shop.fabricator, 6) is Result.UNKNOWN


async def test_looks(shop: Shop) -> None:
    """What M115 said becomes capabilities, firmware and model."""
    await shop.connect()
    capabilities = shop.fabricator.capabilities
    assert capabilities.build_volume == (220.0, 220.0, 250.0)
    assert capabilities.tools == 1
    snapshot = shop.fabricator.snapshot
    assert snapshot.firmware.startswith("Marlin 2.1.2")
    assert snapshot.model == "Virtual 220"
    assert snapshot.seen is not None
    await shop.fabricator.command("M105")
    assert snapshot.nozzles == shop.fabricator.snapshot.nozzles
    assert len(shop.fabricator.snapshot.nozzles) == 1


async def test_pause_and_resume(shop: Shop, tmp_path: Path) -> None:
    """Pausing and resuming is told once each, with the states in between."""
    await shop.connect()
    await shop.fabricator.start(_slow(tmp_path))
    await shop.state(MachineState.PRINTING)
    with pytest.raises(FabricatorError, match="not_paused"):
        await shop.fabricator.resume()
    await shop.fabricator.pause()
    await shop.state(MachineState.PAUSED)
    (paused,) = shop.told(MachineEventType.PAUSED)
    assert (paused.run, paused.reason) == (8, "user")
    await shop.fabricator.pause()
    await shop.fabricator.resume()
    await shop.until(lambda: shop.told(MachineEventType.RESUMED))
    await shop.fabricator.cancel()
    assert (await shop.ended()).result is Result.CANCELLED
    moves = [
        line for line in shop.executed if line.startswith("G1 X") and "Y" not in line
    ]
    assert moves == [f"G1 X{x % 90}" for x in range(len(moves))]


async def test_refuses(shop: Shop, tmp_path: Path) -> None:
    """A start that cannot be is refused, and nothing has happened."""
    assert await shop.fabricator.start(_task()) is StartOutcome.REFUSED
    await shop.connect()
    missing = Task(run=1, name="x", source=tmp_path / "x", gcode=tmp_path / "x")
    assert await shop.fabricator.start(missing) is StartOutcome.REFUSED
    packed = Task(run=1, name="x", source=tmp_path / "x", gcode=None)
    assert await shop.fabricator.start(packed) is StartOutcome.REFUSED
    await shop.fabricator.start(_slow(tmp_path))
    assert await shop.fabricator.outcome(8) is None
    assert await shop.fabricator.start(_task()) is StartOutcome.REFUSED
    assert [event.run for event in shop.events] == [8]
    for deed in (shop.fabricator.pause, shop.fabricator.resume, shop.fabricator.cancel):
        assert deed.__doc__
    await shop.fabricator.cancel()
    await shop.ended()
    for deed in (shop.fabricator.pause, shop.fabricator.cancel):
        with pytest.raises(FabricatorError, match="not_printing"):
            await deed()


async def test_unplugged(
    shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A pulled plug fails the run; the machine comes back by itself, told once."""
    caplog.set_level(logging.INFO)
    await shop.connect()
    await shop.fabricator.start(_slow(tmp_path))
    await shop.state(MachineState.PRINTING)
    reply = asyncio.create_task(shop.fabricator.command("G4 S100"))
    await asyncio.sleep(0)
    shop.error = FabricatorError("port_not_found", "gone")
    shop.cable.unplug(OSError("gone"))
    end = await shop.ended()
    assert (end.result, end.reason) == (Result.FAILED, "connection_lost")
    with pytest.raises(FabricatorError, match="not_connected"):
        await reply
    await shop.state(MachineState.OFFLINE)
    opened = shop.opened
    while shop.opened < opened + 3:
        await asyncio.sleep(0.005)
    shop.error = None
    await shop.state(MachineState.IDLE)
    lines = [
        record.getMessage()
        for record in caplog.records
        if "Bench" in record.getMessage()
    ]
    assert len(lines) == 2, lines
    assert await result_of(shop.fabricator, 8) is Result.FAILED


async def test_lost_before_the_first_answer(shop: Shop, tmp_path: Path) -> None:
    """When nobody knows whether the print was taken up, that is what is said."""
    path = tmp_path / "one.gcode"
    path.write_text("G4 S1000\n")
    shop.speed = 1.0
    await shop.connect()
    task = Task(run=3, name="one", source=path, gcode=path)
    start = asyncio.create_task(shop.fabricator.start(task))
    while "G4 S1000" not in shop.executed:
        await asyncio.sleep(0.005)
    shop.cable.unplug()
    assert await start is StartOutcome.UNKNOWN
    assert shop.events == []
    assert await result_of(shop.fabricator, 3) is Result.UNKNOWN


async def test_lost_before_the_first_line(shop: Shop) -> None:
    """When no line of the file has left, the print was certainly not begun."""
    await shop.connect()
    start = asyncio.create_task(shop.fabricator.start(_task()))
    while shop.fabricator._engine.phase.name != "STARTING":
        await asyncio.sleep(0)
    shop.cable.unplug()
    assert await start is StartOutcome.REFUSED
    assert shop.events == []


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        (Faults(reset_at=300), "reset"),
        (Faults(kill_at=300), "heater_fault"),
    ],
)
async def test_firmware_gives_up(shop: Shop, faults: Faults, reason: str) -> None:
    """A reset and a kill end the run, each with its name."""
    shop.faults = faults
    await shop.connect()
    await shop.fabricator.start(_task())
    end = await shop.ended()
    assert (end.result, end.reason) == (Result.FAILED, reason)
    if reason == "reset":
        await shop.state(MachineState.IDLE)
    else:
        await shop.until(lambda: shop.told(MachineEventType.ERROR))
        assert shop.fabricator.snapshot.state is MachineState.ERROR
        assert "Thermal Runaway" in shop.fabricator.snapshot.error


async def test_close_ends_a_print_safely(shop: Shop, tmp_path: Path) -> None:
    """Nobody would watch the heaters: they go off before we go."""
    await shop.connect()
    await shop.fabricator.start(_slow(tmp_path))
    await shop.state(MachineState.PRINTING)
    await shop.fabricator.close()
    await shop.fabricator.close()
    (end,) = shop.told(ENDED)
    assert (end.result, end.reason) == (Result.FAILED, "stopped")
    assert shop.fabricator.snapshot.state is MachineState.OFFLINE
    assert {"M104 S0", "M140 S0", "M84 S0"} <= set(shop.executed)
    assert shop.cable.is_closing()
    assert await shop.fabricator.start(_task()) is StartOutcome.REFUSED


async def test_close_for_good(shop: Shop, tmp_path: Path) -> None:
    """What was to stay warm cools where nobody will go on with the print."""
    shop.fabricator._engine._course.standby = Standby.BED
    await shop.connect()
    await shop.fabricator.start(_slow(tmp_path))
    await shop.state(MachineState.PRINTING)
    shop.fabricator.give_up()
    await shop.fabricator.close()
    assert "M140 S0" in shop.executed


async def test_close_in_a_long_command(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board that does not come round in time is told to cool down all the same."""
    monkeypatch.setattr(module, "CLOSE_GRACE", 0.05)
    shop.speed = 1.0
    path = tmp_path / "long.gcode"
    path.write_text("M140 S60\nG4 S3\n")
    await shop.connect()
    await shop.fabricator.start(Task(run=1, name="l", source=path, gcode=path))
    await shop.until(lambda: shop.told(MachineEventType.STARTED))
    board = shop.cable.board
    written = []
    monkeypatch.setattr(shop.cable, "write", written.append)
    await shop.fabricator.close()
    (end,) = shop.told(ENDED)
    assert (end.result, end.reason) == (Result.FAILED, "stopped")
    assert b"M104 S0\nM140 S0\n" in b"".join(written)
    assert board is shop.cable.board


async def test_close_before_run(shop: Shop) -> None:
    """Closing what never ran does nothing, and it does not run any more."""
    await shop.fabricator.close()
    await shop.fabricator.run()
    assert shop.opened == 0


@pytest.mark.parametrize(
    ("heater", "celsius", "command"),
    [
        ("nozzle", 210, "M104 S210"),
        ("nozzle1", 195.5, "M104 T1 S195.5"),
        ("bed", 60, "M140 S60"),
        ("chamber", 40, "M141 S40"),
    ],
)
async def test_set_target(
    shop: Shop, heater: str, celsius: float, command: str
) -> None:
    """Heaters by their names."""
    await shop.connect()
    await shop.fabricator.set_target(heater, celsius)
    assert command in shop.executed


async def test_commands(shop: Shop) -> None:
    """Commands are checked, and what cannot be one is refused."""
    with pytest.raises(FabricatorError, match="not_connected"):
        await shop.fabricator.command("M105")
    await shop.connect()
    assert (await shop.fabricator.command("M105 ; now"))[0].startswith("T:")
    for line in ("", "; nothing", "M105\nG28", "M110 N5", "G1 " + "X1.23456789" * 12):
        with pytest.raises(FabricatorError) as refused:
            await shop.fabricator.command(line)
        assert refused.value.key == "invalid_command"
    with pytest.raises(FabricatorError) as refused:
        await shop.fabricator.set_target("lid", 20)
    assert refused.value.key == "unknown_heater"
    assert await shop.fabricator.command("M999999") == (
        'echo:Unknown command: "M999999"',
    )


async def test_file_that_cannot_be_sent(shop: Shop, tmp_path: Path) -> None:
    """A command longer than the firmware's buffer ends the print with its reason."""
    path = tmp_path / "long.gcode"
    path.write_text("G1 X10\n" * 20000 + "G1 " + "X1.23456789" * 12 + "\n")
    await shop.connect()
    await shop.fabricator.start(Task(run=1, name="l", source=path, gcode=path))
    end = await shop.ended()
    assert (end.result, end.reason) == (Result.FAILED, "file_error")


async def test_dialogue(shop: Shop, tmp_path: Path) -> None:
    """A filament runout is told, with the machine's question and its answer."""
    shop.faults = Faults(runout_at=2000)
    await shop.connect()
    await shop.fabricator.start(_task())
    await shop.until(lambda: shop.told(MachineEventType.FILAMENT_RUNOUT))
    await shop.state(MachineState.PAUSED)
    await shop.until(lambda: shop.fabricator.snapshot.message)
    await shop.fabricator.resume()
    assert (await shop.ended()).result is Result.COMPLETED


async def test_reports_are_rare(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of lines make a handful of reports."""
    monkeypatch.setattr(module, "REPORT_INTERVAL", 0.25)
    await shop.connect()
    shop.snapshots.clear()
    began = asyncio.get_running_loop().time()
    await shop.fabricator.start(_task("vase.gcode"))
    await shop.ended()
    seconds = asyncio.get_running_loop().time() - began
    assert len(shop.snapshots) < 10 + seconds * 5


async def test_port_that_does_not_open(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """A machine that is off is off: one line in the log, and on trying."""
    shop.error = OSError("no such port")
    task = shop.task = asyncio.create_task(shop.fabricator.run())
    while shop.opened < 5:
        await asyncio.sleep(0.005)
    assert shop.fabricator.snapshot.state is MachineState.OFFLINE
    assert len([r for r in caplog.records if "Bench" in r.getMessage()]) == 1
    shop.error = None
    await shop.state(MachineState.IDLE)
    assert not task.done()


async def test_closing_does_not_wait_for_the_next_try(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is off does not hold up a restart."""
    monkeypatch.setattr(connection, "BACKOFF", (1000.0,))
    shop.error = FabricatorError("port_not_found")
    shop.task = asyncio.create_task(shop.fabricator.run())
    await shop.until(
        lambda: shop.snapshots and shop.fabricator._connection._available is False
    )
    await shop.fabricator.close()
    await asyncio.wait_for(shop.task, 5)
    assert shop.opened == 1


async def test_nobody_answers(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open port with nobody behind it is a machine that is off; it is not reopened."""
    monkeypatch.setattr(connection, "HELLO_GRACE", 0.05)
    monkeypatch.setattr(module, "REPORT_INTERVAL", 0.01)
    monkeypatch.setattr(greeting, "HELLO_INTERVAL", 0.02)
    shop.faults = Faults(silence_at=1)
    shop.task = asyncio.create_task(shop.fabricator.run())
    await shop.state(MachineState.OFFLINE)
    await shop.until(
        lambda: shop.opened and shop.fabricator._connection._available is False
    )
    assert shop.opened == 1
    shop.cable.reset_board()
    await shop.state(MachineState.IDLE)
    assert shop.opened == 1
