"""What the sensors say."""

from datetime import UTC, datetime
from typing import Any

from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN, Platform
from homeassistant.helpers import entity_registry as er
import pytest

from custom_components.printfarm.fabricators.interface import Temperature
from custom_components.printfarm.farm.model import FabricatorStatus, WaitingReason
from custom_components.printfarm.sensor import FABRICATOR_SENSORS, FARM_SENSORS

from .edge_fixtures import Home, until

SENSOR = Platform.SENSOR
AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "changes", "state"),
    [
        ("status", {"status": FabricatorStatus.PAUSED}, "paused"),
        ("progress", {"progress": 41.7}, "41.7"),
        ("progress", {"progress": None}, STATE_UNKNOWN),
        ("job", {"file_name": "x" * 300}, "x" * 255),
        ("job", {"file_name": None}, STATE_UNKNOWN),
        ("current_layer", {"layer": 7}, "7"),
        ("total_layers", {"layers": 20}, "20"),
        ("layer_height", {"layer_height": 0.4}, "0.4"),
        ("nozzle_temperature", {"nozzles": (Temperature(209.6, 210.0),)}, "209.6"),
        ("nozzle_temperature", {"nozzles": ()}, STATE_UNKNOWN),
        ("bed_temperature", {"bed": Temperature(60.1, 60.0)}, "60.1"),
        ("bed_temperature", {"bed": None}, STATE_UNKNOWN),
        ("finish", {"finish": AT}, "2026-11-20T12:00:00+00:00"),
        ("queue_length", {"queue_length": 3}, "3"),
        (
            "waiting_reason",
            {"waiting_reason": WaitingReason.BED_NOT_CLEAR},
            "bed_not_clear",
        ),
        ("waiting_reason", {"waiting_reason": None}, "nothing"),
    ],
)
async def test_value(home: Home, key: str, changes: dict[str, Any], state: str) -> None:
    """Each sensor says its part of what the farm shows."""
    await home.show("Ada", **changes)
    assert home.state(SENSOR, key, "Ada").state == state


async def test_disabled_at_first(home: Home) -> None:
    """What few people look at is there, but has to be enabled."""
    registry = er.async_get(home.hass)
    hidden = {
        "max_layer_height": {"max_layer_height": 38.5},
        "started": {"started": AT},
        "remaining": {"remaining": 90.0},
        "filament_used": {"filament_used": 1500.0},
        "completed": {"completed": 3},
        "failed": {"failed": 2},
        "cancelled": {"cancelled": 1},
        "print_time": {"print_time": 7200.0},
        "filament_length": {"filament_length": 2500.0},
        "filament_weight": {"filament_weight": 750.0},
    }
    for key in hidden:
        entity = registry.async_get(home.entity(SENSOR, key, "Ada"))
        assert entity is not None
        assert entity.disabled_by is er.RegistryEntryDisabler.INTEGRATION
        registry.async_update_entity(entity.entity_id, disabled_by=None)
    await home.reload()
    await home.show(
        "Ada",
        **{name: value for part in hidden.values() for name, value in part.items()},
    )
    assert {key: home.state(SENSOR, key, "Ada").state for key in hidden} == {
        "max_layer_height": "38.5",
        "started": "2026-11-20T12:00:00+00:00",
        "remaining": "1.5",
        "filament_used": "1.5",
        "completed": "3",
        "failed": "2",
        "cancelled": "1",
        "print_time": "2.0",
        "filament_length": "2.5",
        "filament_weight": "0.75",
    }
    totals = {"completed", "failed", "cancelled", "print_time"}
    totals |= {"filament_length", "filament_weight"}
    for key in totals:
        attributes = home.state(SENSOR, key, "Ada").attributes
        assert attributes["state_class"] == "total_increasing"


async def test_off(home: Home) -> None:
    """A machine that is off has a status; only what it measures is gone."""
    await home.show("Ada", status=FabricatorStatus.OFFLINE, connected=False)
    assert home.state(SENSOR, "status", "Ada").state == "offline"
    assert home.state(SENSOR, "nozzle_temperature", "Ada").state == STATE_UNAVAILABLE
    assert home.state(SENSOR, "bed_temperature", "Ada").state == STATE_UNAVAILABLE
    assert home.state(SENSOR, "queue_length", "Ada").state == "0"
    assert home.state(SENSOR, "status", "Bob").state == "idle"
    assert home.state(SENSOR, "nozzle_temperature", "Bob").state != STATE_UNAVAILABLE


async def test_only_what_the_machine_has(home: Home) -> None:
    """Sensors of further tools and of a chamber come when the machine shows them."""
    registry = er.async_get(home.hass)
    key = home.key("Ada")
    later = [f"{key}_nozzle_1_temperature", f"{key}_chamber_temperature"]
    for unique_id in later:
        assert registry.async_get_entity_id(SENSOR, "printfarm", unique_id) is None
    view = home.view("Ada")
    await home.show(
        "Ada",
        nozzles=(Temperature(20.0), Temperature(21.0)),
        chamber=Temperature(35.0),
        capabilities=type(view.capabilities)(chamber=True),
    )
    assert home.state(SENSOR, "nozzle_1_temperature", "Ada").state == "21.0"
    assert home.state(SENSOR, "chamber_temperature", "Ada").state == "35.0"
    await home.show("Ada", nozzles=(Temperature(20.0),))
    assert home.state(SENSOR, "nozzle_1_temperature", "Ada").state == STATE_UNKNOWN


async def test_farm(home: Home) -> None:
    """The farm's own sensors count all fabricators."""
    await home.farm.set_auto_start(home.key("Ada"), False)
    await home.farm.set_auto_start(home.key("Bob"), False)
    await home.queue(copies=3)
    await home.farm.start(home.key("Ada"))
    await until(lambda: home.farm.farm_view().completed == 1)
    await until(lambda: home.state(SENSOR, "completed").state == "1")
    assert home.state(SENSOR, "queue_length").state == "2"
    assert home.state(SENSOR, "printing").state == "0"
    assert home.state(SENSOR, "needs_attention").state == "1"
    assert home.state(SENSOR, "failed").state == "0"
    assert home.state(SENSOR, "next_free").state != STATE_UNKNOWN
    assert float(home.state(SENSOR, "filament_length").state) > 0


async def test_print(home: Home) -> None:
    """A real print is followed, and stays until the bed is cleared."""
    await home.print_on("Ada")
    await until(lambda: home.state(SENSOR, "status", "Ada").state == "printing")
    assert home.state(SENSOR, "job", "Ada").state == "a.gcode"
    await until(lambda: float(home.state(SENSOR, "progress", "Ada").state) > 0)
    finish = datetime.fromisoformat(home.state(SENSOR, "finish", "Ada").state)
    assert finish > datetime.now(UTC)


def test_keys_are_unique() -> None:
    """No two sensors share a unique id."""
    for table in (FABRICATOR_SENSORS, FARM_SENSORS):
        keys = [item.key for item in table]
        assert len(keys) == len(set(keys))
