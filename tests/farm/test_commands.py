"""What people tell machines, and when it is refused."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.printfarm.fabricators.interface import (
    Capabilities,
    FabricatorError,
    MachineState,
    Result,
    StartOutcome,
)
from custom_components.printfarm.farm.errors import ConflictError, InvalidError
from custom_components.printfarm.farm.model import JobStatus, Rating
from custom_components.printfarm.farm.view import Command

from .machine import FakeFabricator
from .rig import Rig


async def _print(rig: Rig, **wanted: object) -> int:
    job = await rig.job(**wanted)
    await rig.farm.start("a", job.id)
    await rig.quiet()
    return job.id


async def test_pause_and_resume(rig: Rig, machine: FakeFabricator) -> None:
    """The job turns when the machine says so, and each turn is told once."""
    job_id = await _print(rig)
    await rig.farm.pause("a")
    assert machine.told("pause") == 1
    assert (await rig.stored(job_id)).status is JobStatus.PRINTING
    machine.paused("user")
    machine.paused("user")
    await rig.quiet()
    assert (await rig.stored(job_id)).status is JobStatus.PAUSED
    assert rig.view().status == "paused"
    assert Command.RESUME in rig.view().available
    with pytest.raises(ConflictError, match="nothing_to_pause"):
        await rig.farm.pause("a")
    await rig.farm.resume("a")
    machine.resumed()
    machine.resumed()
    await rig.quiet()
    assert (await rig.stored(job_id)).status is JobStatus.PRINTING
    with pytest.raises(ConflictError, match="nothing_to_resume"):
        await rig.farm.resume("a")
    turns = [event for event in await rig.log(job_id) if "_pause" in event.type]
    assert [event.data["reason"] for event in turns] == ["user"]
    assert (await rig.types(job_id)).count("print_resumed") == 1


async def test_why_it_pauses_is_told(rig: Rig, machine: FakeFabricator) -> None:
    """A runout is not a person's pause."""
    job_id = await _print(rig)
    machine.paused("filament_runout")
    await rig.quiet()
    assert rig.events[-1].reason == "filament_runout"
    assert rig.events[-1].job_id == job_id


async def test_a_machine_that_cannot_pause(rig: Rig, machine: FakeFabricator) -> None:
    """It is not asked to, and no button offers it."""
    machine.can = Capabilities(pause=False)
    await _print(rig)
    assert Command.PAUSE not in rig.view().available
    with pytest.raises(ConflictError, match="not_supported"):
        await rig.farm.pause("a")
    assert machine.told("pause") == 0


@pytest.mark.parametrize("command", ["pause", "resume", "cancel"])
async def test_nothing_to_command(
    rig: Rig, machine: FakeFabricator, command: str
) -> None:
    """An idle machine is left alone."""
    with pytest.raises(ConflictError, match=f"nothing_to_{command}"):
        await getattr(rig.farm, command)("a")
    assert machine.log == []


async def test_a_cancelled_print(rig: Rig, machine: FakeFabricator) -> None:
    """Cancelled is not failed, and the next job waits for the bed."""
    job_id = await _print(rig)
    following = await rig.job()
    await rig.farm.set_auto_start("a", True)
    await rig.farm.cancel("a")
    assert machine.told("cancel") == 1
    machine.end(Result.CANCELLED, "user")
    await rig.quiet()
    job = await rig.stored(job_id)
    assert (job.status, job.reason) == (JobStatus.CANCELLED, "user")
    view = rig.view()
    assert (view.status, view.cancelled, view.failed) == ("finished", 1, 0)
    assert view.halted is None
    assert view.next_job_id == following.id
    assert machine.starts == [job_id]


async def test_cancelled_while_the_file_is_on_its_way(
    rig: Rig, machine: FakeFabricator
) -> None:
    """No start goes out, the job is cancelled, and the next one may go."""
    machine.transferring.shut()
    job, following = await rig.jobs(2)
    await rig.farm.start("a", job.id)
    await rig.until(lambda: machine.waiting)
    assert Command.CANCEL in rig.view().available
    await rig.farm.cancel("a")
    machine.transferring.open()
    await rig.quiet()
    assert machine.starts == []
    assert machine.told("cancel") == 0
    over = await rig.stored(job.id)
    assert (over.status, over.reason) == (JobStatus.CANCELLED, "user")
    assert await rig.types(job.id) == ["job_added", "job_assigned", "print_cancelled"]
    view = rig.view()
    assert (view.status, view.halted, view.bed_clear) == ("idle", None, True)
    await rig.farm.start("a")
    await rig.quiet()
    assert machine.starts == [following.id]


