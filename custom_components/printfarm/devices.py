"""The farm and its fabricators in the device registry."""

from typing import TYPE_CHECKING

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr

from .const import DOMAIN
from .farm.view import FabricatorView

if TYPE_CHECKING:
    from .coordinator import FarmConfigEntry


@callback
def create_farm_device(hass: HomeAssistant, entry: FarmConfigEntry) -> str:
    """Make the device of the farm itself, and give its registry id."""
    device = dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, entry.entry_id)},
        entry_type=dr.DeviceEntryType.SERVICE,
        name=entry.title,
    )
    return device.id


@callback
def create_fabricator_device(
    hass: HomeAssistant, entry: FarmConfigEntry, view: FabricatorView
) -> None:
    """Make a fabricator's device; it hangs on the farm's, which must be there."""
    dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        config_subentry_id=view.key,
        identifiers={(DOMAIN, view.key)},
        name=view.name,
        model=view.model,
        sw_version=view.firmware,
        via_device_id=entry.runtime_data.device_id,
    )


@callback
def update_fabricator_device(
    hass: HomeAssistant,
    entry: FarmConfigEntry,
    before: FabricatorView,
    now: FabricatorView,
) -> None:
    """Keep name, model and firmware as the machine and its configuration say.

    A machine that is switched off says neither; what it said last still holds.
    """
    if (before.name, before.model, before.firmware) == (
        now.name,
        now.model,
        now.firmware,
    ):
        return
    device_id = fabricator_device_id(hass, entry, now.key)
    if device_id is None:
        return
    registry = dr.async_get(hass)
    registry.async_update_device(device_id, name=now.name)
    if now.model is not None:
        registry.async_update_device(device_id, model=now.model)
    if now.firmware is not None:
        registry.async_update_device(device_id, sw_version=now.firmware)


@callback
def fabricator_device_id(
    hass: HomeAssistant, entry: FarmConfigEntry, key: str
) -> str | None:
    """Give the registry id of a fabricator's device."""
    device = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, key), entry.entry_id
    )
    return None if device is None else device.id


@callback
def key_of_device(device: dr.AnyDeviceEntry) -> str | None:
    """Give the subentry id (or for the farm's own device the entry id) of a device."""
    return next((key for domain, key in device.identifiers if domain == DOMAIN), None)
