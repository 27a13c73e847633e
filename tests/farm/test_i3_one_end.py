"""I3: an end is announced exactly once per job, also across restarts."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorError,
    MachineEventType,
    Result,
)
from custom_components.printfarm.farm import ledger
from custom_components.printfarm.farm.errors import StorageError
from custom_components.printfarm.farm.events import PrintComplete
from custom_components.printfarm.farm.model import JobStatus

from .machine import FakeFabricator
from .rig import Rig

ENDS = ("print_complete", "print_failed", "print_cancelled")
RESULTS = {
    Result.COMPLETED: (JobStatus.COMPLETED, "print_complete"),
    Result.CANCELLED: (JobStatus.CANCELLED, "print_cancelled"),
    Result.FAILED: (JobStatus.FAILED, "print_failed"),
}


async def _print(rig: Rig) -> int:
    job = await rig.job()
    await rig.farm.start("a", job.id)
    await rig.quiet()
    return job.id


async def _ends(rig: Rig, job_id: int) -> list[str]:
    """Give the end events of a job in the store."""
    return [kind for kind in await rig.types(job_id) if kind in ENDS]


@pytest.mark.parametrize("result", RESULTS)
async def test_each_result_has_its_one_event(
    rig: Rig, machine: FakeFabricator, result: Result
) -> None:
    """With status, reason and the machine's words in row and event alike."""
    job_id = await _print(rig)
    machine.end(result, "kill", "Printer halted")
    await rig.quiet()
    status, event = RESULTS[result]
    job = await rig.stored(job_id)
    assert (job.status, job.reason, job.reason_text) == (
        status,
        "kill",
        "Printer halted",
    )
    assert await _ends(rig, job_id) == [event]
    assert rig.told(*ENDS) == [event]
    view = rig.view()
    assert [view.completed, view.cancelled, view.failed] == [
        status is JobStatus.COMPLETED,
        status is JobStatus.CANCELLED,
        status is JobStatus.FAILED,
    ]


async def test_an_end_said_twice_is_one(rig: Rig, machine: FakeFabricator) -> None:
    """In one breath, after release, and with another result."""
    job_id = await _print(rig)
    machine.end()
    machine.say(MachineEventType.ENDED, job_id, result=Result.COMPLETED)
    await rig.quiet()
    await rig.farm.release("a")
    for result in Result:
        machine.say(MachineEventType.ENDED, job_id, result=result)
    await rig.quiet()
    assert await _ends(rig, job_id) == ["print_complete"]
    assert rig.told(*ENDS) == ["print_complete"]
    assert rig.view().completed == 1
    assert rig.view().bed_clear, "a late word about an old job is no part on the bed"


