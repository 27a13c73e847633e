"""The repository against the same thing written with dictionaries."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import override

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
import pytest

from custom_components.printfarm.farm.errors import StaleError, StorageError
from custom_components.printfarm.farm.events import (
    FarmEvent,
    PrintComplete,
    PrintPaused,
    PrintStarted,
)
from custom_components.printfarm.farm.model import (
    HOLDING,
    OPEN,
    FabricatorRecord,
    Job,
    JobFilter,
    JobStatus,
    NewJob,
    StoredFile,
)
from custom_components.printfarm.store.repository import Repository, open_repository

from .content import NOW, add_fabricator, add_file

# On Python 3.14 Hypothesis takes its own random generator for one that nobody holds.
pytestmark = pytest.mark.filterwarnings("ignore:It looks like `register_random`")


class Refused(Exception):
    """The model says that this must not be."""


class StorageMachine(RuleBasedStateMachine):
    """Does what a farm does, and what it should not, to both."""

    def __init__(self) -> None:
        """Begin with an empty model."""
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "farm.db"
        self.loop = asyncio.new_event_loop()
        self.repository: Repository
        self.fabricators: dict[int, FabricatorRecord] = {}
        self.files: dict[int, StoredFile] = {}
        self.jobs: dict[int, Job] = {}
        self.events: dict[int, FarmEvent] = {}
        self.announced: set[int] = set()
        self.past: list[Job] = []

    def do[T](self, work: Awaitable[T]) -> T:
        """Wait for the repository."""
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        """Two fabricators and a file, on a new database."""
        self.repository = self.do(open_repository(self.path))
        for key in "ab":
            record = self.do(add_fabricator(self.repository, key))
            self.fabricators[record.id] = record
        self.new_file(name="one")

    @rule(name=st.sampled_from(["one", "two", "three"]))
    def new_file(self, name: str) -> None:
        """A file, or the one that is there."""
        file = self.do(add_file(self.repository, name))
        assert self.files.setdefault(file.id, file) == file
        assert len({each.sha256 for each in self.files.values()}) == len(self.files)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), count=st.integers(1, 3))
    def queue(self, data: st.DataObject, count: int) -> None:
        """New jobs at the end of the queue."""
        file = data.draw(st.sampled_from(sorted(self.files)))
        open_jobs = [job for job in self.jobs.values() if job.status in OPEN]
        last = max((job.position for job in open_jobs), default=0)
        new = [NewJob(file_id=file, name=f"job {n}") for n in range(count)]
        added = self.do(self.repository.add_jobs(new, NOW)).jobs
        assert [job.position for job in added] == list(
            range(last + 1, last + 1 + count)
        )
        assert all(job.id > max(self.jobs, default=0) for job in added)
        self.jobs |= {job.id: job for job in added}

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        """Any change of some jobs, perhaps from what was read long ago, with events."""
        known = [*self.jobs.values(), *self.past]
        chosen = data.draw(
            st.lists(
                st.sampled_from(known), min_size=1, max_size=3, unique_by=lambda j: j.id
            )
        )
        places = st.sampled_from([None, *self.fabricators])
        jobs = [
            replace(
                job,
                status=data.draw(st.sampled_from(JobStatus)),
                fabricator_id=data.draw(places),
                priority=data.draw(st.integers(-2, 2)),
            )
            for job in chosen
        ]
        kinds = st.sampled_from([PrintStarted, PrintComplete, PrintPaused])
        events = [
            kind(at=NOW, job_id=data.draw(st.sampled_from(jobs)).id)
            for kind in data.draw(st.lists(kinds, max_size=2))
        ]
        try:
            expected = self.apply(jobs, events)
        except Refused as refused:
            with pytest.raises(refused.args[0]):
                self.do(self.repository.commit(jobs=jobs, events=events))
            return
        committed = self.do(self.repository.commit(jobs=jobs, events=events))
        self.past += chosen
        self.jobs = expected
        self.events |= {event.id: event for event in committed.events if event.id}
        assert [replace(event, id=None) for event in committed.events] == events
        assert [self.jobs[job.id] for job in jobs] == list(committed.jobs)

    def apply(self, jobs: list[Job], events: list[FarmEvent]) -> dict[int, Job]:
        """Give all jobs as they must be after a commit, or raise `Refused`."""
        after = dict(self.jobs)
        for job in sorted(jobs, key=lambda job: job.status in HOLDING):
            if after[job.id].revision != job.revision:
                raise Refused(StaleError)
            if job.file_id is not None and job.file_id not in self.files:
                raise Refused(StorageError)
            after[job.id] = replace(job, revision=job.revision + 1)
            held = [
                each.fabricator_id for each in after.values() if each.status in HOLDING
            ]
            if None in held or len(held) != len(set(held)):
                raise Refused(StorageError)
        once = [
            (event.type, event.job_id)
            for event in [*self.events.values(), *events]
            if event.once_per_job
        ]
        if len(once) != len(set(once)):
            raise Refused(StorageError)
        return after

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def delete_file(self, data: st.DataObject) -> None:
        """Jobs that are over lose their file, open ones keep it."""
        file = data.draw(st.sampled_from(sorted(self.files)))
        using = [job for job in self.jobs.values() if job.file_id == file]
        if any(job.status in OPEN for job in using):
            with pytest.raises(StorageError):
                self.do(self.repository.delete_file(file))
            return
        self.do(self.repository.delete_file(file))
        del self.files[file]
        for job in using:
            self.jobs[job.id] = replace(job, file_id=None, revision=job.revision + 1)

    @precondition(lambda self: self.events)
    @rule(data=st.data())
    def announce(self, data: st.DataObject) -> None:
        """Some events were handed out."""
        ids = data.draw(st.lists(st.sampled_from(sorted(self.events)), unique=True))
        self.do(self.repository.mark_announced(ids))
        self.announced |= set(ids)

    @rule()
    def restart(self) -> None:
        """Nothing is lost and nothing comes up."""
        self.do(self.repository.close())
        self.repository = self.do(open_repository(self.path))

    @invariant()
    def same(self) -> None:
        """Whatever is read is what the model holds."""
        loaded = self.do(self.repository.load())
        open_jobs = [job for job in self.jobs.values() if job.status in OPEN]
        open_jobs.sort(key=lambda job: (-job.priority, job.position, job.id))
        assert loaded.jobs == tuple(open_jobs)
        assert loaded.fabricators == tuple(self.fabricators.values())
        needed = {job.file_id for job in open_jobs}
        assert {file.id for file in loaded.files} == needed
        assert loaded.unannounced == tuple(
            self.events[each] for each in sorted(self.events.keys() - self.announced)
        )
        everything = self.do(self.repository.jobs(JobFilter(limit=1000)))
        assert {job.id: job for job in everything.items} == self.jobs

    @override
    def teardown(self) -> None:
        """Close the database and take it away."""
        if hasattr(self, "repository"):
            self.do(self.repository.close())
        self.loop.close()
        self.folder.cleanup()


TestStorage = StorageMachine.TestCase
TestStorage.settings = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
