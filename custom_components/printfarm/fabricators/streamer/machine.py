"""One machine of the streaming process: its driver, its story, and who hears of it."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
import logging
from pathlib import Path
from time import time
from typing import Any, Protocol

from .. import heaters
from ..interface import (
    Capabilities,
    Checkpoint,
    EventListener,
    Fabricator,
    FabricatorConfig,
    FabricatorError,
    MachineEvent,
    MachineEventType,
    Snapshot,
    SnapshotListener,
    StartOutcome,
    Task,
)
from ..marlin.parking import WARM, Standby, standby
from ..marlin.tape import Tape
from . import story
from .news import News, Tell
from .shelf import Keeper

_LOGGER = logging.getLogger(__name__)

LOOK_INTERVAL = 0.5
"""Seconds between two looks at how far a print has come."""
BROKEN_PAUSE = 5.0
"""Seconds before a driver that broke is run again."""
COOL_WITHIN = 1.0
"""Seconds that a board at rest gets to turn its heaters off."""
FORESEE_AFTER = 1.5
"""Seconds after which the end of a print is on its way to the disk, parked or not: in
a container that is stopped everybody is killed three seconds after being told to end."""
CLOSE_WITHIN = 6.5
"""Seconds that a driver gets to let go of its machine in an orderly way."""

_START_WITHIN = 0.5
"""Seconds that a start gets to take note of that."""


class Factory(Protocol):
    """Makes the driver of one protocol."""

    def __call__(
        self,
        config: FabricatorConfig,
        on_snapshot: SnapshotListener,
        on_event: EventListener,
        *,
        tape: Tape | None = None,
        lost: Checkpoint | None = None,
        log_path: Path | None = None,
    ) -> Fabricator:
        """Make a driver; it connects to nothing yet."""


class Machine:
    """What the host knows of one fabricator.

    A run is on disk before it is begun, and its end before it is told.
    """

    def __init__(
        self,
        config: FabricatorConfig,
        keeper: Keeper,
        tape: Tape,
        log_path: Path,
        tell: Tell,
        on_busy: Callable[[], None],
    ) -> None:
        """Keep what belongs to it; `open` makes the driver."""
        self.config = config
        self.keeper = keeper
        self._tape = tape
        self._log_path = log_path
        self._news = News(config.key, tell, self.look)
        self._on_busy = on_busy
        self._driver: Fabricator | None = None
        self._running: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._storing: asyncio.Task[Any] | None = None
        """Brings the end of the run to disk; nothing is told meanwhile."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watching: asyncio.TimerHandle | None = None

    def open(self, factory: Factory) -> None:
        """Make the driver and let it run."""
        self._driver = self._make(factory)
        self._running = asyncio.create_task(
            self._run(factory), name=f"run {self.config.name}"
        )

    def _make(self, factory: Factory) -> Fabricator:
        return factory(
            self.config,
            self._news.changed,
            self._on_event,
            tape=self._tape,
            lost=self.keeper.story.lost,
            log_path=self._log_path,
        )

    @property
    def driver(self) -> Fabricator:
        """The driver."""
        assert self._driver is not None
        return self._driver

    @property
    def under_way(self) -> bool:
        """Whether a run has no end yet that is on disk."""
        return self.keeper.story.open or self._storing is not None

    def rename(self, config: FabricatorConfig) -> None:
        """Take over a configuration that differs by the name at most."""
        self.config = self.driver.config = config

    async def _run(self, factory: Factory) -> None:
        """Keep a driver at work, and make another one where it breaks."""
        while True:
            try:
                await self.driver.run()
            except Exception:
                _LOGGER.exception("%s: the driver broke", self.config.name)
            else:
                return
            await self._let_go()
            self._end_anyway("driver_error")
            await asyncio.sleep(BROKEN_PAUSE)
            self._driver = self._make(factory)

    # A run

    async def start(self, task: Task) -> StartOutcome:
        """Begin a run, unless this one was begun before."""
        async with self._starting:
            known = self.keeper.story
            if not story.startable(known, task.run):
                return story.became(known)
            if self.under_way:
                return StartOutcome.REFUSED
            return await self._begin(task)

    async def _begin(self, task: Task) -> StartOutcome:
        self._tape.clear()
        self.keeper.story = story.begun(task, time())
        self._on_busy()
        outcome = StartOutcome.UNKNOWN
        try:
            if not await self.keeper.try_save():
                outcome = StartOutcome.REFUSED
                return outcome
            try:
                outcome = await self.driver.start(task)
            except FabricatorError:
                outcome = StartOutcome.REFUSED
                raise
            return outcome
        finally:
            self._started(task.run, outcome)

    def _started(self, run: int, outcome: StartOutcome) -> None:
        """Close the story of a run that was not seen to start."""
        now = self.keeper.story
        if now.run != run or not now.open or outcome is StartOutcome.STARTED:
            return
        self.keeper.story = story.unstarted(now, outcome, time())
        self._spawn(self.keeper.save_surely())
        self._on_busy()

    def _watch(self) -> None:
        """Keep how far the print has come, now and then."""
        self._watching = None
        known = self.keeper.story
        if not known.open or self._driver is None:
            return
        now = self._driver.checkpoint()
        if (
            now is not None
            and not self.keeper.writing
            and story.worth_keeping(known.checkpoint, now)
        ):
            self._keep_checkpoint(now)
        self._watch_later()

    def _watch_later(self) -> None:
        if self._watching is None:
            loop = asyncio.get_running_loop()
            self._watching = loop.call_later(LOOK_INTERVAL, self._watch)

    def _keep_checkpoint(self, checkpoint: Checkpoint) -> None:
        self.keeper.change(checkpoint=checkpoint)
        self._spawn(self.keeper.try_save())

    # What the driver says

    def _on_event(self, event: MachineEvent) -> None:
        event = replace(event, at=time()) if event.at is None else event
        now = self.keeper.story
        if event.type is MachineEventType.ENDED:
            if now.open and event.run == now.run:
                self._ended(event)
            return
        if now.open and event.run == now.run:
            self._edge(event)
        if self._news.open:
            self._news.event(event)
        else:
            self.keeper.story = story.noted(self.keeper.story, event)
            self._spawn(self.keeper.try_save())

    def _edge(self, event: MachineEvent) -> None:
        """See how far the print is whenever it starts, stops or goes on."""
        if event.type is MachineEventType.STARTED:
            self.keeper.change(started_at=event.at)
            self._watch_later()
        checkpoint = self.driver.checkpoint()
        if checkpoint is not None:
            self.keeper.change(checkpoint=checkpoint)
        self._spawn(self.keeper.try_save())

    def _ended(self, event: MachineEvent) -> None:
        self.keeper.change(end=event)
        self._news.held = True
        self._storing = self._spawn(self._store_end())

    async def _store_end(self) -> None:
        await self.keeper.save_surely()
        self._tell_end()

    def _tell_end(self) -> None:
        """Let the client know, who has seen the run as it was until now."""
        self._storing = None
        self._news.held = False
        self._on_busy()
        if self._news.attached:
            self._deliver(self._take_events())

    def _end_anyway(self, reason: str) -> None:
        """End a run whose driver will not do it."""
        now = self.keeper.story
        if not now.open:
            return
        checkpoint = self._checkpoint()
        # It may have begun, so its end is told to whoever comes.
        self.keeper.change(started_at=now.started_at or now.begun_at)
        self._ended(story.stopped(now, checkpoint, time(), reason))

    def _checkpoint(self) -> Checkpoint | None:
        """Ask a driver how far it came that may be broken."""
        if self._driver is not None:
            with suppress(Exception):
                return self._driver.checkpoint()
        return None

    # Who hears of it

    async def take_events(self) -> tuple[MachineEvent, ...]:
        """Give what nobody was told yet; it is never given again."""
        taken = self._take_events()
        await self.keeper.try_save()
        return taken

    def _take_events(self) -> tuple[MachineEvent, ...]:
        taken = self.keeper.story.events
        if taken:
            self.keeper.change(events=())
            self._spawn(self.keeper.try_save())
        return taken

    def attach(
        self, events: tuple[MachineEvent, ...], told: tuple[Snapshot, Capabilities]
    ) -> None:
        """A client listens from now on; it was given this, and these are to follow."""
        self._news.attach(told)
        self._deliver((*events, *self._take_events()))

    def detach(self) -> None:
        """The client is gone."""
        self._news.detach()

    def look(self) -> tuple[Snapshot, Capabilities]:
        """Give what is to be seen of the machine."""
        return self.driver.snapshot, self.driver.capabilities

    def _deliver(self, events: tuple[MachineEvent, ...]) -> None:
        """Tell what has waited, and the end of the run last."""
        end = None if self._storing is not None else self.keeper.story.announced
        self._news.flush()
        for event in (*events, *(() if end is None else (end,))):
            self._news.event(event)

    # The end

    async def close(self) -> None:
        """Let go of the machine. A run ends; `settle` waits until that is stored."""
        loop = asyncio.get_running_loop()
        hurry = loop.call_later(FORESEE_AFTER, self._foresee)
        await self._let_go()
        hurry.cancel()
        # A start that was under way says itself what became of it.
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_WITHIN), self._starting:
                pass
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        self._end_anyway("stopped")
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _foresee(self) -> None:
        """Who tells us to end may not wait until the machine is parked."""
        known = self.keeper.story
        self.keeper.story = story.foreseen(known, self._checkpoint(), time())
        self._spawn(self.keeper.try_save())

    async def give_up(self) -> None:
        """Leave nothing warm: there is nobody any more who would go on with a print."""
        self.driver.give_up()
        await self.cool(anything=True)

    async def cool(self, *, anything: bool = False) -> None:
        """Turn off what was left hot: nobody watches it from now on.

        Where a print was cut off, what was chosen to stay warm lets it be finished,
        unless `anything` is to cool.
        """
        if self.under_way:
            return
        chosen = standby(str(self.config.options.get("standby")))
        cut_off = self.keeper.story.lost is not None
        warm = cut_off and chosen is not Standby.OFF and not anything
        try:
            async with asyncio.timeout(COOL_WITHIN):
                for heater in _hot(self.driver.snapshot, warm=warm):
                    _LOGGER.warning("%s: %s was left hot", self.config.name, heater)
                    await self.driver.set_target(heater, 0)
        except (FabricatorError, TimeoutError) as error:
            _LOGGER.warning("%s: does not cool: %r", self.config.name, error)
        except Exception:
            # One driver's fault must not keep the prints of others from being parked.
            _LOGGER.exception("%s: cannot be cooled", self.config.name)

    async def _let_go(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_WITHIN):
                await self.driver.close()
        except TimeoutError:
            _LOGGER.warning("%s: letting go takes too long", self.config.name)
        except Exception:
            _LOGGER.exception("%s: cannot let go", self.config.name)

    async def settle(self, within: float) -> None:
        """Wait until everything is stored, but not for ever: then tell it as it is."""
        tasks = set(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within)
            for task in late:
                task.cancel()
        if self._storing is not None:
            _LOGGER.error("%s: the end of a print is not stored", self.config.name)
            self._tell_end()
        self._news.detach()

    def _spawn(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _hot(snapshot: Snapshot, *, warm: bool) -> list[str]:
    """Name the heaters that must not stay as they are; a nozzle never stays hot."""
    return [
        name
        for name, target in heaters.targets(snapshot).items()
        if not warm or (name.startswith("nozzle") and target > WARM)
    ]
