"""The whole path without hardware: the Marlin driver on the emulated board."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from pathlib import Path

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorConfig,
    FabricatorError,
    MachineState,
    Result,
    StartOutcome,
    Task,
)
from custom_components.printfarm.fabricators.virtual.bench import BENCH
from custom_components.printfarm.fabricators.virtual.driver import VirtualFabricator
from tests.fabricators.watched import Watched

_PRINT = """
G28
M109 S200
G1 X10 Y10 F6000
G1 X60 Y10 E2 F1800 ; a line
G1 X60 Y60 E4
M104 S0
"""

_keys = count()


class Machine(Watched[VirtualFabricator]):
    """A virtual fabricator under watch."""

    def __init__(self, options: dict[str, object], key: str | None = None) -> None:
        """Build it; `run` connects."""
        super().__init__()
        self.key = key or f"test-{next(_keys)}"
        self.fabricator = VirtualFabricator(
            FabricatorConfig(
                key=self.key, name="V", protocol="virtual", options=options
            ),
            self.on_snapshot,
            self.on_event,
        )
        self._run = asyncio.create_task(self.fabricator.run())

    async def idle(self) -> None:
        """Wait for it to be ready."""
        await self.state(MachineState.IDLE)

    async def stop(self) -> None:
        """Let go of it."""
        await self.fabricator.close()
        self._run.cancel()
        await asyncio.gather(self._run, return_exceptions=True)


type Build = Callable[..., Awaitable[Machine]]


@pytest.fixture
async def build() -> AsyncIterator[Build]:
    """Build machines, and scrap them afterwards."""
    machines: list[Machine] = []

    async def make(key: str | None = None, **options: object) -> Machine:
        machine = Machine({"speed": 0, **options}, key)
        machines.append(machine)
        return machine

    yield make
    for machine in machines:
        await machine.stop()
        BENCH.remove(machine.key)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """A short print."""
    path = tmp_path / "short.gcode"
    path.write_text(_PRINT)
    return Task(run=7, name="short.gcode", source=path, gcode=path)


@pytest.mark.parametrize("model", ["marlin_2", "marlin_2_plain", "idex", "large"])
async def test_prints_a_file(build: Build, task: Task, model: str) -> None:
    """Every line of the file is executed once, in order, and the end is told once."""
    machine = await build(model=model)
    await machine.idle()
    board = BENCH.board(machine.key)
    assert board is not None
    commands: list[str] = []
    board.executed = lambda _, command: commands.append(command)
    assert await machine.fabricator.start(task) is StartOutcome.STARTED
    ending = await machine.ended()
    assert (ending.run, ending.result) == (7, Result.COMPLETED)
    assert [command for command in commands if command[:2] in {"G1", "G2"}] == [
        "G28",
        "G1 X10 Y10 F6000",
        "G1 X60 Y10 E2 F1800",
        "G1 X60 Y60 E4",
    ]
    assert board.position[:2] == (60, 60)


async def test_old_firmware_prints_too(build: Build, task: Task) -> None:
    """A board that boots for 1.5 s, without capabilities and busy lines."""
    machine = await build(model="marlin_1", speed=0)
    await machine.idle()
    assert await machine.fabricator.start(task) is StartOutcome.STARTED
    assert (await machine.ended()).result is Result.COMPLETED


async def test_reset_in_the_middle_fails_the_print(build: Build, task: Task) -> None:
    """A print does not survive its board."""
    machine = await build(faults={"reset_at": 12})
    await machine.idle()
    await machine.fabricator.start(task)
    assert (await machine.ended()).result is Result.FAILED


async def test_reports_what_the_board_says(build: Build) -> None:
    """Model, firmware and temperatures come from the board."""
    machine = await build(model="idex")
    await machine.idle()
    snapshot = machine.fabricator.snapshot
    assert snapshot.model == "Virtual IDEX"
    assert machine.fabricator.capabilities.build_volume == (300, 300, 300)
    assert await machine.fabricator.command("M118 hello") == ("hello",)


async def test_machine_stays_where_it_was(build: Build) -> None:
    """The board outlives the fabricator that drove it."""
    first = await build()
    await first.idle()
    for line in ("G28", "G1 X33 F6000", "M400"):
        await first.fabricator.command(line)
    await first.stop()
    second = await build(first.key)
    await second.idle()
    answer = await second.fabricator.command("M114")
    assert answer[0].startswith("X:33.00")


async def test_unknown_model_is_no_machine(build: Build) -> None:
    """A model that is not offered leaves the fabricator offline."""
    machine = await build(model="replicator")
    with pytest.raises(FabricatorError) as caught:
        await machine.fabricator._open(asyncio.Protocol)
    assert caught.value.key == "unknown_model"


async def test_one_machine_has_one_driver(build: Build) -> None:
    """A second fabricator on the same board is refused, like a second open port."""
    machine = await build()
    await machine.idle()
    other = await build(machine.key)
    with pytest.raises(FabricatorError) as caught:
        await other.fabricator._open(asyncio.Protocol)
    assert caught.value.key == "port_busy"
