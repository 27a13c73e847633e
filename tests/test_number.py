"""Target temperatures."""

from homeassistant.const import ATTR_ENTITY_ID, STATE_UNAVAILABLE, Platform
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.printfarm.fabricators.interface import Capabilities, Temperature
from custom_components.printfarm.farm.model import FabricatorStatus
from custom_components.printfarm.number import DESCRIPTIONS

from .edge_fixtures import Home, until

NUMBER = Platform.NUMBER


async def test_set(home: Home) -> None:
    """A target reaches the machine, which then reports it."""
    await home.enable(NUMBER, "bed_target", "Ada")
    await home.hass.services.async_call(
        NUMBER,
        "set_value",
        {ATTR_ENTITY_ID: home.entity(NUMBER, "bed_target", "Ada"), "value": 55},
        blocking=True,
    )
    await until(lambda: home.state(NUMBER, "bed_target", "Ada").state == "55.0")
    bed = home.view("Ada").bed
    assert bed is not None
    assert bed.target == 55


async def test_only_when_it_does_no_harm(home: Home) -> None:
    """While it prints, and while it is off, a machine takes no target."""
    await home.enable(NUMBER, "nozzle_target", "Ada")
    await until(lambda: home.state(NUMBER, "nozzle_target", "Ada").state == "0.0")
    for changes in (
        {"status": FabricatorStatus.PRINTING},
        {"status": FabricatorStatus.PREPARING},
        {"status": FabricatorStatus.OFFLINE, "connected": False},
    ):
        await home.show("Ada", **changes)
        state = home.state(NUMBER, "nozzle_target", "Ada")
        assert state.state == STATE_UNAVAILABLE


async def test_refused(home: Home) -> None:
    """A machine that is gone says so."""
    await home.enable(NUMBER, "nozzle_target", "Ada")
    number = home.entity_object(NUMBER, "nozzle_target", "Ada")
    await home.farm.remove_fabricator(home.key("Ada"))
    with pytest.raises(HomeAssistantError, match="There is no such fabricator"):
        await number.async_set_native_value(200)


async def test_only_what_the_machine_has(home: Home) -> None:
    """Further tools and a chamber get a target once the machine shows them."""
    registry = er.async_get(home.hass)
    view = await home.show(
        "Ada",
        nozzles=(Temperature(20.0, 0.0), Temperature(21.0, 0.0)),
        chamber=Temperature(35.0, 0.0),
        capabilities=Capabilities(chamber=True),
    )
    for key in ("nozzle_1_target", "chamber_target"):
        assert registry.async_get(home.entity(NUMBER, key, "Ada")) is not None
    read = {item.key: item.read(view) for item in DESCRIPTIONS}
    assert read["nozzle_1_target"] == Temperature(21.0, 0.0)
    assert read["nozzle_2_target"] is None
    assert read["chamber_target"] == Temperature(35.0, 0.0)
    assert read["bed_target"] == view.bed


async def test_nobody_knows(home: Home) -> None:
    """Without a word of the machine the target is unknown."""
    await home.enable(NUMBER, "bed_target", "Ada")
    await home.show("Ada", bed=None)
    assert home.state(NUMBER, "bed_target", "Ada").state == "unknown"
