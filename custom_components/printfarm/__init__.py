"""A farm of 3D printers inside Home Assistant."""

from homeassistant.const import EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.start import async_at_started
from homeassistant.helpers.typing import ConfigType

from .berth import async_keep, async_leave, async_take
from .const import DOMAIN
from .coordinator import FarmConfigEntry, FarmCoordinator, FarmRuntime
from .devices import create_farm_device, key_of_device
from .farm.errors import FarmError
from .http import async_register_views
from .issues import watch_streamers
from .opening import (
    all_end_with,
    async_open_farm,
    async_streamers,
    database_of,
    place_of,
)
from .relay import EventRelay
from .services import async_setup_services
from .subentries import async_add_fabricator, async_follow, wanted
from .translated import not_ready

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)

PLATFORMS = [
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.IMAGE,
    Platform.NUMBER,
    Platform.SENSOR,
    Platform.SWITCH,
]


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Register what is there once, whether or not a farm is loaded."""
    async_setup_services(hass)
    async_register_views(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: FarmConfigEntry) -> bool:
    """Open the farm and show it."""
    try:
        # One that printed on while its entry was reloaded is taken over as it is.
        opened = await async_take(hass, entry)
        opened = opened or await async_open_farm(hass, entry.data)
    except FarmError as error:
        raise not_ready(error) from error
    farm = opened.farm
    device_id = create_farm_device(hass, entry)
    database = str(database_of(hass, entry.data))
    runtime = entry.runtime_data = FarmRuntime(
        opened=opened,
        device_id=device_id,
        overview=FarmCoordinator(hass, entry, farm),
        relay=EventRelay(hass, entry, farm, device_id=device_id, database=database),
    )
    try:
        configs = wanted(entry)
        await opened.streamers.keep_only(configs.values())
        await farm.keep_only(configs.keys())
        for config in configs.values():
            await async_add_fabricator(hass, entry, config)
        # All entities are there before the farm tells anything.
        await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    except FarmError as error:
        await runtime.async_close()
        raise not_ready(error) from error

    async def stop(_: Event) -> None:
        await runtime.async_close(park=all_end_with(hass))

    # Home Assistant does not unload entries when it stops.
    entry.async_on_unload(hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stop))
    entry.async_on_unload(entry.add_update_listener(_Follower(entry)))

    entry.async_on_unload(watch_streamers(hass, runtime.streamers))

    @callback
    def go(_: HomeAssistant) -> None:
        farm.go()

    # Automations listen from then on, and what the farm kept back is for them too.
    entry.async_on_unload(async_at_started(hass, go))
    return True


class _Follower:
    """Takes up changes of the entry: fabricators live, another place by a reload."""

    def __init__(self, entry: FarmConfigEntry) -> None:
        """Remember where the farm has its data."""
        self._data = dict(entry.data)

    async def __call__(self, hass: HomeAssistant, entry: FarmConfigEntry) -> None:
        """Do the least that the change asks for."""
        if entry.data != self._data:
            hass.config_entries.async_schedule_reload(entry.entry_id)
        else:
            await async_follow(hass, entry)


async def async_unload_entry(hass: HomeAssistant, entry: FarmConfigEntry) -> bool:
    """Take the entities away, and leave every print alone."""
    unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    runtime = entry.runtime_data
    if unloaded and runtime.farm.tethered:
        await runtime.async_detach()
        async_keep(hass, entry, runtime.opened)
    elif unloaded:
        await runtime.async_close()
        if runtime.opened.place != place_of(hass, entry.data):
            # Another farm is to come, which knows nothing of these prints.
            await runtime.streamers.dismiss()
    return unloaded


async def async_remove_entry(hass: HomeAssistant, entry: FarmConfigEntry) -> None:
    """Nobody will come back for what still prints."""
    await async_leave(hass, entry.entry_id)
    await (await async_streamers(hass, entry.data)).dismiss()


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: FarmConfigEntry, device: dr.AnyDeviceEntry
) -> bool:
    """Let people delete a device only when nothing of the farm belongs to it."""
    key = key_of_device(device)
    return key != entry.entry_id and key not in entry.subentries
