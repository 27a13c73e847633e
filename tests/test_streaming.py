"""Prints in a process of their own, under a Home Assistant that comes and goes."""

import asyncio
from collections.abc import AsyncIterator
import json
import os
from pathlib import Path
import shutil

from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.printfarm import opening
from custom_components.printfarm.const import DOMAIN, EVENT_PRINTFARM
from custom_components.printfarm.fabricators.streamer import launch
from custom_components.printfarm.fabricators.streamer.process import Streamers
from custom_components.printfarm.farm.model import FabricatorStatus, JobStatus
from custom_components.printfarm.opening import async_streamers, folder_of

from .edge_fixtures import SHORT, Home, fabricator, until

pytestmark = pytest.mark.usefixtures("unix_sockets")


@pytest.fixture
async def entry(hass: HomeAssistant) -> AsyncIterator[MockConfigEntry]:
    """Give the entry of a farm of which no process is left afterwards."""
    entry = MockConfigEntry(
        domain=DOMAIN, title="Print farm", subentries_data=[fabricator("Ada")]
    )
    entry.add_to_hass(hass)
    yield entry
    for data in (entry.data, {}):
        await (await async_streamers(hass, data)).dismiss()
    async with asyncio.timeout(30):
        while launch._children:
            launch.reap()
            await asyncio.sleep(0.01)


def about(home: Home) -> Path:
    """Give the file in which the process says what it is."""
    folder = folder_of(home.hass, home.entry.data)
    return folder / "streamer" / "virtual" / "about.json"


def pid(home: Home) -> int:
    """Give the process that drives the farm's machine."""
    return int(json.loads(about(home).read_text("utf-8"))["pid"])


async def test_it_prints(home: Home) -> None:
    """From the queue to the released bed, in another process."""
    events = async_capture_events(home.hass, EVENT_PRINTFARM)
    (job,) = await home.queue(SHORT)
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    assert pid(home) != os.getpid()
    assert (await home.job(job.id)).status is JobStatus.COMPLETED
    await home.hass.async_block_till_done()
    told = [event.data["type"] for event in events]
    assert told.count("print_started") == told.count("print_complete") == 1
    assert home.runtime.streamers.troubles == ()


async def test_a_print_goes_on_over_a_reload(home: Home) -> None:
    """The farm is closed and opened; the process, the print and its job are the same."""
    events = async_capture_events(home.hass, EVENT_PRINTFARM)
    job = await home.print_on("Ada")
    farm, process = home.farm, pid(home)
    await home.reload()
    assert home.farm is not farm
    assert pid(home) == process
    await until(lambda: home.view("Ada").status is FabricatorStatus.PRINTING)
    assert (await home.job(job.id)).status is JobStatus.PRINTING
    await home.farm.cancel(home.key("Ada"))
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    await home.hass.async_block_till_done()
    told = [event.data["type"] for event in events]
    assert told.count("print_started") == told.count("print_cancelled") == 1
    assert "printer_offline" not in told


async def test_a_question_stays_open_over_a_reload(home: Home) -> None:
    """It is told once, whoever listened when it came up, and answered after that."""
    events = async_capture_events(home.hass, EVENT_PRINTFARM)

    def asked() -> list[str]:
        """Give what was asked so far."""
        told = [event.data for event in events]
        return [one["text"] for one in told if one["type"] == "printer_prompt"]

    change = SHORT + b"M600\nG1 X50 Y50 E12\n"
    (job,) = await home.queue(change, target=home.key("Ada"))
    await until(lambda: home.view("Ada").status is FabricatorStatus.PAUSED)
    await home.reload()
    await until(lambda: asked() == ["Nozzle Parked"])
    await home.reload()
    await until(lambda: home.view("Ada").prompt)
    await home.farm.answer(home.key("Ada"), "Continue")
    await until(lambda: asked() == ["Nozzle Parked", "Paused"])
    await home.farm.answer(home.key("Ada"), "Continue")
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    assert (await home.job(job.id)).status is JobStatus.COMPLETED
    await home.hass.async_block_till_done()
    assert asked() == ["Nozzle Parked", "Paused"]


async def test_home_assistant_stops(home: Home) -> None:
    """It hangs up, and the print is still there for the next one."""
    await home.print_on("Ada")
    process = pid(home)
    home.hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    await home.reload()
    assert pid(home) == process
    await until(lambda: home.view("Ada").status is FabricatorStatus.PRINTING)


async def test_the_supervisor_stops_home_assistant(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every process goes with it: the print ends as it should, and can be taken up."""
    monkeypatch.setattr(opening, "is_hassio", lambda hass: hass is home.hass)
    events = async_capture_events(home.hass, EVENT_PRINTFARM)
    job = await home.print_on("Ada")
    process = pid(home)
    await home.hass.async_block_till_done()
    told = [event.data["type"] for event in events]
    home.hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await home.hass.async_block_till_done(wait_background_tasks=True)
    assert not about(home).exists()
    # It hangs up with its last words, and is gone a moment later.
    async with asyncio.timeout(30):
        while process in [child.pid for child in launch._children]:
            launch.reap()
            await asyncio.sleep(0.01)
    assert [event.data["type"] for event in events] == told
    # It is in the store already: nobody need be left to tell it.
    shutil.rmtree(about(home).parent)
    await home.reload()
    ended = await home.job(job.id)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, "stopped")
    assert ended.checkpoint is not None
    assert ended.checkpoint["data"]["still"] is True
    assert pid(home) != process
    await until(lambda: home.farm.can_recover(home.key("Ada")))
    await home.hass.async_block_till_done()
    told = [event.data["type"] for event in events]
    assert told.count("print_started") == told.count("print_failed") == 1


async def test_the_entry_is_removed(home: Home) -> None:
    """Nobody comes back for the print: it ends, and so does its process."""
    await home.print_on("Ada")
    await home.hass.config_entries.async_remove(home.entry.entry_id)
    assert not about(home).parent.exists()


async def test_the_data_moves(home: Home) -> None:
    """The print of a farm that is given up for another one ends."""
    await home.print_on("Ada")
    old, process = about(home), pid(home)
    home.hass.config_entries.async_update_entry(home.entry, data={"folder": "other"})
    await until(lambda: not old.parent.exists())
    await home.hass.async_block_till_done()
    await until(lambda: home.view("Ada").connected)
    assert about(home) != old
    assert pid(home) != process
    assert await home.jobs() == ()


async def test_a_fabricator_is_removed_meanwhile(home: Home) -> None:
    """Its print ends as soon as somebody has the farm open again."""
    await home.print_on("Ada")
    process, key = pid(home), home.key("Ada")
    await home.unload()
    home.hass.config_entries.async_remove_subentry(home.entry, key)
    await home.load()
    assert pid(home) == process
    found: list[str] = []
    spy = Streamers(folder_of(home.hass, home.entry.data), "")

    async def look(kind: str, client: launch.Client) -> None:
        found.extend((await client.request("machines", within=30))["machines"])

    await spy._each(look)
    assert found == []
    (job,) = await home.jobs()
    assert (job.status, job.reason) == (JobStatus.FAILED, "fabricator_removed")
