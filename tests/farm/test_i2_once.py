"""I2: one job on at most one fabricator, and one start for one claim."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorError,
    MachineEventType,
    MachineState,
    Result,
    StartOutcome,
)
from custom_components.printfarm.farm import dispatch
from custom_components.printfarm.farm.errors import ConflictError, StorageError
from custom_components.printfarm.farm.model import JobStatus

from .machine import Answer, FakeFabricator
from .rig import Rig


async def test_two_become_free_in_the_same_instant(rig: Rig) -> None:
    """One job for any: exactly one of them gets it."""
    machines = [await rig.add(key, auto_start=True, idle=False) for key in "abc"]
    job = await rig.job()
    for machine in machines:
        machine.idle()
    await rig.quiet()
    assert [job_id for machine in machines for job_id in machine.starts] == [job.id]


async def test_two_free_two_jobs(rig: Rig) -> None:
    """Each takes another job, at once."""
    machines = [await rig.add(key, auto_start=True, idle=False) for key in "ab"]
    jobs = await rig.jobs(2)
    for machine in machines:
        machine.idle()
    await rig.quiet()
    assert [machine.starts for machine in machines] == [[jobs[0].id], [jobs[1].id]]


async def test_one_job_asked_of_two_fabricators(rig: Rig) -> None:
    """Two people start the same job on two machines: one wins, one is told."""
    machines = [await rig.add(key) for key in "ab"]
    job = await rig.job()
    results = await asyncio.gather(
        *(rig.farm.start(key, job.id) for key in "ab"), return_exceptions=True
    )
    await rig.quiet()
    assert sum(isinstance(result, ConflictError) for result in results) == 1
    assert [job_id for machine in machines for job_id in machine.starts] == [job.id]


@pytest.mark.parametrize("named", [True, False])
async def test_one_fabricator_started_many_times_at_once(
    rig: Rig, machine: FakeFabricator, *, named: bool
) -> None:
    """A button pressed five times starts one job."""
    jobs = await rig.jobs(5)
    machine.starting.shut()
    results = await asyncio.gather(
        *(rig.farm.start("a", job.id if named else None) for job in jobs),
        return_exceptions=True,
    )
    await rig.quiet()
    refused = [result for result in results if isinstance(result, ConflictError)]
    assert len(refused) == 4
    assert {err.placeholders["reason"] for err in refused} == {"busy"}
    assert len(machine.starts) == 1
    # The one start that there is can still be cancelled.
    await rig.farm.cancel("a")
    machine.starting.open()
    await rig.quiet()
    assert machine.told("cancel") == 1


async def test_by_hand_and_by_itself_at_once(rig: Rig, machine: FakeFabricator) -> None:
    """The dispatcher looks while a person's claim is being written."""
    jobs = await rig.jobs(3)
    machine.starting.shut()
    await asyncio.gather(
        rig.farm.start("a", jobs[1].id), rig.farm.set_auto_start("a", True)
    )
    await rig.quiet()
    assert machine.starts == [jobs[1].id]
    assert rig.bay().dispatching is not None
    machine.starting.open()
    await rig.quiet()
    assert machine.starts == [jobs[1].id]


