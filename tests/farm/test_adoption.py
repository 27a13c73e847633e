"""A print that goes on without us is taken up again as if nothing had been."""

from datetime import timedelta

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorError,
    MachineEvent,
    MachineEventType,
    MachineState,
    Result,
    StartOutcome,
)
from custom_components.printfarm.farm.ends import moment
from custom_components.printfarm.farm.model import JobStatus, Rating

from .gcode import sliced
from .machine import FakeFabricator
from .rig import START, Rig

ENDS = ("print_complete", "print_failed", "print_cancelled")


async def _print(rig: Rig) -> int:
    file = await rig.file(content=sliced(layers=10))
    job = await rig.job(file=file)
    await rig.farm.start("a", job.id)
    await rig.quiet()
    return job.id


def _place(rig: Rig, share: float) -> int:
    """Give the byte at which this share of the print time is over."""
    index = rig.bay().progress.index
    assert index is not None
    return next(
        byte
        for byte in range(int(index.offsets[-1]) + 1)
        if index.at(byte).progress >= share
    )


def _ended(run: int, result: Result, **said: object) -> MachineEvent:
    return MachineEvent(
        type=MachineEventType.ENDED,
        run=run,
        result=result,
        **said,  # type: ignore[arg-type]
    )


async def test_stopping_leaves_the_print_and_its_job_as_they_are(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Nothing is ended, neither on the machine nor in the store."""
    job_id = await _print(rig)
    before = await rig.stored(job_id)
    await rig.restart()
    assert (machine.left, machine.closed) == (True, False)
    assert await rig.stored(job_id) == before


async def test_removing_and_changing_let_go_for_good(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Whoever is no longer driven by us shall not go on for us."""
    await rig.remove("a")
    assert (machine.left, machine.closed) == (False, True)


async def test_a_print_goes_on_with_all_that_was_known(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Same job, same begin; milestones and layers go on where they were."""
    job_id = await _print(rig)
    began = (await rig.stored(job_id)).started_at
    half = _place(rig, 0.55)
    machine.show(position=half)
    await rig.quiet()
    layer = rig.view().layer
    assert rig.told("print_progress") == ["print_progress"]
    rig.clock.pass_(100)
    await rig.restart()
    again = rig.machines["a"]
    again.outcomes[job_id] = None
    await rig.until(lambda: rig.bay().progress.index)
    again.printing(job_id, position=half)
    await rig.quiet()
    view = rig.view()
    assert (view.status, view.layer, view.started) == ("printing", layer, began)
    assert view.progress == pytest.approx(55, abs=1)
    again.show(position=_place(rig, 0.8))
    await rig.quiet()
    rig.clock.pass_(100)
    again.end()
    await rig.quiet()
    assert rig.told("print_started", "print_progress", *ENDS) == [
        "print_started",
        "print_progress",
        "print_progress",
        "print_complete",
    ]
    job = await rig.stored(job_id)
    assert (job.started_at, job.duration, job.milestone) == (began, 200, 75)
    assert job.filament_length == pytest.approx(40)
    assert (job.end_offset, job.checkpoint) == (None, None)


async def test_a_pause_while_we_were_away(rig: Rig, machine: FakeFabricator) -> None:
    """Taken over once, also where it is told again."""
    job_id = await _print(rig)
    await rig.crash()
    again = rig.machines["a"]
    again.outcomes[job_id] = None
    again.show(MachineState.PAUSED, run=job_id)
    again.say(MachineEventType.PAUSED, job_id)
    await rig.quiet()
    assert (await rig.stored(job_id)).status is JobStatus.PAUSED
    assert rig.told("print_paused") == ["print_paused"]


@pytest.mark.parametrize("as_outcome", [True, False])
async def test_an_end_that_is_dated(
    rig: Rig, machine: FakeFabricator, *, as_outcome: bool
) -> None:
    """Its own time, reason and words count, however it comes, and it comes once."""
    job_id = await _print(rig)
    position = _place(rig, 0.5)
    machine.show(position=position)
    await rig.quiet()
    rig.clock.pass_(50)
    await rig.crash()
    again = rig.machines["a"]
    await rig.until(lambda: rig.bay().progress.index)
    rig.clock.pass_(1000)
    at = (START + timedelta(seconds=80)).timestamp()
    end = _ended(job_id, Result.CANCELLED, reason="user", text="Stop", at=at)
    again.outcomes[job_id] = end if as_outcome else FabricatorError("no_answer")
    again.idle()
    for _ in range(2):
        again._announce(end)
    await rig.quiet()
    again._announce(end)
    await rig.quiet()
    job = await rig.stored(job_id)
    assert (job.status, job.reason, job.reason_text) == (
        JobStatus.CANCELLED,
        "user",
        "Stop",
    )
    assert (job.duration, job.ended_at) == (80, START + timedelta(seconds=80))
    assert [kind for kind in await rig.types(job_id) if kind in ENDS] == [
        "print_cancelled"
    ]
    assert rig.view().print_time == 80
    assert not rig.view().unsettled
    assert again.told("forget") >= 2
    assert {told for told in again.log if told[0] == "forget"} == {("forget", job_id)}


async def test_an_end_is_forgotten_only_when_it_is_kept(
    rig: Rig, machine: FakeFabricator
) -> None:
    """And a machine that cannot forget just tells it again."""
    job_id = await _print(rig)
    machine.forget_answer = lambda: rig.events.append(rig.events[-1])
    machine.end()
    await rig.quiet()
    assert rig.told()[-1] == rig.told()[-2]
    assert "print_complete" in rig.told()
    again = rig.machines["a"]
    again.forget_answer = FabricatorError("connection_lost")
    again.say(MachineEventType.ENDED, job_id, result=Result.COMPLETED)
    await rig.quiet()
    again.say(MachineEventType.ENDED, job_id, result=Result.COMPLETED)
    await rig.quiet()
    assert again.told("forget") == 3
    assert (await rig.types(job_id)).count("print_complete") == 1


async def test_a_start_that_never_came_through(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The machine is sure, so the job is where it was, and the bed as clear."""
    machine.starting.shut()
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    await rig.crash()
    assert not rig.view().bed_clear
    again = rig.machines["a"]
    again.outcomes[job.id] = Result.NOT_STARTED
    again.idle()
    await rig.quiet()
    back = await rig.stored(job.id)
    assert (back.status, back.fabricator_id, back.start_sent_at) == (
        JobStatus.QUEUED,
        None,
        None,
    )
    view = rig.view()
    assert (view.bed_clear, view.halted, view.status) == (True, None, "idle")
    assert rig.told("job_waiting", *ENDS) == ["job_waiting"]
    assert again.log[-1] == ("forget", job.id)
    await rig.farm.start("a")
    await rig.quiet()
    assert again.starts == [job.id]
    # The same word again, about the claim before.
    again.say(MachineEventType.ENDED, job.id, result=Result.NOT_STARTED)
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.PRINTING


async def test_a_word_about_an_earlier_claim(rig: Rig, machine: FakeFabricator) -> None:
    """It comes while the job is claimed anew and its file under way."""
    machine.transferring.shut()
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    for result in (Result.NOT_STARTED, Result.UNKNOWN, Result.FAILED):
        machine.say(MachineEventType.ENDED, job.id, result=result)
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.STARTING
    machine.transferring.open()
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.PRINTING


async def test_a_machine_that_forgot_what_was_seen_printing(
    rig: Rig, machine: FakeFabricator
) -> None:
    """It was begun, whatever the machine says: a person has to look."""
    job_id = await _print(rig)
    await rig.crash()
    again = rig.machines["a"]
    again.outcomes[job_id] = Result.NOT_STARTED
    again.idle()
    await rig.quiet()
    assert (await rig.stored(job_id)).status is JobStatus.UNKNOWN
    assert again.told("forget") == 0


async def _parked(rig: Rig, machine: FakeFabricator, *, off: bool = True) -> int:
    """Send a start into the unknown, and lose the machine or who speaks for it."""
    machine.start_answer = StartOutcome.UNKNOWN
    job = await rig.job()
    await rig.farm.start("a")
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.UNKNOWN
    machine.outcomes[job.id] = FabricatorError("connection_lost")
    machine.show(MachineState.OFFLINE if off else MachineState.UNKNOWN)
    await rig.quiet()
    del machine.outcomes[job.id]
    return job.id


@pytest.mark.parametrize("off", [True, False])
async def test_a_parked_job_whose_machine_prints_it(
    rig: Rig, machine: FakeFabricator, *, off: bool
) -> None:
    """It comes back and is asked: the job counts again."""
    job_id = await _parked(rig, machine, off=off)
    machine.outcomes[job_id] = None
    machine.printing(job_id)
    await rig.quiet()
    assert (await rig.stored(job_id)).status is JobStatus.PRINTING
    assert rig.view().problem is None


async def test_a_parked_job_whose_machine_tells_its_end(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Also after a restart of ours."""
    job_id = await _parked(rig, machine)
    await rig.crash()
    again = rig.machines["a"]
    at = (START + timedelta(seconds=7)).timestamp()
    again.outcomes[job_id] = _ended(job_id, Result.COMPLETED, at=at)
    rig.clock.pass_(60)
    again.idle()
    await rig.quiet()
    job = await rig.stored(job_id)
    assert (job.status, job.reason, job.duration) == (JobStatus.COMPLETED, None, 7)


async def test_a_parked_job_that_never_came_to_its_machine(
    rig: Rig, machine: FakeFabricator
) -> None:
    """It goes back to the queue instead of waiting for a person."""
    job_id = await _parked(rig, machine)
    machine.outcomes[job_id] = Result.NOT_STARTED
    machine.idle()
    await rig.quiet()
    assert (await rig.stored(job_id)).status is JobStatus.QUEUED
    assert rig.view().bed_clear


async def test_a_parked_job_of_which_nobody_knows_more(
    rig: Rig, machine: FakeFabricator
) -> None:
    """It stays parked and is not told again; nor is it asked while all is well."""
    job_id = await _parked(rig, machine)
    machine.idle()
    machine.show(message="Ready.")
    await rig.quiet()
    assert (await rig.stored(job_id)).status is JobStatus.UNKNOWN
    assert rig.told("job_unknown") == ["job_unknown"]
    assert machine.told("outcome") == 1
    assert not rig.view().unsettled


async def test_a_run_that_a_person_gave_up_and_that_goes_on(
    rig: Rig, machine: FakeFabricator
) -> None:
    """It is no job any more, but its part will lie on the bed: nothing starts there."""
    job_id = await _print(rig)
    await rig.crash()
    await rig.farm.release("a", Rating.BAD)
    again = rig.machines["a"]
    again.printing(job_id)
    await rig.quiet()
    assert rig.view().external
    await rig.job()
    await rig.farm.set_auto_start("a", True)
    again.end()
    await rig.quiet()
    assert again.starts == []
    assert not rig.view().bed_clear
    assert again.log[-1] == ("forget", job_id)
    assert (await rig.stored(job_id)).reason == "settled_by_person"


async def test_a_begin_that_is_told_late(rig: Rig, machine: FakeFabricator) -> None:
    """The time of the begin is the machine's."""
    machine.starting.shut()
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    rig.clock.pass_(100)
    machine.say(
        MachineEventType.STARTED,
        job.id,
        at=(START + timedelta(seconds=40)).timestamp(),
    )
    await rig.quiet()
    assert (await rig.stored(job.id)).started_at == START + timedelta(seconds=40)


def test_absurd_times() -> None:
    """A clock that was set back or forward makes no negative print."""
    later = START + timedelta(seconds=10)
    assert moment(None, START, later) == later
    assert moment(START.timestamp() + 5, START, later) == START + timedelta(seconds=5)
    assert moment(START.timestamp() - 5, START, later) == START
    assert moment(START.timestamp() + 50, START, later) == later
    assert moment(-1e9, None, later).year == 1970
    assert moment(1e300, None, later) == later
    assert moment(float("nan"), START, later) == START


async def test_the_wire_and_its_log(rig: Rig, machine: FakeFabricator) -> None:
    """The log is wanted for good: told at each connecting, and whenever it changes."""
    machine.lines = ("> M105", "< ok")
    assert await rig.farm.wire("a") == ("> M105", "< ok")
    with pytest.raises(Exception, match="not_supported"):
        await rig.farm.set_gcode_log("a", True)
    machine.can = type(machine.can)(gcode_log=True)
    machine.show()
    machine.show(message="x")
    await rig.quiet()
    assert machine.log == [("set_gcode_log", False)]
    await rig.farm.set_gcode_log("a", True)
    assert machine.logging
    assert rig.view().gcode_log
    machine.log_answer = FabricatorError("connection_lost")
    with pytest.raises(FabricatorError):
        await rig.farm.set_gcode_log("a", False)
    assert rig.view().gcode_log
    machine.offline()
    machine.idle()
    await rig.quiet()
    assert machine.told("set_gcode_log") == 4
    await rig.restart()
    again = rig.machines["a"]
    assert again.logging is None
    again.idle()
    await rig.quiet()
    assert again.logging
    again.offline()
    await rig.farm.set_gcode_log("a", False)
    assert again.logging
    again.idle()
    await rig.quiet()
    assert again.logging is False
