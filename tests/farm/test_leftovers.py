"""Fabricators that were removed while the farm was closed, and ends at one moment."""

import pytest

from custom_components.printfarm.fabricators.interface import FabricatorError
from custom_components.printfarm.farm.gone import Gone
from custom_components.printfarm.farm.model import JobStatus

from .machine import FakeFabricator
from .rig import Rig


async def test_what_is_still_wanted_stays(rig: Rig, machine: FakeFabricator) -> None:
    """Nothing happens to a fabricator that is among the keys."""
    job = await rig.job(target="a")
    await rig.farm.keep_only({"a"})
    assert rig.view().queue_length == 1
    assert (await rig.stored(job.id)).target == rig.view().id


async def test_a_leftover_lets_go_of_its_jobs(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Queued jobs stay, on hold and for any; a started one has failed, once."""
    printing, queued = await rig.jobs(2, target="a")
    await rig.farm.start("a")
    await rig.quiet()
    await rig.farm.close()
    rig.configs.clear()
    await rig.open(go=False)
    await rig.farm.keep_only(set())
    rig.farm.go()
    await rig.quiet()
    over = await rig.stored(printing.id)
    assert (over.status, over.reason) == (JobStatus.FAILED, "fabricator_removed")
    waiting = await rig.stored(queued.id)
    assert (waiting.status, waiting.target, waiting.hold) == (
        JobStatus.QUEUED,
        None,
        True,
    )
    assert rig.farm.views() == ()
    assert (await rig.types(printing.id)).count("print_failed") == 1
    await rig.restart()
    assert (await rig.storage.load()).fabricators == ()


async def test_two_ends_at_one_moment_empty_the_queue_once(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Neither takes the other for a print that is still under way."""
    other = await rig.add("b")
    await rig.jobs(2)
    await rig.farm.start("a")
    await rig.farm.start("b")
    await rig.quiet()
    machine.end()
    other.end()
    await rig.quiet()
    assert rig.told("print_complete", "queue_empty").count("print_complete") == 2
    assert rig.told("queue_empty") == ["queue_empty"]


async def test_nobody_answers_nothing(rig: Rig, machine: FakeFabricator) -> None:
    """The driver of a fabricator that is gone refuses whatever it is told."""
    gone = Gone(machine.config, lambda _: None, lambda _: None)
    for refused in (
        gone.pause(),
        gone.resume(),
        gone.cancel(),
        gone.command("M105"),
        gone.set_target("bed", 60.0),
    ):
        with pytest.raises(FabricatorError, match="not_connected"):
            await refused
