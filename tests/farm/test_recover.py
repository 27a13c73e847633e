"""A print that was cut off is taken up where it stopped, if a person says so."""

import asyncio
from dataclasses import fields, replace

import pytest

from custom_components.printfarm.fabricators.interface import (
    Checkpoint,
    FabricatorError,
    MachineState,
    Result,
    StartOutcome,
)
from custom_components.printfarm.farm.errors import ConflictError, StorageError
from custom_components.printfarm.farm.model import Job, JobStatus, Rating
from custom_components.printfarm.farm.salvage import LOCATE_WITHIN
from custom_components.printfarm.farm.view import Command
from custom_components.printfarm.gcode import Moment, RefusedError, ReplayError, replay
from custom_components.printfarm.gcode.model import Refusal

from .gcode import sliced
from .machine import FakeFabricator
from .rig import Rig


def _place(rig: Rig, share: float) -> int:
    """Give the byte at which this share of the print time is over."""
    index = rig.bay().progress.index
    assert index is not None
    return next(
        byte
        for byte in range(int(index.offsets[-1]) + 1)
        if index.at(byte).progress >= share
    )


async def _print(rig: Rig) -> Job:
    file = await rig.file(content=sliced(layers=10))
    job = await rig.job(file=file, name="Vase", priority=2)
    await rig.farm.start("a", job.id)
    await rig.quiet()
    return job


async def _cut_off(rig: Rig, machine: FakeFabricator, share: float = 0.6) -> Job:
    """Print to this share, and lose it there."""
    job = await _print(rig)
    position = _place(rig, share)
    machine.show(position=position)
    rig.clock.pass_(60)
    machine.cut_off(position)
    await rig.quiet()
    return await rig.stored(job.id)


async def test_what_is_kept_of_it(rig: Rig, machine: FakeFabricator) -> None:
    """Byte and checkpoint in the store; what a person sees is where it stopped."""
    job = await _cut_off(rig, machine)
    assert job.checkpoint == {
        "position": job.end_offset,
        "at": 0.0,
        "data": {"z": 0.4},
    }
    assert job.filament_length == pytest.approx(40 * 0.6, abs=1.5)
    for _ in range(2):
        await rig.until(lambda: rig.view().progress)
        offer = rig.view().offer
        assert offer is not None
        assert (offer.job_id, offer.name, offer.reason) == (
            job.id,
            "Vase",
            "connection_lost",
        )
        assert offer.progress == pytest.approx(60, abs=2)
        assert (offer.layer, offer.height) == (6, pytest.approx(1.2))
        assert offer.ended == job.ended_at
        assert rig.farm.can_recover("a")
        assert Command.RECOVER in rig.view().available
        await rig.restart()
        assert not rig.farm.can_recover("a"), "it is not there yet"
        rig.machines["a"].idle()
        await rig.quiet()


async def test_it_goes_on_as_a_new_job(rig: Rig, machine: FakeFabricator) -> None:
    """Once, from there, with what the file has set up; each part counts for itself."""
    old = await _cut_off(rig, machine)
    assert old.end_offset is not None
    first = rig.view().filament_length
    machine.located = Checkpoint(position=old.end_offset + 40, at=1.0, data={"z": 1})
    rig.events.clear()
    new = await rig.farm.recover("a")
    await rig.quiet()
    assert machine.starts == [old.id, new.id]
    task = machine.tasks[-1]
    assert task.resume is not None
    assert task.resume.checkpoint == machine.located
    assert task.gcode is not None
    expected = replay(task.gcode, old.end_offset + 40)
    for item in fields(Moment):
        assert getattr(task.resume, item.name) == getattr(expected, item.name)
    assert (task.run, task.name, task.plate) == (new.id, "Vase", 1)
    new = await rig.stored(new.id)
    assert (new.origin_id, new.file_id, new.name, new.target, new.priority) == (
        old.id,
        old.file_id,
        "Vase",
        None,
        2,
    )
    assert (new.status, new.start_offset) == (JobStatus.PRINTING, old.end_offset + 40)
    assert rig.told() == ["job_added", "job_assigned", "print_started"]
    assert [event.reason for event in rig.events] == ["recovered", "recovered", None]
    assert {event.file_name for event in rig.events} == {"Vase"}
    assert rig.view().offer is None
    machine.show(position=_place(rig, 0.8))
    await rig.quiet()
    assert rig.view().progress == pytest.approx(80, abs=2)
    told = [event for event in rig.events if event.type == "print_progress"]
    assert [event.progress for event in told] == [75]  # type: ignore[attr-defined]
    rig.clock.pass_(30)
    machine.end()
    await rig.quiet()
    over = await rig.stored(new.id)
    assert (over.status, over.duration) == (JobStatus.COMPLETED, 30)
    assert rig.view().filament_length == pytest.approx(40, abs=1)
    assert over.filament_length == pytest.approx(40 - first, abs=1)
    view = await rig.farm.release("a", Rating.GOOD)
    assert view.bed_clear
    assert (await rig.stored(new.id)).rating is Rating.GOOD
    assert (await rig.stored(old.id)).rating is None
    assert (view.completed, view.failed) == (1, 1)


