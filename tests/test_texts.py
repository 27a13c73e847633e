"""The watch over texts sees what is missing: else every other test would pass it."""

import json
from pathlib import Path
from typing import Any

from homeassistant.config_entries import SOURCE_USER, ConfigFlow
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.data_entry_flow import FlowResultType, section
from homeassistant.exceptions import ServiceValidationError
import probatio
import pytest
from pytest_homeassistant_custom_component.common import (
    MockModule,
    mock_config_flow,
    mock_integration,
    mock_platform,
)

from .texts import DOMAIN, Texts

KNOWN = {
    "config": {
        "abort": {"gone": "Nobody at {host}."},
        "error": {"busy": "Busy."},
        "step": {
            "user": {
                "title": "Farm",
                "data": {"host": "Host"},
                "data_description": {"host": "Where."},
                "sections": {"more": {"name": "More", "data": {"port": "Port"}}},
            },
            "pick": {"description": "Of {name}", "menu_options": {"one": "One"}},
        },
    }
}


@pytest.fixture
def texts(tmp_path: Path) -> Texts:
    """Give the watch over a few texts."""
    path = tmp_path / "en.json"
    path.write_text(json.dumps(KNOWN), encoding="utf-8")
    return Texts(path)


def _form(**fields: Any) -> dict[str, Any]:
    form = {"type": FlowResultType.FORM, "step_id": "user", "data_schema": None}
    return form | fields


def _schema(*names: str) -> probatio.Schema:
    return probatio.Schema({probatio.Required(name): str for name in names})


@pytest.mark.parametrize(
    ("result", "missing"),
    [
        (_form(data_schema=_schema("host")), []),
        (
            _form(data_schema=_schema("key")),
            [
                "config.step.user.data.key has no text",
                "config.step.user.data_description.key has no text",
            ],
        ),
        (
            _form(
                data_schema=probatio.Schema(
                    {probatio.Required("more"): section(_schema("port"))}
                )
            ),
            ["config.step.user.sections.more.data_description.port has no text"],
        ),
        (_form(errors={"base": "busy"}), []),
        (_form(errors={"base": "new"}), ["config.error.new has no text"]),
        (
            _form(step_id="last"),
            ["config.step.last has neither title nor description"],
        ),
        (
            {"type": FlowResultType.MENU, "step_id": "pick", "menu_options": ["two"]},
            [
                "config.step.pick.description is not given ['name']",
                "config.step.pick.menu_options.two has no text",
            ],
        ),
        (
            {"type": FlowResultType.ABORT, "reason": "gone"},
            ["config.abort.gone is not given ['host']"],
        ),
        (
            {
                "type": FlowResultType.ABORT,
                "reason": "gone",
                "description_placeholders": {"host": "x"},
            },
            [],
        ),
    ],
)
def test_what_a_flow_shows(
    texts: Texts, result: dict[str, Any], missing: list[str]
) -> None:
    """Steps, fields, sections, errors, menus and refusals."""
    texts.check_flow("config", result)
    assert texts.missing == missing


async def test_flows_and_actions_are_watched(
    hass: HomeAssistant, watched: Texts
) -> None:
    """The watch hangs where Home Assistant really passes by."""

    class Flow(ConfigFlow):
        async def async_step_user(self, user_input: Any = None) -> Any:
            return self.async_abort(reason="a reason of no flow")

    def refuse(call: ServiceCall) -> None:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="a_key_of_no_error"
        )

    mock_integration(hass, MockModule(DOMAIN))
    mock_platform(hass, f"{DOMAIN}.config_flow", None)
    hass.services.async_register(DOMAIN, "refuse", refuse)
    with mock_config_flow(DOMAIN, Flow):
        await hass.config_entries.flow.async_init(
            DOMAIN, context={"source": SOURCE_USER}
        )
        with pytest.raises(ServiceValidationError):
            await hass.services.async_call(DOMAIN, "refuse", blocking=True)
    assert watched.missing == [
        "config.abort.a reason of no flow has no text",
        "exceptions.a_key_of_no_error.message has no text",
    ]
    watched.missing.clear()