async def test_the_store_refuses_a_second_holder(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Whatever the code above it does, the database lets no two jobs hold one machine."""
    first, second = await rig.jobs(2)
    await rig.farm.start("a", first.id)
    await rig.quiet()
    forced = replace(second, status=JobStatus.STARTING, fabricator_id=rig.view().id)
    with pytest.raises(StorageError, match="fabricator_taken"):
        await rig.storage.commit(jobs=[forced])
    assert (await rig.stored(second.id)).status is JobStatus.QUEUED


async def test_the_store_refuses_a_claim_on_an_old_revision(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Whoever read the job before it was claimed cannot claim it, too."""
    other = await rig.add("b")
    job = await rig.job()
    await rig.farm.start("a", job.id)
    await rig.quiet()
    forced = replace(job, status=JobStatus.STARTING, fabricator_id=rig.view("b").id)
    with pytest.raises(StorageError, match="row_changed"):
        await rig.storage.commit(jobs=[forced])
    assert (machine.starts, other.starts) == ([job.id], [])


UNCERTAIN: dict[str, tuple[Answer[StartOutcome], str]] = {
    "unknown": (StartOutcome.UNKNOWN, "start_unknown"),
    "error": (FabricatorError("connection_lost", "gone"), "connection_lost"),
    "bug": (ZeroDivisionError(), "start_unknown"),
    "timeout": (TimeoutError(), "start_unanswered"),
}


@pytest.mark.parametrize("name", UNCERTAIN)
async def test_an_uncertain_start_is_never_sent_again(
    rig: Rig, machine: FakeFabricator, name: str
) -> None:
    """It is parked for a person, also over a restart, while others could go on."""
    answer, reason = UNCERTAIN[name]
    machine.start_answer = answer
    job, following = await rig.jobs(2)
    await rig.farm.set_auto_start("a", True)
    await rig.quiet()
    parked = await rig.stored(job.id)
    assert (parked.status, parked.reason) == (JobStatus.UNKNOWN, reason)
    assert machine.starts == [job.id]
    assert rig.told().count("job_unknown") == 1
    machine.start_answer = StartOutcome.STARTED
    for seconds in (1, 60, 3600):
        rig.clock.pass_(seconds)
        machine.idle()
        await rig.quiet()
    await rig.restart()
    again = rig.machines["a"]
    again.idle()
    await rig.quiet()
    assert machine.starts == [job.id]
    assert again.starts == []
    assert (await rig.stored(job.id)).status is JobStatus.UNKNOWN
    await rig.farm.release("a")
    await rig.quiet()
    assert again.starts == [following.id]


async def test_a_start_that_nobody_answers(
    rig: Rig, machine: FakeFabricator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its time is up the outcome is unknown, and the start is not repeated."""
    machine.starting.shut()
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    await rig.pass_(dispatch.START_WITHIN + 1)
    parked = await rig.stored(job.id)
    assert (parked.status, parked.reason) == (JobStatus.UNKNOWN, "start_unanswered")
    assert machine.starts == [job.id]


async def test_a_refused_start_halts_this_fabricator_only(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The job is back in its place; what failed once is not tried in a loop."""
    machine.start_answer = StartOutcome.REFUSED
    job, following = await rig.jobs(2)
    await rig.farm.set_auto_start("a", True)
    await rig.quiet()
    back = await rig.stored(job.id)
    assert (back.status, back.reason) == (JobStatus.QUEUED, "start_refused")
    assert (back.fabricator_id, back.start_sent_at) == (None, None)
    assert rig.view().bed_clear
    assert rig.view().halted == "start_refused"
    await rig.pass_(600)
    machine.idle()
    await rig.quiet()
    assert machine.starts == [job.id]
    assert rig.told().count("job_waiting") == 1
    other = await rig.add("b", auto_start=True)
    await rig.quiet()
    assert other.starts == [job.id]
    machine.start_answer = StartOutcome.STARTED
    await rig.farm.release("a")
    await rig.quiet()
    assert machine.starts == [job.id, following.id]


async def test_a_claim_that_the_store_refuses_sends_nothing(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Full disk at the claim: the job stays queued, and nobody hammers the disk."""
    job = await rig.job()
    rig.storage.failing = "storage_full"
    with pytest.raises(StorageError, match="storage_full"):
        await rig.farm.start("a")
    before = rig.storage.commits
    await rig.quiet()
    assert machine.log == []
    assert rig.storage.commits == before
    rig.storage.failing = None
    assert (await rig.stored(job.id)).status is JobStatus.QUEUED


async def test_a_job_that_is_over_cannot_be_started(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Neither by name, nor through a second claim."""
    job = await rig.job()
    await rig.farm.start("a", job.id)
    await rig.quiet()
    machine.end()
    await rig.quiet()
    await rig.farm.release("a")
    with pytest.raises(ConflictError, match="job_not_queued"):
        await rig.farm.start("a", job.id)
    assert machine.starts == [job.id]


async def test_a_parked_job_that_its_machine_prints_after_all(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Slow to answer is not lost: the one start is followed to its end."""
    machine.start_answer = StartOutcome.UNKNOWN
    job = await rig.job()
    await rig.farm.start("a")
    await rig.quiet()
    machine.printing(job.id)
    machine.say(MachineEventType.STARTED, job.id)
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.PRINTING
    machine.end(Result.COMPLETED)
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.COMPLETED
    assert machine.starts == [job.id]
    assert await rig.types(job.id) == [
        "job_added",
        "job_assigned",
        "job_unknown",
        "print_started",
        "print_complete",
        "bed_clear_required",
        "queue_empty",
    ]


async def test_a_machine_that_looks_idle_long_after_it_accepted_a_start(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Some take minutes to show what they do: no second start, for this job or next."""
    job, _ = await rig.jobs(2)
    await rig.farm.set_auto_start("a", True)
    await rig.quiet()
    for _ in range(30):
        machine.show(MachineState.IDLE, run=None)
        await rig.pass_(7)
    assert machine.starts == [job.id]
    with pytest.raises(ConflictError, match="busy"):
        await rig.farm.start("a")
    machine.printing(job.id)
    machine.end()
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.COMPLETED


async def test_a_job_is_edited_while_its_file_is_on_its_way(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Refused: it has an owner already."""
    machine.transferring.shut()
    await rig.add("b")
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    for call in (
        rig.farm.change_job(job.id, target="b"),
        rig.farm.move_job(job.id, position=0),
        rig.farm.remove_job(job.id),
        rig.farm.start("b", job.id),
    ):
        with pytest.raises(ConflictError, match="job_not_queued"):
            await call
    machine.transferring.open()
    await rig.quiet()
    assert machine.starts == [job.id]
    assert rig.machines["b"].starts == []
