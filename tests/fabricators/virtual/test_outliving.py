"""A print that its driver does not outlive: the next driver takes it up."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from itertools import count
import json
from pathlib import Path
from time import time

import pytest

from custom_components.printfarm.fabricators.interface import (
    Checkpoint,
    FabricatorConfig,
    FabricatorError,
    MachineEvent,
    MachineState,
    Result,
    Resume,
    StartOutcome,
    Task,
)
from custom_components.printfarm.fabricators.marlin import (
    driver as driver_module,
    salvage,
)
from custom_components.printfarm.fabricators.marlin.tape import Tape
from custom_components.printfarm.fabricators.streamer.messages import (
    event_from_json,
    event_to_json,
)
from custom_components.printfarm.fabricators.virtual.bench import BENCH
from custom_components.printfarm.fabricators.virtual.driver import VirtualFabricator
from custom_components.printfarm.gcode.replay import replay
from tests.fabricators.watched import Watched

_keys = count()


class Machine(Watched[VirtualFabricator]):
    """One driver of several, one after the other, on the same board."""

    def __init__(
        self, key: str, lost: Checkpoint | None = None, **options: object
    ) -> None:
        """Make the driver and run it."""
        super().__init__()
        self.fabricator = VirtualFabricator(
            FabricatorConfig(key=key, name="V", protocol="virtual", options=options),
            self.on_snapshot,
            self.on_event,
            tape=Tape(bytearray(Tape.SIZE)),
            lost=lost,
        )
        self.key = key
        self._run = asyncio.create_task(self.fabricator.run())

    async def stop(self) -> None:
        """Let go of the board."""
        await self.fabricator.close()
        await asyncio.wait_for(self._run, 10)

    def watch(self) -> list[str]:
        """Everything that the board executes from now on."""
        executed: list[str] = []
        board = BENCH.board(self.key)
        assert board is not None
        board.executed = lambda _, command: executed.append(command)
        return executed


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "REPORT_INTERVAL", 0.005)


@pytest.fixture
async def key() -> AsyncIterator[str]:
    """A board of its own."""
    key = f"outliving-{next(_keys)}"
    yield key
    BENCH.remove(key)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A print of some thousand lines."""
    path = tmp_path / "a.gcode"
    lines = ["M140 S60", "M104 S200", "G28", "M190 S60", "M109 S200", "M83"]
    for layer in range(40):
        lines.append(f"G1 Z{0.2 + layer * 0.2:.1f} F600")
        lines += [
            f"G1 X{20 + step % 50} Y{20 + step // 50} E0.05 F6000"
            for step in range(200)
        ]
    path.write_text("\n".join([*lines, "M104 S0", "M140 S0"]) + "\n")
    return path


async def _stopped(key: str, file: Path, **options: object) -> MachineEvent:
    """Print a part of it, stop, and hand over what a host would keep."""
    machine = Machine(key, **options)
    await machine.state(MachineState.IDLE)
    task = Task(run=1, name="a", source=file, gcode=file)
    assert machine.fabricator.checkpoint() is None
    assert await machine.fabricator.start(task) is StartOutcome.STARTED
    await machine.until(lambda: (machine.fabricator.snapshot.position or 0) > 20_000)
    checkpoint = machine.fabricator.checkpoint()
    assert checkpoint is not None
    assert checkpoint.position > 20_000
    assert checkpoint.data["z"] > 0
    await machine.stop()
    end = await machine.ended()
    assert (end.result, end.reason) == (Result.FAILED, "stopped")
    return event_from_json(json.loads(json.dumps(event_to_json(end))))


def _task(file: Path, located: Checkpoint) -> Task:
    resume = Resume(checkpoint=located, **asdict(replay(file, located.position)))
    return Task(run=2, name="a", source=file, gcode=file, resume=resume)


@pytest.mark.parametrize(("model", "reset"), [("marlin_2", False), ("marlin_1", True)])
async def test_next_driver_goes_on(
    key: str, file: Path, model: str, reset: bool
) -> None:
    """A board that is reset by opening its port is told from one that is not."""
    end = await _stopped(key, file, model=model, speed=0, standby="bed")
    assert end.checkpoint is not None
    board = BENCH.board(key)
    assert board is not None
    assert board.temperatures["bed"][1] == 60

    machine = Machine(key, end.checkpoint, model=model, speed=0, standby="bed")
    await machine.state(MachineState.IDLE)
    located = await machine.fabricator.locate(end.checkpoint)
    assert located.data["reset"] is reset
    assert located.position == end.checkpoint.position
    executed = machine.watch()
    task = _task(file, located)
    assert await machine.fabricator.start(task) is StartOutcome.STARTED
    assert machine.fabricator.snapshot.state is MachineState.PREPARING
    end = await machine.ended()
    assert end.result is Result.COMPLETED
    rest = file.read_bytes()[located.position :].decode().splitlines()
    assert [line for line in executed if line in rest][-len(rest) :] == rest
    assert ("G28 X Y" in executed) is reset
    size = file.stat().st_size
    seen = [snapshot.position for snapshot in machine.snapshots if snapshot.run == 2]
    assert located.position <= min(seen) <= max(seen) <= size
    await machine.stop()


