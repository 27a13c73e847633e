"""A fabricator's place in the farm: its record, its driver, what happens on it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
import logging

from ..fabricators.interface import (
    Fabricator,
    FabricatorConfig,
    MachineEvent,
    MachineState,
    Prompt,
    Snapshot,
)
from .ledger import Ledger
from .model import FabricatorRecord, Job, StoredFile
from .progress import Progress, followed
from .readiness import FRESH_FOR
from .recovery import certainly_unstarted

_LOGGER = logging.getLogger(__name__)

_GONE = frozenset({MachineState.OFFLINE, MachineState.CONNECTING})
UNDER_WAY = frozenset(
    {MachineState.PREPARING, MachineState.PRINTING, MachineState.PAUSED}
)
"""What a machine says while it prints, whoever started that."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
"""Seconds between attempts to run a driver that broke."""
CLOSE_WITHIN = 7.0
"""Seconds that a driver gets to let go of its machine in an orderly way."""
_CANCEL_WITHIN = 1.0
"""Seconds that a task gets to end once it is told to."""

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
    GCODE_LOG = "gcode_log"
    PROMPT = "prompt"


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
    closed: bool = False
    """It lets go, or has: nothing starts here any more."""
    losing: asyncio.TimerHandle | None = None
    """Runs while the machine is gone, but not yet for long enough to say so."""
    cancel_asked: bool = False
    told_offline: bool = False
    """Whether its loss was announced, so that its return is worth announcing."""
    seen_before: bool = False
    """Whether it was ever there since our start: else there is no loss to announce."""
    logging_set: bool = False
    """Whether the driver was told, since it is connected, what to log."""
    told_prompt: Prompt | None = None
    """The last question that is known to be told."""
    last_state: MachineState = MachineState.OFFLINE
    last_seen: float | None = None
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
    def heard(self) -> bool:
        """Whether the machine says what it does, or whoever speaks for it does."""
        return self.connected and self.snapshot.state is not MachineState.UNKNOWN

    @property
    def prompt(self) -> Prompt | None:
        """What the machine asks of a person now."""
        return self.snapshot.prompt if self.heard else None

    @property
    def foreign(self) -> bool:
        """Whether the machine prints something while nothing of ours was sent to it.

        That may be a run that a person gave up while the machine could not be asked.
        """
        run, record = self.snapshot.run, self.record
        ours = run is not None and run == record.last_job_id and not record.bed_clear
        return (
            self.snapshot.state in UNDER_WAY
            and not ours
            and (self.held is None or certainly_unstarted(self.held))
        )

    @property
    def external(self) -> bool:
        """Whether the machine prints something that is not ours."""
        return self.held is None and self.foreign

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

    def logging_due(self) -> bool:
        """Tell, once per connection, that the driver is to be told what to log."""
        able = self.heard and self.driver.capabilities.gcode_log
        due, self.logging_set = able and not self.logging_set, able
        return due

    @property
    def tethered(self) -> bool:
        """Whether a print here would end with our host."""
        return self.busy and not self.driver.outlives_host

    def turned(self) -> bool:
        """Tell whether the machine changed its state or broke a long silence."""
        state, seen = self.snapshot.state, self.snapshot.seen
        turned = state is not self.last_state or (
            seen is not None
            and (self.last_seen is None or seen - self.last_seen > FRESH_FOR)
        )
        self.last_state, self.last_seen = state, seen
        return turned

    def announce_loss(self, delay: float) -> None:
        """Have the loss of the machine announced unless it is back in `delay` s."""
        if self.seen_before and not (self.told_offline or self.losing or self.closed):
            self.losing = asyncio.get_running_loop().call_later(
                delay, self.post, Edge.OFFLINE
            )

    def keep_loss_quiet(self) -> None:
        """The machine is there: no loss to announce."""
        self.seen_before = True
        if self.losing is not None:
            self.losing.cancel()
            self.losing = None

    async def watch(self) -> None:
        """Keep the driver running, whatever goes wrong inside it."""
        loop = asyncio.get_running_loop()
        pause = _FIRST_PAUSE
        while True:
            began = loop.time()
            try:
                await self.driver.run()
            except Exception:
                _LOGGER.exception("The driver of %s broke", self.config.name)
            if loop.time() - began > _LONGEST_PAUSE:
                pause = _FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def leave(self) -> None:
        """Our host stops: a print that needs no host goes on."""
        await self._let_go(self.driver.leave)

    async def close(self) -> None:
        """Let go of the machine for good: its print ends."""
        await self._let_go(self.driver.close)

    def shut(self) -> None:
        """Let nothing start here any more, and break off a start that is under way."""
        self.closed = True
        if self.losing is not None:
            self.losing.cancel()
        if self.dispatching is not None:
            # First of all: what the closing driver says would halt the queue.
            self.dispatching.cancel()

    async def take_in(self) -> None:
        """Wait until all that the machine has said so far is written down."""
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                if self.tasks:
                    await self.mailbox.join()
        except TimeoutError:
            _LOGGER.warning("What %s said is not stored", self.config.name)

    async def _let_go(self, part: Callable[[], Awaitable[None]]) -> None:
        """Part from the driver and write down what it says in parting."""
        starting = self.dispatching
        self.shut()
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await part()
                if self.tasks:
                    await self.mailbox.join()
        except TimeoutError:
            _LOGGER.warning("%s did not let go in time", self.config.name)
        except Exception:
            _LOGGER.exception("%s failed while closing", self.config.name)
        tasks = [*self.tasks, *([starting] if starting is not None else [])]
        for task in tasks:
            task.cancel()
        if tasks and (await asyncio.wait(tasks, timeout=_CANCEL_WITHIN))[1]:
            _LOGGER.warning("%s does not stop", self.config.name)
        self.tasks.clear()
