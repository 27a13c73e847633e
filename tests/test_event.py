"""Event entities and the bus tell what the farm tells, once."""

from homeassistant.const import STATE_UNKNOWN, Platform
from homeassistant.core import Event
from homeassistant.helpers import device_registry as dr
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import async_capture_events

from custom_components.printfarm.const import EVENT_PRINTFARM
from custom_components.printfarm.farm.events import PrintComplete
from custom_components.printfarm.farm.model import FabricatorStatus

from .edge_fixtures import Home, until

EVENT = Platform.EVENT


def _types(events: list[Event]) -> list[str]:
    return [event.data["type"] for event in events]


async def test_a_print(home: Home) -> None:
    """From the queue to the bed, each event once, with its device."""
    told = async_capture_events(home.hass, EVENT_PRINTFARM)
    (job,) = await home.queue(target=home.key("Ada"))
    await until(lambda: "queue_empty" in _types(told))
    assert sorted(_types(told)) == [
        "bed_clear_required",
        "job_added",
        "job_assigned",
        "print_complete",
        "print_started",
        "queue_empty",
    ]
    assert len({event.data["event_id"] for event in told}) == len(told)

    done = next(event.data for event in told if event.data["type"] == "print_complete")
    assert done["device_id"] == home.device("Ada")
    assert done["device_name"] == "Ada"
    assert done["job_id"] == job.id
    assert done["file_name"] == "a.gcode"
    assert done["result"] == "completed"
    assert done["duration"] >= 0
    assert done["filament_length"] > 0

    added = next(event.data for event in told if event.data["type"] == "job_added")
    assert added["job_id"] == job.id

    state = home.state(EVENT, "print", "Ada")
    assert state.attributes["event_type"] in state.attributes["event_types"]
    assert state.attributes["job_id"] == job.id
    assert home.state(EVENT, "queue").attributes["event_type"] == "queue_empty"
    assert home.state(EVENT, "print", "Bob").state == STATE_UNKNOWN


async def test_name_by_user(home: Home) -> None:
    """What a person calls the device is what the bus calls it."""
    dr.async_get(home.hass).async_update_device(
        home.device("Ada"), name_by_user="Printer by the window"
    )
    told = async_capture_events(home.hass, EVENT_PRINTFARM)
    await home.queue(target=home.key("Ada"))
    await until(lambda: "print_complete" in _types(told))
    (done,) = [event for event in told if event.data["type"] == "print_complete"]
    assert done.data["device_name"] == "Printer by the window"


async def test_told_once(home: Home) -> None:
    """An event that the farm tells again, after a reload too, is not news."""
    told = async_capture_events(home.hass, EVENT_PRINTFARM)
    await home.queue(target=home.key("Ada"))
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    await until(lambda: "queue_empty" in _types(told))
    count = len(told)
    last = max(event.data["event_id"] for event in told)
    again = PrintComplete(at=told[0].time_fired, id=last, fabricator_id=1, job_id=1)

    home.runtime.relay._relay(again)
    await home.reload()
    home.runtime.relay._relay(again)
    await home.hass.async_block_till_done()
    assert len(told) == count


async def test_restored(home: Home) -> None:
    """After a reload the last event is still the last one, and no new one."""
    await home.queue(target=home.key("Ada"))
    await until(
        lambda: home.state(EVENT, "queue").attributes["event_type"] == "queue_empty"
    )
    before = home.state(EVENT, "print", "Ada")
    await home.reload()
    after = home.state(EVENT, "print", "Ada")
    assert after.state == before.state
    assert after.attributes["event_type"] == before.attributes["event_type"]


async def test_fabricator_that_is_gone(home: Home) -> None:
    """What is told of a removed fabricator is told on the farm's device."""
    told = async_capture_events(home.hass, EVENT_PRINTFARM)
    event = PrintComplete(at=dt_util.utcnow(), id=99, fabricator_id=77, job_id=1)
    home.runtime.relay._relay(event)
    await home.hass.async_block_till_done()
    assert told[0].data["device_id"] == home.device()


async def test_without_number(home: Home) -> None:
    """An event that the store has not numbered is told all the same."""
    told = async_capture_events(home.hass, EVENT_PRINTFARM)
    home.runtime.relay._relay(PrintComplete(at=dt_util.utcnow()))
    await home.hass.async_block_till_done()
    assert told[0].data["event_id"] is None
