"""What the entities of all platforms have in common."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from homeassistant.core import callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DOMAIN
from .coordinator import FabricatorCoordinator, FarmConfigEntry, FarmCoordinator
from .fabricators.interface import Temperature
from .farm.view import FabricatorView

MOST_TOOLS = 8
"""Marlin's own limit for heated tools."""


@dataclass(frozen=True, kw_only=True)
class FabricatorDescription(EntityDescription):
    """Describes an entity of a fabricator."""

    supported: Callable[[FabricatorView], bool] = lambda view: True
    """Whether this machine can feed the entity; asked again whenever it reports."""


def nozzle(tool: int) -> Callable[[FabricatorView], Temperature | None]:
    """Give the look at one tool's heater; None where the machine has no such tool."""
    return lambda view: view.nozzles[tool] if len(view.nozzles) > tool else None


class FabricatorEntity(CoordinatorEntity[FabricatorCoordinator]):
    """An entity of one fabricator."""

    _attr_has_entity_name = True

    def __init__(
        self, coordinator: FabricatorCoordinator, description: EntityDescription
    ) -> None:
        """Belong to the fabricator's device, which is there already."""
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_unique_id = f"{coordinator.key}_{description.key}"
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, coordinator.key)})

    @property
    def view(self) -> FabricatorView:
        """What is known of the fabricator."""
        return self.coordinator.data


class FarmEntity(CoordinatorEntity[FarmCoordinator]):
    """An entity of the farm itself."""

    _attr_has_entity_name = True

    def __init__(
        self, coordinator: FarmCoordinator, description: EntityDescription
    ) -> None:
        """Belong to the farm's device, which is there already."""
        super().__init__(coordinator)
        self.entity_description = description
        entry_id = coordinator.config_entry.entry_id
        self._attr_unique_id = f"{entry_id}_{description.key}"
        self._attr_device_info = DeviceInfo(identifiers={(DOMAIN, entry_id)})


@callback
def add_fabricator_entities[D: FabricatorDescription](
    entry: FarmConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    descriptions: Iterable[D],
    make: Callable[[FabricatorCoordinator, D], Entity],
) -> None:
    """Make a platform's entities for each fabricator, now and as they come.

    What a machine can do may only be known once it has answered, so every report is
    looked through for entities that have become possible.
    """

    @callback
    def welcome(coordinator: FabricatorCoordinator) -> None:
        missing = list(descriptions)

        @callback
        def add_supported() -> None:
            if new := [item for item in missing if item.supported(coordinator.data)]:
                missing[:] = [item for item in missing if item not in new]
                async_add_entities(
                    (make(coordinator, item) for item in new),
                    config_subentry_id=coordinator.key,
                )

        add_supported()
        if missing:
            entry.async_on_unload(coordinator.async_add_listener(add_supported))

    entry.async_on_unload(entry.runtime_data.on_new_fabricator(welcome))
