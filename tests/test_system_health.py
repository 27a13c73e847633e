"""The farm among the system's vital signs."""

from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.loader import async_get_integration
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import get_system_health_info

from custom_components.printfarm.const import DOMAIN
from custom_components.printfarm.fabricators.streamer.supervisor import Supervisor

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


@pytest.mark.usefixtures("unix_sockets")
async def test_processes(home: Home) -> None:
    """Which release of the streaming process runs, and for how many machines."""
    assert await async_setup_component(home.hass, "system_health", {})
    told = await get_system_health_info(home.hass, DOMAIN)
    integration = await async_get_integration(home.hass, DOMAIN)
    assert told["streamer_virtual"] == f"{integration.version} (2)"
    assert "streamer_serial" not in told
    with patch.object(Supervisor, "current", None):
        told = await get_system_health_info(home.hass, DOMAIN)
    assert told["streamer_virtual"] == "- (2)"
    streamers = home.runtime.streamers
    await home.unload()
    assert streamers.standings == {}
    await streamers.dismiss()


async def test_not_loaded(hass: HomeAssistant) -> None:
    """Without a farm there is little to say."""
    assert await async_setup_component(hass, DOMAIN, {})
    assert await async_setup_component(hass, "system_health", {})
    assert await get_system_health_info(hass, DOMAIN) == {"loaded": False}
