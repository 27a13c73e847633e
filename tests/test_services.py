"""The actions: what they do, what they give back, and what they refuse."""

from datetime import timedelta
from typing import Any
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    floor_registry as fr,
    label_registry as lr,
)
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
import probatio
import pytest

from custom_components.printfarm.const import DOMAIN
from custom_components.printfarm.fabricators.interface import FabricatorError
from custom_components.printfarm.fabricators.marlin.driver import MarlinFabricator
from custom_components.printfarm.farm.model import FabricatorStatus, JobStatus
from custom_components.printfarm.services import ACTIONS

from .edge_fixtures import LONG, Home, until


async def _call(home: Home, action: str, **data: Any) -> Any:
    return await home.hass.services.async_call(
        DOMAIN, action, data, blocking=True, return_response=True
    )


async def _idle_farm(home: Home) -> None:
    """Let nothing start by itself."""
    for name in ("Ada", "Bob"):
        await home.farm.set_auto_start(home.key(name), False)


async def test_one_fabricator(home: Home) -> None:
    """Start, pause, resume, cancel and release give back what became of it."""
    await _idle_farm(home)
    ada = home.device("Ada")
    (job,) = await home.queue(LONG)
    started = await _call(home, "start", device_id=ada)
    assert started["devices"][ada]["job"]["id"] == job.id
    assert started["devices"][ada]["job"]["device_id"] == ada
    await until(lambda: home.view("Ada").status is FabricatorStatus.PRINTING)
    paused = await _call(home, "pause", device_id=ada)
    assert paused["devices"][ada]["job"]["id"] == job.id
    await until(lambda: home.view("Ada").status is FabricatorStatus.PAUSED)
    await _call(home, "resume", device_id=ada)
    await until(lambda: home.view("Ada").status is FabricatorStatus.PRINTING)
    await _call(home, "cancel", device_id=ada)
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    released = await _call(home, "release", device_id=ada, result="bad")
    assert released == {"devices": {ada: {"status": "idle"}}}
    over = await home.job(job.id)
    assert over.status is JobStatus.CANCELLED
    assert over.rating == "bad"


async def test_recover(home: Home) -> None:
    """A print that was cut off goes on as a new job."""
    ada = home.device("Ada")
    with pytest.raises(ServiceValidationError, match="no print to recover on Ada"):
        await _call(home, "recover", device_id=ada)
    job = await home.print_on("Ada")
    home.unplug("Ada")
    await until(lambda: home.view("Ada").offer)
    await until(lambda: home.view("Ada").recoverable)
    told = (await _call(home, "recover", device_id=ada))["devices"][ada]["job"]
    assert told["origin_id"] == job.id
    assert told["device_id"] == ada

    def goes_on() -> bool:
        held = home.view("Ada").job
        return held is not None and held.status is JobStatus.PRINTING

    await until(goes_on)
    assert home.view("Ada").offer is None
    assert (await home.job(job.id)).status is JobStatus.FAILED
    assert (await home.job(told["id"])).status is JobStatus.PRINTING


async def test_start_a_certain_job(home: Home) -> None:
    """A job is started by its number, on one fabricator only."""
    await _idle_farm(home)
    first, second = await home.queue(LONG, copies=2)
    ada, bob = home.device("Ada"), home.device("Bob")
    with pytest.raises(ServiceValidationError, match="one fabricator only"):
        await _call(home, "start", device_id=[ada, bob], job_id=second.id)
    await _call(home, "start", device_id=ada, job_id=second.id)
    assert (await home.job(second.id)).status is not JobStatus.QUEUED
    assert (await home.job(first.id)).status is JobStatus.QUEUED


@pytest.mark.parametrize("how", ["area_id", "floor_id", "label_id", "entity_id"])
async def test_targets(home: Home, how: str) -> None:
    """Areas, floors, labels and entities lead to fabricators; foreign devices do not."""
    floor = fr.async_get(home.hass).async_create("Cellar")
    area = ar.async_get(home.hass).async_create("Workshop", floor_id=floor.floor_id)
    label = lr.async_get(home.hass).async_create("Fast")
    registry = dr.async_get(home.hass)
    stranger = registry.async_get_or_create(
        config_entry_id=home.entry.entry_id, identifiers={("other", "thing")}
    )
    for device in (home.device(), home.device("Bob"), stranger.id):
        registry.async_update_device(device, area_id=area.id, labels={label.label_id})
    target = {
        "area_id": area.id,
        "floor_id": floor.floor_id,
        "label_id": label.label_id,
        "entity_id": home.entity("sensor", "status", "Bob"),
    }[how]
    await _idle_farm(home)
    await home.queue(LONG)
    result = await _call(home, "start", **{how: target})
    assert list(result["devices"]) == [home.device("Bob")]


