"""What happens on a machine, turned into jobs, totals and events.

Each bay has one worker that takes its mailbox in order. Every change is committed
before it is shown or told; an end and all that follows from it is one transaction.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
import logging

from ..fabricators.interface import (
    FabricatorError,
    MachineEvent,
    MachineEventType,
    MachineState,
    Result,
)
from . import events, queue
from .bay import Bay, Edge
from .ledger import Ledger
from .model import RUNNING, FabricatorRecord, Job, JobStatus, StoredFile
from .progress import Progress, over
from .recovery import RESULT_STATUS, certainly_unstarted, parked
from .teller import Teller

_LOGGER = logging.getLogger(__name__)

MILESTONES = (25, 50, 75)
OUTCOME_WITHIN = 30.0
"""Seconds that a driver gets to say what became of a run."""
_STARTABLE = frozenset({JobStatus.STARTING, JobStatus.UNKNOWN})

_END_EVENT: Mapping[JobStatus, type[events.FarmEvent]] = {
    JobStatus.COMPLETED: events.PrintComplete,
    JobStatus.CANCELLED: events.PrintCancelled,
    JobStatus.FAILED: events.PrintFailed,
}


class Runs:
    """Follows the prints on all bays."""

    def __init__(
        self, ledger: Ledger, teller: Teller, on_end: Callable[[Bay], None]
    ) -> None:
        """`on_end` is called after each end, so that the next job may start."""
        self._ledger = ledger
        self._teller = teller
        self._on_end = on_end
        self._ending: set[int] = set()
        """Jobs whose end is being committed; those that are over drop out."""
        self._handlers = {
            MachineEventType.STARTED: self._on_started,
            MachineEventType.PAUSED: self._on_paused,
            MachineEventType.RESUMED: self._on_resumed,
            MachineEventType.ENDED: self._on_ended,
            MachineEventType.FILAMENT_RUNOUT: self._on_runout,
            MachineEventType.ERROR: self._on_error,
            MachineEventType.PROMPT: self._on_prompt,
        }
        self._edges = {
            Edge.SETTLE: self._settle,
            Edge.ONLINE: self._on_online,
            Edge.OFFLINE: self._on_offline,
            Edge.EXTERNAL: self._on_external,
            Edge.MILESTONE: self._on_milestone,
        }

    async def work(self, bay: Bay) -> None:
        """Take a bay's mailbox in order, for as long as the bay is there."""
        while True:
            item = await bay.mailbox.get()
            try:
                async with bay.lock:
                    if isinstance(item, Edge):
                        bay.edges.discard(item)
                        await self._edges[item](bay)
                    else:
                        await self._handlers[item.type](bay, item)
            except Exception:
                _LOGGER.exception("Could not take in %s of %s", item, bay.config.name)
            finally:
                bay.mailbox.task_done()

    async def begun(self, bay: Bay, job_id: int) -> None:
        """Note that this job was seen printing. The bay's lock is held.

        A job that was given up to a person counts again: its own machine knows better.
        """
        job = bay.held
        if job is None or job.id != job_id or job.status not in _STARTABLE:
            return
        told: list[events.FarmEvent] = []
        if job.started_at is None:
            job = replace(job, started_at=self._teller.utcnow())
            told = [self._teller.make(events.PrintStarted, record=bay.record, job=job)]
        job = replace(job, status=JobStatus.PRINTING, reason=None, reason_text=None)
        await self._ledger.commit_fact(jobs=[job], events=told)

    async def park(self, bay: Bay, job: Job, *, reason: str, text: str | None) -> None:
        """Give a job up to a person: nobody knows what became of it. Lock held."""
        job = parked(job, reason=reason, text=text)
        record = replace(bay.record, bed_clear=False, last_job_id=job.id)
        await self._ledger.commit_fact(
            jobs=[job],
            fabricators=[record],
            events=[
                self._teller.make(
                    events.JobUnknown, record=record, job=job, reason=reason, text=text
                )
            ],
        )

    async def end(
        self,
        bay: Bay,
        job: Job,
        status: JobStatus,
        *,
        reason: str | None = None,
        text: str | None = None,
        bed_clear: bool = False,
        seen: bool = True,
    ) -> None:
        """Write an end with all that follows from it, as one change. Lock held.

        `bed_clear` is for ends that a person declares at the machine. An end that was
        not `seen` has no known duration.
        """
        whole = status is JobStatus.COMPLETED
        done = 1.0 if whole else bay.progress.done
        make = self._teller.make
        told: list[events.FarmEvent] = []
        if job.started_at is None:
            job = replace(job, started_at=job.start_sent_at)
            told.append(make(events.PrintStarted, record=bay.record, job=job))
        file = self._ledger.book.file(job)
        job = _ended(job, status, self._teller.utcnow(), file, done, seen=seen)
        job = replace(job, reason=reason, reason_text=text)
        record = replace(_counted(bay.record, job), bed_clear=bed_clear)
        following = self._next_of(bay, job)
        told += [
            make(
                _END_EVENT[status],
                record=record,
                job=job,
                reason=reason,
                text=text,
                next_job_id=following,
            ),
            make(
                events.BedCleared if bed_clear else events.BedClearRequired,
                record=record,
                job=job,
                next_job_id=following,
            ),
        ]
        if self._is_last(job):
            told.append(make(events.QueueEmpty, record=record, job=job))
        # In place before the commit shows the end: no view in between lacks its job.
        bay.last_job, bay.last_file = job, file
        bay.progress = over(bay.progress, whole=whole)
        committed = await self._ledger.commit_fact(
            jobs=[job], fabricators=[record], events=told
        )
        bay.last_job = committed.jobs[0]
        self._on_end(bay)

    def _next_of(self, bay: Bay, over: Job) -> int | None:
        now = self._teller.utcnow()
        book = self._ledger.book
        for job in book.line(bay.id, bay.driver.capabilities):
            if job.id != over.id and queue.unready(job, book.file(job), now) is None:
                return job.id
        return None

    def _is_last(self, over: Job) -> bool:
        """Tell whether nothing waits or prints besides this job.

        Of several that end in the same moment the last one to ask is the last.
        """
        book = self._ledger.book
        self._ending.add(over.id)
        open_still = {job.id for job in book.holding()}
        self._ending &= open_still
        return not book.queued() and open_still <= self._ending

    # The machine's events. `bay.lock` is held in all of them.

    async def _on_started(self, bay: Bay, event: MachineEvent) -> None:
        if event.run is not None:
            await self.begun(bay, event.run)

    async def _on_paused(self, bay: Bay, event: MachineEvent) -> None:
        bay.progress = replace(bay.progress, anchor=None)
        await self._turn(bay, event, JobStatus.PAUSED, events.PrintPaused)

    async def _on_resumed(self, bay: Bay, event: MachineEvent) -> None:
        bay.progress = replace(bay.progress, anchor=None)
        await self._turn(bay, event, JobStatus.PRINTING, events.PrintResumed)

    async def _turn(
        self,
        bay: Bay,
        event: MachineEvent,
        status: JobStatus,
        kind: type[events.FarmEvent],
    ) -> None:
        job = bay.held
        if job is None or event.run != job.id:
            return
        await self.begun(bay, job.id)
        job = bay.held
        if job is None or job.status not in RUNNING or job.status is status:
            return
        job = replace(job, status=status)
        await self._ledger.commit_fact(
            jobs=[job],
            events=[
                self._teller.make(
                    kind,
                    record=bay.record,
                    job=job,
                    reason=event.reason,
                    text=event.text,
                )
            ],
        )

    async def _on_ended(self, bay: Bay, event: MachineEvent) -> None:
        job = bay.held
        if event.run is None:
            await self._on_external(bay)
        elif job is not None and event.run == job.id:
            unsettled, bay.unsettled = bay.unsettled, False
            result = event.result or Result.UNKNOWN
            await self._settle_as(
                bay, job, result, event.reason, event.text, seen=not unsettled
            )

    async def _settle_as(
        self,
        bay: Bay,
        job: Job,
        result: Result,
        reason: str | None,
        text: str | None = None,
        *,
        seen: bool,
    ) -> None:
        status = RESULT_STATUS[result]
        if status is JobStatus.UNKNOWN:
            if job.status is not JobStatus.UNKNOWN:
                await self.park(bay, job, reason=reason or "outcome_unknown", text=text)
            return
        await self.end(bay, job, status, reason=reason, text=text, seen=seen)

    async def _on_runout(self, bay: Bay, event: MachineEvent) -> None:
        await self._tell(bay, events.FilamentRunout, event)

    async def _on_error(self, bay: Bay, event: MachineEvent) -> None:
        await self._tell(bay, events.PrinterError, event)

    async def _on_prompt(self, bay: Bay, event: MachineEvent) -> None:
        """A prompt is shown as the fabricator's message; it changes no job."""

    async def _tell(
        self, bay: Bay, kind: type[events.FarmEvent], event: MachineEvent | None = None
    ) -> None:
        await self._ledger.commit_fact(
            events=[
                self._teller.make(
                    kind,
                    record=bay.record,
                    job=bay.held,
                    reason=event.reason if event else None,
                    text=event.text if event else None,
                )
            ]
        )

    # Edges of the snapshot.

    async def _settle(self, bay: Bay) -> None:
        """After a restart: ask the machine what became of the job it was given."""
        job = bay.held
        if not bay.unsettled or job is None:
            return
        try:
            async with asyncio.timeout(OUTCOME_WITHIN):
                end = await bay.driver.outcome(job.id)
        except (FabricatorError, TimeoutError) as err:
            _LOGGER.info("%s cannot tell yet: %r", bay.config.name, err)
            return
        bay.unsettled = False
        if end is not None:
            result = end.result or Result.UNKNOWN
            await self._settle_as(
                bay, job, result, end.reason or "restarted", end.text, seen=False
            )
            return
        await self.begun(bay, job.id)
        # What happened to it meanwhile came as no event.
        kind = {
            MachineState.PAUSED: MachineEventType.PAUSED,
            MachineState.PRINTING: MachineEventType.RESUMED,
        }.get(bay.snapshot.state)
        if kind is not None:
            await self._handlers[kind](bay, MachineEvent(type=kind, run=job.id))

    async def _on_online(self, bay: Bay) -> None:
        await self._tell(bay, events.PrinterOnline)

    async def _on_offline(self, bay: Bay) -> None:
        if not bay.connected:
            bay.told_offline = True
            await self._tell(bay, events.PrinterOffline)

    async def _on_external(self, bay: Bay) -> None:
        """Whatever somebody else printed: its part will lie on the bed, alone."""
        record = bay.record
        if bay.held is not None and not certainly_unstarted(bay.held):
            return
        if record.bed_clear or record.last_job_id is not None:
            await self._ledger.commit_fact(
                fabricators=[replace(record, bed_clear=False, last_job_id=None)]
            )
            bay.last_job = bay.last_file = None
            bay.progress = Progress()

    async def _on_milestone(self, bay: Bay) -> None:
        job = bay.held
        done = bay.progress.done
        if job is None or done is None or job.status not in RUNNING:
            return
        passed = max((m for m in MILESTONES if m <= done * 100), default=0)
        if passed <= job.milestone:
            return
        job = replace(job, milestone=passed)
        await self._ledger.commit_fact(
            jobs=[job],
            events=[
                self._teller.make(
                    events.PrintProgress, record=bay.record, job=job, progress=passed
                )
            ],
        )