async def test_board_that_changed_meanwhile(key: str, file: Path) -> None:
    """What was asked of the board holds for that board and that moment only."""
    end = await _stopped(key, file, speed=0)
    assert end.checkpoint is not None
    machine = Machine(key, end.checkpoint, speed=0)
    await machine.state(MachineState.IDLE)
    located = await machine.fabricator.locate(end.checkpoint)
    assert located.data["reset"] is False
    board = BENCH.board(key)
    assert board is not None
    BENCH._cables[key].reset_board()
    await machine.until(lambda: machine.fabricator._engine.remembers.reset)
    await machine.state(MachineState.IDLE)
    task = _task(file, located)
    assert await machine.fabricator.start(task) is StartOutcome.REFUSED
    again = await machine.fabricator.locate(end.checkpoint)
    assert again.data["reset"] is True
    await machine.stop()


async def test_nobody_answers(
    key: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the board nothing can be said."""
    monkeypatch.setattr(salvage, "LOCATE_GRACE", 0.01)
    machine = Machine(key, model="no such thing")
    lost = Checkpoint(position=1, at=1.0, data={"file": str(file)})
    with pytest.raises(FabricatorError) as caught:
        await machine.fabricator.locate(lost)
    assert caught.value.key == "not_connected"
    await machine.stop()


async def test_file_is_gone(key: str, tmp_path: Path) -> None:
    """Going back in a file takes the file."""
    machine = Machine(key, speed=0)
    await machine.state(MachineState.IDLE)
    data = {"file": str(tmp_path / "gone"), "modal": {"positioning": ["G90", "M82"]}}
    lost = Checkpoint(position=1000, at=1.0, data=data)
    with pytest.raises(FabricatorError) as caught:
        await machine.fabricator.locate(lost)
    assert caught.value.key == "file_error"
    await machine.stop()


@pytest.mark.parametrize(
    ("ago", "hold", "adrift"),
    [(10, False, False), (500, False, True), (500, True, False)],
)
async def test_motors_that_went_off(
    key: str, file: Path, ago: float, hold: bool, adrift: bool
) -> None:
    """A head whose motors were off for a while may have been pushed."""
    end = await _stopped(key, file, speed=0)
    assert end.checkpoint is not None
    parked = {**end.checkpoint.data["parked"], "hold": hold}
    lost = replace(
        end.checkpoint, at=time() - ago, data={**end.checkpoint.data, "parked": parked}
    )
    machine = Machine(key, lost, speed=0)
    await machine.state(MachineState.IDLE)
    located = await machine.fabricator.locate(lost)
    assert located.data["adrift"] is adrift
    executed = machine.watch()
    assert await machine.fabricator.start(_task(file, located)) is StartOutcome.STARTED
    assert (await machine.ended()).result is Result.COMPLETED
    assert ("G28 X Y" in executed) is adrift
    await machine.stop()


async def test_wire_and_log(key: str, tmp_path: Path) -> None:
    """The last lines are at hand; all of them only where they are written."""
    path = tmp_path / "gcode-1.log"
    watched: Watched[VirtualFabricator] = Watched()
    config = FabricatorConfig(
        key=key, name="V", protocol="virtual", options={"speed": 0}
    )
    listeners = watched.on_snapshot, watched.on_event
    fabricator = VirtualFabricator(config, *listeners, log_path=path)
    watched.fabricator = fabricator
    assert fabricator.capabilities.gcode_log
    run = asyncio.create_task(fabricator.run())
    await watched.state(MachineState.IDLE)
    assert any(line.endswith("< start") for line in await fabricator.wire())
    await fabricator.set_gcode_log(True)
    await fabricator.command("M117 on")
    await fabricator.set_gcode_log(False)
    await fabricator.command("M117 off")
    await fabricator.close()
    await run
    text = path.read_text()
    assert "M117 on*" in text
    assert "M117 off" not in text
    plain = VirtualFabricator(config, *listeners)
    assert not plain.capabilities.gcode_log
    with pytest.raises(FabricatorError, match="not_supported"):
        await plain.set_gcode_log(True)


async def test_stopping_is_bounded(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A board that does not come round keeps its checkpoint, and hears the last word."""
    monkeypatch.setattr(driver_module, "CLOSE_GRACE", 0.05)
    path = tmp_path / "long.gcode"
    path.write_text("M140 S60\nG4 S30\nG28\n")
    machine = Machine(key, speed=1)
    await machine.state(MachineState.IDLE)
    task = Task(run=1, name="l", source=path, gcode=path)
    assert await machine.fabricator.start(task) is StartOutcome.STARTED
    await machine.stop()
    end = await machine.ended()
    assert (end.result, end.reason) == (Result.FAILED, "stopped")
    assert end.checkpoint is not None
    assert end.checkpoint.data["still"] is False


async def test_resends(key: str, file: Path) -> None:
    """Lines that had to be sent again are counted while the print is under way."""
    machine = Machine(key, speed=0, faults={"corrupt_every": 50})
    await machine.state(MachineState.IDLE)
    assert machine.fabricator.snapshot.resends is None
    task = Task(run=1, name="a", source=file, gcode=file)
    assert await machine.fabricator.start(task) is StartOutcome.STARTED
    await machine.until(lambda: (machine.fabricator.snapshot.resends or 0) > 5)
    await machine.fabricator.cancel()
    assert (await machine.ended()).checkpoint is None
    await machine.stop()