async def test_it_is_cut_off_again(rig: Rig, machine: FakeFabricator) -> None:
    """And taken up again, in the same file; each loss counts only what it printed."""
    old = await _cut_off(rig, machine, 0.3)
    second = await rig.farm.recover("a")
    await rig.quiet()
    machine.cut_off(_place(rig, 0.6))
    await rig.quiet()
    offer = rig.view().offer
    assert offer is not None
    assert offer.job_id == second.id
    third = await rig.farm.recover("a")
    await rig.quiet()
    assert machine.starts == [old.id, second.id, third.id]
    assert (await rig.stored(third.id)).origin_id == second.id
    machine.end()
    await rig.quiet()
    parts = [(await rig.stored(job.id)).filament_length for job in (old, second, third)]
    assert all(part is not None and part > 5 for part in parts)
    assert sum(part or 0 for part in parts) == pytest.approx(40)
    assert rig.view().filament_length == pytest.approx(40)


async def test_no_offer(rig: Rig, machine: FakeFabricator) -> None:
    """Where nothing was cut off, or the bed no longer holds it."""

    async def nothing() -> None:
        assert rig.view().offer is None
        assert not rig.farm.can_recover("a")
        with pytest.raises(ConflictError, match="nothing_to_recover"):
            await rig.farm.recover("a")

    await nothing()
    checkpoint = Checkpoint(position=100, at=0.0)
    for result in (Result.COMPLETED, Result.CANCELLED, Result.FAILED):
        job = await _print(rig)
        given = None if result is Result.FAILED else checkpoint
        machine.end(result, checkpoint=given)
        await rig.quiet()
        assert (await rig.stored(job.id)).checkpoint is None
        await nothing()
        await rig.farm.release("a")
    await _cut_off(rig, machine)
    await rig.farm.release("a", Rating.BAD)
    await nothing()
    await rig.farm.start("a", (await rig.job()).id)
    await rig.quiet()
    machine.end()
    await rig.quiet()
    await nothing()
    await rig.farm.release("a")
    await _cut_off(rig, machine)
    machine.printing(None)
    machine.end()
    await rig.quiet()
    await nothing()


async def test_only_when_the_machine_is_ready(
    rig: Rig, machine: FakeFabricator
) -> None:
    """As any other start, but for the part on the bed."""
    await _cut_off(rig, machine)
    waiting = await rig.job()
    with pytest.raises(ConflictError, match="bed_not_clear"):
        await rig.farm.start("a", waiting.id)
    for state, reason in (
        (MachineState.OFFLINE, "offline"),
        (MachineState.ERROR, "fabricator_error"),
        (MachineState.UNKNOWN, "state_stale"),
    ):
        machine.show(state)
        assert not rig.farm.can_recover("a")
        with pytest.raises(ConflictError, match=reason):
            await rig.farm.recover("a")
    machine.idle()
    await rig.farm.set_maintenance("a", True)
    with pytest.raises(ConflictError, match="maintenance"):
        await rig.farm.recover("a")
    await rig.farm.set_maintenance("a", False)
    assert rig.farm.can_recover("a")
    assert machine.told("locate") == 0
    assert len(await rig.all_jobs()) == 2