async def test_cancelled_between_the_last_look_and_the_start(
    rig: Rig, machine: FakeFabricator
) -> None:
    """While the disk is slow to write down that the start goes out."""
    job = await rig.job()
    commit = rig.storage.commit

    async def slow(**changes: object) -> object:
        done = await commit(**changes)  # type: ignore[arg-type]
        if any(job.start_sent_at for job in done.jobs):
            await rig.farm.cancel("a")
        return done

    rig.storage.commit = slow  # type: ignore[method-assign, assignment]
    await rig.farm.start("a", job.id)
    await rig.quiet()
    assert machine.starts == []
    assert (await rig.stored(job.id)).status is JobStatus.CANCELLED


async def test_cancelled_while_the_start_is_on_its_way(
    rig: Rig, machine: FakeFabricator
) -> None:
    """It cannot be called back; so the print is cancelled once it has begun."""
    machine.starting.shut()
    job = await rig.job()
    await rig.farm.start("a", job.id)
    await rig.until(lambda: machine.waiting)
    await rig.farm.cancel("a")
    assert machine.told("cancel") == 0
    machine.starting.open()
    await rig.until(lambda: machine.told("cancel"))
    machine.end(Result.CANCELLED)
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.CANCELLED
    assert machine.starts == [job.id]


async def test_cancelled_once_the_machine_has_begun(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The machine prints, only the answer to the start is late: cancelled at once."""
    machine.starting.shut()
    job = await rig.job()
    await rig.farm.start("a", job.id)
    await rig.until(lambda: machine.waiting)
    machine.printing(job.id)
    await rig.farm.cancel("a")
    assert machine.told("cancel") == 1
    machine.end(Result.CANCELLED)
    machine.start_answer = StartOutcome.REFUSED
    machine.starting.open()
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.CANCELLED


async def test_a_start_of_unknown_outcome_is_not_cancelled_blindly(
    rig: Rig, machine: FakeFabricator
) -> None:
    """What runs there may be somebody else's print."""
    machine.starting.shut()
    machine.start_answer = StartOutcome.UNKNOWN
    job = await rig.job()
    await rig.farm.start("a", job.id)
    await rig.until(lambda: machine.waiting)
    await rig.farm.cancel("a")
    machine.starting.open()
    await rig.quiet()
    assert machine.told("cancel") == 0
    assert (await rig.stored(job.id)).status is JobStatus.UNKNOWN


async def test_a_cancel_that_the_machine_refuses_after_the_start(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """The print goes on, and the log says why."""
    machine.starting.shut()
    job = await rig.job()
    await rig.farm.start("a", job.id)
    await rig.until(lambda: machine.waiting)
    await rig.farm.cancel("a")

    async def refuse() -> None:
        raise FabricatorError("not_printing")

    machine.cancel = refuse  # type: ignore[method-assign]
    machine.starting.open()
    await rig.quiet()
    assert "could not be cancelled" in caplog.text
    assert (await rig.stored(job.id)).status is JobStatus.PRINTING


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


async def test_maintenance(rig: Rig, machine: FakeFabricator) -> None:
    """Out of work and back, remembered."""
    await rig.farm.set_maintenance("a", True)
    assert rig.view().status == "maintenance"
    await rig.restart()
    assert rig.view().maintenance
    await rig.farm.set_maintenance("a", False)
    rig.machines["a"].idle()
    assert rig.view().status == "idle"


async def test_gcode(rig: Rig, machine: FakeFabricator) -> None:
    """Line by line, with the answers; never a line break inside of one."""
    machine.command_answer = ("T:20", "ok")
    answers = await rig.farm.send_gcode("a", ["M105", " ", "G28 "])
    assert answers == (("T:20", "ok"), ("T:20", "ok"))
    assert machine.log == [("command", "M105"), ("command", "G28")]
    for wrong in ([], ["  "], ["G28\nG1 X1"], ["G28\rM112"]):
        with pytest.raises(InvalidError, match="gcode_invalid"):
            await rig.farm.send_gcode("a", wrong)
    machine.command_answer = FabricatorError("command_timeout")
    with pytest.raises(FabricatorError, match="command_timeout"):
        await rig.farm.send_gcode("a", ["G28"])
    machine.command_answer = ("ok",)
    await _print(rig)
    assert await rig.farm.send_gcode("a", ["M220 S90"], force=True) == (("ok",),)


async def test_heaters(rig: Rig, machine: FakeFabricator) -> None:
    """Also in mid-print, but not while nobody knows what the machine does."""
    await rig.farm.set_target("a", "bed", 60.0)
    await _print(rig)
    await rig.farm.set_target("a", "nozzle", 210.0)
    assert [told for told in machine.log if told[0] == "set_target"] == [
        ("set_target", "bed", 60.0),
        ("set_target", "nozzle", 210.0),
    ]
    machine.end()
    await rig.quiet()
    await rig.farm.release("a")
    machine.start_answer = StartOutcome.UNKNOWN
    await _print(rig)
    with pytest.raises(ConflictError, match="fabricator_printing"):
        await rig.farm.set_target("a", "bed", 0.0)


async def test_what_a_machine_cannot_do_or_is_not_there_for(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Refused before it is tried."""
    machine.can = Capabilities(gcode=False, temperatures=False)
    with pytest.raises(ConflictError, match="not_supported"):
        await rig.farm.send_gcode("a", ["G28"])
    with pytest.raises(ConflictError, match="not_supported"):
        await rig.farm.set_target("a", "bed", 60.0)
    machine.can = Capabilities()
    machine.show(MachineState.OFFLINE)
    with pytest.raises(ConflictError, match="not_connected"):
        await rig.farm.send_gcode("a", ["G28"])
    with pytest.raises(ConflictError, match="not_connected"):
        await rig.farm.set_target("a", "bed", 60.0)
    assert machine.log == []


async def test_removing_a_fabricator_in_mid_print(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Its job ends, told once, and is kept in the history."""
    job_id = await _print(rig)
    await rig.remove("a")
    over = await rig.stored(job_id)
    assert (over.status, over.reason) == (JobStatus.FAILED, "fabricator_removed")
    assert (await rig.types(job_id)).count("print_failed") == 1
    assert machine.closed
    await rig.restart()
    assert rig.farm.views() == ()


async def test_removing_a_fabricator_that_ends_its_print_itself(
    rig: Rig, machine: FakeFabricator
) -> None:
    """What the driver says in parting is the end."""
    job_id = await _print(rig)

    async def close() -> None:
        machine.end(Result.FAILED, "stopped")

    machine.close = close  # type: ignore[method-assign]
    await rig.remove("a")
    assert (await rig.stored(job_id)).reason == "stopped"
    assert (await rig.types(job_id)).count("print_failed") == 1


async def test_removing_a_fabricator_that_is_about_to_start(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The job returns to the queue: it certainly never began."""
    machine.transferring.shut()
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    await rig.remove("a")
    back = await rig.stored(job.id)
    assert (back.status, back.reason) == (JobStatus.QUEUED, "removed")
    assert machine.starts == []


async def test_a_removal_that_the_store_refuses(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The fabricator is still there to be removed later."""
    rig.storage.failing = "storage_full"
    with pytest.raises(Exception, match="storage_full"):
        await rig.farm.remove_fabricator("a")
    rig.storage.failing = None
    assert rig.view().key == "a"
    await rig.remove("a")
    assert rig.farm.views() == ()


async def test_a_new_address_while_idle(rig: Rig, machine: FakeFabricator) -> None:
    """The old connection is let go, and nothing starts in between."""
    job = await rig.job()
    await rig.farm.set_auto_start("a", False)
    machine.closing.shut()
    changing = asyncio.create_task(
        rig.farm.change_fabricator(replace(rig.configs["a"], options={"port": "x"}))
    )
    await rig.until(lambda: machine.waiting)
    with pytest.raises(ConflictError, match="not_startable"):
        await rig.farm.start("a", job.id)
    await rig.farm.set_auto_start("a", True)
    machine.idle()
    await rig.quiet()
    machine.closing.open()
    await changing
    anew = rig.machines["a"]
    assert anew is not machine
    assert machine.starts == []
    anew.idle()
    await rig.quiet()
    assert anew.starts == [job.id]
    machine.printing(None)
    await rig.quiet()
    assert not rig.view().external, "a driver that was let go has no say"


async def test_a_new_address_that_the_store_refuses(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Then the old one stays in use."""
    changed = replace(rig.configs["a"], name="B", options={"port": "x"})
    rig.storage.failing = "storage_full"
    with pytest.raises(Exception, match="storage_full"):
        await rig.farm.change_fabricator(changed)
    rig.storage.failing = None
    assert rig.machines["a"] is not machine or not machine.closed
    assert rig.farm._fleet.find("a").driver is machine
    await rig.pass_(31)
    machine.idle()
    await rig.job()
    await rig.farm.start("a")
    await rig.quiet()
    assert machine.told("start") == 1
    rig.machines["a"] = machine
