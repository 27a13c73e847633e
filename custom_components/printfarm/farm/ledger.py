"""The one way to change anything: commit first, then show it, then tell it."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
import logging
from typing import Any

from .book import Book
from .errors import StorageError
from .events import FarmEvent
from .model import FabricatorRecord, Job, NewJob
from .storage import Committed, Loaded, Storage
from .whole import whole

_LOGGER = logging.getLogger(__name__)

RETRY_AFTER = 5.0
"""Seconds between attempts to keep something that has already happened."""
_DISTRUST_FOR = 30.0
"""Seconds after a failed commit for which nothing new is started."""
_FOR_GOOD = frozenset(
    {
        "event_repeated",
        "fabricator_taken",
        "row_changed",
        "row_missing",
        "storage_closed",
    }
)
"""Refusals that trying again does not heal."""

type EventListener = Callable[[FarmEvent], None]


class Ledger:
    """The store, what is held of it in memory, and the telling of events.

    Memory changes only after the commit, and events go out only after memory has
    changed. Events are committed with what they tell of and marked as announced
    afterwards, so that those a crash kept back go out at the next start.
    """

    def __init__(self, storage: Storage, loaded: Loaded) -> None:
        """Start from what the store holds."""
        self.storage = storage
        self.book = Book(loaded.jobs, loaded.files)
        self.records = {record.id: record for record in loaded.fabricators}
        self._listeners: list[EventListener] = []
        self._unannounced = list(loaded.unannounced)
        self._open = False
        self._failed_at: float | None = None
        self.stuck: StorageError | None = None
        """Why something that has happened is not stored yet, and is tried again."""
        self._marking: set[asyncio.Task[None]] = set()
        self.queue_lock = asyncio.Lock()
        """Guards "read queued jobs, decide, commit". Taken after a bay's own lock."""
        self.on_change: Callable[[], None] = lambda: None

    @property
    def trusted(self) -> bool:
        """Whether the store kept what it was last given."""
        if self._failed_at is None:
            return True
        return asyncio.get_running_loop().time() - self._failed_at > _DISTRUST_FOR

    def subscribe(self, listener: EventListener) -> Callable[[], None]:
        """Call `listener` with each event; gives back how to end that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def go(self) -> None:
        """Subscribers are in place: hand out what was kept back, and all that follows."""
        self._open = True
        kept, self._unannounced = self._unannounced, []
        self._announce(kept)

    def hold(self) -> None:
        """Subscribers go: keep back what follows, until the next `go`."""
        self._open = False

    async def commit(
        self,
        *,
        jobs: Sequence[Job] = (),
        fabricators: Sequence[FabricatorRecord] = (),
        events: Sequence[FarmEvent] = (),
    ) -> Committed:
        """Keep a change, or raise `StorageError` and change nothing.

        Memory follows the store also where whoever asked is cancelled meanwhile.
        """
        return await whole(
            self._kept(
                self.storage.commit(jobs=jobs, fabricators=fabricators, events=events)
            )
        )

    async def commit_fact(
        self,
        *,
        jobs: Sequence[Job] = (),
        fabricators: Sequence[FabricatorRecord] = (),
        events: Sequence[FarmEvent] = (),
    ) -> Committed:
        """Keep what has already happened on a machine: tries until the store takes it."""
        failed = False
        while True:
            try:
                done = await self.commit(
                    jobs=jobs, fabricators=fabricators, events=events
                )
            except StorageError as err:
                if err.key in _FOR_GOOD:
                    raise
                if not failed:
                    _LOGGER.error("Cannot store what happened, will try again: %s", err)
                failed, self.stuck = True, err
                await asyncio.sleep(RETRY_AFTER)
            else:
                if failed:
                    _LOGGER.info("Stored what could not be stored before")
                return done

    async def add_jobs(
        self, jobs: Sequence[NewJob], at: datetime, events: Sequence[FarmEvent]
    ) -> Committed:
        """Append jobs to the queue."""
        return await whole(self._kept(self.storage.add_jobs(jobs, at, events)))

    async def add_claimed(
        self,
        job: NewJob,
        fabricator: FabricatorRecord,
        at: datetime,
        events: Sequence[FarmEvent],
    ) -> Committed:
        """Make a job that this fabricator claims in the same moment."""
        return await whole(
            self._kept(self.storage.add_claimed(job, fabricator, at, events))
        )

    async def _kept(self, work: Coroutine[Any, Any, Committed]) -> Committed:
        try:
            done = await work
        except StorageError:
            self._failed_at = asyncio.get_running_loop().time()
            raise
        self._take_in(done)
        return done

    async def settle(self) -> None:
        """Wait until all that was announced is marked as such."""
        while self._marking:
            # Emptied first: to wait for what is over already takes no turn of the loop,
            # and so nothing else would ever take it out.
            marking, self._marking = self._marking, set()
            await asyncio.gather(*marking, return_exceptions=True)

    def _take_in(self, done: Committed) -> None:
        self._failed_at = self.stuck = None
        for job in done.jobs:
            self.book.put_job(job)
        for record in done.fabricators:
            if record.removed_at is None:
                self.records[record.id] = record
            else:
                self.records.pop(record.id, None)
        if self._open:
            self._announce(done.events)
        else:
            self._unannounced.extend(done.events)
        self.on_change()

    def _announce(self, events: Sequence[FarmEvent]) -> None:
        """Hand out events in order. One listener's fault is not the others'."""
        if not events:
            return
        for event in events:
            for listener in tuple(self._listeners):
                try:
                    listener(event)
                except Exception:
                    _LOGGER.exception("A listener failed on %s", event.type)
        marking = asyncio.get_running_loop().create_task(self._mark(events))
        self._marking.add(marking)
        marking.add_done_callback(self._marking.discard)

    async def _mark(self, events: Sequence[FarmEvent]) -> None:
        ids = [event.id for event in events if event.id is not None]
        try:
            await self.storage.mark_announced(ids)
        except StorageError as err:
            _LOGGER.warning("Events may be announced again after a restart: %s", err)
