"""Why a job waits: holds, schedules, misfits, files that are not ready."""

import asyncio
from datetime import timedelta, timezone

import pytest

from custom_components.printfarm.fabricators.interface import Capabilities
from custom_components.printfarm.farm import queue
from custom_components.printfarm.farm.errors import ConflictError
from custom_components.printfarm.farm.model import WaitingReason

from .gcode import sliced
from .machine import FakeFabricator
from .rig import Rig


def _order(rig: Rig, key: str | None = None) -> list[int]:
    return [item.job.id for item in rig.farm.queue(key)]


async def test_a_held_job_waits(rig: Rig, machine: FakeFabricator) -> None:
    """Others pass it; let go, it goes at its old place."""
    await rig.farm.set_auto_start("a", True)
    held, other = await rig.job(hold=True), await rig.job()
    await rig.quiet()
    assert machine.starts == [other.id]
    machine.end()
    await rig.quiet()
    await rig.farm.release("a")
    await rig.quiet()
    assert machine.starts == [other.id]
    await rig.farm.change_job(held.id, hold=False)
    await rig.quiet()
    assert machine.starts == [other.id, held.id]


async def test_a_person_starts_a_held_job(rig: Rig, machine: FakeFabricator) -> None:
    """Who names a job means it, held or scheduled."""
    later = rig.clock.utcnow() + timedelta(days=1)
    job = await rig.job(hold=True, not_before=later)
    await rig.farm.start("a", job.id)
    await rig.quiet()
    assert machine.starts == [job.id]


async def test_a_scheduled_job_starts_when_its_time_has_come(
    rig: Rig, machine: FakeFabricator
) -> None:
    """By a timer of its own, not at the next look."""
    await rig.farm.set_auto_start("a", True)
    job = await rig.job(not_before=rig.clock.utcnow() + timedelta(seconds=42))
    await rig.quiet()
    assert rig.farm.queue()[0].reason is WaitingReason.SCHEDULED
    await rig.pass_(41)
    assert machine.starts == []
    machine.idle()
    await rig.pass_(1.5)
    assert machine.starts == [job.id]


async def test_a_schedule_is_changed_and_lifted(
    rig: Rig, machine: FakeFabricator
) -> None:
    """None is at once."""
    await rig.farm.set_auto_start("a", True)
    job = await rig.job(not_before=rig.clock.utcnow() + timedelta(days=3))
    later = rig.clock.utcnow() + timedelta(days=9)
    assert (await rig.farm.change_job(job.id, not_before=later)).not_before == later
    await rig.quiet()
    assert machine.starts == []
    await rig.farm.change_job(job.id, not_before=None)
    await rig.quiet()
    assert machine.starts == [job.id]


async def test_a_job_for_one_is_not_taken_by_another(rig: Rig) -> None:
    """And any takes what is for any."""
    first, second = [await rig.add(key, auto_start=True) for key in "ab"]
    job = await rig.job(target="b")
    await rig.quiet()
    assert (first.starts, second.starts) == ([], [job.id])
    other = await rig.job(target="b")
    with pytest.raises(ConflictError, match="job_meant_for_other"):
        await rig.farm.start("a", other.id)
    assert _order(rig, "a") == []
    assert _order(rig, "b") == [other.id]
    await rig.farm.change_job(other.id, target=None)
    await rig.quiet()
    assert first.starts == [other.id]


MISFITS = {
    "too small": (Capabilities(build_volume=(19.0, 200, 200)), {}, False),
    "too low": (Capabilities(build_volume=(200, 200, 0.2)), {}, False),
    "just right": (Capabilities(build_volume=(20.0, 20.0, 0.8)), {}, True),
    "not known": (Capabilities(), {}, True),
    "second tool": (Capabilities(tools=1), {"tool": 1}, False),
    "has two tools": (Capabilities(tools=2), {"tool": 1}, True),
    "wants 3mf": (Capabilities(accepts=frozenset({"3mf"})), {}, False),
}


@pytest.mark.parametrize("name", MISFITS)
async def test_what_does_not_fit_is_not_started(
    rig: Rig, machine: FakeFabricator, name: str
) -> None:
    """By volume, tools and kind; what is not known fits."""
    machine.can, content, fits = MISFITS[name]
    await rig.farm.set_auto_start("a", True)
    file = await rig.file(content=sliced(**content))
    job = await rig.job(file=file)
    await rig.quiet()
    assert machine.starts == ([job.id] if fits else [])
    if not fits:
        assert rig.farm.queue()[0].reason is WaitingReason.DOES_NOT_FIT
        assert _order(rig, "a") == []
        with pytest.raises(ConflictError) as caught:
            await rig.farm.start("a", job.id)
        assert caught.value.placeholders == {"reason": "does_not_fit"}
        with pytest.raises(ConflictError, match="nothing_queued"):
            await rig.farm.start("a")


