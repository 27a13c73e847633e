"""The queue: its order, who may take what, and what people do to it."""

import asyncio
from datetime import datetime
from itertools import pairwise

import pytest

from custom_components.printfarm.fabricators.interface import Capabilities, Result
from custom_components.printfarm.farm.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
)
from custom_components.printfarm.farm.jobs import HIGHEST_PRIORITY, MOST_COPIES
from custom_components.printfarm.farm.model import JobFilter, JobStatus, WaitingReason
from custom_components.printfarm.gcode import RefusedError

from .gcode import sliced
from .machine import FakeFabricator
from .rig import Rig


def _order(rig: Rig, key: str | None = None) -> list[int]:
    return [item.job.id for item in rig.farm.queue(key)]


async def test_jobs_go_in_the_order_in_which_they_came(rig: Rig) -> None:
    """Also with those that were there before a restart."""
    first = await rig.jobs(3)
    await rig.restart()
    second = await rig.jobs(2)
    assert _order(rig) == [job.id for job in first + second]


async def test_priority_goes_first(rig: Rig) -> None:
    """Higher before lower, and by position among equals."""
    low = await rig.job(priority=-1)
    plain = await rig.jobs(2)
    high = await rig.jobs(2, priority=5)
    assert _order(rig) == [job.id for job in [*high, *plain, low]]


async def test_a_new_priority_goes_behind_its_equals(rig: Rig) -> None:
    """It does not jump those that waited there already."""
    high = await rig.jobs(2, priority=5)
    plain = await rig.jobs(2)
    changed = await rig.farm.change_job(plain[0].id, priority=5)
    assert changed.priority == 5
    assert _order(rig) == [high[0].id, high[1].id, plain[0].id, plain[1].id]


@pytest.mark.parametrize(
    ("position", "order"),
    [
        (0, [3, 0, 1, 2, 4]),
        (2, [0, 1, 3, 2, 4]),
        (4, [0, 1, 2, 4, 3]),
        (99, [0, 1, 2, 4, 3]),
        (-5, [3, 0, 1, 2, 4]),
        (3, [0, 1, 2, 3, 4]),
    ],
)
async def test_a_job_is_moved(rig: Rig, position: int, order: list[int]) -> None:
    """To the front, the back, between, past both ends, and where it is."""
    jobs = await rig.jobs(5)
    await rig.farm.move_job(jobs[3].id, position=position)
    assert _order(rig) == [jobs[number].id for number in order]
    await rig.restart()
    assert _order(rig) == [jobs[number].id for number in order]


async def test_moves_stay_within_the_priority(rig: Rig) -> None:
    """Position 0 is the front of the job's own line."""
    high = await rig.job(priority=1)
    plain = await rig.jobs(2)
    await rig.farm.move_job(plain[1].id, position=0)
    assert _order(rig) == [high.id, plain[1].id, plain[0].id]


async def test_gaps_run_out(rig: Rig) -> None:
    """Moving into the same gap for ever spaces the line anew, and keeps its order."""
    jobs = await rig.jobs(4)
    expected = [job.id for job in jobs]
    for _ in range(60):
        last = expected.pop()
        expected.insert(1, last)
        await rig.farm.move_job(last, position=1)
        assert _order(rig) == expected
    positions = [item.job.position for item in rig.farm.queue()]
    assert all(before < after for before, after in pairwise(positions))
    await rig.restart()
    assert _order(rig) == expected


async def test_moves_at_once_lose_nothing(rig: Rig) -> None:
    """Many hands in one line: every job is there once, and all calls succeed."""
    jobs = await rig.jobs(10)
    await asyncio.gather(
        *(rig.farm.move_job(job.id, position=3) for job in jobs),
        *(rig.farm.change_job(job.id, hold=True) for job in jobs),
        *(rig.farm.change_job(job.id, priority=2) for job in jobs[:3]),
    )
    assert sorted(_order(rig)) == [job.id for job in jobs]
    assert {item.reason for item in rig.farm.queue()} == {WaitingReason.ON_HOLD}
    assert [item.job.priority for item in rig.farm.queue()] == [2] * 3 + [0] * 7


