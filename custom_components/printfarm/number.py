"""Target temperatures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
)
from homeassistant.const import EntityCategory, UnitOfTemperature
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import FarmConfigEntry
from .entity import (
    MOST_TOOLS,
    FabricatorDescription,
    FabricatorEntity,
    add_fabricator_entities,
    nozzle,
)
from .fabricators.interface import Temperature
from .farm.model import FabricatorStatus
from .farm.view import FabricatorView
from .translated import translated_errors

# One after the other: a machine takes one command at a time.
PARALLEL_UPDATES = 1

_OWN_BUSINESS = frozenset({FabricatorStatus.PREPARING, FabricatorStatus.PRINTING})
"""While it prints, the file says how hot; a slip of the hand would ruin the part."""


@dataclass(frozen=True, kw_only=True)
class TargetDescription(FabricatorDescription, NumberEntityDescription):
    """Describes the target temperature of one heater."""

    heater: str
    read: Callable[[FabricatorView], Temperature | None]


def _nozzle(tool: int) -> TargetDescription:
    """Describe the target of one tool; only the first has no number."""
    heater = "nozzle" if tool == 0 else f"nozzle{tool}"
    return TargetDescription(
        key="nozzle_target" if tool == 0 else f"nozzle_{tool}_target",
        translation_key="nozzle_target" if tool == 0 else "tool_target",
        translation_placeholders={} if tool == 0 else {"tool": str(tool)},
        native_max_value=300,
        heater=heater,
        supported=lambda view: (
            view.capabilities.temperatures and (tool == 0 or len(view.nozzles) > tool)
        ),
        read=nozzle(tool),
    )


DESCRIPTIONS = (
    *(_nozzle(tool) for tool in range(MOST_TOOLS)),
    TargetDescription(
        key="bed_target",
        translation_key="bed_target",
        native_max_value=120,
        heater="bed",
        supported=lambda view: view.capabilities.temperatures and view.capabilities.bed,
        read=lambda view: view.bed,
    ),
    TargetDescription(
        key="chamber_target",
        translation_key="chamber_target",
        native_max_value=80,
        heater="chamber",
        supported=lambda view: (
            view.capabilities.temperatures and view.capabilities.chamber
        ),
        read=lambda view: view.chamber,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FarmConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Make the numbers."""
    add_fabricator_entities(entry, async_add_entities, DESCRIPTIONS, TargetTemperature)


class TargetTemperature(FabricatorEntity, NumberEntity):
    """How hot a heater shall be; 0 is off."""

    _attr_device_class = NumberDeviceClass.TEMPERATURE
    _attr_entity_category = EntityCategory.CONFIG
    _attr_entity_registry_enabled_default = False
    _attr_mode = NumberMode.BOX
    _attr_native_min_value = 0
    _attr_native_step = 1
    _attr_native_unit_of_measurement = UnitOfTemperature.CELSIUS

    entity_description: TargetDescription

    @property
    @override
    def available(self) -> bool:
        """Only a connected machine that does not print takes a temperature."""
        view = self.view
        return super().available and view.connected and view.status not in _OWN_BUSINESS

    @property
    @override
    def native_value(self) -> float | None:
        """Give the target that the machine reports."""
        heater = self.entity_description.read(self.view)
        return None if heater is None else heater.target

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Set the target."""
        coordinator = self.coordinator
        with translated_errors():
            await coordinator.farm.set_target(
                coordinator.key, self.entity_description.heater, value
            )
