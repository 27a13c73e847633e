"""The farm: fabricators, queue and files behind one face.

Everything that the edges (entities, actions, dialects) may ask or tell is a method
here; what decides lies in the modules beside this one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence, Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
import time
from types import EllipsisType
from typing import Self

from ..fabricators import registry
from ..fabricators.interface import FabricatorConfig
from . import draw, prompts
from .bay import Bay, Edge, MakeFabricator
from .commands import Commands
from .dispatch import Dispatcher
from .ends import Ends
from .fleet import Fleet
from .jobs import Jobs
from .ledger import EventListener, Ledger
from .library import Analyse, Library
from .model import Job, JobFilter, JobStatus, Page, Rating, StoredFile
from .recovery import certainly_unstarted
from .runs import Runs, milestone_due
from .salvage import Replay, Salvage
from .storage import Storage
from .teller import Teller
from .view import FabricatorView, FarmView, QueuedJob
from .watch import Watchers
from .whole import whole

OFFLINE_FOR = 10.0
"""Seconds without a machine after which its loss is announced."""


def _utcnow() -> datetime:
    return datetime.now(UTC)


class Farm:
    """One farm over one store. Open it with `Farm.open`."""

    def __init__(
        self,
        storage: Storage,
        ledger: Ledger,
        library: Library,
        *,
        replay: Replay,
        make: MakeFabricator,
        utcnow: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """Use `open`."""
        self.storage = storage
        self.library = library
        self._ledger = ledger
        self._utcnow = utcnow
        self._monotonic = monotonic
        bays: dict[int, Bay] = {}
        teller = Teller(utcnow)
        self._ends = ends = Ends(ledger, teller, self._ended)
        runs = Runs(ledger, teller, ends)
        self._fleet = Fleet(
            ledger,
            library,
            runs,
            ends,
            bays=bays,
            make=make,
            utcnow=utcnow,
            observed=self._observed,
        )
        self._dispatcher = Dispatcher(
            ledger,
            library,
            runs,
            ends,
            Salvage(ledger, library, replay),
            teller,
            bays,
            utcnow=utcnow,
            monotonic=monotonic,
        )
        self._jobs = Jobs(ledger, library, teller, bays, utcnow)
        self._commands = Commands(ledger, ends, teller)
        self._watchers = Watchers(self._draw, self.farm_view)
        self._closing: asyncio.Task[None] | None = None
        ledger.on_change = self._changed
        library.on_file = self._filed
        library.on_delete = self._deleted

    @classmethod
    async def open(
        cls,
        *,
        storage: Storage,
        files: Path,
        cache: Path,
        analyse: Analyse,
        replay: Replay,
        make: MakeFabricator = registry.make,
        utcnow: Callable[[], datetime] = _utcnow,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Read the store and put right what a crash left.

        `files` keeps the library, `cache` what can be made again from it. Nothing is
        started or announced before `go`. Raises `StorageError`.
        """
        ledger = Ledger(storage, await storage.load())
        library = Library(
            storage, files=files, cache=cache, analyse=analyse, utcnow=utcnow
        )
        farm = cls(
            storage,
            ledger,
            library,
            replay=replay,
            make=make,
            utcnow=utcnow,
            monotonic=monotonic,
        )
        unstarted = filter(certainly_unstarted, ledger.book.holding())
        await farm._ends.take_back(unstarted, "restarted")
        await library.open()
        return farm

    def go(self) -> None:
        """Everybody listens now: tell what was kept back, and begin to start jobs."""
        self._ledger.go()
        self._dispatcher.go()

    def hold(self) -> None:
        """Nobody listens: keep events back and start nothing, until the next `go`.

        What prints goes on.
        """
        self._dispatcher.stop()
        self._ledger.hold()

    @property
    def tethered(self) -> bool:
        """Whether a print is under way, or about to be, that would end with us."""
        return any(bay.tethered for bay in self._fleet.bays)

    async def see_off(self, deed: Callable[[], Awaitable[None]]) -> None:
        """Have prints ended by `deed`, and write down how. Only `close` may follow.

        Nothing is started any more, and what happens is told by the next farm.
        """
        self.hold()
        await self._fleet.see_off(deed)

    async def close(self) -> None:
        """Wind down: start nothing, leave every machine, close the store.

        Prints that need no host go on, and the next farm takes them up. Bounded in time and safe to call twice.
        """
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._dispatcher.stop()
        try:
            await self._fleet.close()
            await self.library.close()
            self._watchers.close()
            await self._ledger.settle()
        finally:
            await self.storage.close()

    # Fabricators

    async def add_fabricator(
        self, config: FabricatorConfig, *, auto_start: bool
    ) -> FabricatorView:
        """Take in a fabricator, new or known from before; it connects by itself."""
        await whole(self._fleet.add(config, auto_start=auto_start))
        self._changed()
        return self._draw(config.key)

    async def change_fabricator(self, config: FabricatorConfig) -> FabricatorView:
        """Take a changed configuration. A new name alone never reconnects.

        Raises `ConflictError` where the connection would change under a print.
        """
        await whole(self._fleet.change(config))
        self._changed()
        return self._draw(config.key)

    async def keep_only(self, keys: AbstractSet[str]) -> None:
        """Remove the fabricators that are not among `keys`, as `remove_fabricator` does.

        For those whose removal the farm could not see because it was not open.
        """
        await whole(self._fleet.keep_only(keys))

    async def remove_fabricator(self, key: str) -> None:
        """Let go of a fabricator for good.

        A print of ours on it ends; queued jobs meant for it stay, on hold and for any.
        """
        await whole(self._fleet.remove(key))
        self._watchers.forget(key)

    def key_of(self, fabricator_id: int) -> str:
        """Give the key of a fabricator's id, or raise `NotFoundError`."""
        return self._fleet.by_id(fabricator_id).key

    # Looking

    def view(self, key: str) -> FabricatorView:
        """Draw one fabricator as it is now."""
        return self._draw(key)

    def _draw(self, key: str) -> FabricatorView:
        return draw.fabricator_view(
            self._fleet.find(key), self._utcnow(), self._monotonic()
        )

    def views(self) -> tuple[FabricatorView, ...]:
        """Draw all fabricators in their order."""
        bays = sorted(self._fleet.bays, key=lambda bay: bay.record.position)
        return tuple(self._draw(bay.key) for bay in bays)

    def farm_view(self) -> FarmView:
        """Draw the farm as it is now."""
        queued = len(self._ledger.book.queued())
        return draw.farm_view(self.views(), queued, self._utcnow())

    def watch(
        self, key: str, listener: Callable[[FabricatorView], None]
    ) -> Callable[[], None]:
        """Call `listener` on changes, at most about once a second; gives the end of it."""
        return self._watchers.watch(key, listener)

    def watch_farm(self, listener: Callable[[FarmView], None]) -> Callable[[], None]:
        """Call `listener` on changes of the farm's numbers."""
        return self._watchers.watch_farm(listener)

    def subscribe(self, listener: EventListener) -> Callable[[], None]:
        """Call `listener` with every event from `go` on; gives the end of it."""
        return self._ledger.subscribe(listener)

    def queue(self, key: str | None = None) -> tuple[QueuedJob, ...]:
        """Give the queue in its order: of the whole farm, or what one could take."""
        book = self._ledger.book
        if key is None:
            bays, jobs = list(self._fleet.bays), book.queued()
        else:
            bay = self._fleet.find(key)
            bays, jobs = [bay], book.line(bay.id, bay.driver.capabilities)
        return draw.queued_jobs(book, bays, jobs, self._utcnow(), self._monotonic())

    async def job(self, job_id: int) -> Job:
        """Give one job, open or ended, or raise `NotFoundError`."""
        return await self._jobs.find(job_id)

    async def jobs(self, wanted: JobFilter) -> Page[Job]:
        """Look up jobs, open and ended."""
        return await self.storage.jobs(wanted)

    # The queue

    async def add_jobs(
        self,
        *,
        file_id: int,
        name: str | None = None,
        plate: int = 1,
        copies: int = 1,
        priority: int = 0,
        target: str | None = None,
        shortest: bool = False,
        hold: bool = False,
        not_before: datetime | None = None,
    ) -> tuple[Job, ...]:
        """Add a file to the queue, once per copy.

        `target` is a fabricator's key, None for any. `shortest` picks, for each copy,
        the fitting fabricator with the shortest queue.
        """
        return await whole(
            self._jobs.add(
                file_id=file_id,
                name=name,
                plate=plate,
                copies=copies,
                priority=priority,
                target=None if target is None else self._fleet.find(target).id,
                shortest=shortest,
                hold=hold,
                not_before=not_before,
            )
        )

    async def move_job(self, job_id: int, *, position: int) -> Job:
        """Put a queued job at this place (0 is first) among those of its priority."""
        return await whole(self._jobs.move(job_id, position))

    async def change_job(
        self,
        job_id: int,
        *,
        target: str | EllipsisType | None = ...,
        priority: int | EllipsisType = ...,
        hold: bool | EllipsisType = ...,
        not_before: datetime | EllipsisType | None = ...,
    ) -> Job:
        """Change what is given of a queued job."""
        wanted: dict[str, object] = {}
        if target is not ...:
            wanted["target"] = None if target is None else self._fleet.find(target).id
        if priority is not ...:
            wanted["priority"] = priority
        if hold is not ...:
            wanted["hold"] = hold
        if not_before is not ...:
            wanted["not_before"] = not_before
        return await whole(self._jobs.change(job_id, wanted))

    async def remove_job(self, job_id: int) -> Job:
        """Take a queued job out; its row stays, as cancelled."""
        return await whole(self._jobs.remove(job_id))

    async def requeue(
        self, job_id: int, *, target: str | EllipsisType | None = ...
    ) -> Job:
        """Queue a job that is over once more, as a new job that names its origin."""
        if target is ...:
            return await whole(self._jobs.requeue(job_id))
        wanted = None if target is None else self._fleet.find(target).id
        return await whole(self._jobs.requeue(job_id, target=wanted))

    # The machine

    async def start(self, key: str, job_id: int | None = None) -> Job:
        """Start the next job by hand, or this one; returns once it is claimed."""
        bay = self._fleet.find(key)
        job = None if job_id is None else await self._jobs.find_queued(job_id)
        return await whole(self._dispatcher.by_hand(bay, job))

    async def recover(self, key: str) -> Job:
        """Go on with the print that was cut off here, where it stopped.

        A new job takes it up; returns once that is claimed. Raises `ConflictError`, or
        `FabricatorError` where the machine cannot tell where it stopped.
        """
        return await whole(self._dispatcher.recover(self._fleet.find(key)))

    def can_recover(self, key: str) -> bool:
        """Tell whether `recover` makes sense now."""
        return self._draw(key).recoverable

    async def pause(self, key: str) -> Job | None:
        """Pause the print; None for one that is not ours."""
        return await whole(self._commands.pause(self._fleet.find(key)))

    async def resume(self, key: str) -> Job | None:
        """Go on with a paused print."""
        return await whole(self._commands.resume(self._fleet.find(key)))

    async def answer(self, key: str, choice: int | str) -> Job | None:
        """Answer what the machine asks.

        `choice` is its text, in any case, or its place (0 is first). Raises `ConflictError` where nothing is asked, or has no such choice.
        """
        return await whole(prompts.answer(self._fleet.find(key), choice))

    async def cancel(self, key: str) -> Job | None:
        """End the print, or the start that is under way."""
        return await whole(self._commands.cancel(self._fleet.find(key)))

    async def release(self, key: str, rating: Rating = Rating.GOOD) -> FabricatorView:
        """A person says that the bed is clear, and how the part came out."""
        await whole(self._commands.release(self._fleet.find(key), rating))
        self._dispatcher.kick()
        return self._draw(key)

    async def set_auto_start(self, key: str, on: bool) -> None:
        """Let the fabricator take the next job by itself, or not."""
        await whole(self._commands.set_auto_start(self._fleet.find(key), on=on))

    async def set_maintenance(self, key: str, on: bool) -> None:
        """Take the fabricator out of the farm's work, or back in."""
        await whole(self._commands.set_maintenance(self._fleet.find(key), on=on))

    async def set_gcode_log(self, key: str, on: bool) -> None:
        """Have every line to and from the machine written down, or no more."""
        await whole(self._commands.set_gcode_log(self._fleet.find(key), on=on))

    async def wire(self, key: str) -> tuple[str, ...]:
        """Give the last lines to and from the machine, oldest first, if it keeps them."""
        return await self._fleet.find(key).driver.wire()

    async def send_gcode(
        self, key: str, lines: Sequence[str], *, force: bool = False
    ) -> tuple[tuple[str, ...], ...]:
        """Send G-code lines; gives the answers to each. Refused in a print unless forced."""
        return await self._commands.send_gcode(
            self._fleet.find(key), lines, force=force
        )

    async def set_target(self, key: str, heater: str, celsius: float) -> None:
        """Set a heater's target in °C; 0 is off."""
        await self._commands.set_target(self._fleet.find(key), heater, celsius)

    # What happens

    def _observed(self, bay: Bay) -> None:
        """A driver replaced its snapshot."""
        if not self._fleet.has(bay):
            return
        bay.observe(self._monotonic(), self._utcnow())
        if bay.connected:
            bay.keep_loss_quiet()
            if bay.unsettled:
                bay.post(Edge.SETTLE)
            if bay.told_offline:
                bay.told_offline = False
                bay.post(Edge.ONLINE)
        else:
            bay.announce_loss(OFFLINE_FOR)
        held = bay.held
        if not bay.heard and held is not None and held.status is JobStatus.UNKNOWN:
            # Whoever comes back may know by now.
            bay.unsettled = True
        if bay.logging_due():
            bay.post(Edge.GCODE_LOG)
        if bay.foreign:
            bay.post(Edge.EXTERNAL)
        if bay.prompt not in (None, bay.told_prompt):
            bay.post(Edge.PROMPT)
        if milestone_due(bay):
            bay.post(Edge.MILESTONE)
        self._watchers.touch(bay.key, draw.status(bay))
        if bay.turned():
            self._dispatcher.kick()

    def _ended(self) -> None:
        self._dispatcher.kick()

    def _deleted(self, file_id: int) -> None:
        self._ledger.book.drop_file(file_id)
        for bay in self._fleet.bays:
            if bay.last_job is not None and bay.last_job.file_id == file_id:
                bay.last_job = replace(bay.last_job, file_id=None)
        self._changed()

    def _changed(self) -> None:
        """The queue, a record or a job changed: everybody's numbers may be others."""
        for bay in self._fleet.bays:
            self._watchers.touch(bay.key, draw.status(bay))
        self._dispatcher.kick()

    def _filed(self, file: StoredFile) -> None:
        self._ledger.book.put_file(file)
        self._changed()
