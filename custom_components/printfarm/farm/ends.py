"""How jobs come to their end, or back to where they were: one transaction each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from ..fabricators.interface import Checkpoint
from ..fabricators.streamer.messages import checkpoint_to_json
from . import events, queue
from .bay import Bay
from .ledger import Ledger
from .model import ENDED, FabricatorRecord, Job, JobStatus, StoredFile
from .progress import Progress, finished, over, reached, used
from .recovery import bed_before, given_back, over_unstarted, parked
from .storage import Storage
from .teller import Teller

_END_EVENT: Mapping[JobStatus, type[events.FarmEvent]] = {
    JobStatus.COMPLETED: events.PrintComplete,
    JobStatus.CANCELLED: events.PrintCancelled,
    JobStatus.FAILED: events.PrintFailed,
}


class Ends:
    """Writes ends. The bay's lock is held in all of it."""

    def __init__(
        self, ledger: Ledger, teller: Teller, on_end: Callable[[], None]
    ) -> None:
        """`on_end` is called after each end, so that the next job may start."""
        self._ledger = ledger
        self._teller = teller
        self._on_end = on_end
        self._ending: set[int] = set()
        """Jobs whose end is being committed; those that are over drop out."""

    async def park(self, bay: Bay, job: Job, *, reason: str, text: str | None) -> None:
        """Give a job up to a person: nobody knows what became of it."""
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
        at: float | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Write an end with all that follows from it, as one change.

        `bed_clear` is for ends that a person declares at the machine. An end that was
        not `seen` has no known duration, unless it is told when it was: `at`, in Unix
        time.
        """
        whole = status is JobStatus.COMPLETED
        make = self._teller.make
        told: list[events.FarmEvent] = []
        if job.started_at is None:
            job = replace(job, started_at=job.start_sent_at)
            told.append(make(events.PrintStarted, record=bay.record, job=job))
        file = self._ledger.book.file(job)
        progress = bay.progress
        if checkpoint is not None and not whole:
            progress = reached(progress, checkpoint.position)
        progress = over(progress, whole=whole)
        job = _ended(
            job,
            status,
            moment(at, job.started_at, self._teller.utcnow()),
            file,
            used(progress, job.start_offset),
            seen=seen or at is not None,
        )
        cut_off = checkpoint if status is JobStatus.FAILED else None
        job = replace(
            job,
            reason=reason,
            reason_text=text,
            end_offset=None if whole else progress.offset,
            checkpoint=None if cut_off is None else checkpoint_to_json(cut_off),
        )
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
        bay.progress = progress
        committed = await self._ledger.commit_fact(
            jobs=[job], fabricators=[record], events=told
        )
        bay.last_job = committed.jobs[0]
        self._on_end()

    async def give_back(
        self,
        bay: Bay,
        job: Job,
        *,
        reason: str,
        text: str | None = None,
        cancelled: bool = False,
        halt: bool = False,
    ) -> None:
        """The start certainly did not happen: all is as it was before the claim.

        Unless a person cancelled it, the job returns to its place; `halt` keeps this
        fabricator's queue until a person acts. Raises `StorageError`.
        """
        now = self._teller.utcnow()
        record = bed_before(bay.record, job)
        if cancelled:
            back = over_unstarted(job, now, "user")
            kind: type[events.FarmEvent] = events.PrintCancelled
        else:
            back = given_back(job, now, reason=reason, text=text)
            waits = back.status is JobStatus.QUEUED
            kind = events.JobWaiting if waits else events.JobRemoved
            record = replace(record, halted=reason if halt else record.halted)
        told = self._teller.make(
            kind, record=record, job=back, reason=back.reason, text=back.reason_text
        )
        await self._ledger.commit_fact(
            jobs=[back],
            fabricators=[record] if record != bay.record else [],
            events=[told],
        )
        # What lay there before lies there still.
        bay.last_job, bay.last_file = await last_of(self._ledger.storage, record)
        index, bay.progress = bay.progress.index, Progress()
        if bay.last_job is not None:
            bay.progress = finished(bay.last_job, bay.last_file, index)

    async def take_back(self, jobs: Iterable[Job], reason: str) -> None:
        """Take claims back whose start was never sent. Raises `StorageError`."""
        now = self._teller.utcnow()
        back = [given_back(job, now, reason=reason) for job in jobs]
        told = [
            self._teller.make(events.JobRemoved, job=job, reason=reason)
            for job in back
            if job.status is not JobStatus.QUEUED
        ]
        if back:
            await self._ledger.commit(jobs=back, events=told)

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


async def last_of(
    storage: Storage, record: FabricatorRecord
) -> tuple[Job | None, StoredFile | None]:
    """Give the job whose part lies on the bed, and its file."""
    if record.last_job_id is None or record.bed_clear:
        return None, None
    job = await storage.job(record.last_job_id)
    if job is None or job.status not in ENDED:
        return None, None
    file = None if job.file_id is None else await storage.file(job.file_id)
    return job, file


def moment(at: float | None, began: datetime | None, now: datetime) -> datetime:
    """Give the time of something that a machine dates itself; never an absurd one."""
    if at is None:
        return now
    first = (began or datetime.fromtimestamp(0, UTC)).timestamp()
    return datetime.fromtimestamp(max(first, min(at, now.timestamp())), UTC)


def _ended(
    job: Job,
    status: JobStatus,
    at: datetime,
    file: StoredFile | None,
    share: float | None,
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
        filament_length=None if length is None or share is None else length * share,
        filament_weight=None if weight is None or share is None else weight * share,
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
