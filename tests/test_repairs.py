"""A print that ended in the dark or was cut off is settled by a person."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any
from unittest.mock import patch

from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.printfarm.const import DOMAIN
from custom_components.printfarm.fabricators.interface import FabricatorError
from custom_components.printfarm.farm.farm import Farm
from custom_components.printfarm.farm.model import FabricatorStatus, JobStatus

from .edge_fixtures import OFFER, Home, until

FLOW = "/api/repairs/issues/fix"


async def _unknown(home: Home) -> str:
    """Let nobody know how Ada's print ended, and give the issue's id."""
    await home.queue(target=home.key("Ada"))
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    await until(lambda: home.coordinator("Ada").data.job is not None)
    job = home.view("Ada").job
    assert job is not None
    await home.show("Ada", job=replace(job, status=JobStatus.UNKNOWN))
    return f"outcome_unknown_{home.key('Ada')}"


async def _start(home: Home, client: Any, issue_id: str) -> dict[str, Any]:
    answer = await client.post(FLOW, json={"handler": DOMAIN, "issue_id": issue_id})
    assert answer.status == HTTPStatus.OK
    return await answer.json()


async def test_settled(home: Home, hass_client: ClientSessionGenerator) -> None:
    """The flow asks for the result, releases the bed, and the issue goes."""
    assert await async_setup_component(home.hass, "repairs", {})
    issue_id = await _unknown(home)
    issues = ir.async_get(home.hass)
    issue = issues.async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_placeholders == {"fabricator": "Ada", "job": "a.gcode"}

    client = await hass_client()
    form = await _start(home, client, issue_id)
    assert form["step_id"] == "settle"
    assert form["description_placeholders"]["fabricator"] == "Ada"
    answer = await client.post(f"{FLOW}/{form['flow_id']}", json={"result": "bad"})
    assert (await answer.json())["type"] == "create_entry"
    assert issues.async_get_issue(DOMAIN, issue_id) is None
    assert home.view("Ada").bed_clear
    (job,) = await home.jobs()
    assert job.rating == "bad"


async def test_settled_elsewhere(
    home: Home, hass_client: ClientSessionGenerator
) -> None:
    """Who comes too late is told so; the issue goes with the next news."""
    assert await async_setup_component(home.hass, "repairs", {})
    issue_id = await _unknown(home)
    client = await hass_client()
    form = await _start(home, client, issue_id)
    await home.farm.release(home.key("Ada"))
    answer = await client.post(f"{FLOW}/{form['flow_id']}", json={"result": "good"})
    assert (await answer.json())["errors"] == {"base": "nothing_to_release"}
    await home.show("Ada")
    assert ir.async_get(home.hass).async_get_issue(DOMAIN, issue_id) is None


async def test_farm_away(home: Home, hass_client: ClientSessionGenerator) -> None:
    """Without the farm nothing can be settled; the issue left with it."""
    assert await async_setup_component(home.hass, "repairs", {})
    issue_id = await _unknown(home)
    client = await hass_client()
    form = await _start(home, client, issue_id)
    await home.unload()
    assert ir.async_get(home.hass).async_get_issue(DOMAIN, issue_id) is None
    answer = await client.post(f"{FLOW}/{form['flow_id']}", json={"result": "good"})
    result = await answer.json()
    assert result["type"] == "abort"
    assert result["reason"] == "farm_not_loaded"


@pytest.mark.parametrize("status", [JobStatus.PRINTING, JobStatus.COMPLETED])
async def test_no_issue(home: Home, status: JobStatus) -> None:
    """A job of which anything is known is no issue."""
    issue_id = await _unknown(home)
    job = home.coordinator("Ada").data.job
    assert job is not None
    await home.show("Ada", job=replace(job, status=status))
    assert ir.async_get(home.hass).async_get_issue(DOMAIN, issue_id) is None


async def _cut_off(home: Home, **changes: Any) -> str:
    """Let a print on Ada have been cut off, and give the issue's id."""
    assert await async_setup_component(home.hass, "repairs", {})
    await home.hass.config.async_set_time_zone("Europe/Vienna")
    shown = {"offer": OFFER, "file_name": "gift.gcode", "layers": 80}
    await home.show("Ada", **shown | changes)
    return f"print_interrupted_{home.key('Ada')}"


async def _choose(client: Any, menu: dict[str, Any], step: str) -> dict[str, Any]:
    url = f"{FLOW}/{menu['flow_id']}"
    form = await (await client.post(url, json={"next_step_id": step})).json()
    assert form["type"] == "form"
    assert form["step_id"] == step
    assert form["description_placeholders"] == menu["description_placeholders"]
    return form


