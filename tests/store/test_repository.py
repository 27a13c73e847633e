"""What is written can be read again, and nothing else can."""

from dataclasses import replace
from datetime import timedelta
import logging

import pytest

from custom_components.printfarm.farm.errors import NotFoundError, StorageError
from custom_components.printfarm.farm.events import (
    EVENT_TYPES,
    JobAdded,
    PrinterOffline,
    PrintProgress,
)
from custom_components.printfarm.farm.model import (
    AnalysisState,
    FabricatorRecord,
    JobStatus,
    NewJob,
    Rating,
    StoredFile,
)
from custom_components.printfarm.gcode.model import FileKind
from custom_components.printfarm.store.database import Database
from custom_components.printfarm.store.repository import Repository
from custom_components.printfarm.store.tables import EventRow

from .content import NOW, PLATE, add_fabricator, add_file, add_job, claimed


async def test_a_new_database_is_empty(repository: Repository) -> None:
    """Nothing is there before somebody put it there."""
    loaded = await repository.load()
    assert loaded.fabricators == loaded.jobs == loaded.files == loaded.unannounced == ()
    assert await repository.job(1) is None
    assert await repository.file(1) is None


async def test_fabricator_of_a_key_is_made_once(repository: Repository) -> None:
    """The same key gives the same record, also when it is asked for differently."""
    first = await add_fabricator(repository, "a")
    second = await add_fabricator(repository, "b")
    again = await repository.add_fabricator(
        key="a", name="Other", protocol="marlin", auto_start=True
    )
    assert again == first
    assert (first.position, second.position) == (1, 2)
    assert (await repository.load()).fabricators == (first, second)


async def test_fabricator_id_is_never_given_again(repository: Repository) -> None:
    """A key that comes back after a removal gets a record of its own."""
    first = await add_fabricator(repository, "a")
    await repository.commit(fabricators=[replace(first, removed_at=NOW)])
    assert (await repository.load()).fabricators == ()
    second = await add_fabricator(repository, "a")
    assert second.id > first.id
    assert (await repository.load()).fabricators == (second,)


async def test_fabricator_keeps_all_that_is_written(
    repository: Repository, fabricator: FabricatorRecord
) -> None:
    """Every field comes back."""
    changed = replace(
        fabricator,
        name="Großer Drucker",
        protocol="marlin",
        position=7,
        bed_clear=False,
        auto_start=True,
        maintenance=True,
        gcode_log=True,
        halted="start_failed",
        last_job_id=12,
        completed=3,
        failed=2,
        cancelled=1,
        print_time=12.5,
        filament_length=1.25,
        filament_weight=0.5,
    )
    committed = await repository.commit(fabricators=[changed])
    assert committed.fabricators == (replace(changed, revision=1),)
    assert (await repository.load()).fabricators == committed.fabricators


async def test_jobs_line_up_at_the_end_of_the_queue(
    repository: Repository, file: StoredFile
) -> None:
    """Positions rise over calls, and each event learns the id of its job."""
    new = [NewJob(file_id=file.id, name=f"part {n}") for n in range(3)]
    added = await repository.add_jobs(
        new, NOW, [JobAdded(at=NOW, file_name=job.name) for job in new]
    )
    later = await repository.add_jobs(new[:1], NOW)
    assert [job.position for job in added.jobs + later.jobs] == [1, 2, 3, 4]
    assert [job.name for job in added.jobs] == ["part 0", "part 1", "part 2"]
    assert [event.job_id for event in added.events] == [job.id for job in added.jobs]
    assert later.events == ()
    loaded = await repository.load()
    assert loaded.jobs == added.jobs + later.jobs
    assert loaded.files == (file,)
    assert loaded.unannounced == added.events


async def test_open_jobs_come_in_the_order_of_the_queue(
    repository: Repository, file: StoredFile
) -> None:
    """Priority first, then position."""
    jobs = [await add_job(repository, file, name=name) for name in "abc"]
    await repository.commit(
        jobs=[replace(jobs[2], priority=1), replace(jobs[0], position=9)]
    )
    assert [job.name for job in (await repository.load()).jobs] == ["c", "b", "a"]


