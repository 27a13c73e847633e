"""Fabricators that are removed or changed in the middle of something."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorConfig,
    FabricatorError,
    Result,
    StartOutcome,
    Task,
)
from custom_components.printfarm.farm.errors import ConflictError
from custom_components.printfarm.farm.gone import Gone
from custom_components.printfarm.farm.model import JobStatus

from .machine import FakeFabricator
from .rig import Rig


async def _print(rig: Rig, **wanted: object) -> int:
    job = await rig.job(**wanted)
    await rig.farm.start("a", job.id)
    await rig.quiet()
    return job.id


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
    assert (back.status, back.reason) == (JobStatus.QUEUED, "fabricator_removed")
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


async def test_fabricators_that_were_removed_while_the_farm_was_closed(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Their open jobs are settled, their queue is left to others, and they are gone."""
    job_id = await _print(rig)
    waiting = await rig.job(target="a")
    other = await rig.add("b")
    del rig.configs["a"]
    await rig.crash()
    await rig.farm.keep_only({"b"})
    over = await rig.stored(job_id)
    assert (over.status, over.reason) == (JobStatus.FAILED, "fabricator_removed")
    assert (await rig.types(job_id)).count("print_failed") == 1
    left = await rig.stored(waiting.id)
    assert (left.target, left.hold, left.status) == (None, True, JobStatus.QUEUED)
    assert [view.key for view in rig.farm.views()] == ["b"]
    await rig.farm.keep_only({"b"})
    await rig.add("c")
    await rig.farm.keep_only({"b"})
    assert rig.machines["c"].closed
    del rig.configs["c"]
    await rig.restart()
    assert [record.key for record in (await rig.storage.load()).fabricators] == ["b"]
    assert other.starts == []


async def test_nobody_is_there_to_speak_to() -> None:
    """The stand-in for a machine that is configured no more answers nothing."""
    config = FabricatorConfig(key="a", name="a", protocol="fake")
    gone = Gone(config, lambda _: None, lambda _: None)
    task = Task(run=1, name="a", source=Path("a"), gcode=None)
    assert await gone.start(task) is StartOutcome.REFUSED
    for call in (
        gone.pause(),
        gone.resume(),
        gone.cancel(),
        gone.command("G28"),
        gone.set_target("bed", 0.0),
    ):
        with pytest.raises(FabricatorError, match="not_connected"):
            await call
    assert gone.capabilities.build_volume is None
    running = asyncio.create_task(gone.run())
    await asyncio.sleep(0)
    assert not running.done()
    running.cancel()
    await gone.close()
