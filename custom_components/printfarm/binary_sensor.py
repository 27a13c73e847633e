"""What is so or not so with a fabricator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.binary_sensor import (
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import FarmConfigEntry
from .entity import FabricatorDescription, FabricatorEntity, add_fabricator_entities
from .farm.view import FabricatorView

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class FabricatorBinarySensorDescription(
    FabricatorDescription, BinarySensorEntityDescription
):
    """Describes a binary sensor of a fabricator."""

    is_on: Callable[[FabricatorView], bool]
    attributes: Callable[[FabricatorView], dict[str, Any]] | None = None


DESCRIPTIONS = (
    FabricatorBinarySensorDescription(
        key="connected",
        translation_key="connected",
        device_class=BinarySensorDeviceClass.CONNECTIVITY,
        entity_category=EntityCategory.DIAGNOSTIC,
        is_on=lambda view: view.connected,
    ),
    FabricatorBinarySensorDescription(
        key="bed_clear",
        translation_key="bed_clear",
        is_on=lambda view: view.bed_clear,
    ),
    FabricatorBinarySensorDescription(
        key="problem",
        translation_key="problem",
        device_class=BinarySensorDeviceClass.PROBLEM,
        is_on=lambda view: view.problem is not None,
        attributes=lambda view: {"text": view.problem},
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FarmConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Make the binary sensors."""
    add_fabricator_entities(
        entry, async_add_entities, DESCRIPTIONS, FabricatorBinarySensor
    )


class FabricatorBinarySensor(FabricatorEntity, BinarySensorEntity):
    """Says whether something is so with a fabricator."""

    entity_description: FabricatorBinarySensorDescription

    @property
    @override
    def is_on(self) -> bool:
        """Say whether it is so now."""
        return self.entity_description.is_on(self.view)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Give the words that go with it."""
        attributes = self.entity_description.attributes
        return None if attributes is None else attributes(self.view)
