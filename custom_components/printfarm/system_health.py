"""The farm on the page about the system's health."""

from typing import Any

from homeassistant.components import system_health
from homeassistant.core import HomeAssistant, callback

from .const import CONF_DB_URL, DOMAIN
from .coordinator import FarmConfigEntry


@callback
def async_register(
    hass: HomeAssistant, register: system_health.SystemHealthRegistration
) -> None:
    """Say who answers."""
    register.async_register_info(system_health_info)


async def system_health_info(hass: HomeAssistant) -> dict[str, Any]:
    """Give the farm in a few numbers."""
    loaded: list[FarmConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    if not loaded:
        return {"loaded": False}
    (entry,) = loaded
    farm = entry.runtime_data.farm
    view = farm.farm_view()
    return {
        "loaded": True,
        "database": entry.data.get(CONF_DB_URL, "sqlite").partition(":")[0],
        "fabricators": view.fabricators,
        "connected": sum(item.connected for item in farm.views()),
        "printing": view.printing,
        "queue_length": view.queue_length,
        **{
            f"streamer_{kind}": f"{standing.release or '-'} ({standing.machines})"
            for kind, standing in entry.runtime_data.streamers.standings.items()
        },
    }