async def test_copies_are_jobs_of_their_own(rig: Rig, machine: FakeFabricator) -> None:
    """Exactly as many runs as were asked for."""
    jobs = await rig.jobs(3, name="Bracket")
    assert len({job.id for job in jobs}) == 3
    await rig.farm.set_auto_start("a", True)
    for _ in range(5):
        await rig.quiet()
        if rig.view().status == "printing":
            machine.end()
            await rig.quiet()
            await rig.farm.release("a")
    assert machine.starts == [job.id for job in jobs]
    assert rig.view().completed == 3


@pytest.mark.parametrize(
    ("wanted", "key"),
    [
        ({"copies": 0}, "copies_invalid"),
        ({"copies": MOST_COPIES + 1}, "copies_invalid"),
        ({"name": "  "}, "name_invalid"),
        ({"name": "x" * 201}, "name_invalid"),
        ({"name": "a\0b"}, "name_invalid"),
        ({"plate": 2}, "plate_not_found"),
        ({"plate": 0}, "plate_not_found"),
        ({"plate": -1}, "plate_not_found"),
        ({"priority": HIGHEST_PRIORITY + 1}, "priority_invalid"),
        ({"priority": -(2**70)}, "priority_invalid"),
        ({"not_before": datetime(2026, 3, 1)}, "time_without_zone"),
    ],
)
async def test_nonsense_is_refused(
    rig: Rig, wanted: dict[str, object], key: str
) -> None:
    """With a reason, and without leaving anything."""
    file = await rig.file()
    with pytest.raises(InvalidError) as caught:
        await rig.job(file=file, **wanted)
    assert caught.value.key == key
    assert await rig.all_jobs() == ()


async def test_nonsense_changes_are_refused(rig: Rig) -> None:
    """A change is held to the same rules."""
    job = await rig.job()
    with pytest.raises(InvalidError, match="priority_invalid"):
        await rig.farm.change_job(job.id, priority=2**70)
    naive = datetime(2026, 3, 1)
    with pytest.raises(InvalidError, match="time_without_zone"):
        await rig.farm.change_job(job.id, not_before=naive)
    assert await rig.stored(job.id) == job


@pytest.mark.parametrize("unknown", [-1, 0, 4711, 2**70])
async def test_what_is_not_there(rig: Rig, unknown: int) -> None:
    """Unknown jobs, files and fabricators are not found, whatever is asked of them."""
    await rig.add()
    farm = rig.farm
    for call in (
        farm.job(unknown),
        farm.move_job(unknown, position=0),
        farm.change_job(unknown, hold=True),
        farm.remove_job(unknown),
        farm.requeue(unknown),
        farm.start("a", unknown),
    ):
        with pytest.raises(NotFoundError, match="job_not_found"):
            await call
    with pytest.raises(NotFoundError, match="file_not_found"):
        await farm.add_jobs(file_id=unknown)
    with pytest.raises(NotFoundError, match="file_not_found"):
        await farm.library.file(unknown)
    with pytest.raises(NotFoundError, match="fabricator_not_found"):
        farm.key_of(unknown)
    for wrong in (farm.start("zz"), farm.cancel("zz"), farm.release("zz")):
        with pytest.raises(NotFoundError, match="fabricator_not_found"):
            await wrong
    with pytest.raises(NotFoundError, match="fabricator_not_found"):
        await rig.job(target="zz")


async def test_autoqueue_takes_the_shortest(rig: Rig) -> None:
    """By time, then by number, then by the fabricators' order; never in maintenance."""
    for key in "abcd":
        await rig.add(key)
    await rig.farm.set_maintenance("a", True)
    long = await rig.file("long.gcode", sliced(layers=40))
    short = await rig.file("short.gcode")
    await rig.job(file=long, target="b")
    jobs = await rig.farm.add_jobs(file_id=short.id, copies=4, shortest=True)
    ids = {rig.view(key).id: key for key in "abcd"}
    assert [ids[job.target] for job in jobs if job.target] == ["c", "d", "c", "d"]


async def test_autoqueue_counts_what_is_printed_now(rig: Rig) -> None:
    """A busy fabricator comes behind a free one."""
    first = await rig.add("a")
    await rig.add("b")
    running = await rig.job()
    await rig.farm.start("a", running.id)
    await rig.quiet()
    first.show(position=0)
    job = await rig.job(shortest=True)
    assert job.target == rig.view("b").id