async def test_as_many_events_as_jobs(repository: Repository, file: StoredFile) -> None:
    """Events that do not belong to a job each are the caller's mistake."""
    with pytest.raises(ValueError, match="As many events"):
        await repository.add_jobs(
            [NewJob(file_id=file.id, name="a")], NOW, [JobAdded(at=NOW)] * 2
        )


async def test_job_keeps_all_that_is_written(
    repository: Repository, fabricator: FabricatorRecord, file: StoredFile
) -> None:
    """Every field comes back, new and changed."""
    origin = await add_job(repository, file)
    new = NewJob(
        file_id=file.id,
        name="Ünikat",
        plate=2,
        target=fabricator.id,
        priority=5,
        hold=True,
        not_before=NOW + timedelta(hours=1),
        origin_id=origin.id,
    )
    (job,) = (await repository.add_jobs([new], NOW)).jobs
    assert await repository.job(job.id) == job
    for name in NewJob.__dataclass_fields__:
        assert getattr(job, name) == getattr(new, name)
    ended = replace(
        job,
        plate=3,
        name="renamed",
        status=JobStatus.FAILED,
        target=None,
        priority=-1,
        position=99,
        hold=False,
        not_before=None,
        fabricator_id=fabricator.id,
        claimed_at=NOW,
        start_sent_at=NOW + timedelta(microseconds=1),
        started_at=NOW + timedelta(seconds=1),
        ended_at=NOW + timedelta(days=1),
        milestone=50,
        reason="machine_error",
        reason_text="Heating failed",
        rating=Rating.BAD,
        duration=86400.25,
        filament_length=10.5,
        filament_weight=0.1,
        start_offset=2**40,
        end_offset=2**40 + 1,
        checkpoint={"position": 2**40 + 1, "at": 1.5, "data": {"z": [0.2, None]}},
    )
    committed = await repository.commit(jobs=[ended])
    assert committed.jobs == (replace(ended, revision=1),)
    assert await repository.job(job.id) == committed.jobs[0]


async def test_only_open_jobs_and_their_files_are_loaded(
    repository: Repository, fabricator: FabricatorRecord, file: StoredFile
) -> None:
    """What is over stays in the database until asked for."""
    other_file = await add_file(repository, "other.gcode")
    over = await add_job(repository, other_file)
    await repository.commit(jobs=[replace(over, status=JobStatus.CANCELLED)])
    job = await add_job(repository, file)
    (held,) = (await repository.commit(jobs=[claimed(job, fabricator)])).jobs
    loaded = await repository.load()
    assert loaded.jobs == (held,)
    assert loaded.files == (file,)


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=EVENT_TYPES)
async def test_every_event_comes_back_as_it_was(
    repository: Repository, fabricator: FabricatorRecord, file: StoredFile, kind: type
) -> None:
    """All types, with all fields filled."""
    (job,) = (
        await repository.add_jobs([NewJob(file_id=file.id, name="Vase")], NOW)
    ).jobs
    event = kind(
        at=NOW,
        fabricator_id=fabricator.id,
        fabricator_name="First",
        job_id=job.id,
        file_name="Vase",
        result="completed",
        duration=1.5,
        filament_weight=2.5,
        filament_length=3.5,
        reason="none",
        text="Alles gut",
        next_job_id=4,
    )
    (committed,) = (await repository.commit(events=[event])).events
    assert committed == replace(event, id=1)
    assert (await repository.load()).unannounced == (committed,)


async def test_announced_events_are_not_told_again(repository: Repository) -> None:
    """Only those that were marked are left out, however many there are."""
    events = [PrintProgress(at=NOW, progress=n) for n in range(1200)]
    committed = (await repository.commit(events=events)).events
    ids = [event.id for event in committed if event.id is not None]
    assert ids == sorted(set(ids))
    await repository.mark_announced(ids[:-2])
    assert (await repository.load()).unannounced == committed[-2:]
    await repository.mark_announced([])
    assert (await repository.load()).unannounced == committed[-2:]


