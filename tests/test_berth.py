"""A reload of the entry does not touch what prints (I5)."""

from datetime import timedelta

from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    async_capture_events,
    async_fire_time_changed,
)

from custom_components.printfarm import berth
from custom_components.printfarm.const import EVENT_PRINTFARM
from custom_components.printfarm.farm.model import FabricatorStatus, JobStatus
from custom_components.printfarm.opening import OpenFarm, async_open_farm

from .edge_fixtures import LONG, Home, until

SOME = b"G28\nG1 Z0.2 F3000\n" + b"G1 X100 Y10 E5 F6000\nG1 X10 Y10 E9 F6000\n" * 300
"""A print of some seconds on a virtual machine of the tests."""


async def test_a_print_goes_on_over_a_reload(home: Home) -> None:
    """The same farm, the same connection, the same job; the queue goes on after it."""
    job = await home.print_on("Ada")
    (queued,) = await home.queue(LONG, "b.gcode", target=home.key("Ada"))
    farm = home.farm
    await home.reload()
    assert home.farm is farm
    assert home.view("Ada").status is FabricatorStatus.PRINTING
    assert (await home.job(job.id)).status is JobStatus.PRINTING
    assert (await home.job(queued.id)).status is JobStatus.QUEUED
    await until(lambda: home.state("sensor", "status", "Ada").state == "printing")
    await farm.cancel(home.key("Ada"))
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    await farm.release(home.key("Ada"))
    await until(lambda: home.view("Ada").status is FabricatorStatus.PRINTING)


async def test_an_end_in_between_is_told_once(home: Home) -> None:
    """What happens while nobody listens is told as soon as somebody does."""
    events = async_capture_events(home.hass, EVENT_PRINTFARM)
    job = await home.print_on("Ada", SOME)
    farm, key = home.farm, home.key("Ada")
    await home.unload()
    (waiting,) = await farm.add_jobs(file_id=job.file_id or 0, target=home.key("Bob"))
    await until(lambda: farm.view(key).status is FabricatorStatus.FINISHED)

    def ends() -> list[int]:
        return [e.data["job_id"] for e in events if e.data["type"] == "print_complete"]

    assert ends() == []
    assert (await farm.job(waiting.id)).status is JobStatus.QUEUED
    await home.load()
    await until(lambda: ends() == [job.id])
    await home.hass.async_block_till_done()
    assert ends() == [job.id]
    await until(lambda: home.view("Bob").status is not FabricatorStatus.IDLE)


async def test_idle_farms_are_closed(home: Home) -> None:
    """Without a print there is nothing to keep."""
    farm = home.farm
    await home.reload()
    assert home.farm is not farm


async def reopened(home: Home) -> OpenFarm:
    """Open the farm's data once more, which works only when nobody has it open."""
    return await async_open_farm(home.hass, home.entry.data)


async def test_nobody_comes_back(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    """After a minute the print is ended in order."""
    job = await home.print_on("Ada")
    await home.unload()
    async_fire_time_changed(
        home.hass, dt_util.utcnow() + timedelta(seconds=berth.WAIT + 1)
    )
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert "was not set up again" in caplog.text
    opened = await reopened(home)
    over = await opened.farm.job(job.id)
    assert (over.status, over.reason) == (JobStatus.FAILED, "stopped")
    await opened.close()


async def test_home_assistant_stops_meanwhile(home: Home) -> None:
    """It is as if the farm was loaded."""
    job = await home.print_on("Ada")
    await home.unload()
    home.hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    opened = await reopened(home)
    assert (await opened.farm.job(job.id)).reason == "stopped"
    await opened.close()


async def test_the_entry_is_removed(home: Home) -> None:
    """Then nobody waits for anybody."""
    job = await home.print_on("Ada")
    await home.hass.config_entries.async_remove(home.entry.entry_id)
    opened = await reopened(home)
    assert (await opened.farm.job(job.id)).reason == "stopped"
    await opened.close()


async def test_the_data_moved_meanwhile(home: Home) -> None:
    """A farm with its data elsewhere is another farm."""
    await home.print_on("Ada")
    farm = home.farm
    await home.unload()
    home.hass.config_entries.async_update_entry(home.entry, data={"folder": "other"})
    await home.load()
    assert home.farm is not farm
    assert await home.jobs() == ()


async def test_a_machine_changed_meanwhile(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """Its connection stays as it is as long as it prints."""
    job = await home.print_on("Ada")
    await home.unload()
    subentry = home.entry.subentries[home.key("Ada")]
    home.hass.config_entries.async_update_subentry(
        home.entry, subentry, data={**subentry.data, "speed": 7}
    )
    await home.load()
    assert "Could not change Ada: Ada is busy with a print" in caplog.text
    assert (await home.job(job.id)).status is JobStatus.PRINTING
