"""Sensors of the fabricators and of the farm."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    PERCENTAGE,
    EntityCategory,
    UnitOfLength,
    UnitOfMass,
    UnitOfTemperature,
    UnitOfTime,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.typing import StateType

from .coordinator import FarmConfigEntry
from .entity import (
    FabricatorDescription,
    FabricatorEntity,
    FarmEntity,
    add_fabricator_entities,
)
from .fabricators.interface import Temperature
from .farm.model import FabricatorStatus, WaitingReason
from .farm.view import FabricatorView, FarmView

PARALLEL_UPDATES = 0

type Value = StateType | datetime

NOTHING = "nothing"
"""What keeps jobs waiting where none waits: that is known, so it is not "unknown"."""

MOST_TOOLS = 8
"""Marlin's own limit for heated tools."""


@dataclass(frozen=True, kw_only=True)
class FabricatorSensorDescription(FabricatorDescription, SensorEntityDescription):
    """Describes a sensor of a fabricator."""

    value: Callable[[FabricatorView], Value]
    from_machine: bool = False
    """Whether the machine itself measures it, so that nobody knows while it is off."""


@dataclass(frozen=True, kw_only=True)
class FarmSensorDescription(SensorEntityDescription):
    """Describes a sensor of the farm."""

    value: Callable[[FarmView], Value]


def _actual(heater: Temperature | None) -> float | None:
    """Give what a heater measures."""
    return None if heater is None else heater.actual


def _nozzle(tool: int) -> FabricatorSensorDescription:
    """Describe the temperature of one tool; only the first has no number."""
    return FabricatorSensorDescription(
        key="nozzle_temperature" if tool == 0 else f"nozzle_{tool}_temperature",
        translation_key="nozzle_temperature" if tool == 0 else "tool_temperature",
        translation_placeholders={} if tool == 0 else {"tool": str(tool)},
        device_class=SensorDeviceClass.TEMPERATURE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        suggested_display_precision=0,
        # The first is there before the machine has said how many it has.
        supported=lambda view: tool == 0 or len(view.nozzles) > tool,
        value=lambda view: (
            view.nozzles[tool].actual if len(view.nozzles) > tool else None
        ),
        from_machine=True,
    )


FABRICATOR_SENSORS = (
    FabricatorSensorDescription(
        key="status",
        translation_key="status",
        device_class=SensorDeviceClass.ENUM,
        options=[str(status) for status in FabricatorStatus],
        value=lambda view: view.status,
    ),
    FabricatorSensorDescription(
        key="progress",
        translation_key="progress",
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=0,
        value=lambda view: view.progress,
    ),
    FabricatorSensorDescription(
        key="job",
        translation_key="job",
        value=lambda view: view.file_name and view.file_name[:255],
    ),
    FabricatorSensorDescription(
        key="current_layer",
        translation_key="current_layer",
        value=lambda view: view.layer,
    ),
    FabricatorSensorDescription(
        key="total_layers",
        translation_key="total_layers",
        value=lambda view: view.layers,
    ),
    FabricatorSensorDescription(
        key="layer_height",
        translation_key="layer_height",
        device_class=SensorDeviceClass.DISTANCE,
        native_unit_of_measurement=UnitOfLength.MILLIMETERS,
        suggested_display_precision=2,
        value=lambda view: view.layer_height,
    ),
    FabricatorSensorDescription(
        key="max_layer_height",
        translation_key="max_layer_height",
        device_class=SensorDeviceClass.DISTANCE,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfLength.MILLIMETERS,
        suggested_display_precision=2,
        value=lambda view: view.max_layer_height,
    ),
    *(_nozzle(tool) for tool in range(MOST_TOOLS)),
    FabricatorSensorDescription(
        key="bed_temperature",
        translation_key="bed_temperature",
        device_class=SensorDeviceClass.TEMPERATURE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        suggested_display_precision=0,
        supported=lambda view: view.capabilities.bed,
        value=lambda view: _actual(view.bed),
        from_machine=True,
    ),
    FabricatorSensorDescription(
        key="chamber_temperature",
        translation_key="chamber_temperature",
        device_class=SensorDeviceClass.TEMPERATURE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        suggested_display_precision=0,
        supported=lambda view: view.capabilities.chamber,
        value=lambda view: _actual(view.chamber),
        from_machine=True,
    ),
    FabricatorSensorDescription(
        key="started",
        translation_key="started",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_registry_enabled_default=False,
        value=lambda view: view.started,
    ),
    FabricatorSensorDescription(
        key="finish",
        translation_key="finish",
        device_class=SensorDeviceClass.TIMESTAMP,
        value=lambda view: view.finish,
    ),
    FabricatorSensorDescription(
        key="remaining",
        translation_key="remaining",
        device_class=SensorDeviceClass.DURATION,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
        suggested_display_precision=0,
        value=lambda view: view.remaining,
    ),
    FabricatorSensorDescription(
        key="filament_used",
        translation_key="filament_used",
        device_class=SensorDeviceClass.DISTANCE,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfLength.MILLIMETERS,
        suggested_unit_of_measurement=UnitOfLength.METERS,
        suggested_display_precision=2,
        value=lambda view: view.filament_used,
    ),
    FabricatorSensorDescription(
        key="queue_length",
        translation_key="queue_length",
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda view: view.queue_length,
    ),
    FabricatorSensorDescription(
        key="waiting_reason",
        translation_key="waiting_reason",
        device_class=SensorDeviceClass.ENUM,
        options=[NOTHING, *(str(reason) for reason in WaitingReason)],
        value=lambda view: view.waiting_reason or NOTHING,
    ),
    FabricatorSensorDescription(
        key="completed",
        translation_key="completed",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda view: view.completed,
    ),
    FabricatorSensorDescription(
        key="failed",
        translation_key="failed",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda view: view.failed,
    ),
    FabricatorSensorDescription(
        key="cancelled",
        translation_key="cancelled",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda view: view.cancelled,
    ),
    FabricatorSensorDescription(
        key="print_time",
        translation_key="print_time",
        device_class=SensorDeviceClass.DURATION,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.HOURS,
        suggested_display_precision=1,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda view: view.print_time,
    ),
    FabricatorSensorDescription(
        key="filament_length",
        translation_key="filament_length",
        device_class=SensorDeviceClass.DISTANCE,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfLength.MILLIMETERS,
        suggested_unit_of_measurement=UnitOfLength.METERS,
        suggested_display_precision=1,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda view: view.filament_length,
    ),
    FabricatorSensorDescription(
        key="filament_weight",
        translation_key="filament_weight",
        device_class=SensorDeviceClass.WEIGHT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfMass.GRAMS,
        suggested_unit_of_measurement=UnitOfMass.KILOGRAMS,
        suggested_display_precision=2,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda view: view.filament_weight,
    ),
)

