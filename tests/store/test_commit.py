"""All of a commit or nothing, and never against what the database itself forbids."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from custom_components.printfarm.farm.errors import StaleError, StorageError
from custom_components.printfarm.farm.events import (
    EVENT_TYPES,
    BedCleared,
    JobAdded,
    JobAssigned,
    PrintComplete,
    PrintPaused,
)
from custom_components.printfarm.farm.model import (
    ENDED,
    HOLDING,
    FabricatorRecord,
    JobStatus,
    NewJob,
    StoredFile,
)
from custom_components.printfarm.store.repository import Repository

from .content import NOW, add_job, claimed


async def test_second_writer_of_a_revision_is_refused(
    repository: Repository, fabricator: FabricatorRecord, file: StoredFile
) -> None:
    """Neither the stale row nor anything that came with it is written."""
    job = await add_job(repository, file)
    (newer,) = (await repository.commit(jobs=[replace(job, hold=True)])).jobs
    before = await repository.load()
    with pytest.raises(StaleError) as refused:
        await repository.commit(
            fabricators=[replace(fabricator, maintenance=True)],
            jobs=[replace(newer, priority=3), replace(job, priority=4)],
            events=[BedCleared(at=NOW)],
        )
    assert refused.value.key == "row_changed"
    assert refused.value.placeholders == {"table": "job", "id": str(job.id)}
    assert await repository.load() == before


async def test_stale_fabricator_is_refused(
    repository: Repository, fabricator: FabricatorRecord, file: StoredFile
) -> None:
    """The jobs that came with it are taken back."""
    job = await add_job(repository, file)
    await repository.commit(fabricators=[fabricator])
    with pytest.raises(StaleError):
        await repository.commit(
            jobs=[claimed(job, fabricator)], fabricators=[fabricator]
        )
    assert await repository.job(job.id) == job


async def test_row_that_never_was_is_refused(
    repository: Repository, file: StoredFile
) -> None:
    """A commit changes rows, it does not make them."""
    job = await add_job(repository, file)
    with pytest.raises(StaleError):
        await repository.commit(jobs=[replace(job, id=99)])
    assert await repository.job(99) is None


@pytest.mark.parametrize("first", sorted(HOLDING))
@pytest.mark.parametrize("second", sorted(HOLDING))
async def test_one_job_per_fabricator(
    repository: Repository,
    fabricator: FabricatorRecord,
    file: StoredFile,
    first: JobStatus,
    second: JobStatus,
) -> None:
    """Whatever the two jobs are doing there."""
    jobs = [await add_job(repository, file) for _ in range(2)]
    await repository.commit(jobs=[replace(claimed(jobs[0], fabricator), status=first)])
    with pytest.raises(StorageError) as refused:
        await repository.commit(
            jobs=[replace(claimed(jobs[1], fabricator), status=second)],
            events=[BedCleared(at=NOW)],
        )
    assert refused.value.key == "fabricator_taken"
    assert await repository.job(jobs[1].id) == jobs[1]
    assert await repository.events(limit=1) == await repository.events(
        job_id=jobs[1].id
    )


async def test_holding_job_needs_a_fabricator(
    repository: Repository, file: StoredFile
) -> None:
    """Nobody starts a print nowhere."""
    job = await add_job(repository, file)
    with pytest.raises(StorageError):
        await repository.commit(jobs=[replace(job, status=JobStatus.PRINTING)])
    assert await repository.job(job.id) == job


@pytest.mark.parametrize("order", [list, lambda jobs: list(reversed(jobs))])
@pytest.mark.parametrize("status", sorted(ENDED | {JobStatus.QUEUED}))
async def test_one_leaves_as_the_next_comes(
    repository: Repository,
    fabricator: FabricatorRecord,
    file: StoredFile,
    status: JobStatus,
    order: Callable[[list], list],
) -> None:
    """In one commit, in whatever order the jobs are given; the answer keeps it."""
    jobs = [await add_job(repository, file) for _ in range(2)]
    (held,) = (await repository.commit(jobs=[claimed(jobs[0], fabricator)])).jobs
    wanted = order([replace(held, status=status), claimed(jobs[1], fabricator)])
    committed = await repository.commit(jobs=wanted)
    assert committed.jobs == tuple(
        replace(job, revision=job.revision + 1) for job in wanted
    )
    for job in committed.jobs:
        assert await repository.job(job.id) == job


async def test_two_fabricators_hold_a_job_each(
    repository: Repository,
    fabricator: FabricatorRecord,
    other: FabricatorRecord,
    file: StoredFile,
) -> None:
    """The rule is one per fabricator, not one at all."""
    jobs = [await add_job(repository, file) for _ in range(2)]
    committed = await repository.commit(
        jobs=[claimed(jobs[0], fabricator), claimed(jobs[1], other)]
    )
    assert (await repository.load()).jobs == committed.jobs


@pytest.mark.parametrize(
    "kind", [kind for kind in EVENT_TYPES.values() if kind.once_per_job]
)
async def test_event_that_may_occur_once(
    repository: Repository, file: StoredFile, kind: type
) -> None:
    """The second one is refused, with the change that it came with."""
    new = NewJob(file_id=file.id, name="Vase")
    (job,) = (await repository.add_jobs([new], NOW)).jobs
    event = kind(at=NOW, job_id=job.id)
    await repository.commit(events=[event, PrintPaused(at=NOW), PrintPaused(at=NOW)])
    before = await repository.events()
    with pytest.raises(StorageError) as refused:
        await repository.commit(jobs=[replace(job, hold=True)], events=[event])
    assert refused.value.key == "event_repeated"
    assert await repository.job(job.id) == job
    assert await repository.events() == before


async def test_once_per_job_not_once_for_all(
    repository: Repository, file: StoredFile
) -> None:
    """Every job ends, and prints without a job of ours end too."""
    jobs = [await add_job(repository, file) for _ in range(2)]
    events = [PrintComplete(at=NOW, job_id=job.id) for job in jobs]
    events += [PrintComplete(at=NOW), PrintComplete(at=NOW)]
    assert len((await repository.commit(events=events)).events) == 4


async def test_a_job_that_is_claimed_as_it_is_made(
    repository: Repository, fabricator: FabricatorRecord, file: StoredFile
) -> None:
    """It never stands in the queue; record and events come with it."""
    origin = await add_job(repository, file)
    new = NewJob(
        file_id=file.id,
        name="Rest",
        origin_id=origin.id,
        start_offset=1234,
        milestone=50,
    )
    committed = await repository.add_claimed(
        new,
        replace(fabricator, halted=None, maintenance=True),
        NOW,
        [JobAdded(at=NOW), JobAssigned(at=NOW)],
    )
    (job,) = committed.jobs
    assert (job.status, job.fabricator_id, job.claimed_at, job.position) == (
        JobStatus.STARTING,
        fabricator.id,
        NOW,
        origin.position + 1,
    )
    assert (job.start_offset, job.milestone, job.origin_id) == (1234, 50, origin.id)
    assert job.start_sent_at is None
    assert [event.job_id for event in committed.events] == [job.id, job.id]
    loaded = await repository.load()
    assert loaded.jobs == (origin, job)
    assert loaded.fabricators == committed.fabricators
    assert loaded.fabricators[0].maintenance


async def test_a_claim_where_one_is_held_already(
    repository: Repository, fabricator: FabricatorRecord, file: StoredFile
) -> None:
    """Nothing is made, and neither is it against a record that has changed."""
    held = claimed(await add_job(repository, file), fabricator)
    await repository.commit(jobs=[held])
    before = await repository.load()
    new = NewJob(file_id=file.id, name="Rest")
    with pytest.raises(StorageError, match="fabricator_taken"):
        await repository.add_claimed(new, fabricator, NOW, [JobAdded(at=NOW)])
    freed = replace(held, revision=1, status=JobStatus.FAILED)
    await repository.commit(jobs=[freed], fabricators=[fabricator])
    with pytest.raises(StaleError):
        await repository.add_claimed(new, fabricator, NOW, [JobAdded(at=NOW)])
    assert len((await repository.load()).jobs) == len(before.jobs) - 1