async def _submit(client: Any, form: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(f"{FLOW}/{form['flow_id']}", json={})
    assert answer.status == HTTPStatus.OK
    return await answer.json()


async def test_what_is_known_of_a_print_that_was_cut_off(
    home: Home, hass_client: ClientSessionGenerator
) -> None:
    """People read what, where, when and why, and then choose."""
    issue_id = await _cut_off(home)
    client = await hass_client()
    menu = await _start(home, client, issue_id)
    assert menu["type"] == "menu"
    assert menu["menu_options"] == ["recover", "give_up"]
    assert menu["description_placeholders"] == {
        "fabricator": "Ada",
        "job": "Gift for Ada",
        "file": "gift.gcode",
        "progress": "42",
        "layer": "12",
        "layers": "80",
        "height": "2.40",
        "when": "2026-11-20 21:30",
        "reason": "Streaming process ended unexpectedly",
    }


async def test_little_is_known(home: Home) -> None:
    """What is not known is not made up, and a reason without a text stays a code."""
    offer = replace(
        OFFER, reason=None, ended=None, progress=None, layer=None, height=None
    )
    issue_id = await _cut_off(home, offer=offer, file_name=None, layers=None)
    issue = ir.async_get(home.hass).async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_placeholders is not None
    told = dict(issue.translation_placeholders)
    assert told.pop("fabricator") == "Ada"
    assert told.pop("job") == "Gift for Ada"
    assert set(told.values()) == {"?"}
    await home.show("Ada", offer=replace(offer, reason="a code of tomorrow"))
    issue = ir.async_get(home.hass).async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["reason"] == "a code of tomorrow"


async def test_go_on(home: Home, hass_client: ClientSessionGenerator) -> None:
    """Only after a second look does the machine move."""
    issue_id = await _cut_off(home)
    client = await hass_client()
    menu = await _start(home, client, issue_id)
    with patch.object(Farm, "recover", autospec=True) as recover:
        form = await _choose(client, menu, "recover")
        recover.assert_not_awaited()
        assert (await _submit(client, form))["type"] == "create_entry"
        recover.assert_awaited_once_with(home.farm, home.key("Ada"))
    assert ir.async_get(home.hass).async_get_issue(DOMAIN, issue_id) is None


async def test_give_up(home: Home, hass_client: ClientSessionGenerator) -> None:
    """Giving up releases the bed; the part is a bad one."""
    await home.queue(target=home.key("Ada"))
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    issue_id = await _cut_off(home)
    client = await hass_client()
    menu = await _start(home, client, issue_id)
    form = await _choose(client, menu, "give_up")
    assert not home.view("Ada").bed_clear
    assert (await _submit(client, form))["type"] == "create_entry"
    assert home.view("Ada").bed_clear
    (job,) = await home.jobs()
    assert job.rating == "bad"
    assert ir.async_get(home.hass).async_get_issue(DOMAIN, issue_id) is None


@pytest.mark.parametrize("step", ["recover", "give_up"])
async def test_the_offer_is_gone(
    home: Home, hass_client: ClientSessionGenerator, step: str
) -> None:
    """Who comes too late is told so; nothing moves."""
    issue_id = await _cut_off(home)
    client = await hass_client()
    form = await _choose(client, await _start(home, client, issue_id), step)
    errors = (await _submit(client, form))["errors"]
    assert errors == {"base": f"nothing_to_{_VERBS[step]}"}
    await home.show("Ada", offer=None)
    assert ir.async_get(home.hass).async_get_issue(DOMAIN, issue_id) is None


_VERBS = {"recover": "recover", "give_up": "release"}


async def test_machine_refuses(home: Home, hass_client: ClientSessionGenerator) -> None:
    """What the machine has against it is told, and another try may succeed."""
    issue_id = await _cut_off(home)
    client = await hass_client()
    form = await _choose(client, await _start(home, client, issue_id), "recover")
    with patch.object(Farm, "recover", side_effect=FabricatorError("no_answer")):
        assert (await _submit(client, form))["errors"] == {"base": "no_answer"}
    with patch.object(Farm, "recover"):
        assert (await _submit(client, form))["type"] == "create_entry"


async def test_unload_takes_the_offer_back(home: Home) -> None:
    """Nobody could take it up meanwhile; it comes again with the farm."""
    issue_id = await _cut_off(home)
    await home.unload()
    assert ir.async_get(home.hass).async_get_issue(DOMAIN, issue_id) is None