async def test_no_target(home: Home) -> None:
    """Something has to be named, and a fabricator has to be among it."""
    for target in ({}, {"device_id": home.device()}, {"device_id": "nonsense"}):
        with pytest.raises(ServiceValidationError, match="names no fabricator"):
            await _call(home, "pause", **target)


async def test_several(home: Home) -> None:
    """One that refuses does not keep the others; the error says whose it was."""
    await _idle_farm(home)
    await home.queue(LONG)
    both = [home.device("Ada"), home.device("Bob")]
    with pytest.raises(ServiceValidationError) as error:
        await _call(home, "start", device_id=both)
    assert str(error.value) == (
        "Done on 1 of 2 fabricators. Bob: No job is waiting for the fabricator"
    )
    await until(lambda: home.view("Ada").status is FabricatorStatus.PRINTING)

    await home.queue(LONG)
    await _call(home, "start", device_id=both[1])
    await until(lambda: home.view("Bob").status is FabricatorStatus.PRINTING)
    with (
        patch.object(
            MarlinFabricator, "pause", side_effect=FabricatorError("no_answer")
        ),
        pytest.raises(HomeAssistantError, match="Done on 0 of 2") as error,
    ):
        await _call(home, "pause", device_id=both)
    assert not isinstance(error.value, ServiceValidationError)
    done = await _call(home, "pause", device_id=both)
    assert list(done["devices"]) == both


async def test_refusals(home: Home) -> None:
    """What makes no sense now is refused in words, by the farm itself."""
    ada = home.device("Ada")
    for action, text in (
        ("pause", "nothing to pause on Ada"),
        ("resume", "nothing to resume on Ada"),
        ("cancel", "nothing to cancel on Ada"),
        ("release", "nothing to release on Ada"),
        ("start", "No job is waiting"),
    ):
        with pytest.raises(ServiceValidationError, match=text):
            await _call(home, action, device_id=ada)
    await home.queue(target=home.key("Ada"))
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    await home.queue(target=home.key("Ada"))
    with pytest.raises(ServiceValidationError, match="the bed is not clear"):
        await _call(home, "start", device_id=ada)


async def test_send_gcode(home: Home) -> None:
    """G-code goes to the machine line by line; in a print only when forced."""
    ada = home.device("Ada")
    result = await _call(home, "send_gcode", device_id=ada, commands="M105\n\nM115")
    temperatures, firmware = result["devices"][ada]["answers"]
    assert any("T:" in line for line in temperatures)
    assert any("FIRMWARE_NAME" in line for line in firmware)
    result = await _call(home, "send_gcode", device_id=ada, commands=["M105", "M105"])
    assert len(result["devices"][ada]["answers"]) == 2
    with pytest.raises(ServiceValidationError, match="one or more lines"):
        await _call(home, "send_gcode", device_id=ada, commands=" ")
    await home.print_on("Ada")
    with pytest.raises(ServiceValidationError, match="only sent when forced"):
        await _call(home, "send_gcode", device_id=ada, commands="M105")
    result = await _call(home, "send_gcode", device_id=ada, commands="M105", force=True)
    assert len(result["devices"][ada]["answers"]) == 1


async def test_add_job(home: Home) -> None:
    """A file is queued by number or name, with everything that a job can have."""
    await _idle_farm(home)
    file = await home.upload(name="Bracket.gcode")
    when = dt_util.utcnow().replace(microsecond=0) + timedelta(hours=3)
    for given in (file.id, str(file.id), "bracket.GCODE"):
        result = await _call(
            home,
            "add_job",
            file=given,
            name="For Ada",
            copies=2,
            priority=5,
            hold=True,
            not_before=dt_util.as_local(when).replace(tzinfo=None),
        )
        assert len(result["jobs"]) == 2
        job = result["jobs"][0]
        assert job["name"] == "For Ada"
        assert job["priority"] == 5
        assert job["hold"] is True
        assert job["not_before"] == when.isoformat()
        assert job["status"] == "queued"
        assert job["file_id"] == file.id
        assert job["target_device_id"] is None


