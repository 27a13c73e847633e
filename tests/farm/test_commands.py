"""What people tell machines, and when it is refused."""

import pytest

from custom_components.printfarm.fabricators.interface import (
    Capabilities,
    FabricatorError,
    MachineState,
    Result,
    StartOutcome,
)
from custom_components.printfarm.farm.errors import ConflictError, InvalidError
from custom_components.printfarm.farm.model import JobStatus
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
