"""Beds: released, rated, settled, and used by prints that we did not start."""

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorError,
    Result,
    StartOutcome,
    Temperature,
)
from custom_components.printfarm.farm.errors import ConflictError
from custom_components.printfarm.farm.model import JobStatus, Rating
from custom_components.printfarm.farm.view import Command

from .machine import FakeFabricator
from .rig import Rig


async def _print(rig: Rig, **wanted: object) -> int:
    job = await rig.job(**wanted)
    await rig.farm.start("a", job.id)
    await rig.quiet()
    return job.id


@pytest.mark.parametrize("rating", Rating)
async def test_release(rig: Rig, machine: FakeFabricator, rating: Rating) -> None:
    """The bed is clear, the part is rated, the next job goes: once."""
    job_id = await _print(rig)
    following = await rig.job()
    await rig.farm.set_auto_start("a", True)
    machine.end()
    await rig.quiet()
    view = await rig.farm.release("a", rating)
    assert view.bed_clear
    assert view.job is None or view.job.id == following.id
    await rig.quiet()
    assert (await rig.stored(job_id)).rating is rating
    assert (await rig.stored(job_id)).status is JobStatus.COMPLETED
    assert machine.starts == [job_id, following.id]
    cleared = [event for event in rig.events if event.type == "bed_cleared"]
    assert [(event.job_id, event.reason) for event in cleared] == [(job_id, rating)]
    with pytest.raises(ConflictError, match="nothing_to_release"):
        await rig.farm.release("a")


async def test_a_bed_that_was_never_used_asks_for_nothing(
    rig: Rig, machine: FakeFabricator
) -> None:
    """A new fabricator is ready."""
    assert rig.view().bed_clear
    assert Command.RELEASE not in rig.view().available
    with pytest.raises(ConflictError, match="nothing_to_release"):
        await rig.farm.release("a")


@pytest.mark.parametrize(
    ("rating", "status"),
    [(Rating.GOOD, JobStatus.COMPLETED), (Rating.BAD, JobStatus.FAILED)],
)
async def test_a_person_settles_what_nobody_knows(
    rig: Rig, machine: FakeFabricator, rating: Rating, status: JobStatus
) -> None:
    """Their word is the end: of the job, and of a halt."""
    machine.start_answer = StartOutcome.UNKNOWN
    job = await rig.job()
    await rig.farm.start("a")
    await rig.quiet()
    assert Command.RELEASE in rig.view().available
    await rig.farm.release("a", rating)
    over = await rig.stored(job.id)
    assert (over.status, over.reason, over.rating) == (
        status,
        "settled_by_person",
        rating,
    )
    assert over.duration is None
    view = rig.view()
    assert (view.status, view.bed_clear, view.job) == ("idle", True, None)
    assert "bed_cleared" in await rig.types(job.id)
    assert "bed_clear_required" not in await rig.types(job.id)


async def test_a_machine_that_never_comes_back(
    rig: Rig, machine: FakeFabricator
) -> None:
    """After a restart a person may settle its job without it."""
    job_id = await _print(rig)
    await rig.crash()
    assert rig.view().unsettled
    assert Command.RELEASE in rig.view().available
    await rig.farm.release("a", Rating.BAD)
    assert (await rig.stored(job_id)).status is JobStatus.FAILED
    assert not rig.view().unsettled
    # It comes back after all, and nothing is left to ask it.
    rig.machines["a"].idle()
    await rig.quiet()
    assert rig.machines["a"].told("outcome") == 0


async def test_release_after_the_file_was_deleted(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The job's row has changed since its end; that is no reason to be stuck."""
    job_id = await _print(rig)
    machine.end()
    await rig.quiet()
    file_id = (await rig.stored(job_id)).file_id
    assert file_id is not None
    await rig.farm.library.delete(file_id)
    await rig.farm.release("a", Rating.BAD)
    assert rig.view().bed_clear
    assert (await rig.stored(job_id)).rating is Rating.BAD


async def test_release_after_a_refused_start_and_a_restart(
    rig: Rig, machine: FakeFabricator
) -> None:
    """A job that came back to the queue is no part on a bed."""
    machine.start_answer = StartOutcome.REFUSED
    job = await rig.job()
    await rig.farm.start("a")
    await rig.quiet()
    await rig.restart()
    again = rig.machines["a"]
    again.printing(None)
    await rig.quiet()
    again.end()
    await rig.quiet()
    assert rig.view().job is None
    await rig.farm.release("a", Rating.BAD)
    assert await rig.stored(job.id) == (await rig.all_jobs())[0]
    assert (await rig.stored(job.id)).rating is None
    assert rig.view().halted is None


async def test_an_external_print(rig: Rig, machine: FakeFabricator) -> None:
    """Shown, never matched to a job by its name, and its part is on the bed."""
    job = await rig.job(name="tower.gcode")
    machine.printing(None, file_name="tower.gcode", progress=0.25, remaining=60.0)
    await rig.quiet()
    view = rig.view()
    assert (view.external, view.status, view.job) == (True, "printing", None)
    assert (view.file_name, view.progress, view.remaining) == ("tower.gcode", 25, 60)
    assert rig.farm.farm_view().printing == 1
    assert {Command.PAUSE, Command.CANCEL} <= view.available
    assert await rig.farm.pause("a") is None
    assert await rig.farm.cancel("a") is None
    machine.end(Result.CANCELLED)
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.QUEUED
    view = rig.view()
    assert (view.status, view.bed_clear, view.external) == ("finished", False, False)
    await rig.restart()
    assert not rig.view().bed_clear
    assert rig.view().job is None
    await rig.farm.release("a")
    assert rig.events[-1].job_id is None


async def test_an_external_print_on_top_of_a_finished_one(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The old part is gone, so a rating would be another print's."""
    job_id = await _print(rig)
    machine.end()
    await rig.quiet()
    machine.printing(None)
    await rig.quiet()
    assert rig.view().job is None
    machine.end()
    await rig.quiet()
    await rig.restart()
    await rig.farm.release("a", Rating.BAD)
    assert (await rig.stored(job_id)).rating is None


async def test_nothing_stays_warm_for_a_print_that_is_given_up(
    rig: Rig, machine: FakeFabricator
) -> None:
    """What waited warm for somebody to go on cools as soon as nobody will."""
    await _print(rig)
    machine.cut_off(1)
    await rig.quiet()
    machine.show(
        nozzles=(Temperature(actual=150.0, target=150.0),),
        bed=Temperature(actual=60.0, target=60.0),
    )
    await rig.farm.release("a", Rating.BAD)
    told = [item[1:] for item in machine.log if item[0] == "set_target"]
    assert told == [("nozzle", 0), ("bed", 0)]


async def test_a_machine_that_cannot_be_cooled_is_released_all_the_same(
    rig: Rig, machine: FakeFabricator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be away, or hang."""
    await _print(rig)
    machine.cut_off(1)
    await rig.quiet()
    machine.show(bed=Temperature(actual=60.0, target=60.0))

    async def refuse(heater: str, celsius: float) -> None:
        raise FabricatorError("not_connected")

    monkeypatch.setattr(machine, "set_target", refuse)
    view = await rig.farm.release("a", Rating.BAD)
    assert view.bed_clear