FARM_SENSORS = (
    FarmSensorDescription(
        key="queue_length",
        translation_key="queue_length",
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda view: view.queue_length,
    ),
    FarmSensorDescription(
        key="printing",
        translation_key="printing",
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda view: view.printing,
    ),
    FarmSensorDescription(
        key="needs_attention",
        translation_key="needs_attention",
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda view: view.needs_attention,
    ),
    FarmSensorDescription(
        key="next_free",
        translation_key="next_free",
        device_class=SensorDeviceClass.TIMESTAMP,
        value=lambda view: view.next_free,
    ),
    FarmSensorDescription(
        key="completed",
        translation_key="completed",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda view: view.completed,
    ),
    FarmSensorDescription(
        key="failed",
        translation_key="failed",
        entity_category=EntityCategory.DIAGNOSTIC,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda view: view.failed,
    ),
    FarmSensorDescription(
        key="cancelled",
        translation_key="cancelled",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda view: view.cancelled,
    ),
    FarmSensorDescription(
        key="print_time",
        translation_key="print_time",
        device_class=SensorDeviceClass.DURATION,
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_unit_of_measurement=UnitOfTime.HOURS,
        suggested_display_precision=1,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda view: view.print_time,
    ),
    FarmSensorDescription(
        key="filament_length",
        translation_key="filament_length",
        device_class=SensorDeviceClass.DISTANCE,
        entity_category=EntityCategory.DIAGNOSTIC,
        native_unit_of_measurement=UnitOfLength.MILLIMETERS,
        suggested_unit_of_measurement=UnitOfLength.METERS,
        suggested_display_precision=1,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda view: view.filament_length,
    ),
    FarmSensorDescription(
        key="filament_weight",
        translation_key="filament_weight",
        device_class=SensorDeviceClass.WEIGHT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfMass.GRAMS,
        suggested_unit_of_measurement=UnitOfMass.KILOGRAMS,
        suggested_display_precision=2,
        state_class=SensorStateClass.TOTAL_INCREASING,
        value=lambda view: view.filament_weight,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FarmConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Make the sensors."""
    overview = entry.runtime_data.overview
    async_add_entities(FarmSensor(overview, item) for item in FARM_SENSORS)
    add_fabricator_entities(
        entry, async_add_entities, FABRICATOR_SENSORS, FabricatorSensor
    )


class FabricatorSensor(FabricatorEntity, SensorEntity):
    """Says one thing about a fabricator."""

    entity_description: FabricatorSensorDescription

    @property
    @override
    def available(self) -> bool:
        """Only what the machine measures goes with it."""
        return super().available and (
            self.view.connected or not self.entity_description.from_machine
        )

    @property
    @override
    def native_value(self) -> Value:
        """Give the value as it is known now."""
        return self.entity_description.value(self.view)


class FarmSensor(FarmEntity, SensorEntity):
    """Says one thing about the farm."""

    entity_description: FarmSensorDescription

    @property
    @override
    def native_value(self) -> Value:
        """Give the value as it is known now."""
        return self.entity_description.value(self.coordinator.data)
