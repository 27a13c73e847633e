"""A filament change from start to end: heard of, answered, and gone on with."""

from http import HTTPStatus
from pathlib import Path
import re
from typing import Any

from homeassistant.components.automation import DOMAIN as AUTOMATION
from homeassistant.const import Platform
from homeassistant.core import Event
from homeassistant.exceptions import ServiceValidationError
from homeassistant.setup import async_setup_component
from homeassistant.util import yaml as yaml_util
import probatio
import pytest
from pytest_homeassistant_custom_component.common import (
    async_capture_events,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.printfarm.const import DOMAIN, EVENT_PRINTFARM
from custom_components.printfarm.farm.model import FabricatorStatus, JobStatus

from .edge_fixtures import SHORT, Home, until

README = Path(__file__).resolve().parents[1] / "README.md"
CHANGE = SHORT + b"M600\n" + b"G1 X50 Y50 E12\n"


async def _answer(home: Home, choice: Any) -> Any:
    return await home.hass.services.async_call(
        DOMAIN,
        "answer_prompt",
        {"device_id": home.device("Ada"), "choice": choice},
        blocking=True,
        return_response=True,
    )


def _prompts(told: list[Event]) -> list[tuple[str, list[str]]]:
    return [
        (event.data["text"], event.data["choices"])
        for event in told
        if event.data["type"] == "printer_prompt"
    ]


async def test_filament_change(home: Home) -> None:
    """Each question is an event, and its answer lets the print go on to its end."""
    told = async_capture_events(home.hass, EVENT_PRINTFARM)
    parked = ("Nozzle Parked", ["Continue"])
    loaded = ("Paused", ["PurgeMore", "Continue"])
    (job,) = await home.queue(CHANGE, target=home.key("Ada"))
    await until(lambda: _prompts(told) == [parked])
    answered = await _answer(home, "continue")
    assert answered["devices"][home.device("Ada")]["job"]["id"] == job.id
    await until(lambda: _prompts(told) == [parked, loaded])

    state = home.state(Platform.EVENT, "print", "Ada")
    assert state.attributes["event_type"] == "printer_prompt"
    assert state.attributes["text"] == "Paused"
    assert state.attributes["choices"] == ["PurgeMore", "Continue"]
    await until(
        lambda: (
            home.state(Platform.SENSOR, "status", "Ada").attributes["prompt"]
            == "Paused"
        )
    )
    state = home.state(Platform.SENSOR, "status", "Ada")
    assert state.state == "paused"
    assert state.attributes["choices"] == ["PurgeMore", "Continue"]

    await _answer(home, "PurgeMore")
    await until(lambda: _prompts(told) == [parked, loaded, loaded])
    await _answer(home, 1)
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    assert (await home.job(job.id)).status is JobStatus.COMPLETED
    assert len(_prompts(told)) == 3
    types = [event.data["type"] for event in told]
    assert types.count("print_paused") == types.count("print_resumed") == 1
    await until(
        lambda: (
            home.state(Platform.SENSOR, "status", "Ada").attributes["prompt"] is None
        )
    )
    assert home.state(Platform.SENSOR, "status", "Ada").attributes["choices"] == []


async def test_refused(home: Home) -> None:
    """What is not asked cannot be answered, nor with what is not offered."""
    with pytest.raises(ServiceValidationError) as refused:
        await _answer(home, "Continue")
    assert refused.value.translation_key == "no_prompt"
    await home.queue(CHANGE, target=home.key("Ada"))
    await until(lambda: home.view("Ada").prompt)
    with pytest.raises(ServiceValidationError) as refused:
        await _answer(home, "Reheat")
    assert refused.value.translation_key == "invalid_choice"
    assert refused.value.translation_placeholders is not None
    assert refused.value.translation_placeholders["choices"] == "Continue"
    for nonsense in (None, ["Continue"]):
        with pytest.raises(probatio.Invalid):
            await _answer(home, nonsense)


async def test_diagnostics(home: Home, hass_client: ClientSessionGenerator) -> None:
    """The answers go along with a bug report; a question may be words of a file."""
    assert await async_setup_component(home.hass, "diagnostics", {})
    await home.farm.set_auto_start(home.key("Ada"), False)
    told = async_capture_events(home.hass, EVENT_PRINTFARM)
    stop = home.hass.async_create_task(
        home.farm.send_gcode(home.key("Ada"), ["M0 Gift for Ada"])
    )
    await until(lambda: _prompts(told))
    client = await hass_client()
    answer = await client.get(
        f"/api/diagnostics/config_entry/{home.entry.entry_id}"
        f"/device/{home.device('Ada')}"
    )
    assert answer.status == HTTPStatus.OK
    data = (await answer.json())["data"]
    assert data["fabricator"]["view"]["prompt"] == {"choices": ["Continue"]}
    (asked,) = [one for one in data["events"] if one["type"] == "printer_prompt"]
    assert asked["data"]["choices"] == ["Continue"]
    assert "Gift for Ada" not in await answer.text()
    await _answer(home, 0)
    await stop


def _of_the_readme() -> list[dict[str, Any]]:
    """Give the automations that the readme shows."""
    text = README.read_text()
    (found,) = re.findall(r"```yaml\n(- alias: Ask what .*?)```", text, re.DOTALL)
    parsed = yaml_util.parse_yaml(found)
    assert isinstance(parsed, list)
    return parsed


async def test_a_button_on_the_phone_for_each_answer(home: Home) -> None:
    """A notification asks, and the button that is pressed there answers."""
    sent = async_mock_service(home.hass, "notify", "mobile_app_my_phone")
    automations = _of_the_readme()
    automations[0]["triggers"][0]["target"] = {"device_id": home.device("Ada")}
    assert await async_setup_component(home.hass, AUTOMATION, {AUTOMATION: automations})
    await home.hass.async_block_till_done()
    (job,) = await home.queue(CHANGE, target=home.key("Ada"))
    for count, press in enumerate(("Continue", "PurgeMore", "Continue"), 1):
        await until(lambda count=count: len(sent) == count)  # type: ignore[misc]
        buttons = sent[-1].data["data"]["actions"]
        button = next(one for one in buttons if one["title"] == press)
        home.hass.bus.async_fire(
            "mobile_app_notification_action", {"action": button["action"]}
        )
    assert [one["title"] for one in buttons] == ["PurgeMore", "Continue"]
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    assert (await home.job(job.id)).status is JobStatus.COMPLETED