async def test_autoqueue_with_nobody_fit(rig: Rig) -> None:
    """It is said at once, not found out by waiting."""
    machine = await rig.add()
    machine.can = Capabilities(build_volume=(10, 10, 10))
    with pytest.raises(ConflictError, match="no_fabricator_fits"):
        await rig.job(shortest=True)


async def test_a_removed_job_stays_in_the_history(
    rig: Rig, machine: FakeFabricator
) -> None:
    """As cancelled, told once, and never started."""
    job = await rig.job()
    removed = await rig.farm.remove_job(job.id)
    assert (removed.status, removed.reason) == (JobStatus.CANCELLED, "removed")
    assert removed.ended_at == rig.clock.utcnow()
    assert await rig.types(job.id) == ["job_added", "job_removed"]
    with pytest.raises(ConflictError, match="job_not_queued"):
        await rig.farm.remove_job(job.id)
    assert await rig.farm.job(job.id) == removed
    page = await rig.farm.jobs(JobFilter(statuses=frozenset({JobStatus.CANCELLED})))
    assert page.items == (removed,)
    assert rig.farm.queue() == ()


async def test_a_job_is_queued_again(rig: Rig, machine: FakeFabricator) -> None:
    """As a new job that names its origin, with the old one's wishes."""
    job = await rig.job(name="Bracket", priority=4, target="a")
    with pytest.raises(ConflictError, match="job_not_ended"):
        await rig.farm.requeue(job.id)
    await rig.farm.start("a", job.id)
    await rig.quiet()
    machine.end(Result.FAILED)
    await rig.quiet()
    again = await rig.farm.requeue(job.id)
    assert again.id != job.id
    assert (again.origin_id, again.name, again.priority, again.target) == (
        job.id,
        "Bracket",
        4,
        rig.view().id,
    )
    assert (again.status, again.start_sent_at) == (JobStatus.QUEUED, None)
    anywhere = await rig.farm.requeue(job.id, target=None)
    assert anywhere.target is None
    other = await rig.add("b")
    there = await rig.farm.requeue(job.id, target="b")
    assert there.target == rig.view("b").id
    assert other.starts == []


async def test_a_job_of_a_removed_fabricator_is_queued_again_for_any(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Its old target is gone."""
    job = await rig.job(target="a")
    await rig.farm.remove_job(job.id)
    await rig.remove("a")
    assert (await rig.farm.requeue(job.id)).target is None


async def test_a_job_whose_file_is_gone_is_not_queued_again(
    rig: Rig, machine: FakeFabricator
) -> None:
    """There is nothing left to print."""
    job = await rig.job()
    await rig.farm.remove_job(job.id)
    assert job.file_id is not None
    await rig.farm.library.delete(job.file_id)
    with pytest.raises(NotFoundError, match="file_not_found"):
        await rig.farm.requeue(job.id)


async def test_removing_a_fabricator_leaves_its_jobs(rig: Rig) -> None:
    """On hold and for any, so that nothing starts elsewhere unasked."""
    await rig.add("a")
    other = await rig.add("b", auto_start=True)
    job = await rig.job(target="a")
    await rig.remove("a")
    await rig.quiet()
    left = await rig.stored(job.id)
    assert (left.target, left.hold, left.reason) == (None, True, "fabricator_removed")
    assert other.starts == []
    assert rig.farm.queue()[0].reason is WaitingReason.ON_HOLD


async def test_the_same_file_twice(rig: Rig, machine: FakeFabricator) -> None:
    """Two jobs of one file and one name are two jobs."""
    file = await rig.file()
    first, second = await rig.job(file=file), await rig.job(file=file)
    await rig.farm.start("a", second.id)
    await rig.quiet()
    assert machine.starts == [second.id]
    assert _order(rig) == [first.id]
    assert (machine.tasks[0].run, machine.tasks[0].name) == (second.id, file.name)


async def test_an_empty_file_is_no_job(rig: Rig) -> None:
    """It is refused at the door."""
    with pytest.raises(RefusedError, match="file_empty"):
        await rig.file(content=b"")