async def test_event_of_unknown_type_is_skipped(
    repository: Repository, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """An event or field of another version does not keep the farm from starting."""
    known = await repository.commit(events=[PrinterOffline(at=NOW, reason="gone")])

    def tamper(session) -> None:
        session.add(EventRow(type="moon_landed", at=NOW, data={}, announced=False))
        row = session.get(EventRow, 1)
        row.data = {**row.data, "wind": "west"}

    await database.run(tamper)
    with caplog.at_level(logging.WARNING):
        assert (await repository.load()).unannounced == known.events
    assert "moon_landed" in caplog.text


async def test_event_log_is_read_newest_first(
    repository: Repository, fabricator: FabricatorRecord, file: StoredFile
) -> None:
    """By job, by fabricator, both or neither, cut to a limit."""
    job = await add_job(repository, file)
    await repository.commit(
        events=[
            PrintProgress(
                at=NOW, job_id=job.id, fabricator_id=fabricator.id, progress=25
            ),
            PrinterOffline(at=NOW, fabricator_id=fabricator.id, reason="gone"),
        ]
    )
    assert [e.type for e in await repository.events()] == [
        "printer_offline",
        "print_progress",
        "job_added",
    ]
    assert [e.type for e in await repository.events(job_id=job.id)] == [
        "print_progress",
        "job_added",
    ]
    of_fabricator = await repository.events(fabricator_id=fabricator.id, limit=1)
    assert [(e.id, e.at, e.data) for e in of_fabricator] == [
        (3, NOW, {"reason": "gone"})
    ]
    (both,) = await repository.events(job_id=job.id, fabricator_id=fabricator.id)
    assert both.data == {"progress": 25}


async def test_file_is_stored_once(repository: Repository) -> None:
    """The same content is the same file, whatever its name."""
    first = await repository.add_file(
        sha256="ab", name="a.3mf", kind=FileKind.THREEMF, size=2**40, at=NOW
    )
    again = await repository.add_file(
        sha256="ab", name="b.gcode", kind=FileKind.GCODE, size=1, at=NOW
    )
    assert again == first == await repository.file(first.id)
    assert first.size == 2**40
    assert first.kind is FileKind.THREEMF


async def test_analysis_is_kept(repository: Repository, file: StoredFile) -> None:
    """Done, failed and done again."""
    done = await repository.save_analysis(
        file.id, state=AnalysisState.DONE, plates=[PLATE]
    )
    assert done == replace(file, state=AnalysisState.DONE, plates=(PLATE,))
    assert await repository.file(file.id) == done
    failed = await repository.save_analysis(
        file.id, state=AnalysisState.FAILED, error="file_corrupt"
    )
    assert failed == replace(file, state=AnalysisState.FAILED, error="file_corrupt")
    assert await repository.file(file.id) == failed


async def test_no_such_file(repository: Repository) -> None:
    """What is not there can be neither analysed nor deleted."""
    with pytest.raises(NotFoundError):
        await repository.save_analysis(7, state=AnalysisState.DONE)
    with pytest.raises(NotFoundError):
        await repository.delete_file(7)


async def test_file_of_an_open_job_stays(
    repository: Repository, file: StoredFile
) -> None:
    """A file may go when no open job needs it, and its id never comes back."""
    job = await add_job(repository, file)
    with pytest.raises(StorageError) as refused:
        await repository.delete_file(file.id)
    assert refused.value.key == "file_in_use"
    assert await repository.file(file.id) == file
    (over,) = (
        await repository.commit(jobs=[replace(job, status=JobStatus.CANCELLED)])
    ).jobs
    await repository.delete_file(file.id)
    assert await repository.file(file.id) is None
    left = await repository.job(job.id)
    assert left == replace(over, file_id=None, revision=over.revision + 1)
    assert (await add_file(repository, file.name)).id > file.id


async def test_job_of_a_file_that_is_not_there(repository: Repository) -> None:
    """The database itself holds the references."""
    with pytest.raises(StorageError) as refused:
        await repository.add_jobs([NewJob(file_id=7, name="a")], NOW)
    assert refused.value.key == "row_missing"
    assert (await repository.load()).jobs == ()