async def test_add_job_by_a_common_name(home: Home) -> None:
    """An exact name is found behind any number of newer names that contain it."""
    await _idle_farm(home)
    file = await home.upload(name="part.gcode")
    for number in range(101):
        await home.farm.storage.add_file(
            sha256=f"{number:064x}",
            name=f"other part.gcode {number}",
            kind=file.kind,
            size=1,
            at=dt_util.utcnow(),
        )
    result = await _call(home, "add_job", file="part.gcode")
    assert [job["file_id"] for job in result["jobs"]] == [file.id]


async def test_add_job_for(home: Home) -> None:
    """Copies are made for each fabricator that is named, or spread over the farm."""
    await _idle_farm(home)
    file = await home.upload()
    ada, bob = home.device("Ada"), home.device("Bob")
    result = await _call(home, "add_job", file=file.id, device_id=[ada, bob], copies=2)
    assert [job["target_device_id"] for job in result["jobs"]] == [ada, ada, bob, bob]
    result = await _call(home, "add_job", file=file.id, shortest_queue=True, copies=2)
    assert {job["target_device_id"] for job in result["jobs"]} == {ada, bob}


async def test_add_job_refused(home: Home) -> None:
    """A job needs a file, a plate that is there, and one wish at a time."""
    file = await home.upload()
    for data, text in (
        ({"file": 999}, "no such file: 999"),
        ({"file": "nothing.gcode"}, "no such file: nothing.gcode"),
        ({"file": "9" * 5000}, "no such file: 999"),
        ({"file": file.id, "plate": 3}, "no plate 3"),
        ({"file": file.id, "name": " "}, "cannot be used"),
        (
            {
                "file": file.id,
                "device_id": home.device("Ada"),
                "shortest_queue": True,
            },
            "not both",
        ),
    ):
        with pytest.raises(ServiceValidationError, match=text):
            await _call(home, "add_job", **data)
    with pytest.raises(probatio.Invalid):
        await _call(home, "add_job", file=file.id, copies=0)
    assert await home.jobs() == ()


async def test_queue(home: Home) -> None:
    """The queue is looked at, and changed: place, priority, fabricator, hold, time."""
    await _idle_farm(home)
    ada, bob = home.device("Ada"), home.device("Bob")
    first, second, third = await home.queue(copies=3)

    async def order() -> list[int]:
        return [job["id"] for job in (await _call(home, "get_queue"))["jobs"]]

    assert await order() == [first.id, second.id, third.id]
    await _call(home, "move_job", job_id=third.id, position=0)
    assert await order() == [third.id, first.id, second.id]
    await _call(home, "move_job", job_id=second.id, priority=1)
    assert await order() == [second.id, third.id, first.id]
    moved = await _call(home, "move_job", job_id=first.id, device_id=ada)
    assert moved["job"]["target_device_id"] == ada
    assert len((await _call(home, "get_queue", device_id=ada))["jobs"]) == 3
    assert len((await _call(home, "get_queue", device_id=bob))["jobs"]) == 2
    moved = await _call(home, "move_job", job_id=first.id, any_fabricator=True)
    assert moved["job"]["target_device_id"] is None

    held = await _call(home, "hold_job", job_id=first.id)
    assert held["job"]["hold"] is True
    (entry,) = [
        job for job in (await _call(home, "get_queue"))["jobs"] if job["id"] == first.id
    ]
    assert entry["waiting_reason"] == "on_hold"
    assert entry["file_name"] == "a.gcode"
    assert entry["estimated_time"] > 0
    assert (await _call(home, "hold_job", job_id=first.id, hold=False))["job"][
        "hold"
    ] is False

    later = dt_util.utcnow().replace(microsecond=0) + timedelta(days=1)
    planned = await _call(
        home, "schedule_job", job_id=first.id, not_before=later.isoformat()
    )
    assert planned["job"]["not_before"] == later.isoformat()
    planned = await _call(home, "schedule_job", job_id=first.id)
    assert planned["job"]["not_before"] is None

    removed = await _call(home, "remove_job", job_id=first.id)
    assert removed["job"]["status"] == "cancelled"
    assert await order() == [second.id, third.id]


