"""All open jobs and their files in memory, in step with the store."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ..fabricators.interface import Capabilities
from . import queue
from .model import HOLDING, OPEN, AnalysisState, Job, JobStatus, StoredFile


class Book:
    """The open jobs. Ordered lists are made once per change, not once per look.

    A job that is about to be claimed is *reserved* for the length of that attempt, so
    that two fabricators that become free in the same moment reach for different jobs.
    The claim that counts is the store's.
    """

    def __init__(self, jobs: Iterable[Job], files: Iterable[StoredFile]) -> None:
        """Take over what the store holds open."""
        self._jobs = {job.id: job for job in jobs}
        self._files = {file.id: file for file in files}
        self._held = {
            job.fabricator_id: job
            for job in self._jobs.values()
            if job.status in HOLDING and job.fabricator_id is not None
        }
        self._queued: tuple[Job, ...] | None = None
        self._lines: dict[tuple[int, Capabilities], tuple[Job, ...]] = {}
        self._takes: dict[tuple[int, Capabilities], frozenset[int]] = {}
        self.reserved: set[int] = set()

    @property
    def files(self) -> Mapping[int, StoredFile]:
        """The known files by id; at least those of all open jobs."""
        return MappingProxyType(self._files)

    def job(self, job_id: int) -> Job | None:
        """Give an open job."""
        return self._jobs.get(job_id)

    def file(self, job: Job) -> StoredFile | None:
        """Give a job's file."""
        return None if job.file_id is None else self._files.get(job.file_id)

    def held_by(self, fabricator_id: int) -> Job | None:
        """Give the job that holds this fabricator."""
        return self._held.get(fabricator_id)

    def holding(self) -> tuple[Job, ...]:
        """Give all jobs that hold a fabricator."""
        return tuple(self._held.values())

    def queued(self) -> tuple[Job, ...]:
        """Give all queued jobs in the order in which they go."""
        if self._queued is None:
            self._queued = tuple(
                queue.order(
                    job for job in self._jobs.values() if job.status is JobStatus.QUEUED
                )
            )
        return self._queued

    def line(self, fabricator_id: int, capabilities: Capabilities) -> tuple[Job, ...]:
        """Give the queued jobs that this fabricator could take, in order."""
        key = (fabricator_id, capabilities)
        if (line := self._lines.get(key)) is None:
            # Many jobs print one file: each plate is held against the machine once.
            fitting: dict[tuple[int | None, int], bool] = {}
            taken = []
            for job in self.queued():
                if job.target not in (None, fabricator_id):
                    continue
                plate = (job.file_id, job.plate)
                if plate not in fitting:
                    fitting[plate] = queue.fits(self.file(job), job.plate, capabilities)
                if fitting[plate]:
                    taken.append(job)
            line = self._lines[key] = tuple(taken)
        return line

    def takes(self, fabricator_id: int, capabilities: Capabilities) -> frozenset[int]:
        """Give the ids of the queued jobs that this fabricator could take."""
        key = (fabricator_id, capabilities)
        if (ids := self._takes.get(key)) is None:
            line = self.line(fabricator_id, capabilities)
            ids = self._takes[key] = frozenset(job.id for job in line)
        return ids

    def put_job(self, job: Job) -> None:
        """Take in a job's new state; one that is over leaves the book."""
        old = self._jobs.pop(job.id, None)
        if (
            old is not None
            and old.fabricator_id is not None
            and self._held.get(old.fabricator_id) is old
        ):
            del self._held[old.fabricator_id]
        if job.status in OPEN:
            self._jobs[job.id] = job
        if job.status in HOLDING and job.fabricator_id is not None:
            self._held[job.fabricator_id] = job
        if JobStatus.QUEUED in (job.status, old.status if old else None):
            self._changed()

    def put_file(self, file: StoredFile) -> None:
        """Take in a file or its analysis; what was read once is never unread."""
        known = self._files.get(file.id)
        if known is not None and known.state is not AnalysisState.PENDING:
            if file.state is AnalysisState.PENDING:
                return
        self._files[file.id] = file
        self._changed()

    def drop_file(self, file_id: int) -> None:
        """Forget a file that was deleted."""
        self._files.pop(file_id, None)
        self._changed()

    def _changed(self) -> None:
        self._queued = None
        self._lines.clear()
        self._takes.clear()
