"""I1: nothing starts unless idle, released, free of obstacles, and lately heard of."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from custom_components.printfarm.fabricators.interface import (
    MachineState,
    Result,
    StartOutcome,
)
from custom_components.printfarm.farm.errors import ConflictError, StorageError
from custom_components.printfarm.farm.model import JobStatus, WaitingReason
from custom_components.printfarm.farm.readiness import FRESH_FOR

from .machine import FakeFabricator
from .rig import Rig

type Obstacle = Callable[[Rig, FakeFabricator], Awaitable[None]]


async def _offline(_: Rig, machine: FakeFabricator) -> None:
    machine.show(MachineState.OFFLINE)


async def _connecting(_: Rig, machine: FakeFabricator) -> None:
    machine.show(MachineState.CONNECTING)


async def _unknown(_: Rig, machine: FakeFabricator) -> None:
    machine.show(MachineState.UNKNOWN)


async def _error(_: Rig, machine: FakeFabricator) -> None:
    machine.show(MachineState.ERROR)


async def _preparing(_: Rig, machine: FakeFabricator) -> None:
    machine.show(MachineState.PREPARING)


async def _external(_: Rig, machine: FakeFabricator) -> None:
    machine.printing(None)


async def _external_paused(_: Rig, machine: FakeFabricator) -> None:
    machine.show(MachineState.PAUSED)


async def _after_external(rig: Rig, machine: FakeFabricator) -> None:
    machine.printing(None)
    await rig.quiet()
    machine.end()


async def _stale(rig: Rig, _: FakeFabricator) -> None:
    rig.clock.pass_(FRESH_FOR + 1)


async def _never_heard(_: Rig, machine: FakeFabricator) -> None:
    machine.show(seen=None)


async def _maintenance(rig: Rig, _: FakeFabricator) -> None:
    await rig.farm.set_maintenance("a", True)


async def _part_on_bed(rig: Rig, machine: FakeFabricator) -> None:
    job = await rig.job()
    await rig.farm.start("a", job.id)
    await rig.quiet()
    machine.end()


async def _cancelled_part(rig: Rig, machine: FakeFabricator) -> None:
    job = await rig.job()
    await rig.farm.start("a", job.id)
    await rig.quiet()
    machine.end(Result.CANCELLED)


async def _printing(rig: Rig, _: FakeFabricator) -> None:
    job = await rig.job()
    await rig.farm.start("a", job.id)


async def _outcome_unknown(rig: Rig, machine: FakeFabricator) -> None:
    job = await rig.job()
    machine.start_answer = StartOutcome.UNKNOWN
    await rig.farm.start("a", job.id)
    await rig.quiet()
    machine.start_answer = StartOutcome.STARTED


OBSTACLES: dict[str, tuple[Obstacle, WaitingReason]] = {
    "offline": (_offline, WaitingReason.OFFLINE),
    "connecting": (_connecting, WaitingReason.CONNECTING),
    "unknown": (_unknown, WaitingReason.STATE_STALE),
    "error": (_error, WaitingReason.FABRICATOR_ERROR),
    "preparing": (_preparing, WaitingReason.EXTERNAL_PRINT),
    "external": (_external, WaitingReason.EXTERNAL_PRINT),
    "external paused": (_external_paused, WaitingReason.EXTERNAL_PRINT),
    "after external": (_after_external, WaitingReason.BED_NOT_CLEAR),
    "stale": (_stale, WaitingReason.STATE_STALE),
    "never heard of": (_never_heard, WaitingReason.STATE_STALE),
    "maintenance": (_maintenance, WaitingReason.MAINTENANCE),
    "part on bed": (_part_on_bed, WaitingReason.BED_NOT_CLEAR),
    "cancelled part on bed": (_cancelled_part, WaitingReason.BED_NOT_CLEAR),
    "printing": (_printing, WaitingReason.BUSY),
    "outcome unknown": (_outcome_unknown, WaitingReason.OUTCOME_UNKNOWN),
}


@pytest.mark.parametrize("name", OBSTACLES)
async def test_nothing_starts_by_itself(
    rig: Rig, machine: FakeFabricator, name: str
) -> None:
    """Automatic starts wait, and the job says why."""
    hinder, reason = OBSTACLES[name]
    await hinder(rig, machine)
    await rig.quiet()
    sent = list(machine.starts)
    job = await rig.job()
    await rig.farm.set_auto_start("a", True)
    await rig.quiet()
    assert machine.starts == sent
    assert (await rig.stored(job.id)).status is JobStatus.QUEUED
    (waiting,) = [item for item in rig.farm.queue() if item.job.id == job.id]
    assert waiting.reason is reason
    assert rig.view().waiting_reason is reason


async def test_nothing_starts_while_the_store_fails(
    rig: Rig, machine: FakeFabricator
) -> None:
    """A full disk keeps starts back, by hand too, until it is trusted again."""
    job = await rig.job()
    rig.storage.failing = "storage_full"
    with pytest.raises(StorageError):
        await rig.farm.set_auto_start("a", True)
    with pytest.raises(ConflictError) as caught:
        await rig.farm.start("a")
    assert caught.value.placeholders == {"reason": "storage_failed"}
    assert rig.farm.queue()[0].reason is WaitingReason.STORAGE_FAILED
    rig.storage.failing = None
    machine.idle()
    await rig.pass_(31)
    await rig.farm.set_auto_start("a", True)
    await rig.quiet()
    assert machine.starts == [job.id]


@pytest.mark.parametrize("name", OBSTACLES)
async def test_nothing_starts_by_hand(
    rig: Rig, machine: FakeFabricator, name: str
) -> None:
    """A person is told why not, whether they name the job or not."""
    hinder, reason = OBSTACLES[name]
    job = await rig.job()
    await hinder(rig, machine)
    await rig.quiet()
    sent = list(machine.starts)
    for wanted in (None, job.id):
        with pytest.raises(ConflictError) as caught:
            await rig.farm.start("a", wanted)
        assert caught.value.key == "not_startable"
        assert caught.value.placeholders == {"reason": reason.value}
    await rig.quiet()
    assert machine.starts == sent
    assert (await rig.stored(job.id)).status is JobStatus.QUEUED


async def test_it_starts_where_nothing_is_in_the_way(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The table above would prove nothing if nothing ever started."""
    job = await rig.job()
    await rig.farm.set_auto_start("a", True)
    await rig.quiet()
    assert machine.starts == [job.id]
    assert (await rig.stored(job.id)).status is JobStatus.PRINTING


