"""Hands each event of the farm on to Home Assistant, once."""

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN, EVENT_PRINTFARM
from .devices import fabricator_device_id
from .farm.errors import NotFoundError
from .farm.events import FarmEvent

if TYPE_CHECKING:
    from .coordinator import FarmConfigEntry
    from .farm.farm import Farm

type RelayListener = Callable[[FarmEvent, dict[str, Any]], None]

_LAST_TOLD: HassKey[dict[str, int]] = HassKey(f"{DOMAIN}_last_event")
"""The last event id of each database. It outlives a reload of the entry: the farm
may offer an event again when it could not note that it was told."""


class EventRelay:
    """The farm's one subscriber on this side."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: FarmConfigEntry,
        farm: Farm,
        *,
        device_id: str,
        database: str,
    ) -> None:
        """Listen to the farm; nothing is told before `Farm.go`.

        `device_id` is the farm's own device, `database` tells stores apart.
        """
        self._hass = hass
        self._entry = entry
        self._farm = farm
        self._device = device_id
        self._database = database
        self._told = hass.data.setdefault(_LAST_TOLD, {})
        self._listeners: list[RelayListener] = []
        self.stop: CALLBACK_TYPE = farm.subscribe(self._relay)
        """Ends it. What the farm tells in parting is still heard before."""

    @callback
    def subscribe(self, listener: RelayListener) -> CALLBACK_TYPE:
        """Call back with each event and with what is said of it on the bus."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @callback
    def _relay(self, event: FarmEvent) -> None:
        if event.id is not None:
            if event.id <= self._told.get(self._database, 0):
                return
            self._told[self._database] = event.id
        told = self._payload(event)
        for listener in list(self._listeners):
            listener(event, told)
        self._hass.bus.async_fire(EVENT_PRINTFARM, told)

    @callback
    def _payload(self, event: FarmEvent) -> dict[str, Any]:
        """Give all that is known of an event, with the device that it concerns."""
        told = {
            # Templates, and what is restored, know lists only.
            item.name: list(value) if isinstance(value, tuple) else value
            for item in fields(event)
            if (value := getattr(event, item.name)) is not None
        }
        device_id = self._device_id(event)
        device = dr.async_get(self._hass).async_get(device_id)
        return told | {
            "type": event.type,
            "at": event.at.isoformat(),
            "event_id": told.pop("id", None),
            "device_id": device_id,
            "device_name": device and (device.name_by_user or device.name),
        }

    @callback
    def _device_id(self, event: FarmEvent) -> str:
        """Give the fabricator's device, or the farm's where it is about no one."""
        if event.fabricator_id is None:
            return self._device
        try:
            key = self._farm.key_of(event.fabricator_id)
        except NotFoundError:
            return self._device
        return fabricator_device_id(self._hass, self._entry, key) or self._device
