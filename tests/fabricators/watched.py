"""A driver under watch: everything that it has reported, and waiting for more."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

from custom_components.printfarm.fabricators.interface import (
    Fabricator,
    MachineEvent,
    MachineEventType,
    MachineState,
    Snapshot,
    Task,
)


class Watched[F: Fabricator]:
    """Whoever inherits it makes `fabricator`, with its two listeners."""

    fabricator: F

    def __init__(self) -> None:
        """Nothing was reported yet."""
        self.snapshots: list[Snapshot] = []
        self.events: list[MachineEvent] = []
        self._changed = asyncio.Event()

    def on_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot."""
        self.snapshots.append(snapshot)
        self._changed.set()

    def on_event(self, event: MachineEvent) -> None:
        """Keep an event."""
        self.events.append(event)
        self._changed.set()

    async def until(self, done: Callable[[], object]) -> None:
        """Wait until a report makes something true."""
        async with asyncio.timeout(30):
            while not done():
                self._changed.clear()
                await self._changed.wait()

    async def state(self, state: MachineState) -> None:
        """Wait for a state."""
        await self.until(lambda: self.fabricator.snapshot.state is state)

    async def ended(self) -> MachineEvent:
        """Wait for the end of a run, and see that it is told once."""
        await self.until(lambda: self.told(MachineEventType.ENDED))
        (event,) = self.told(MachineEventType.ENDED)
        return event

    def told(self, kind: MachineEventType) -> list[MachineEvent]:
        """Events of one type."""
        return [event for event in self.events if event.type is kind]


def endless(folder: Path, run: int) -> Task:
    """Write a print that nobody waits for the end of."""
    path = folder / "long.gcode"
    path.write_text("".join(_endless()))
    return Task(run=run, name="long", source=path, gcode=path)


def _endless() -> Iterator[str]:
    yield "G28\n"
    for x in range(300_000):
        yield f"G1 X{x % 90}\n"
