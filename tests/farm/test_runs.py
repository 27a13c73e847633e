"""What machines say out of turn, and races that are decided under the locks."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.printfarm.fabricators.interface import (
    Capabilities,
    MachineEventType,
    MachineState,
    Result,
    StartOutcome,
)
from custom_components.printfarm.farm import ledger
from custom_components.printfarm.farm.errors import (
    ConflictError,
    NotFoundError,
    StorageError,
)
from custom_components.printfarm.farm.model import JobStatus
from custom_components.printfarm.farm.readiness import check_job

from .machine import FakeFabricator
from .rig import Rig


async def _print(rig: Rig) -> int:
    job = await rig.job()
    await rig.farm.start("a", job.id)
    await rig.quiet()
    return job.id


async def test_an_end_that_nobody_understands(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Parked once, however often it is said; a clear word later still counts."""
    job_id = await _print(rig)
    for _ in range(2):
        machine.say(MachineEventType.ENDED, job_id, result=Result.UNKNOWN)
        await rig.quiet()
    machine.say(MachineEventType.ENDED, job_id)
    await rig.quiet()
    job = await rig.stored(job_id)
    assert (job.status, job.reason) == (JobStatus.UNKNOWN, "outcome_unknown")
    assert rig.told("job_unknown") == ["job_unknown"]
    assert rig.view().status == "printing"
    machine.end(Result.COMPLETED)
    await rig.quiet()
    assert (await rig.stored(job_id)).status is JobStatus.COMPLETED


async def test_words_about_other_prints(rig: Rig, machine: FakeFabricator) -> None:
    """They change nothing about ours."""
    job_id = await _print(rig)
    before = await rig.stored(job_id)
    for kind in MachineEventType:
        if kind not in (MachineEventType.ERROR, MachineEventType.FILAMENT_RUNOUT):
            machine.say(kind, job_id + 100, result=Result.FAILED)
            machine.say(kind, None, result=Result.FAILED)
    await rig.quiet()
    assert await rig.stored(job_id) == before
    assert rig.view().bed_clear is False