async def test_the_store_refuses_a_second_end(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Whatever the code above it does."""
    job_id = await _print(rig)
    machine.end()
    await rig.quiet()
    job = await rig.stored(job_id)
    again = PrintComplete(at=rig.clock.utcnow(), job_id=job_id)
    with pytest.raises(StorageError, match="event_repeated"):
        await rig.storage.commit(jobs=[replace(job, reason="twice")], events=[again])
    assert (await rig.stored(job_id)).reason is None


async def test_a_restart_after_the_end_tells_nothing_again(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The machine still stands at "finished"; neither started nor finished is told."""
    job_id = await _print(rig)
    machine.end()
    await rig.quiet()
    rig.events.clear()
    await rig.restart()
    again = rig.machines["a"]
    again.idle()
    again.say(MachineEventType.ENDED, job_id, result=Result.COMPLETED)
    await rig.quiet()
    assert rig.told() == []
    assert rig.view().status == "finished"


@pytest.mark.parametrize("result", RESULTS)
async def test_an_end_while_we_were_away_is_told_once(
    rig: Rig, machine: FakeFabricator, result: Result
) -> None:
    """The machine is asked, and its answer is the end."""
    job_id = await _print(rig)
    await rig.crash()
    again = rig.machines["a"]
    again.outcomes[job_id] = result
    again.idle()
    again.idle()
    await rig.quiet()
    again.say(MachineEventType.ENDED, job_id, result=result)
    await rig.quiet()
    status, event = RESULTS[result]
    assert (await rig.stored(job_id)).status is status
    assert await _ends(rig, job_id) == [event]
    assert (await rig.stored(job_id)).duration is None, "nobody saw when it ended"


async def test_a_print_that_went_on_while_we_were_away(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Same job, no second start, told as started once, and its end once."""
    job_id = await _print(rig)
    rig.clock.pass_(100)
    await rig.restart()
    again = rig.machines["a"]
    again.outcomes[job_id] = None
    again.printing(job_id)
    await rig.quiet()
    assert rig.view().job is not None
    assert rig.view().status == "printing"
    assert not rig.view().unsettled
    rig.clock.pass_(100)
    again.end()
    await rig.quiet()
    assert again.starts == []
    assert rig.told("print_started", *ENDS) == ["print_started", "print_complete"]
    job = await rig.stored(job_id)
    assert job.duration == 200
    assert (job.started_at, job.status) == (
        rig.clock.utcnow().replace(minute=0, second=0),
        JobStatus.COMPLETED,
    )


async def test_nobody_can_tell_after_a_restart(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Not success, not failure: a person looks, and their word ends it, once."""
    job_id = await _print(rig)
    await rig.crash()
    rig.machines["a"].idle()
    await rig.quiet()
    assert (await rig.stored(job_id)).status is JobStatus.UNKNOWN
    assert await _ends(rig, job_id) == []
    assert rig.told("job_unknown") == ["job_unknown"]
    assert rig.view().problem == "outcome_unknown"
    await rig.restart()
    rig.machines["a"].idle()
    await rig.quiet()
    assert rig.told("job_unknown") == ["job_unknown"]
    await rig.farm.release("a")
    assert await _ends(rig, job_id) == ["print_complete"]
    assert rig.view().bed_clear


async def test_the_machine_cannot_tell_yet(rig: Rig, machine: FakeFabricator) -> None:
    """It is asked again, and nothing is decided before."""
    job_id = await _print(rig)
    await rig.crash()
    again = rig.machines["a"]
    again.outcomes[job_id] = FabricatorError("no_answer")
    again.idle()
    await rig.quiet()
    assert (await rig.stored(job_id)).status is JobStatus.PRINTING
    assert rig.view().unsettled
    again.asking.shut()
    again.show(message="still thinking")
    await rig.until(lambda: again.waiting)
    await rig.pass_(31)
    assert not again.waiting, "nobody waits for an answer for ever"
    assert (await rig.stored(job_id)).status is JobStatus.PRINTING
    again.asking.open()
    again.outcomes[job_id] = Result.FAILED
    again.show(message=None)
    await rig.quiet()
    assert await _ends(rig, job_id) == ["print_failed"]


async def test_an_end_that_was_kept_but_not_told_is_told_at_the_next_start(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The crash came between the commit and the telling."""
    job_id = await _print(rig)
    told = list(rig.events)
    rig.farm._ledger._announce = lambda _: None  # type: ignore[method-assign]
    machine.end()
    await rig.quiet()
    assert rig.events == told
    await rig.crash(go=False)
    assert rig.events == told, "nobody may be told before everybody listens"
    rig.farm.go()
    await rig.quiet()
    assert rig.told(*ENDS) == ["print_complete"]
    assert rig.events[-1].job_id == job_id
    ids = [event.id for event in rig.events]
    assert ids == sorted(set(ids))  # type: ignore[type-var]
    await rig.restart()
    await rig.quiet()
    assert rig.told(*ENDS) == ["print_complete"]


async def test_what_happens_before_everybody_listens_is_kept_back(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Fabricators connect while Home Assistant still starts."""
    job_id = await _print(rig)
    await rig.restart(go=False)
    rig.events.clear()
    again = rig.machines["a"]
    again.outcomes[job_id] = Result.COMPLETED
    again.idle()
    await rig.quiet()
    assert (await rig.stored(job_id)).status is JobStatus.COMPLETED
    assert rig.events == []
    rig.farm.go()
    assert rig.told(*ENDS) == ["print_complete"]


async def test_all_that_was_told_is_marked(rig: Rig, machine: FakeFabricator) -> None:
    """So that a start after an orderly stop has nothing to tell."""
    await _print(rig)
    machine.end()
    await rig.quiet()
    loaded = await rig.storage.load()
    assert loaded.unannounced == ()


async def test_marks_that_cannot_be_kept_do_no_harm(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """The telling is done; it may be done again after a restart, and the log says so."""

    async def refuse(_: object) -> None:
        raise StorageError("storage_full")

    rig.storage.mark_announced = refuse  # type: ignore[method-assign]
    job_id = await _print(rig)
    machine.end()
    await rig.quiet()
    assert rig.told(*ENDS) == ["print_complete"]
    assert "announced again" in caplog.text
    assert (await rig.stored(job_id)).status is JobStatus.COMPLETED


async def test_a_listener_that_fails_does_not_silence_the_others(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does one that ends its watch twice."""

    def broken(_: object) -> None:
        raise ZeroDivisionError

    end = rig.farm.subscribe(broken)
    rig.farm._ledger._listeners.reverse()
    await _print(rig)
    assert "print_started" in rig.told()
    assert "A listener failed" in caplog.text
    end()
    end()
    caplog.clear()
    machine.end()
    await rig.quiet()
    assert "A listener failed" not in caplog.text


async def test_an_end_on_a_full_disk_is_kept_when_there_is_room_again(
    rig: Rig, machine: FakeFabricator, caplog: pytest.LogCaptureFixture
) -> None:
    """It has happened, so it is tried until the store takes it; one line in the log."""
    job_id = await _print(rig)
    rig.storage.failing = "storage_full"
    machine.end()
    await rig.until(lambda: "will try again" in caplog.text)
    for _ in range(3):
        before = rig.storage.commits
        rig.clock.pass_(ledger.RETRY_AFTER + 0.1)
        await rig.until(lambda seen=before: rig.storage.commits > seen)
    assert caplog.text.count("will try again") == 1
    assert rig.told(*ENDS) == []
    assert rig.view().status == "printing"
    # A person is told so, and does not wait for a disk that may be full for days.
    for told in (rig.farm.release("a"), rig.farm.set_auto_start("a", True)):
        async with asyncio.timeout(5):
            with pytest.raises(StorageError, match="storage_full"):
                await told
    rig.storage.failing = None
    rig.clock.pass_(ledger.RETRY_AFTER + 0.1)
    await rig.until(lambda: rig.told(*ENDS))
    await rig.farm.release("a")
    assert await _ends(rig, job_id) == ["print_complete"]
    assert "could not be stored before" in caplog.text


async def test_an_end_and_a_switch_in_the_same_moment(
    rig: Rig, machine: FakeFabricator
) -> None:
    """A change of the fabricator's row must not make the end's commit fail."""
    job_id = await _print(rig)
    machine.end()
    await asyncio.gather(
        rig.farm.set_auto_start("a", True),
        rig.farm.change_fabricator(replace(rig.configs["a"], name="Renamed")),
        rig.farm.set_auto_start("a", False),
    )
    await rig.quiet()
    assert await _ends(rig, job_id) == ["print_complete"]
    view = rig.view()
    assert (view.name, view.auto_start, view.bed_clear) == ("Renamed", False, False)


@pytest.mark.timeout(10)
async def test_settling_ends_with_marks_that_are_over(rig: Rig) -> None:
    """A mark that is done but not yet taken out must not be waited for in a circle."""
    over: asyncio.Task[None] = asyncio.create_task(asyncio.sleep(0))
    await over
    rig.farm._ledger._marking.add(over)
    await rig.farm._ledger.settle()
