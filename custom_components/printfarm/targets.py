"""Which fabricators somebody means who names devices, areas, floors or labels."""

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.target import (
    TargetSelection,
    async_extract_referenced_entity_ids,
)
from homeassistant.helpers.typing import ConfigType

from .const import DOMAIN
from .coordinator import FarmConfigEntry
from .devices import key_of_device


@callback
def targeted_devices(hass: HomeAssistant, target: ConfigType) -> set[str]:
    """Give the ids of all devices that a target names, ours or not.

    An entity stands for its device only where it is named itself: one that happens
    to lie in an area must not take its machine along.
    """
    selected = async_extract_referenced_entity_ids(hass, TargetSelection(target))
    registry = er.async_get(hass)
    named = (registry.async_get(entity_id) for entity_id in selected.referenced)
    return selected.referenced_devices | {
        entity.device_id
        for entity in named
        if entity is not None and entity.device_id is not None
    }


@callback
def has_target(target: ConfigType) -> bool:
    """Say whether anything is named at all."""
    return TargetSelection(target).has_any_target


@callback
def targeted_fabricators(
    hass: HomeAssistant, entry: FarmConfigEntry, target: ConfigType
) -> dict[str, str]:
    """Give key and device id of every fabricator that a target names, in farm order.

    Raises `ServiceValidationError` where the target names something, but none.
    """
    registry = dr.async_get(hass)
    named = {
        key: device.id
        for device_id in targeted_devices(hass, target)
        if (device := registry.async_get(device_id)) is not None
        and (key := key_of_device(device)) is not None
    }
    found = {
        view.key: named[view.key]
        for view in entry.runtime_data.farm.views()
        if view.key in named
    }
    if not found:
        raise ServiceValidationError(
            translation_domain=DOMAIN, translation_key="no_fabricator_targeted"
        )
    return found