async def test_queue_refused(home: Home) -> None:
    """A job that is not there, or not waiting, is not changed."""
    await _idle_farm(home)
    (job,) = await home.queue()
    ada, bob = home.device("Ada"), home.device("Bob")
    for action, data, text in (
        ("move_job", {"job_id": job.id}, "Say where"),
        ("move_job", {"job_id": 99, "position": 0}, "There is no job 99"),
        (
            "move_job",
            {"job_id": job.id, "device_id": ada, "any_fabricator": True},
            "not both",
        ),
        ("move_job", {"job_id": job.id, "device_id": [ada, bob]}, "one fabricator"),
        ("hold_job", {"job_id": 99}, "There is no job 99"),
        ("schedule_job", {"job_id": 99}, "There is no job 99"),
        ("remove_job", {"job_id": 99}, "There is no job 99"),
        ("requeue", {"job_id": job.id}, "is not over yet"),
        ("requeue", {"job_id": 99}, "There is no job 99"),
    ):
        with pytest.raises(ServiceValidationError, match=text):
            await _call(home, action, **data)


async def test_requeue(home: Home) -> None:
    """A job that is over is queued again: as it was, elsewhere, or anywhere."""
    await _idle_farm(home)
    (job,) = await home.queue(target=home.key("Ada"))
    await home.farm.remove_job(job.id)
    for data, target in (
        ({}, home.device("Ada")),
        ({"device_id": home.device("Bob")}, home.device("Bob")),
        ({"any_fabricator": True}, None),
    ):
        again = (await _call(home, "requeue", job_id=job.id, **data))["job"]
        assert again["origin_id"] == job.id
        assert again["id"] > job.id
        assert again["target_device_id"] == target


async def test_get_jobs(home: Home) -> None:
    """The history is searched by status, name, time and fabricator, page by page."""
    (done,) = await home.queue(name="Bracket.gcode", target=home.key("Ada"))
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    await _idle_farm(home)
    waiting = await home.queue(LONG, "Cube.gcode", copies=3)

    async def found(**data: Any) -> list[int]:
        result = await _call(home, "get_jobs", **data)
        assert result["total"] >= len(result["jobs"])
        return [job["id"] for job in result["jobs"]]

    assert await found() == [*(job.id for job in reversed(waiting)), done.id]
    assert await found(status="completed") == [done.id]
    assert await found(status=["completed", "queued"], text="brack") == [done.id]
    assert await found(device_id=home.device("Ada")) == [done.id]
    assert await found(limit=1, offset=1) == [waiting[1].id]
    hour = timedelta(hours=1)
    now = dt_util.utcnow()
    assert await found(since=(now + hour).isoformat()) == []
    assert await found(until=(now - hour).isoformat()) == []
    assert len(await found(since=(now - hour).isoformat())) == 4
    for senseless in ({"since": "0001-01-01T00:00+14:00"}, {"offset": 10**25}):
        with pytest.raises(probatio.Invalid):
            await found(**senseless)


async def test_device_of_a_fabricator_that_is_gone(home: Home) -> None:
    """Jobs outlive fabricators."""
    await home.queue(target=home.key("Ada"))
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    home.hass.config_entries.async_remove_subentry(home.entry, home.key("Ada"))
    await until(lambda: len(home.farm.views()) == 1)
    (job,) = (await _call(home, "get_jobs"))["jobs"]
    assert job["status"] == "completed"
    assert job["device_id"] is None


async def test_without_a_farm(hass: HomeAssistant) -> None:
    """The actions are there without a farm, and say that there is none."""
    assert await async_setup_component(hass, DOMAIN, {})
    assert set(hass.services.async_services_for_domain(DOMAIN)) == set(ACTIONS)
    with pytest.raises(ServiceValidationError):
        await hass.services.async_call(
            DOMAIN, "get_queue", {}, blocking=True, return_response=True
        )
