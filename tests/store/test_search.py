"""Jobs and files are found by what is asked, and only those."""

from dataclasses import replace
from datetime import timedelta

import pytest

from custom_components.printfarm.farm.model import (
    ENDED,
    AnalysisState,
    FabricatorRecord,
    Job,
    JobFilter,
    JobStatus,
    StoredFile,
)
from custom_components.printfarm.store.repository import Repository

from .content import NOW, add_file, add_job

NAMES = ("Vase", "vase_lid", "100% Würfel", "50 Würfel", "back\\slash", "Schloß")


@pytest.fixture
async def jobs(
    repository: Repository, fabricator: FabricatorRecord, file: StoredFile
) -> tuple[Job, ...]:
    """One job per name, an hour apart; every second is over and was the fabricator's."""
    made = []
    for number, name in enumerate(NAMES):
        at = NOW + timedelta(hours=number)
        job = await add_job(repository, file, name=name, at=at)
        if number % 2:
            status = (JobStatus.COMPLETED, JobStatus.FAILED)[number // 2 % 2]
            ended = replace(job, status=status, fabricator_id=fabricator.id)
            job = (await repository.commit(jobs=[ended])).jobs[0]
        made.append(job)
    return tuple(made)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("vase", {0, 1}),
        ("VASE", {0, 1}),
        ("%", {2}),
        ("_", {1}),
        ("\\", {4}),
        ("/", set()),
        ("würfel", {2, 3}),
        ("WÜRFEL", {2, 3}),
        ("schloss", {5}),
        ("", {0, 1, 2, 3, 4, 5}),
    ],
)
async def test_jobs_by_text(
    repository: Repository, jobs: tuple[Job, ...], text: str, found: set[int]
) -> None:
    """In any case; what is special to SQL means itself."""
    page = await repository.jobs(JobFilter(text=text))
    assert {jobs.index(job) for job in page.items} == found
    assert page.total == len(found)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (JobFilter(), [5, 4, 3, 2, 1, 0]),
        (JobFilter(oldest_first=True), [0, 1, 2, 3, 4, 5]),
        (JobFilter(statuses=ENDED), [5, 3, 1]),
        (JobFilter(statuses=ENDED, text="v"), [1]),
        (JobFilter(statuses=frozenset({JobStatus.FAILED})), [3]),
        (JobFilter(fabricator_id=1), [5, 3, 1]),
        (JobFilter(fabricator_id=2), []),
        (JobFilter(file_id=1), [5, 4, 3, 2, 1, 0]),
        (JobFilter(file_id=2), []),
        (JobFilter(since=NOW + timedelta(hours=4)), [5, 4]),
        (JobFilter(until=NOW + timedelta(hours=2)), [1, 0]),
        (
            JobFilter(since=NOW + timedelta(hours=1), until=NOW + timedelta(hours=3)),
            [2, 1],
        ),
    ],
)
async def test_jobs_by_filter(
    repository: Repository, jobs: tuple[Job, ...], wanted: JobFilter, found: list[int]
) -> None:
    """Every given field must match."""
    page = await repository.jobs(wanted)
    assert [jobs.index(job) for job in page.items] == found
    assert page.total == len(found)


async def test_pages_make_up_the_whole(
    repository: Repository, jobs: tuple[Job, ...]
) -> None:
    """Each page tells the length of the whole list."""
    pages = [
        await repository.jobs(JobFilter(limit=4, offset=offset)) for offset in (0, 4, 8)
    ]
    assert [len(page.items) for page in pages] == [4, 2, 0]
    assert {page.total for page in pages} == {6}
    assert sum((page.items for page in pages), ()) == jobs[::-1]


async def test_very_long_name(repository: Repository, file: StoredFile) -> None:
    """It is kept whole and found by its beginning."""
    job = await add_job(repository, file, name="ß" * 2000)
    assert await repository.job(job.id) == job
    assert (await repository.jobs(JobFilter(text="SSSS"))).items == (job,)


async def test_renamed_job(repository: Repository, file: StoredFile) -> None:
    """It is found by its new name and no longer by the old."""
    job = await add_job(repository, file, name="old")
    (job,) = (await repository.commit(jobs=[replace(job, name="New")])).jobs
    assert (await repository.jobs(JobFilter(text="new"))).items == (job,)
    assert (await repository.jobs(JobFilter(text="old"))).items == ()


async def test_files(repository: Repository) -> None:
    """By text and state, newest first, in pages."""
    files = [await add_file(repository, name) for name in NAMES]
    files[1] = await repository.save_analysis(files[1].id, state=AnalysisState.DONE)
    everything = await repository.files()
    assert everything.items == tuple(reversed(files))
    assert everything.total == 6
    page = await repository.files(limit=2, offset=1)
    assert (page.items, page.total) == ((files[4], files[3]), 6)
    page = await repository.files(text="VASE")
    assert (page.items, page.total) == ((files[1], files[0]), 2)
    page = await repository.files(text="%", state=AnalysisState.PENDING)
    assert (page.items, page.total) == ((files[2],), 1)
    page = await repository.files(state=AnalysisState.DONE)
    assert (page.items, page.total) == ((files[1],), 1)
