"""Automations on the farm's triggers run once per event, whatever happens meanwhile."""

from collections.abc import Mapping
from typing import Any

from homeassistant.components.automation import DOMAIN as AUTOMATION
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import CoreState, Event, HomeAssistant
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    label_registry as lr,
)
from homeassistant.helpers.trigger import async_validate_trigger_config
from homeassistant.setup import async_setup_component
import probatio
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.printfarm.berth import async_leave
from custom_components.printfarm.trigger import TRIGGERS

from .edge_fixtures import Home, until

RAN = "automation_ran"


async def _automate(
    hass: HomeAssistant, trigger: str, target: Mapping[str, Any] | None
) -> list[Event]:
    """Make an automation, and give a list that grows with each of its runs."""
    ran = async_capture_events(hass, RAN)
    config: dict[str, Any] = {"trigger": f"printfarm.{trigger}"}
    if target is not None:
        config["target"] = dict(target)
    assert await async_setup_component(
        hass,
        AUTOMATION,
        {
            AUTOMATION: {
                "id": "test",
                "alias": "Test",
                "mode": "queued",
                "triggers": [config],
                "actions": [
                    {
                        "event": RAN,
                        "event_data": {
                            "device": "{{ trigger.event.device_id }}",
                            "job": "{{ trigger.event.job_id }}",
                        },
                    }
                ],
            }
        },
    )
    await hass.async_block_till_done()
    return ran


async def test_completed(home: Home) -> None:
    """It runs once for a completed print, and not again after reloads."""
    ran = await _automate(
        home.hass, "print_completed", {"device_id": home.device("Ada")}
    )
    (job,) = await home.queue(target=home.key("Ada"))
    await home.queue(target=home.key("Bob"))
    await until(lambda: home.farm.farm_view().completed == 2)
    await until(lambda: ran)
    await home.reload()
    for turn in ("turn_off", "turn_on"):
        await home.hass.services.async_call(
            AUTOMATION, turn, {"entity_id": "automation.test"}, blocking=True
        )
    await home.hass.async_block_till_done()
    assert [event.data for event in ran] == [
        {"device": home.device("Ada"), "job": job.id}
    ]


async def test_over_a_restart(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """What ended while nobody listened is told when automations listen, once."""
    entry.add_to_hass(hass)
    home = Home(hass, entry)
    await home.load()
    device = home.device("Ada")
    await home.unload()

    # The farm is set up while Home Assistant starts, and a print ends before it has
    # started: with what is under way then, and with what a crash left behind.
    hass.set_state(CoreState.starting)
    await home.load()
    ran = await _automate(hass, "print_completed", {"device_id": device})
    (job,) = await home.queue(target=home.key("Ada"))
    await hass.async_block_till_done()
    assert ran == []
    hass.set_state(CoreState.running)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await until(lambda: ran)
    await home.reload()
    await hass.async_block_till_done()
    assert [event.data["job"] for event in ran] == [job.id]
    await home.unload()


async def test_started(home: Home) -> None:
    """A print that is seen printing."""
    ran = await _automate(home.hass, "print_started", {"device_id": home.device("Ada")})
    await home.print_on("Ada")
    await until(lambda: len(ran) == 1)


async def test_failed(home: Home) -> None:
    """A print whose farm is closed under it has failed; that is told afterwards."""
    ran = await _automate(home.hass, "print_failed", {"device_id": home.device("Ada")})
    await home.print_on("Ada")
    await home.unload()
    await async_leave(home.hass, home.entry.entry_id)
    await home.load()
    await until(lambda: len(ran) == 1)


async def test_bed(home: Home) -> None:
    """A part on the bed."""
    ran = await _automate(
        home.hass, "bed_needs_clearing", {"device_id": home.device("Ada")}
    )
    await home.queue(target=home.key("Ada"))
    await until(lambda: len(ran) == 1)


async def test_queue(home: Home) -> None:
    """The queue is the farm's; there is nothing to choose."""
    ran = await _automate(home.hass, "queue_emptied", None)
    (job,) = await home.queue(target=home.key("Ada"))
    await until(lambda: ran)
    await home.hass.async_block_till_done()
    assert [event.data["job"] for event in ran] == [job.id]


@pytest.mark.parametrize("how", ["entity_id", "area_id", "label_id"])
async def test_targets(home: Home, how: str) -> None:
    """Areas and labels are looked up when something happens, not before."""
    area = ar.async_get(home.hass).async_create("Workshop")
    label = lr.async_get(home.hass).async_create("Resin")
    target = {
        "entity_id": home.entity("event", "print", "Ada"),
        "area_id": area.id,
        "label_id": label.label_id,
    }[how]
    ran = await _automate(home.hass, "print_completed", {how: target})
    if how == "entity_id":
        expected = home.device("Ada")
    else:
        expected = home.device("Bob")
        dr.async_get(home.hass).async_update_device(
            expected, area_id=area.id, labels={label.label_id}
        )
    await home.queue(target=home.key("Ada"))
    await home.queue(target=home.key("Bob"))
    await until(lambda: home.farm.farm_view().completed == 2)
    await until(lambda: ran)
    await home.hass.async_block_till_done()
    assert [event.data["device"] for event in ran] == [expected]


async def test_needs_a_target(home: Home) -> None:
    """A trigger about fabricators has to say which; options it has none."""
    for config in (
        {"platform": "printfarm.print_completed"},
        {"platform": "printfarm.queue_emptied", "options": {"for": 5}},
    ):
        with pytest.raises(probatio.Invalid):
            await async_validate_trigger_config(home.hass, [config])


async def test_offered(home: Home, hass_ws_client: WebSocketGenerator) -> None:
    """The user interface offers the triggers for a fabricator."""
    await async_setup_component(home.hass, AUTOMATION, {})
    client = await hass_ws_client()
    await client.send_json_auto_id(
        {
            "type": "get_triggers_for_target",
            "target": {"device_id": [home.device("Ada")]},
        }
    )
    answer = await client.receive_json()
    assert answer["success"]
    offered = {
        key.removeprefix("printfarm.")
        for key in answer["result"]
        if key.startswith("printfarm.")
    }
    assert offered == TRIGGERS.keys() - {"queue_emptied"}
