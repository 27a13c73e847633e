"""I5: whatever is done elsewhere, a running print goes on as if nothing had been."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorConfig,
    MachineState,
    StartOutcome,
)
from custom_components.printfarm.farm.errors import ConflictError, NotFoundError
from custom_components.printfarm.farm.model import JobStatus, WaitingReason

from .machine import FakeFabricator
from .rig import Rig


@pytest.fixture
async def running(rig: Rig, machine: FakeFabricator) -> AsyncIterator[int]:
    """A print on `a` that must be the same one, untouched, after the test."""
    job = await rig.job(name="running")
    await rig.farm.start("a", job.id)
    await rig.quiet()
    before = await rig.stored(job.id)
    told = list(machine.log)
    yield job.id
    await rig.quiet()
    assert rig.machines["a"] is machine
    assert machine.log == told, "nothing was said to the machine"
    assert replace(await rig.stored(job.id), revision=0) == replace(before, revision=0)
    assert rig.view().status == "printing"
    machine.end()
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.COMPLETED


async def test_fabricators_come_and_go(rig: Rig, running: int) -> None:
    """Adding, changing, renaming and removing others."""
    other = await rig.add("b", auto_start=True)
    changed = replace(rig.configs["b"], options={"port": "/dev/other"})
    await rig.farm.change_fabricator(changed)
    assert rig.machines["b"] is not other
    assert other.closed
    await rig.farm.change_fabricator(replace(changed, name="B"))
    await rig.remove("b")
    with pytest.raises(NotFoundError):
        rig.farm.view("b")


async def test_its_own_new_name(rig: Rig, running: int) -> None:
    """A name is no reason to reconnect; everybody sees it at once."""
    config = replace(rig.configs["a"], name="New name")
    view = await rig.farm.change_fabricator(config)
    assert view.name == "New name"
    assert rig.machines["a"].config.name == "New name"


async def test_its_own_new_options_are_refused(rig: Rig, running: int) -> None:
    """Another port would end the print."""
    config = replace(rig.configs["a"], options={"port": "/dev/other"})
    with pytest.raises(ConflictError, match="fabricator_printing"):
        await rig.farm.change_fabricator(config)
    other = replace(rig.configs["a"], protocol="other")
    with pytest.raises(ConflictError, match="fabricator_printing"):
        await rig.farm.change_fabricator(other)


async def test_it_is_added_again(rig: Rig, running: int) -> None:
    """What is there already stays as it is."""
    view = await rig.farm.add_fabricator(rig.configs["a"], auto_start=True)
    assert not view.auto_start
    assert rig.made == 1


async def test_its_maintenance_is_refused(rig: Rig, running: int) -> None:
    """A running print is no time for it."""
    with pytest.raises(ConflictError, match="fabricator_printing"):
        await rig.farm.set_maintenance("a", True)


async def test_another_driver_breaks(
    rig: Rig, running: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It is run again, later and later, alone."""
    other = await rig.add("b")
    other.run_answer = ZeroDivisionError()
    # The first run waits for ever; end it as a fault of its own would.
    bay = rig.bay("b")
    bay.tasks[1].cancel()
    bay.tasks[1] = asyncio.get_running_loop().create_task(bay.watch())
    await rig.until(lambda: other.runs == 2)
    for pause in (1, 2, 4):
        before = other.runs
        await rig.pass_(pause + 0.1)
        await rig.until(lambda seen=before: other.runs > seen)
    assert "The driver of Machine b broke" in caplog.text


async def test_another_driver_cannot_even_say_what_it_can(
    rig: Rig, running: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The third starts its job all the same."""
    broken = await rig.add("b", auto_start=True)
    broken.can = None  # type: ignore[assignment]
    third = await rig.add("c", auto_start=True)
    job = await rig.job()
    await rig.until(lambda: third.starts)
    assert third.starts == [job.id]
    assert "Could not look at Machine b" in caplog.text
    broken.can = third.can


async def test_another_start_hangs(rig: Rig, running: int) -> None:
    """One dead machine waits alone."""
    hanging = await rig.add("b", auto_start=True)
    hanging.starting.shut()
    jobs = await rig.jobs(2)
    await rig.quiet()
    third = await rig.add("c", auto_start=True)
    await rig.quiet()
    assert (hanging.starts, third.starts) == ([jobs[0].id], [jobs[1].id])
    third.end()
    await rig.quiet()
    assert (await rig.stored(jobs[1].id)).status is JobStatus.COMPLETED


async def test_another_machine_is_lost_and_found(rig: Rig, running: int) -> None:
    """Its job waits for it; ours does not notice."""
    other = await rig.add("b")
    job = await rig.job(target="b")
    await rig.farm.start("b", job.id)
    await rig.quiet()
    other.offline()
    await rig.pass_(11)
    assert rig.view("b").status == "offline"
    other.show(MachineState.PRINTING)
    await rig.quiet()
    assert (await rig.stored(job.id)).status is JobStatus.PRINTING
    other.end()


async def test_another_one_fails_to_start(rig: Rig, running: int) -> None:
    """Its queue halts; ours is not concerned."""
    other = await rig.add("b", auto_start=True)
    other.start_answer = StartOutcome.REFUSED
    job = await rig.job()
    await rig.quiet()
    assert rig.view("b").halted
    (item,) = [item for item in rig.farm.queue("a") if item.job.id == job.id]
    assert item.reason is WaitingReason.BUSY


async def test_the_queue_is_worked_on(rig: Rig, running: int) -> None:
    """Moves and changes concern what waits."""
    jobs = await rig.jobs(5)
    await rig.farm.move_job(jobs[4].id, position=0)
    await rig.farm.change_job(jobs[3].id, priority=5)
    await rig.farm.remove_job(jobs[0].id)
    for call in (
        rig.farm.move_job(running, position=0),
        rig.farm.change_job(running, hold=True),
        rig.farm.remove_job(running),
        rig.farm.start("a", running),
    ):
        with pytest.raises(ConflictError, match="job_not_queued"):
            await call
    with pytest.raises(ConflictError, match="job_not_ended"):
        await rig.farm.requeue(running)


async def test_its_file_cannot_be_deleted(rig: Rig, running: int) -> None:
    """Not while it is printed from."""
    file_id = (await rig.stored(running)).file_id
    assert file_id is not None
    with pytest.raises(ConflictError, match="file_in_use"):
        await rig.farm.library.delete(file_id)
    assert (await rig.farm.library.thumbnail(file_id)) is None


async def test_it_does_not_release_itself(rig: Rig, running: int) -> None:
    """A release in mid-print is refused."""
    with pytest.raises(ConflictError, match="nothing_to_release"):
        await rig.farm.release("a")


async def test_single_gcode_is_refused(rig: Rig, running: int) -> None:
    """Unless it is forced, which is the person's own doing."""
    with pytest.raises(ConflictError, match="gcode_while_printing"):
        await rig.farm.send_gcode("a", ["G28"])


async def test_a_fabricator_whose_driver_cannot_be_made(rig: Rig, running: int) -> None:
    """Bad options concern the one who gave them."""

    def refuse(*_: object) -> None:
        raise ValueError

    rig.farm._fleet._make = refuse  # type: ignore[assignment]
    with pytest.raises(ValueError):
        await rig.farm.add_fabricator(
            FabricatorConfig(key="b", name="b", protocol="fake"), auto_start=False
        )
    assert [view.key for view in rig.farm.views()] == ["a"]
