"""The queue's own operations: adding, moving, changing, removing, repeating."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import EllipsisType
import unicodedata

from . import events, queue
from .bay import Bay
from .errors import ConflictError, InvalidError, NotFoundError
from .ledger import Ledger
from .library import Library
from .model import ENDED, MOST_IDS, AnalysisState, Job, JobStatus, NewJob, StoredFile
from .teller import Teller

MOST_COPIES = 1000
HIGHEST_PRIORITY = 100
"""And the lowest is its negative."""


class Jobs:
    """Changes the queue; every change is one transaction."""

    def __init__(
        self,
        ledger: Ledger,
        library: Library,
        teller: Teller,
        bays: Mapping[int, Bay],
        utcnow: Callable[[], datetime],
    ) -> None:
        """`bays` is the farm's own, live mapping by fabricator id."""
        self._ledger = ledger
        self._library = library
        self._teller = teller
        self._bays = bays
        self._utcnow = utcnow

    async def find(self, job_id: int) -> Job:
        """Give a job, open or ended, or raise `NotFoundError`."""
        job = self._ledger.book.job(job_id)
        if job is None and 0 < job_id < MOST_IDS:
            job = await self._ledger.storage.job(job_id)
        if job is None:
            raise NotFoundError("job_not_found", job=str(job_id))
        return job

    async def find_queued(self, job_id: int) -> Job:
        """Give a queued job; raises `NotFoundError`, or `ConflictError` where it is not."""
        await self.find(job_id)
        return self._queued(job_id)

    def _queued(self, job_id: int) -> Job:
        """Give a queued job that nobody reaches for; else raise `ConflictError`."""
        job = self._ledger.book.job(job_id)
        if (
            job is None
            or job.status is not JobStatus.QUEUED
            or job_id in self._ledger.book.reserved
        ):
            raise ConflictError("job_not_queued", job=str(job_id))
        return job

    async def add(
        self,
        *,
        file_id: int,
        name: str | None,
        plate: int,
        copies: int,
        priority: int,
        target: int | None,
        shortest: bool,
        hold: bool,
        not_before: datetime | None,
    ) -> tuple[Job, ...]:
        """Append `copies` jobs of a file. Raises `InvalidError`, `NotFoundError`."""
        if not 1 <= copies <= MOST_COPIES:
            raise InvalidError("copies_invalid", most=str(MOST_COPIES))
        _check_priority(priority)
        if name is not None and not _usable(name):
            raise InvalidError("name_invalid", name=name[:40])
        if not_before is not None and not_before.tzinfo is None:
            raise InvalidError("time_without_zone")
        file = await self._library.file(file_id)
        read = file.state is AnalysisState.DONE
        if plate < 1 or (read and file.plate(plate) is None):
            raise InvalidError("plate_not_found", plate=str(plate))
        if file.state is AnalysisState.FAILED:
            raise ConflictError("file_unusable", file=file.name)
        self._ledger.book.put_file(file)
        targets = self._shortest(file, plate, copies) if shortest else [target] * copies
        new = [
            NewJob(
                file_id=file.id,
                name=(name or file.name).strip(),
                plate=plate,
                target=wanted,
                priority=priority,
                hold=hold,
                not_before=not_before,
            )
            for wanted in targets
        ]
        return await self._append(new)

    def _shortest(self, file: StoredFile, plate: int, copies: int) -> list[int | None]:
        """For each copy, pick the fitting fabricator with the least work before it."""
        book = self._ledger.book
        fitting = [
            bay
            for bay in self._bays.values()
            if not bay.record.maintenance
            and queue.fits(file, plate, bay.driver.capabilities)
        ]
        if not fitting:
            raise ConflictError("no_fabricator_fits", file=file.name)
        analysis = file.plate(plate)
        each = (analysis.time if analysis is not None else None) or 0.0
        waits = {
            bay.id: (bay.progress.remaining or 0.0 if bay.held is not None else 0.0)
            + queue.load(
                (job for job in book.queued() if job.target == bay.id), book.files
            )
            for bay in fitting
        }
        counts = {
            bay.id: sum(job.target == bay.id for job in book.queued())
            + (bay.held is not None)
            for bay in fitting
        }
        places = {bay.id: bay.record.position for bay in fitting}
        picked: list[int | None] = []
        for _ in range(copies):
            best = min(waits, key=lambda id_: (waits[id_], counts[id_], places[id_]))
            picked.append(best)
            waits[best] += each
            counts[best] += 1
        return picked

    async def _append(self, new: list[NewJob]) -> tuple[Job, ...]:
        now = self._utcnow()
        async with self._ledger.queue_lock:
            told = [
                events.JobAdded(
                    at=now,
                    file_name=job.name,
                    fabricator_id=job.target,
                    fabricator_name=self._name_of(job.target),
                )
                for job in new
            ]
            committed = await self._ledger.add_jobs(new, now, told)
        return committed.jobs

    def _name_of(self, target: int | None) -> str | None:
        if target is None:
            return None
        if (bay := self._bays.get(target)) is None:
            raise NotFoundError("fabricator_not_found", key=str(target))
        return bay.record.name

    async def move(self, job_id: int, position: int) -> Job:
        """Put a queued job at this place of its priority's line."""
        await self.find(job_id)
        async with self._ledger.queue_lock:
            job = self._queued(job_id)
            line = [
                other
                for other in self._ledger.book.queued()
                if other.priority == job.priority and other.id != job.id
            ]
            changes = [
                replace(other, position=place)
                for other, place in queue.place(line, job, position)
            ]
            committed = await self._ledger.commit(jobs=changes)
        return next(job for job in committed.jobs if job.id == job_id)

    async def change(self, job_id: int, wanted: Mapping[str, object]) -> Job:
        """Change fields of a queued job. A new priority goes behind its equals."""
        when, priority = wanted.get("not_before"), wanted.get("priority")
        if isinstance(when, datetime) and when.tzinfo is None:
            raise InvalidError("time_without_zone")
        if isinstance(priority, int):
            _check_priority(priority)
        await self.find(job_id)
        async with self._ledger.queue_lock:
            job = self._queued(job_id)
            changed = replace(job, **wanted)  # type: ignore[arg-type]
            if changed.priority != job.priority:
                last = [
                    other.position
                    for other in self._ledger.book.queued()
                    if other.priority == changed.priority
                ]
                changed = replace(changed, position=max(last, default=0) + queue.STEP)
            if changed == job:
                return job
            committed = await self._ledger.commit(jobs=[changed])
        return committed.jobs[0]

    async def remove(self, job_id: int) -> Job:
        """Take a queued job out of the queue. It stays in the history, as cancelled."""
        await self.find(job_id)
        async with self._ledger.queue_lock:
            job = replace(
                self._queued(job_id),
                status=JobStatus.CANCELLED,
                reason="removed",
                ended_at=self._utcnow(),
            )
            committed = await self._ledger.commit(
                jobs=[job], events=[self._teller.make(events.JobRemoved, job=job)]
            )
        return committed.jobs[0]

    async def requeue(
        self, job_id: int, *, target: int | EllipsisType | None = ...
    ) -> Job:
        """Queue a job that is over again. Raises `ConflictError` while it is not."""
        job = await self.find(job_id)
        if job.status not in ENDED:
            raise ConflictError("job_not_ended", job=str(job_id))
        if job.file_id is None:
            raise NotFoundError("file_not_found", file=job.name)
        file = await self._library.file(job.file_id)
        self._ledger.book.put_file(file)
        wanted = job.target if isinstance(target, EllipsisType) else target
        if wanted is not None and wanted not in self._bays:
            wanted = None
        (again,) = await self._append(
            [
                NewJob(
                    file_id=file.id,
                    name=job.name,
                    plate=job.plate,
                    target=wanted,
                    priority=job.priority,
                    origin_id=job.id,
                )
            ]
        )
        return again


def _check_priority(priority: int) -> None:
    if abs(priority) > HIGHEST_PRIORITY:
        raise InvalidError("priority_invalid", most=str(HIGHEST_PRIORITY))


def _usable(name: str) -> bool:
    """Tell whether a job can be called so; PostgreSQL stores no zero byte."""
    return 0 < len(name.strip()) <= 200 and not any(
        unicodedata.category(char) in {"Cc", "Cs"} for char in name.strip()
    )