def milestone_due(bay: Bay) -> bool:
    """Tell whether a milestone was passed that was not announced yet."""
    job = bay.held
    if job is None or job.status is not JobStatus.PRINTING or job.milestone >= 75:
        return False
    done = bay.progress.done
    return done is not None and done * 100 >= job.milestone + 25


def _ended(
    job: Job,
    status: JobStatus,
    at: datetime,
    file: StoredFile | None,
    done: float | None,
    *,
    seen: bool,
) -> Job:
    """Give the job as it is once over. Filament counts by the share printed."""
    analysis = file.plate(job.plate) if file is not None else None
    length = analysis.filament_length if analysis is not None else None
    weight = analysis.filament_weight if analysis is not None else None
    took = None
    if seen and job.started_at is not None:
        took = (at - job.started_at).total_seconds()
    return replace(
        job,
        status=status,
        ended_at=at,
        duration=took,
        filament_length=None if length is None or done is None else length * done,
        filament_weight=None if weight is None or done is None else weight * done,
    )


def _counted(record: FabricatorRecord, job: Job) -> FabricatorRecord:
    """Give the record with this end counted."""
    return replace(
        record,
        last_job_id=job.id,
        completed=record.completed + (job.status is JobStatus.COMPLETED),
        failed=record.failed + (job.status is JobStatus.FAILED),
        cancelled=record.cancelled + (job.status is JobStatus.CANCELLED),
        print_time=record.print_time + (job.duration or 0.0),
        filament_length=record.filament_length + (job.filament_length or 0.0),
        filament_weight=record.filament_weight + (job.filament_weight or 0.0),
    )
