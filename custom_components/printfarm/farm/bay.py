"""A fabricator's place in the farm: its record, its driver, what happens on it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
import logging

from ..fabricators.interface import (
    Fabricator,
    FabricatorConfig,
    MachineEvent,
    MachineState,
    Snapshot,
)
from .ledger import Ledger
from .model import FabricatorRecord, Job, StoredFile
from .progress import Progress, followed

_LOGGER = logging.getLogger(__name__)

_GONE = frozenset({MachineState.OFFLINE, MachineState.CONNECTING})
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
"""Seconds between attempts to run a driver that broke."""
CLOSE_WITHIN = 8.0
"""Seconds that a driver gets to let go of its machine in an orderly way."""

type MakeFabricator = Callable[
    [FabricatorConfig, Callable[[Snapshot], None], Callable[[MachineEvent], None]],
    Fabricator,
]


class Edge(StrEnum):
    """What a change of snapshot calls for, worked off in order with the events."""

    SETTLE = "settle"
    ONLINE = "online"
    OFFLINE = "offline"
    EXTERNAL = "external"
    MILESTONE = "milestone"


@dataclass(slots=True)
class Bay:
    """One fabricator in the farm, from being added to being removed or changed.

    `lock` guards every step "read the job, decide, commit": the machine's events, a
    person's commands and the dispatcher all take it.
    """

    id: int
    ledger: Ledger
    config: FabricatorConfig
    driver: Fabricator
    unsettled: bool = False
    """It held a started job before our restart and has not yet said what became of it."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    mailbox: asyncio.Queue[MachineEvent | Edge] = field(default_factory=asyncio.Queue)
    edges: set[Edge] = field(default_factory=set)
    """Edges in the mailbox: one of a kind is enough."""
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    dispatching: asyncio.Task[None] | None = None
    cancel_asked: bool = False
    told_offline: bool = False
    """Whether its loss was announced, so that its return is worth announcing."""
    seen_before: bool = False
    """Whether it was ever there since our start: else there is no loss to announce."""
    last_state: MachineState = MachineState.OFFLINE
    progress: Progress = field(default_factory=Progress)
    last_job: Job | None = None
    last_file: StoredFile | None = None

    @property
    def key(self) -> str:
        """The id of its config subentry."""
        return self.config.key

    @property
    def record(self) -> FabricatorRecord:
        """What the store remembers of it."""
        return self.ledger.records[self.id]

    @property
    def held(self) -> Job | None:
        """The job that holds it."""
        return self.ledger.book.held_by(self.id)

    @property
    def snapshot(self) -> Snapshot:
        """The last look at the machine."""
        return self.driver.snapshot

    @property
    def connected(self) -> bool:
        """Whether the machine answers."""
        return self.snapshot.state not in _GONE

    @property
    def external(self) -> bool:
        """Whether the machine prints something that is not ours."""
        return (
            self.snapshot.state
            in {MachineState.PREPARING, MachineState.PRINTING, MachineState.PAUSED}
            and self.snapshot.run is None
            and self.held is None
        )

    def observe(self, wall: float, now: datetime) -> None:
        """Take in the snapshot of the print that this bay holds."""
        held = self.held
        if held is not None and self.snapshot.run == held.id:
            self.progress = followed(self.progress, self.snapshot, wall, now)

    def post(self, edge: Edge) -> None:
        """Put an edge into the mailbox unless it waits there already."""
        if edge not in self.edges:
            self.edges.add(edge)
            self.mailbox.put_nowait(edge)

    @property
    def busy(self) -> bool:
        """Whether a print is under way here, ours or not, or about to be."""
        return self.held is not None or self.external or self.dispatching is not None

    def turned(self) -> bool:
        """Tell whether the machine's state is another than at the last call."""
        turned = self.snapshot.state is not self.last_state
        self.last_state = self.snapshot.state
        return turned

    async def watch(self) -> None:
        """Keep the driver running, whatever goes wrong inside it."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await self.driver.run()
            except Exception:
                _LOGGER.exception("The driver of %s broke", self.config.name)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def close(self) -> None:
        """Let go of the machine and write down what it says in parting."""
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await self.driver.close()
                await self.mailbox.join()
        except TimeoutError:
            _LOGGER.warning("%s did not let go in time", self.config.name)
        except Exception:
            _LOGGER.exception("%s failed while closing", self.config.name)
        tasks = [*self.tasks, *([self.dispatching] if self.dispatching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.tasks.clear()
