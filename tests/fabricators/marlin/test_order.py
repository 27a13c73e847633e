"""What is told in which order: a snapshot is never older than the event it belongs to."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorConfig,
    MachineEvent,
    MachineEventType,
    MachineState,
    Snapshot,
    Task,
)
from custom_components.printfarm.fabricators.marlin import driver as module
from custom_components.printfarm.fabricators.marlin.driver import MarlinFabricator
from custom_components.printfarm.fabricators.virtual.bench import open_board
from custom_components.printfarm.fabricators.virtual.board import Faults
from custom_components.printfarm.fabricators.virtual.transport import BoardTransport

RUN = 11
ACTIVE = {MachineState.PREPARING, MachineState.PRINTING, MachineState.PAUSED}


@dataclass(frozen=True)
class Told:
    """An event, the snapshot of that moment and the last one that was reported."""

    event: MachineEvent
    snapshot: Snapshot
    reported: Snapshot


class Witness:
    """A driver that is watched at the very moment of each event."""

    def __init__(self, faults: Faults | None = None) -> None:
        """Make the driver; nothing is connected yet."""
        self.told: list[Told] = []
        self.cable: BoardTransport | None = None
        self.changed = asyncio.Event()
        self._faults = faults
        self._reported = Snapshot()
        self.fabricator = MarlinFabricator(
            FabricatorConfig(key="k", name="Witness", protocol="marlin"),
            self._snapshot,
            self._event,
            open_port=self._open,
        )

    async def _open(
        self, factory: Callable[[], asyncio.Protocol]
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        self.cable, protocol = await open_board(factory, "marlin_2", 0.0, self._faults)
        return self.cable, protocol

    def _snapshot(self, snapshot: Snapshot) -> None:
        self._reported = snapshot
        self.changed.set()

    def _event(self, event: MachineEvent) -> None:
        self.told.append(Told(event, self.fabricator.snapshot, self._reported))
        self.changed.set()

    @property
    def seen(self) -> list[MachineEventType]:
        """What was told, dialogues apart."""
        kinds = [told.event.type for told in self.told]
        return [kind for kind in kinds if kind is not MachineEventType.PROMPT]

    async def until(self, done: Callable[[], object]) -> None:
        """Wait until a report makes something true."""
        async with asyncio.timeout(30):
            while not done():
                self.changed.clear()
                await self.changed.wait()

    async def state(self, state: MachineState) -> None:
        """Wait for a state."""
        await self.until(lambda: self.fabricator.snapshot.state is state)

    async def kind(self, kind: MachineEventType) -> None:
        """Wait for an event."""
        await self.until(lambda: any(told.event.type is kind for told in self.told))


type Deed = Callable[[Witness], Awaitable[None]]


async def _nothing(witness: Witness) -> None:
    """Let it print to its end."""


async def _pause_resume(witness: Witness) -> None:
    await witness.fabricator.pause()
    await witness.state(MachineState.PAUSED)
    await witness.fabricator.resume()
    await witness.kind(MachineEventType.RESUMED)


async def _cancel(witness: Witness) -> None:
    await witness.fabricator.cancel()


async def _cancel_parked(witness: Witness) -> None:
    await witness.fabricator.pause()
    await witness.state(MachineState.PAUSED)
    await witness.fabricator.cancel()


async def _unplug(witness: Witness) -> None:
    assert witness.cable is not None
    witness.cable.unplug()


async def _close(witness: Witness) -> None:
    await witness.fabricator.close()


async def _reset(witness: Witness) -> None:
    assert witness.cable is not None
    witness.cable.reset_board()


async def _kill(witness: Witness) -> None:
    await witness.fabricator.command("M112")


async def _runout(witness: Witness) -> None:
    await witness.state(MachineState.PAUSED)
    await witness.until(lambda: witness.fabricator.snapshot.message)
    await witness.fabricator.resume()
    await witness.kind(MachineEventType.RESUMED)


FITTING: dict[MachineEventType, set[MachineState]] = {
    MachineEventType.STARTED: ACTIVE,
    MachineEventType.PAUSED: {MachineState.PAUSED},
    MachineEventType.RESUMED: {MachineState.PREPARING, MachineState.PRINTING},
    MachineEventType.ERROR: {MachineState.ERROR},
    MachineEventType.ENDED: set(MachineState) - ACTIVE,
    MachineEventType.FILAMENT_RUNOUT: ACTIVE,
    MachineEventType.PROMPT: ACTIVE,
}
"""States in which a machine may be seen when an event is told."""

T = MachineEventType


@pytest.mark.parametrize(
    ("deed", "faults", "lines", "story"),
    [
        (_nothing, Faults(), 3000, [T.STARTED, T.ENDED]),
        (_pause_resume, Faults(), 30000, [T.STARTED, T.PAUSED, T.RESUMED, T.ENDED]),
        (_cancel, Faults(), 200000, [T.STARTED, T.ENDED]),
        (_cancel_parked, Faults(), 200000, [T.STARTED, T.PAUSED, T.ENDED]),
        (_unplug, Faults(), 200000, [T.STARTED, T.ENDED]),
        (_close, Faults(), 200000, [T.STARTED, T.ENDED]),
        (_reset, Faults(), 200000, [T.STARTED, T.ENDED]),
        (_kill, Faults(), 200000, [T.STARTED, T.ENDED, T.ERROR]),
        (_nothing, Faults(kill_at=2000), 200000, [T.STARTED, T.ENDED, T.ERROR]),
        (
            _runout,
            Faults(runout_at=5000),
            20000,
            [T.STARTED, T.FILAMENT_RUNOUT, T.PAUSED, T.RESUMED, T.ENDED],
        ),
    ],
)
async def test_order(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    deed: Deed,
    faults: Faults,
    lines: int,
    story: list[MachineEventType],
) -> None:
    """In every course of a print the snapshot shows what the event says."""
    monkeypatch.setattr(module, "REPORT_INTERVAL", 1000.0)
    path = tmp_path / "file.gcode"
    path.write_text("G28\n" + "".join(f"G1 X{x % 90}\n" for x in range(lines)))
    witness = Witness(faults)
    running = asyncio.create_task(witness.fabricator.run())
    await witness.state(MachineState.IDLE)
    task = Task(run=RUN, name="file", source=path, gcode=path)
    await witness.fabricator.start(task)
    await witness.state(MachineState.PRINTING)
    await deed(witness)
    await witness.until(lambda: len(witness.seen) >= len(story))
    await witness.fabricator.close()
    await running
    assert witness.seen == story
    for told in witness.told:
        assert told.snapshot is told.reported, told.event
        assert told.snapshot.state in FITTING[told.event.type], told.event
        active = told.snapshot.state in ACTIVE
        assert told.snapshot.run == (RUN if active else None), told.event
