"""The farm among the system's vital signs."""

from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import get_system_health_info

from custom_components.printfarm.const import DOMAIN

from .edge_fixtures import Home


async def test_loaded(home: Home) -> None:
    """A few numbers."""
    assert await async_setup_component(home.hass, "system_health", {})
    await home.print_on("Ada")
    await home.queue(hold=True)
    assert await get_system_health_info(home.hass, DOMAIN) == {
        "loaded": True,
        "database": "sqlite",
        "fabricators": 2,
        "connected": 2,
        "printing": 1,
        "queue_length": 1,
    }


async def test_not_loaded(hass: HomeAssistant) -> None:
    """Without a farm there is little to say."""
    assert await async_setup_component(hass, DOMAIN, {})
    assert await async_setup_component(hass, "system_health", {})
    assert await get_system_health_info(hass, DOMAIN) == {"loaded": False}
