"""A print of which nobody knows how it ended is settled by a person."""

from dataclasses import replace
from http import HTTPStatus
from typing import Any

from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.printfarm.const import DOMAIN
from custom_components.printfarm.farm.model import FabricatorStatus, JobStatus

from .edge_fixtures import Home, until

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