async def test_nothing_else_starts_while_the_machine_is_asked(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Nor is the bed released, nor a second one begun; and it is looked at again."""
    await _cut_off(rig, machine)
    machine.locating.shut()
    recovering = asyncio.create_task(rig.farm.recover("a"))
    await rig.until(lambda: machine.waiting)
    assert not rig.farm.can_recover("a")
    with pytest.raises(ConflictError, match="busy"):
        await rig.farm.recover("a")
    with pytest.raises(ConflictError, match="nothing_to_release"):
        await rig.farm.release("a")
    machine.show(MachineState.ERROR)
    machine.locating.open()
    with pytest.raises(ConflictError, match="fabricator_error"):
        await recovering
    machine.idle()
    machine.locating.shut()
    recovering = asyncio.create_task(rig.farm.recover("a"))
    await rig.until(lambda: machine.waiting)
    # The offer becomes another one: whatever it was, it is not what was asked for.
    bay = rig.bay()
    assert bay.last_job is not None
    bay.last_job = replace(bay.last_job, status=JobStatus.COMPLETED)
    machine.locating.open()
    with pytest.raises(ConflictError, match="nothing_to_recover"):
        await recovering
    assert len(await rig.all_jobs()) == 1


async def test_a_machine_that_cannot_tell_where_it_stopped(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Nothing changes, and the offer stands."""
    await _cut_off(rig, machine)
    machine.located = FabricatorError("board_reset", "start")
    with pytest.raises(FabricatorError, match="start"):
        await rig.farm.recover("a")
    machine.located = None
    machine.locating.shut()
    recovering = asyncio.create_task(rig.farm.recover("a"))
    await rig.until(lambda: machine.waiting)
    rig.clock.pass_(LOCATE_WITHIN + 0.1)
    with pytest.raises(ConflictError, match="no_answer"):
        await recovering
    machine.locating.open()
    machine.idle()
    assert rig.farm.can_recover("a")
    assert len(await rig.all_jobs()) == 1


@pytest.mark.parametrize(
    ("failure", "key"),
    [
        (ReplayError("G6", 17), "position_unknown"),
        (PermissionError("no"), "file_unreadable"),
    ],
)
async def test_a_file_that_tells_too_little(
    rig: Rig, machine: FakeFabricator, failure: Exception, key: str
) -> None:
    """What it has set up is not known, so nothing starts."""
    await _cut_off(rig, machine)

    async def fail(*_: object) -> Moment:
        raise failure

    rig.replay = fail
    with pytest.raises(ConflictError, match=key):
        await rig.farm.recover("a")
    assert rig.farm.can_recover("a")


async def test_a_file_that_is_not_what_it_was(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Gone from the disk, cut short, unreadable, or deleted in the library."""
    job = await _cut_off(rig, machine)
    assert job.file_id is not None
    path = rig.farm.library.path(await rig.farm.library.file(job.file_id))
    content = path.read_bytes()
    machine.located = Checkpoint(position=len(content) + 1, at=0.0)
    with pytest.raises(ConflictError, match="file_changed"):
        await rig.farm.recover("a")
    machine.located = None
    path.write_bytes(content[:-1])
    with pytest.raises(ConflictError, match="file_changed"):
        await rig.farm.recover("a")
    path.write_bytes(content)
    ready = rig.farm.library.ready
    for failure, key in (
        (PermissionError("no"), "file_unreadable"),
        (RefusedError(Refusal("file_without_gcode"), ""), "file_without_gcode"),
    ):

        async def fail(*_: object, err: Exception = failure) -> object:
            raise err

        rig.farm.library.ready = fail  # type: ignore[method-assign, assignment]
        with pytest.raises((ConflictError, RefusedError), match=key):
            await rig.farm.recover("a")
    rig.farm.library.ready = ready  # type: ignore[method-assign]
    path.unlink()
    with pytest.raises(ConflictError, match="file_gone"):
        await rig.farm.recover("a")
    bay = rig.bay()
    before = bay.last_job
    await rig.farm.library.delete(job.file_id)
    assert rig.view().offer is None
    bay.last_job = before
    with pytest.raises(ConflictError, match="file_gone"):
        await rig.farm.recover("a")
    assert len(await rig.all_jobs()) == 1


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_start_that_is_refused(
    rig: Rig, machine: FakeFabricator, *, cancelled: bool
) -> None:
    """The new job is over before it began; the offer stands, and may be tried again."""
    old = await _cut_off(rig, machine)
    rig.events.clear()
    machine.start_answer = StartOutcome.REFUSED
    machine.starting.shut()
    new = await rig.farm.recover("a")
    await rig.until(lambda: machine.waiting)
    if cancelled:
        await rig.farm.cancel("a")
    machine.starting.open()
    await rig.quiet()
    over = await rig.stored(new.id)
    assert (over.status, over.reason) == (
        JobStatus.CANCELLED,
        "user" if cancelled else "start_refused",
    )
    kind = "print_cancelled" if cancelled else "job_removed"
    assert rig.told() == ["job_added", "job_assigned", kind]
    view = rig.view()
    assert view.offer is not None
    assert (view.offer.job_id, view.offer.layer) == (old.id, 6)
    assert view.job is not None
    assert (view.job.id, view.bed_clear) == (old.id, False)
    assert view.halted == (None if cancelled else "start_refused")
    assert rig.farm.queue() == ()
    assert ("forget", new.id) in machine.log
    machine.start_answer = StartOutcome.STARTED
    again = await rig.farm.recover("a")
    await rig.quiet()
    assert rig.view().halted is None
    assert machine.starts == [old.id, new.id, again.id]
    assert (await rig.stored(again.id)).status is JobStatus.PRINTING


async def test_a_claim_that_the_store_refuses(
    rig: Rig, machine: FakeFabricator
) -> None:
    """No job, no start; the offer stands."""
    await _cut_off(rig, machine)
    rig.storage.failing = "storage_full"
    with pytest.raises(StorageError, match="storage_full"):
        await rig.farm.recover("a")
    rig.storage.failing = None
    await rig.pass_(31)
    machine.idle()
    assert rig.farm.can_recover("a")
    assert len(await rig.all_jobs()) == 1


async def test_killed_before_the_start_was_sent(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The new job is taken back: it never stands in the queue as a whole print."""
    old = await _cut_off(rig, machine)
    machine.transferring.shut()
    new = await rig.farm.recover("a")
    await rig.until(lambda: machine.waiting)
    await rig.crash()
    over = await rig.stored(new.id)
    assert (over.status, over.reason) == (JobStatus.CANCELLED, "restarted")
    assert (await rig.types(new.id))[-1] == "job_removed"
    assert rig.farm.queue() == ()
    rig.machines["a"].idle()
    await rig.quiet()
    offer = rig.view().offer
    assert offer is not None
    assert offer.job_id == old.id
    assert rig.machines["a"].starts == []


@pytest.mark.parametrize(
    "result", [None, Result.COMPLETED, Result.NOT_STARTED, Result.UNKNOWN]
)
async def test_killed_after_the_start_was_sent(
    rig: Rig, machine: FakeFabricator, result: Result | None
) -> None:
    """The machine tells what became of it."""
    old = await _cut_off(rig, machine)
    machine.starting.shut()
    new = await rig.farm.recover("a")
    await rig.until(lambda: machine.waiting)
    await rig.crash()
    again = rig.machines["a"]
    again.outcomes[new.id] = result
    if result is None:
        again.printing(new.id)
    else:
        again.idle()
    await rig.quiet()
    status = (await rig.stored(new.id)).status
    offer = rig.view().offer
    if result is Result.NOT_STARTED:
        assert status is JobStatus.CANCELLED
        assert offer is not None
        assert (offer.job_id, rig.farm.can_recover("a")) == (old.id, True)
    else:
        expected = {None: JobStatus.PRINTING, Result.COMPLETED: JobStatus.COMPLETED}
        assert status is expected.get(result, JobStatus.UNKNOWN)
        assert offer is None
    assert again.starts == []


async def test_closed_while_the_machine_is_asked(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Whoever waits for it hears so."""
    await _cut_off(rig, machine)
    machine.locating.shut()
    recovering = asyncio.create_task(rig.farm.recover("a"))
    await rig.until(lambda: machine.waiting)
    await rig.farm.close()
    with pytest.raises(ConflictError, match="cancelled"):
        await recovering
    await rig.open()
    assert len(await rig.all_jobs()) == 1


async def test_a_fabricator_that_is_removed_in_mid_recover(
    rig: Rig, machine: FakeFabricator
) -> None:
    """What was claimed for it is over; nothing of it enters the queue."""
    await _cut_off(rig, machine)
    machine.transferring.shut()
    new = await rig.farm.recover("a")
    await rig.until(lambda: machine.waiting)
    await rig.remove("a")
    assert (await rig.stored(new.id)).status is JobStatus.CANCELLED
    assert rig.farm.queue() == ()
    assert rig.told("job_removed") == ["job_removed"]


async def test_requeue_begins_anew(rig: Rig, machine: FakeFabricator) -> None:
    """A repeated job is a whole print, whatever became of the one it repeats."""
    await _cut_off(rig, machine)
    new = await rig.farm.recover("a")
    await rig.quiet()
    machine.end()
    await rig.quiet()
    again = await rig.farm.requeue(new.id)
    assert (again.start_offset, again.checkpoint, again.milestone) == (None, None, 0)
    await rig.farm.release("a")
    await rig.farm.start("a", again.id)
    await rig.quiet()
    assert machine.tasks[-1].resume is None