async def test_words_about_other_prints_while_ours_is_starting(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Another print's begin is not ours."""
    machine.starting.shut()
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    machine.say(MachineEventType.STARTED, job.id + 100)
    machine.say(MachineEventType.STARTED, None)
    machine.say(MachineEventType.PAUSED, job.id + 100)
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.STARTING
    machine.starting.open()
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.PRINTING


async def test_a_milestone_that_is_being_written_is_not_written_twice(
    rig: Rig, machine: FakeFabricator
) -> None:
    """A slow disk, and a machine that speaks on meanwhile."""
    job_id = await _print(rig)
    commit, written = rig.storage.commit, asyncio.Event()

    async def slow(**changes: object) -> object:
        await written.wait()
        return await commit(**changes)  # type: ignore[arg-type]

    rig.storage.commit = slow  # type: ignore[method-assign, assignment]
    machine.show(progress=0.3)
    await rig.until(lambda: rig.bay().mailbox.empty() and not rig.bay().edges)
    machine.show(progress=0.31)
    written.set()
    await rig.quiet()
    assert (await rig.types(job_id)).count("print_progress") == 1


async def test_a_pause_before_the_start_was_seen(
    rig: Rig, machine: FakeFabricator
) -> None:
    """It has begun, or it could not pause; and a pause of a parked job is its start."""
    machine.starting.shut()
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    machine.show(MachineState.PAUSED, run=job.id)
    machine.say(MachineEventType.PAUSED, job.id, reason="filament_change")
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.PAUSED
    machine.starting.open()
    await rig.quiet()
    assert await rig.types(job.id) == [
        "job_added",
        "job_assigned",
        "print_started",
        "print_paused",
    ]


@pytest.mark.parametrize("answer", [StartOutcome.UNKNOWN, StartOutcome.REFUSED])
async def test_an_end_before_the_start_was_answered(
    rig: Rig, machine: FakeFabricator, answer: StartOutcome
) -> None:
    """A very short print: begun and over, each told once, in order."""
    machine.starting.shut()
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    machine.printing(job.id)
    machine.end()
    await rig.quiet()
    machine.start_answer = answer
    machine.starting.open()
    await rig.until(lambda: rig.bay().dispatching is None)
    machine.idle()
    await rig.quiet()
    assert (await rig.types(job.id))[:5] == [
        "job_added",
        "job_assigned",
        "print_started",
        "print_complete",
        "bed_clear_required",
    ]
    assert (await rig.stored(job.id)).status is JobStatus.COMPLETED


async def test_a_target_that_is_removed_while_a_job_is_added(
    rig: Rig, machine: FakeFabricator
) -> None:
    """No job is left for a fabricator that is gone."""
    file = await rig.file()
    async with rig.farm._ledger.queue_lock:
        waiting = rig.farm._ledger.queue_lock
        removing = asyncio.create_task(rig.remove("a"))
        await rig.until(lambda: len(waiting._waiters or ()) == 1)
        adding = asyncio.create_task(rig.job(file=file, target="a"))
        await rig.until(lambda: len(waiting._waiters or ()) == 2)
    with pytest.raises(NotFoundError, match="fabricator_not_found"):
        await adding
    await removing
    assert await rig.all_jobs() == ()


async def test_a_hold_that_comes_before_the_claim(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The dispatcher had chosen the job already; the hold was written first."""
    job = await rig.job()
    await rig.farm.set_auto_start("a", True)
    await rig.quiet()
    machine.end()
    await rig.quiet()
    second = await rig.job()
    async with rig.farm._ledger.queue_lock:
        holding = asyncio.create_task(rig.farm.change_job(second.id, hold=True))
        await rig.until(lambda: rig.farm._ledger.queue_lock._waiters)
        await rig.farm.release("a")
        await rig.until(lambda: rig.bay().dispatching)
    with pytest.raises(ConflictError, match="job_not_queued"):
        # The reservation came first after all: then the start wins, never both.
        await holding
    await rig.quiet()
    assert machine.starts == [job.id, second.id]


async def test_a_hold_that_is_being_written_while_the_job_is_chosen(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The dispatcher still saw it free; at its claim it looks again."""
    job = await rig.job()
    commit, written = rig.storage.commit, asyncio.Event()

    async def slow(**changes: object) -> object:
        if any(job.hold for job in changes["jobs"]):  # type: ignore[attr-defined]
            await written.wait()
        return await commit(**changes)  # type: ignore[arg-type]

    rig.storage.commit = slow  # type: ignore[method-assign, assignment]
    holding = asyncio.create_task(rig.farm.change_job(job.id, hold=True))
    await rig.until(rig.farm._ledger.queue_lock.locked)
    await rig.farm.set_auto_start("a", True)
    await rig.until(lambda: rig.bay().dispatching)
    written.set()
    await holding
    await rig.quiet()
    assert machine.log == []
    assert (await rig.stored(job.id)).hold


async def test_a_job_that_is_removed_before_its_claim(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Neither lost nor started."""
    job = await rig.job()
    bay = rig.bay()
    async with bay.lock:
        starting = asyncio.create_task(rig.farm.start("a", job.id))
        await rig.until(lambda: bay.dispatching)
        rig.farm._ledger.book.reserved.clear()
        await rig.farm.remove_job(job.id)
    with pytest.raises(ConflictError, match="job_not_queued"):
        await starting
    await rig.quiet()
    assert machine.log == []


async def test_a_claimed_job_cannot_be_checked_in_twice(rig: Rig) -> None:
    """The pure check says so, too."""
    job = replace(await rig.job(), status=JobStatus.PRINTING)
    with pytest.raises(ConflictError, match="job_not_queued"):
        check_job(job, None, 1, Capabilities(), rig.clock.utcnow(), by_hand=True)


async def test_a_fact_that_the_store_forbids_is_not_tried_for_ever(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """Trying again would not heal it."""
    await _print(rig)
    for key in ledger._FOR_GOOD:
        rig.storage.failing = key
        machine.say(MachineEventType.ERROR, None)
        await rig.until(lambda key=key: f"StorageError: {key}" in caplog.text)
        rig.storage.failing = None
    machine.end()
    await rig.quiet()
    assert rig.view().status == "finished"


async def test_a_claim_that_cannot_be_given_back(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; the next start of the farm puts it right."""
    machine.transferring.shut()
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    rig.storage.failing = "row_changed"
    machine.show(MachineState.ERROR)
    machine.transferring.open()
    await rig.until(lambda: "could not be given back" in caplog.text)
    rig.storage.failing = None
    await rig.restart()
    assert (await rig.stored(job.id)).status is JobStatus.QUEUED


async def test_storage_errors_are_what_they_say() -> None:
    """Key and values, for people and logs."""
    error = StorageError("row_changed", table="job", id="7")
    assert str(error) == "row_changed (table=job, id=7)"
    assert error.placeholders == {"table": "job", "id": "7"}
    assert str(StorageError("storage_full")) == "storage_full"