IN_THE_MEANTIME: dict[str, tuple[Obstacle, str]] = {
    "offline": (_offline, "offline"),
    "connecting": (_connecting, "connecting"),
    "unknown": (_unknown, "state_stale"),
    "error": (_error, "fabricator_error"),
    "external": (_external, "external_print"),
    "external, over again": (_after_external, "bed_not_clear"),
    "stale": (_stale, "state_stale"),
}


@pytest.mark.parametrize("name", IN_THE_MEANTIME)
async def test_it_looks_again_after_the_transfer(
    rig: Rig, machine: FakeFabricator, name: str
) -> None:
    """What changed while the file was on its way still keeps the start back."""
    hinder, reason = IN_THE_MEANTIME[name]
    machine.transferring.shut()
    job = await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    await hinder(rig, machine)
    await rig.quiet()
    machine.transferring.open()
    await rig.quiet()
    assert machine.starts == []
    back = await rig.stored(job.id)
    assert (back.status, back.reason) == (JobStatus.QUEUED, reason)
    assert back.start_sent_at is None
    view = rig.view()
    assert view.halted == reason
    assert view.bed_clear is not name.startswith("external")


async def test_it_looks_again_at_the_claim(rig: Rig, machine: FakeFabricator) -> None:
    """What changed while the claim waited for its turn keeps it back."""
    job = await rig.job()
    async with rig.bay().lock:
        starting = asyncio.create_task(rig.farm.start("a"))
        await rig.until(lambda: rig.bay().dispatching)
        machine.show(MachineState.ERROR)
    with pytest.raises(ConflictError, match="fabricator_error"):
        await starting
    assert machine.log == []
    assert (await rig.stored(job.id)).claimed_at is None
    assert rig.view().halted is None


async def test_a_print_from_the_touch_screen_while_starting_leaves_its_part(
    rig: Rig, machine: FakeFabricator
) -> None:
    """The bed counts as used although our own start never went out."""
    machine.transferring.shut()
    await rig.job()
    await rig.farm.start("a")
    await rig.until(lambda: machine.waiting)
    machine.printing(None)
    await rig.quiet()
    machine.transferring.open()
    await rig.quiet()
    machine.end()
    await rig.quiet()
    assert not rig.view().bed_clear


async def test_it_looks_again_after_writing_that_it_starts(
    rig: Rig, machine: FakeFabricator
) -> None:
    """A slow disk leaves time for things to happen between the last look and the start."""
    job = await rig.job()
    commit = rig.storage.commit

    async def slow(**changes: object) -> object:
        done = await commit(**changes)  # type: ignore[arg-type]
        if any(job.start_sent_at for job in done.jobs):
            machine.show(MachineState.ERROR)
        return done

    rig.storage.commit = slow  # type: ignore[method-assign, assignment]
    await rig.farm.start("a")
    await rig.quiet()
    assert machine.starts == []
    back = await rig.stored(job.id)
    assert (back.status, back.start_sent_at) == (JobStatus.QUEUED, None)
    assert rig.view().bed_clear


async def test_the_bed_stays_used_over_a_restart_and_a_power_cycle(
    rig: Rig, machine: FakeFabricator
) -> None:
    """A machine that boots idle has not cleared its bed by that."""
    jobs = await rig.jobs(2)
    await rig.farm.set_auto_start("a", True)
    await rig.quiet()
    machine.end()
    await rig.quiet()
    await rig.restart()
    rig.machines["a"].idle()
    await rig.quiet()
    assert rig.machines["a"].starts == []
    assert rig.view().status == "finished"
    await rig.farm.release("a")
    await rig.quiet()
    assert rig.machines["a"].starts == [jobs[1].id]
