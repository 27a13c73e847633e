"""What a fabricator may do by itself."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, override

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import FarmConfigEntry
from .entity import FabricatorDescription, FabricatorEntity, add_fabricator_entities
from .farm.farm import Farm
from .farm.view import FabricatorView
from .translated import translated_errors

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class FabricatorSwitchDescription(FabricatorDescription, SwitchEntityDescription):
    """Describes a switch of a fabricator."""

    is_on: Callable[[FabricatorView], bool]
    turn: Callable[[Farm, str, bool], Awaitable[object]]


DESCRIPTIONS = (
    FabricatorSwitchDescription(
        key="auto_start",
        translation_key="auto_start",
        entity_category=EntityCategory.CONFIG,
        is_on=lambda view: view.auto_start,
        turn=Farm.set_auto_start,
    ),
    FabricatorSwitchDescription(
        key="maintenance",
        translation_key="maintenance",
        entity_category=EntityCategory.CONFIG,
        entity_registry_enabled_default=False,
        is_on=lambda view: view.maintenance,
        turn=Farm.set_maintenance,
    ),
    FabricatorSwitchDescription(
        key="gcode_log",
        translation_key="gcode_log",
        entity_category=EntityCategory.CONFIG,
        entity_registry_enabled_default=False,
        supported=lambda view: view.capabilities.gcode_log,
        is_on=lambda view: view.gcode_log,
        turn=Farm.set_gcode_log,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FarmConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Make the switches."""
    add_fabricator_entities(entry, async_add_entities, DESCRIPTIONS, FabricatorSwitch)


class FabricatorSwitch(FabricatorEntity, SwitchEntity):
    """Allows a fabricator something, or forbids it."""

    entity_description: FabricatorSwitchDescription

    @property
    @override
    def is_on(self) -> bool:
        """Say whether it is allowed."""
        return self.entity_description.is_on(self.view)

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Allow it."""
        await self._turn(on=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Forbid it."""
        await self._turn(on=False)

    async def _turn(self, *, on: bool) -> None:
        with translated_errors():
            await self.entity_description.turn(
                self.coordinator.farm, self.coordinator.key, on
            )
