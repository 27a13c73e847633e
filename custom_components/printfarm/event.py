"""What happened last, on each fabricator and in the queue."""

from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .coordinator import (
    FabricatorCoordinator,
    FarmConfigEntry,
    FarmCoordinator,
    PushCoordinator,
)
from .entity import (
    FabricatorDescription,
    FabricatorEntity,
    FarmEntity,
    add_fabricator_entities,
)
from .farm.events import EVENT_TYPES, FarmEvent, JobAdded, JobRemoved, QueueEmpty

PARALLEL_UPDATES = 0

_QUEUE_TYPES = [JobAdded.type, JobRemoved.type, QueueEmpty.type]

# The type is the event's own, the time its state, the device its entity's.
_SAID_ELSEWHERE = frozenset({"type", "at", "device_id", "device_name"})


@dataclass(frozen=True, kw_only=True)
class PrintEventDescription(FabricatorDescription, EventEntityDescription):
    """Describes the event entity of a fabricator."""


PRINT = PrintEventDescription(
    key="print",
    translation_key="print",
    event_types=[kind for kind in EVENT_TYPES if kind not in _QUEUE_TYPES],
)
QUEUE = EventEntityDescription(
    key="queue", translation_key="queue", event_types=_QUEUE_TYPES
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FarmConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Make the event entities."""
    async_add_entities([QueueEvent(entry.runtime_data.overview, QUEUE)])
    add_fabricator_entities(entry, async_add_entities, [PRINT], PrintEvent)


class RelayedEvent[C: PushCoordinator[Any]](CoordinatorEntity[C], EventEntity):
    """Shows the farm's own events; nothing is guessed from states."""

    _attr_should_poll = False

    @override
    async def async_added_to_hass(self) -> None:
        """Listen to the farm."""
        await super().async_added_to_hass()
        relay = self.coordinator.config_entry.runtime_data.relay
        self.async_on_remove(relay.subscribe(self._happened))

    @callback
    def _concerns(self, event: FarmEvent) -> bool:
        """Say whether the event belongs here."""
        return event.type in self.event_types

    @callback
    def _happened(self, event: FarmEvent, told: dict[str, Any]) -> None:
        if self._concerns(event):
            self._trigger_event(
                event.type,
                {name: told[name] for name in told.keys() - _SAID_ELSEWHERE},
            )
            self.async_write_ha_state()


class PrintEvent(RelayedEvent[FabricatorCoordinator], FabricatorEntity):
    """What happened last on a fabricator."""

    @override
    @callback
    def _concerns(self, event: FarmEvent) -> bool:
        """Say whether the event is this fabricator's."""
        return event.fabricator_id == self.view.id and super()._concerns(event)


class QueueEvent(RelayedEvent[FarmCoordinator], FarmEntity):
    """What happened last in the queue."""
