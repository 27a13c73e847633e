"""Keeps the farm's fabricators in step with the entry's subentries, live.

The entry is never reloaded for a fabricator: that would take every other machine's
connection down with it.
"""

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_PROTOCOL
from homeassistant.core import HomeAssistant

from .const import LOGGER, SUBENTRY_FABRICATOR
from .coordinator import FabricatorCoordinator, FarmConfigEntry
from .devices import create_fabricator_device
from .fabricators.interface import FabricatorConfig, FabricatorError
from .farm.errors import ConflictError, FarmError
from .translated import translated

_STARTS_BY_ITSELF = frozenset({"virtual"})
"""Protocols without a bed that could hold a forgotten part."""


def config_of(subentry: ConfigSubentry) -> FabricatorConfig:
    """Give the configuration that a subentry holds."""
    options = dict(subentry.data)
    return FabricatorConfig(
        key=subentry.subentry_id,
        name=subentry.title,
        protocol=options.pop(CONF_PROTOCOL),
        options=options,
    )


def wanted(entry: FarmConfigEntry) -> dict[str, FabricatorConfig]:
    """Give the fabricators that the entry asks for, by key."""
    return {
        subentry.subentry_id: config_of(subentry)
        for subentry in entry.subentries.values()
        if subentry.subentry_type == SUBENTRY_FABRICATOR
    }


async def async_add_fabricator(
    hass: HomeAssistant, entry: FarmConfigEntry, config: FabricatorConfig
) -> None:
    """Let a fabricator join the farm; it connects in the background.

    One that this version cannot drive is left out; it does not stop the others.
    """
    runtime = entry.runtime_data
    try:
        view = await runtime.farm.add_fabricator(
            config, auto_start=config.protocol in _STARTS_BY_ITSELF
        )
    except ConflictError as error:
        # Changed while the entry was unloaded and a print went on: after it, then.
        LOGGER.error("Could not change %s: %s", config.name, translated(error))
        view = runtime.farm.view(config.key)
    except FabricatorError as error:
        LOGGER.error("Could not set up %s: %s", config.name, translated(error))
        return
    create_fabricator_device(hass, entry, view)
    runtime.add(FabricatorCoordinator(hass, entry, runtime.farm, config.key))


async def _remove(entry: FarmConfigEntry, key: str) -> None:
    """Let a fabricator go; Home Assistant has cleared its device already."""
    runtime = entry.runtime_data
    await runtime.fabricators.pop(key).async_shutdown()
    await runtime.farm.remove_fabricator(key)


async def async_follow(hass: HomeAssistant, entry: FarmConfigEntry) -> None:
    """Bring the farm in line with the subentries, fabricator by fabricator.

    What one fabricator's change runs into is no reason to leave the others behind;
    it is tried again with the next change.
    """
    runtime = entry.runtime_data
    async with runtime.syncing:
        configs = wanted(entry)
        for key in runtime.fabricators.keys() - configs.keys():
            try:
                await _remove(entry, key)
            except FarmError as error:
                LOGGER.error("Could not remove a fabricator: %s", translated(error))
        for key, config in configs.items():
            try:
                if key in runtime.fabricators:
                    await runtime.farm.change_fabricator(config)
                else:
                    await async_add_fabricator(hass, entry, config)
            except FarmError as error:
                LOGGER.error("Could not set up %s: %s", config.name, translated(error))
