"""Fabricators that are removed or changed in the middle of something."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.printfarm.fabricators.interface import Result
from custom_components.printfarm.farm.errors import ConflictError
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