async def test_jobs_without_fabricators(rig: Rig) -> None:
    """They wait for one, and say so."""
    await rig.job()
    assert rig.farm.queue()[0].reason is WaitingReason.NO_FABRICATOR
    await rig.add()
    assert rig.farm.queue()[0].reason is WaitingReason.AUTO_START_OFF
    await rig.job()
    assert rig.farm.queue()[1].reason is WaitingReason.BEHIND_OTHERS


async def test_a_file_that_is_still_read_or_cannot_be(
    rig: Rig, machine: FakeFabricator
) -> None:
    """A job of a file that is being read waits for it; one that failed says so."""
    reading = asyncio.Event()
    slow = rig.analyse

    async def wait_first(*args: object) -> object:
        await reading.wait()
        return await slow(*args)  # type: ignore[arg-type]

    rig.analyse = wait_first  # type: ignore[assignment]
    await rig.farm.set_auto_start("a", True)
    async with rig.farm.library.new_upload("a.gcode") as upload:
        await upload.write(sliced())
        file = await upload.finish()
    job = await rig.job(file=file)
    assert rig.farm.queue()[0].reason is WaitingReason.FILE_NOT_READY
    reading.set()
    await rig.quiet()
    assert machine.starts == [job.id]
    machine.end()

    breaking = asyncio.Event()

    async def refuse(*_: object) -> object:
        await breaking.wait()
        raise ZeroDivisionError

    rig.analyse = refuse  # type: ignore[assignment]
    async with rig.farm.library.new_upload("b.gcode") as upload:
        await upload.write(sliced(layers=5))
        file = await upload.finish()
    waiting = await rig.farm.add_jobs(file_id=file.id)
    breaking.set()
    await rig.quiet()
    assert rig.farm.queue()[0].job.id == waiting[0].id
    assert rig.farm.queue()[0].reason is WaitingReason.FILE_UNUSABLE
    with pytest.raises(ConflictError, match="file_unusable"):
        await rig.farm.add_jobs(file_id=file.id)


async def test_a_plate_that_the_file_turns_out_not_to_have(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Asked for before the file was read."""
    reading = asyncio.Event()
    read = rig.analyse

    async def wait_first(*args: object) -> object:
        await reading.wait()
        return await read(*args)  # type: ignore[arg-type]

    rig.analyse = wait_first  # type: ignore[assignment]
    async with rig.farm.library.new_upload("a.gcode") as upload:
        await upload.write(sliced())
        file = await upload.finish()
    await rig.job(file=file, plate=7)
    reading.set()
    await rig.quiet()
    assert rig.farm.queue()[0].reason is WaitingReason.FILE_UNUSABLE


def test_the_nearest_reason_tells_most() -> None:
    """Of several fabricators, the one closest to a start speaks."""
    reason = WaitingReason
    assert queue.nearest([]) is reason.NO_FABRICATOR
    assert queue.nearest([reason.OFFLINE, None]) is None
    assert queue.nearest([reason.OFFLINE, reason.BUSY]) is reason.BUSY
    assert queue.nearest([reason.MAINTENANCE, reason.OFFLINE]) is reason.OFFLINE


def test_every_reason_of_a_fabricator_has_its_rank() -> None:
    """A reason without one would break the queue's view."""
    of_the_job = {
        WaitingReason.ON_HOLD,
        WaitingReason.SCHEDULED,
        WaitingReason.FILE_NOT_READY,
        WaitingReason.FILE_UNUSABLE,
        WaitingReason.NO_FABRICATOR,
    }
    assert set(queue._NEAREST_FIRST) | of_the_job == set(WaitingReason)


async def test_a_schedule_in_another_zone(rig: Rig, machine: FakeFabricator) -> None:
    """It is a moment, whatever the clock on the wall was called, also over a restart."""
    summer = timezone(timedelta(hours=2))
    moment = (rig.clock.utcnow() + timedelta(hours=1)).astimezone(summer)
    job = await rig.job(not_before=moment)
    await rig.farm.set_auto_start("a", True)
    await rig.restart()
    again = rig.machines["a"]
    again.idle()
    await rig.pass_(3590)
    again.idle()
    await rig.quiet()
    assert again.starts == []
    await rig.pass_(11)
    assert again.starts == [job.id]


async def test_a_clock_that_jumps(rig: Rig, machine: FakeFabricator) -> None:
    """Set right by hours, it is noticed within a minute."""
    await rig.farm.set_auto_start("a", True)
    job = await rig.job(not_before=rig.clock.utcnow() + timedelta(hours=5))
    await rig.quiet()
    utcnow = rig.clock.utcnow
    rig.farm._dispatcher._utcnow = lambda: utcnow() + timedelta(hours=6)
    await rig.pass_(30)
    machine.idle()
    await rig.pass_(31)
    assert machine.starts == [job.id]
