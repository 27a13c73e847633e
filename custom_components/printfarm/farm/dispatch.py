"""Starting jobs: claim, bring the file, look again, send the start once.

The order is the safety. The claim is committed before anything else happens, and
that the start *will* be sent is committed before it is. A crash at any instant then
leaves either a job that was certainly not started, or one that only the machine can
tell about, and never a reason to send a start a second time (I2, I6).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
import logging

from ..fabricators.interface import FabricatorError, Resume, StartOutcome, Task
from ..gcode import RefusedError
from . import events
from .bay import Bay
from .draw import next_job
from .ends import Ends
from .errors import ConflictError, FarmError, StorageError
from .ledger import Ledger
from .library import Library
from .model import FabricatorRecord, Job, JobStatus, WaitingReason
from .progress import Progress
from .readiness import check_job, obstacle
from .runs import Runs
from .salvage import Salvage
from .teller import Teller

_LOGGER = logging.getLogger(__name__)

START_WITHIN = 600.0
"""Seconds after which a start that nobody answered has an unknown outcome."""
LOOK_AGAIN = 60.0
"""Seconds between looks at what only time changes: schedules and trust."""

type Claimed = tuple[Job, Resume | None]
"""A job that is this fabricator's now, and where it goes on instead of beginning."""


class Dispatcher:
    """Gives jobs to fabricators, by itself where that is wanted, or by hand."""

    def __init__(
        self,
        ledger: Ledger,
        library: Library,
        runs: Runs,
        ends: Ends,
        salvage: Salvage,
        teller: Teller,
        bays: Mapping[int, Bay],
        *,
        utcnow: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """`bays` is the farm's own, live mapping by fabricator id."""
        self._ledger = ledger
        self._library = library
        self._runs = runs
        self._ends = ends
        self._salvage = salvage
        self._teller = teller
        self._bays = bays
        self._utcnow = utcnow
        self._monotonic = monotonic
        self._open = False
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None

    def go(self) -> None:
        """Begin to start jobs."""
        self._open = True
        self.kick()

    def stop(self) -> None:
        """Start nothing any more."""
        self._open = False
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()
        self._timer = self._soon = None

    def kick(self) -> None:
        """Something changed: look soon whether a job can start."""
        if self._open and self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._soon = None
        for bay in sorted(self._bays.values(), key=lambda bay: bay.record.position):
            try:
                self._look_at(bay)
            except Exception:
                # One driver's fault must not keep the others waiting.
                _LOGGER.exception("Could not look at %s", bay.config.name)
        self._look_again(self._utcnow())

    def _look_at(self, bay: Bay) -> None:
        if not bay.record.auto_start or bay.dispatching is not None or bay.closed:
            return
        if self._obstacle(bay) is not None:
            return
        if (job := next_job(bay, self._utcnow())) is not None:
            self._begin_queued(bay, job, by_hand=False)

    def _look_again(self, now: datetime) -> None:
        waits = [
            (job.not_before - now).total_seconds()
            for job in self._ledger.book.queued()
            if job.not_before is not None and job.not_before > now
        ]
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(
            max(0.0, min([LOOK_AGAIN, *waits])), self._timed
        )

    def _timed(self) -> None:
        self._timer = None
        self.kick()

    def _obstacle(
        self, bay: Bay, *, by_hand: bool = False, part_of: int | None = None
    ) -> WaitingReason | None:
        return obstacle(
            bay.record,
            bay.snapshot,
            bay.held,
            now=self._monotonic(),
            by_hand=by_hand,
            part_of=part_of,
            storage_ok=self._ledger.trusted,
        )

    def _begin_queued(
        self, bay: Bay, job: Job, *, by_hand: bool
    ) -> asyncio.Future[Job]:
        """Reach for a job of the queue, so that no other fabricator does meanwhile."""
        reserved = self._ledger.book.reserved
        reserved.add(job.id)
        claim = self._begin(
            bay, lambda: self._claim(bay, job.id, by_hand=by_hand), by_hand=by_hand
        )
        assert bay.dispatching is not None
        bay.dispatching.add_done_callback(lambda _: reserved.discard(job.id))
        return claim

    def _begin(
        self, bay: Bay, reach: Callable[[], Awaitable[Claimed]], *, by_hand: bool
    ) -> asyncio.Future[Job]:
        """Have `reach` claim a job and start it; gives what becomes of the claim.

        Nothing may be awaited between the look at the bay and this: `dispatching` is
        what keeps a second start away until the claim is committed.
        """
        assert bay.dispatching is None
        loop = asyncio.get_running_loop()
        claim: asyncio.Future[Job] = loop.create_future()
        bay.cancel_asked = False
        bay.dispatching = loop.create_task(
            self._dispatch(bay, reach, claim, by_hand=by_hand)
        )
        bay.dispatching.add_done_callback(lambda task: self._done(bay, claim, task))
        return claim

    def _done(
        self, bay: Bay, claim: asyncio.Future[Job], task: asyncio.Task[None]
    ) -> None:
        bay.dispatching = None
        if not task.cancelled() and (err := task.exception()) is not None:
            _LOGGER.error("A start on %s broke off", bay.config.name, exc_info=err)
        # Only where the task was stopped before it could answer.
        claim.cancel()
        self._ledger.on_change()

    async def by_hand(self, bay: Bay, job: Job | None) -> Job:
        """Start the next job, or this one, because a person says so.

        Returns once the claim is committed. Raises `ConflictError` with the reason
        where an invariant forbids the start.
        """
        self._check_free(bay)
        self._check(bay, by_hand=True)
        if job is None and (job := next_job(bay, self._utcnow())) is None:
            raise ConflictError("nothing_queued")
        if job.id in self._ledger.book.reserved:
            raise ConflictError("job_not_queued", job=str(job.id))
        self._check_job(bay, job, by_hand=True)
        return await self._outcome(self._begin_queued(bay, job, by_hand=True))

    async def recover(self, bay: Bay) -> Job:
        """Go on with the print that was cut off here, as a new job.

        Returns once that job is claimed. Raises `ConflictError`, or what the machine
        or the reading of the file raises; the offer stands then.
        """
        self._check_free(bay)
        self._check(bay, by_hand=True, part_of=self._salvage.find(bay).id)
        claim = self._begin(bay, lambda: self._claim_part(bay), by_hand=True)
        return await self._outcome(claim)

    async def _outcome(self, claim: asyncio.Future[Job]) -> Job:
        await asyncio.wait([claim])
        if claim.cancelled():
            raise ConflictError("cancelled")
        return claim.result()

    def _check_free(self, bay: Bay) -> None:
        if bay.dispatching is not None or bay.closed:
            raise ConflictError("not_startable", reason=WaitingReason.BUSY.value)

    def _check(self, bay: Bay, *, by_hand: bool, part_of: int | None = None) -> None:
        """Raise `ConflictError` where nothing may start here."""
        reason = self._obstacle(bay, by_hand=by_hand, part_of=part_of)
        if reason is not None:
            raise ConflictError("not_startable", reason=reason.value)

    def _check_job(self, bay: Bay, job: Job, *, by_hand: bool) -> None:
        check_job(
            job,
            self._ledger.book.file(job),
            bay.id,
            bay.driver.capabilities,
            self._utcnow(),
            by_hand=by_hand,
        )

    async def _dispatch(
        self,
        bay: Bay,
        reach: Callable[[], Awaitable[Claimed]],
        claim: asyncio.Future[Job],
        *,
        by_hand: bool,
    ) -> None:
        try:
            job, resume = await reach()
        except (FarmError, FabricatorError, RefusedError) as err:
            if by_hand:
                claim.set_exception(err)
            else:
                _LOGGER.warning("%s did not get a job: %s", bay.config.name, err)
            return
        claim.set_result(job)
        await self._carry_out(bay, job, resume)

    async def _claim_part(self, bay: Bay) -> Claimed:
        """Make a job of this fabricator's that goes on with the part on its bed."""
        origin = self._salvage.find(bay)
        new, resume = await self._salvage.survey(bay, origin)
        async with bay.lock:
            if self._salvage.find(bay).id != origin.id:
                raise ConflictError("nothing_to_recover", name=bay.config.name)
            self._check(bay, by_hand=True, part_of=origin.id)
            told = [
                self._teller.make(kind, record=bay.record, reason="recovered")
                for kind in (events.JobAdded, events.JobAssigned)
            ]
            async with self._ledger.queue_lock:
                committed = await self._ledger.add_claimed(
                    new,
                    replace(bay.record, halted=None),
                    self._utcnow(),
                    [replace(event, file_name=new.name) for event in told],
                )
        return committed.jobs[0], resume

    async def _claim(self, bay: Bay, job_id: int, *, by_hand: bool) -> Claimed:
        """Make the job this fabricator's, if both are still free."""
        async with bay.lock, self._ledger.queue_lock:
            job = self._ledger.book.job(job_id)
            if job is None:
                raise ConflictError("job_not_queued", job=str(job_id))
            self._check(bay, by_hand=by_hand)
            self._check_job(bay, job, by_hand=by_hand)
            job = replace(
                job,
                status=JobStatus.STARTING,
                fabricator_id=bay.id,
                claimed_at=self._utcnow(),
                hold=False,
                reason=None,
                reason_text=None,
            )
            # A start by hand is the act that a halted queue waits for.
            halted = bay.record.halted is not None
            committed = await self._ledger.commit(
                jobs=[job],
                fabricators=[replace(bay.record, halted=None)] if halted else [],
                events=[
                    self._teller.make(events.JobAssigned, record=bay.record, job=job)
                ],
            )
            return committed.jobs[0], None

    async def _carry_out(self, bay: Bay, job: Job, resume: Resume | None) -> None:
        try:
            task = await self._prepare(bay, job, resume)
            outcome, reason, text = await self._send(bay, task)
        except FarmError as err:
            await self._give_back(bay, job.id, err.key, None)
        except RefusedError as err:
            await self._give_back(bay, job.id, err.reason.value, err.detail)
        except FabricatorError as err:
            await self._give_back(bay, job.id, err.key, err.text)
        except OSError as err:
            _LOGGER.warning("Cannot read the file of job %s: %s", job.id, err)
            await self._give_back(bay, job.id, "file_unreadable", err.strerror)
        except Exception:
            _LOGGER.exception("The start of job %s broke", job.id)
            await self._broken(bay, job.id)
        else:
            await self._conclude(bay, job.id, outcome, reason, text)

    async def _broken(self, bay: Bay, job_id: int) -> None:
        """Something unforeseen: whether the start was written down decides."""
        async with bay.lock:
            job = bay.held
            sent = job is not None and job.id == job_id and job.start_sent_at
            if job is not None and sent and job.status is JobStatus.STARTING:
                await self._ends.park(bay, job, reason="start_unknown", text=None)
        if not sent:
            await self._give_back(bay, job_id, "start_failed", None)

    async def _prepare(self, bay: Bay, job: Job, resume: Resume | None) -> Task:
        """Bring the file within the machine's reach. Nothing is sent to start it."""
        file = self._ledger.book.file(job)
        if file is None:
            raise ConflictError("file_gone", job=str(job.id))
        ready = await self._library.ready(file, job.plate)
        bay.progress = Progress(index=ready.index)
        task = Task(
            run=job.id,
            name=job.name,
            source=ready.source,
            gcode=ready.gcode,
            plate=job.plate,
            resume=resume,
        )
        await bay.driver.transfer(task)
        return task

    async def _send(
        self, bay: Bay, task: Task
    ) -> tuple[StartOutcome, str | None, str | None]:
        """Look once more, write down that the start goes out, and send it."""
        async with bay.lock:
            job = bay.held
            if job is None or job.id != task.run:
                raise ConflictError("job_not_queued", job=str(task.run))
            ready = bay.record
            part_of = None if job.start_offset is None else job.origin_id
            self._last_look(bay, ready, part_of)
            await self._ledger.commit(
                jobs=[replace(job, start_sent_at=self._utcnow())],
                fabricators=[replace(ready, bed_clear=False, last_job_id=job.id)],
            )
            # A slow disk takes its time, and what holds the bed now is this start.
            self._last_look(bay, ready, part_of)
        try:
            async with asyncio.timeout(START_WITHIN):
                return await bay.driver.start(task), None, None
        except FabricatorError as err:
            return StartOutcome.UNKNOWN, err.key, err.text
        except TimeoutError:
            return StartOutcome.UNKNOWN, "start_unanswered", None

    def _last_look(
        self, bay: Bay, record: FabricatorRecord, part_of: int | None
    ) -> None:
        """Raise `ConflictError` where the start may not go out after all.

        As before the claim, but the job that holds the bay is the one that starts.
        """
        if bay.cancel_asked:
            raise ConflictError("cancelled")
        reason = obstacle(
            record,
            bay.snapshot,
            None,
            now=self._monotonic(),
            by_hand=True,
            part_of=part_of,
        )
        if reason is not None:
            raise ConflictError(reason.value)

    async def _conclude(
        self,
        bay: Bay,
        job_id: int,
        outcome: StartOutcome,
        reason: str | None,
        text: str | None,
    ) -> None:
        if outcome is StartOutcome.REFUSED:
            await self._give_back(bay, job_id, reason or "start_refused", text)
            # Its next start bears the same id.
            await self._runs.forget(bay, job_id)
            return
        async with bay.lock:
            if outcome is StartOutcome.STARTED:
                await self._runs.begun(bay, job_id)
            elif (job := bay.held) is not None and job.status is JobStatus.STARTING:
                await self._ends.park(
                    bay, job, reason=reason or "start_unknown", text=text
                )
        # Only what is certainly this job's is cancelled: anything else may be a print
        # that somebody started at the machine.
        certain = outcome is StartOutcome.STARTED or bay.snapshot.run == job_id
        held = bay.held
        if bay.cancel_asked and certain and held is not None and held.id == job_id:
            try:
                await bay.driver.cancel()
            except FabricatorError as err:
                _LOGGER.warning("Job %s could not be cancelled: %s", job_id, err)

    async def _give_back(
        self, bay: Bay, job_id: int, reason: str, text: str | None
    ) -> None:
        """The start certainly did not happen.

        Unless a person cancelled, this fabricator's queue stands still until one
        acts: what failed once fails again.
        """
        async with bay.lock:
            job = bay.held
            if job is None or job.id != job_id or job.status is not JobStatus.STARTING:
                return
            try:
                await self._ends.give_back(
                    bay,
                    job,
                    reason=reason,
                    text=text,
                    cancelled=bay.cancel_asked,
                    halt=True,
                )
            except StorageError as err:
                _LOGGER.error("Job %s could not be given back: %s", job_id, err)
