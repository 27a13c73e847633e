"""Sensors of the fabricators and of the farm."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
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
    MOST_TOOLS,
    FabricatorDescription,
    FabricatorEntity,
    FarmEntity,
    add_fabricator_entities,
    nozzle,
)
from .fabricators.interface import Temperature
from .farm.model import FabricatorStatus, WaitingReason
from .farm.view import FabricatorView, FarmView

PARALLEL_UPDATES = 0

ATTR_CHOICES = "choices"
ATTR_PROMPT = "prompt"

type Value = StateType | datetime

NOTHING = "nothing"
"""What keeps jobs waiting where none waits: that is known, so it is not "unknown"."""


@dataclass(frozen=True, kw_only=True)
class FabricatorSensorDescription(FabricatorDescription, SensorEntityDescription):
    """Describes a sensor of a fabricator."""

    value: Callable[[FabricatorView], Value]
    attributes: Callable[[FabricatorView], Mapping[str, object]] | None = None
    from_machine: bool = False
    """Whether the machine itself measures it, so that nobody knows while it is off."""


@dataclass(frozen=True, kw_only=True)
class FarmSensorDescription(SensorEntityDescription):
    """Describes a sensor of the farm."""

    value: Callable[[FarmView], Value]


def _asked(view: FabricatorView) -> Mapping[str, object]:
    """Give what the machine asks of a person, and the answers that it takes."""
    prompt = view.prompt
    if prompt is None:
        return {ATTR_PROMPT: None, ATTR_CHOICES: []}
    return {ATTR_PROMPT: prompt.text, ATTR_CHOICES: list(prompt.choices)}


def _temperature(
    key: str,
    heater: Callable[[FabricatorView], Temperature | None],
    supported: Callable[[FabricatorView], bool],
    *,
    translation_key: str | None = None,
    placeholders: Mapping[str, str] | None = None,
) -> FabricatorSensorDescription:
    """Describe what a heater measures."""

    def measured(view: FabricatorView) -> float | None:
        return None if (seen := heater(view)) is None else seen.actual

    return FabricatorSensorDescription(
        key=key,
        translation_key=translation_key or key,
        translation_placeholders=placeholders,
        device_class=SensorDeviceClass.TEMPERATURE,
        state_class=SensorStateClass.MEASUREMENT,
        native_unit_of_measurement=UnitOfTemperature.CELSIUS,
        suggested_display_precision=0,
        supported=supported,
        value=measured,
        from_machine=True,
    )


def _nozzle(tool: int) -> FabricatorSensorDescription:
    """Describe the temperature of one tool; only the first has no number."""
    if tool == 0:
        # There before the machine has said how many it has.
        return _temperature("nozzle_temperature", nozzle(0), lambda view: True)
    return _temperature(
        f"nozzle_{tool}_temperature",
        nozzle(tool),
        lambda view: len(view.nozzles) > tool,
        translation_key="tool_temperature",
        placeholders={"tool": str(tool)},
    )


_TOTALS = (
    ("completed", None, None, None, None),
    ("failed", None, None, None, None),
    ("cancelled", None, None, None, None),
    (
        "print_time",
        SensorDeviceClass.DURATION,
        UnitOfTime.SECONDS,
        UnitOfTime.HOURS,
        1,
    ),
    (
        "filament_length",
        SensorDeviceClass.DISTANCE,
        UnitOfLength.MILLIMETERS,
        UnitOfLength.METERS,
        1,
    ),
    (
        "filament_weight",
        SensorDeviceClass.WEIGHT,
        UnitOfMass.GRAMS,
        UnitOfMass.KILOGRAMS,
        2,
    ),
)
"""What adds up: key, kind, the unit that is counted in, the one shown, decimals."""


def _totals[D](describe: Callable[..., D], shown: frozenset[str]) -> Iterator[D]:
    """Describe what has added up, on one fabricator or on all; `shown` are on at first.

    Both views name their totals alike.
    """
    for key, kind, counted_in, shown_in, decimals in _TOTALS:
        yield describe(
            key=key,
            translation_key=key,
            device_class=kind,
            entity_category=EntityCategory.DIAGNOSTIC,
            entity_registry_enabled_default=key in shown,
            native_unit_of_measurement=counted_in,
            suggested_unit_of_measurement=shown_in,
            suggested_display_precision=decimals,
            state_class=SensorStateClass.TOTAL_INCREASING,
            value=attrgetter(key),
        )


FABRICATOR_SENSORS = (
    FabricatorSensorDescription(
        key="status",
        translation_key="status",
        device_class=SensorDeviceClass.ENUM,
        options=[str(status) for status in FabricatorStatus],
        value=lambda view: view.status,
        attributes=_asked,
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
    _temperature(
        "bed_temperature",
        lambda view: view.bed,
        lambda view: view.capabilities.bed,
    ),
    _temperature(
        "chamber_temperature",
        lambda view: view.chamber,
        lambda view: view.capabilities.chamber,
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
    *_totals(FabricatorSensorDescription, frozenset()),
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
    *_totals(
        FarmSensorDescription,
        frozenset({"completed", "failed", "print_time", "filament_length"}),
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

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, object] | None:
        """Give what belongs to the value."""
        attributes = self.entity_description.attributes
        return None if attributes is None else attributes(self.view)


class FarmSensor(FarmEntity, SensorEntity):
    """Says one thing about the farm."""

    entity_description: FarmSensorDescription

    @property
    @override
    def native_value(self) -> Value:
        """Give the value as it is known now."""
        return self.entity_description.value(self.coordinator.data)
