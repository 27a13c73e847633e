"""A dashboard of the farm for demonstration and development, from ordinary cards."""

from collections.abc import Iterable, Mapping
from typing import Any

from .homeclient import HomeClient

PATH = "print-farm"

_TILES = ("status", "progress", "job", "current_layer", "finish", "waiting_reason")
_HEATERS = ("nozzle_temperature", "bed_temperature")
_BUTTONS = ("start", "pause", "resume", "cancel", "release")

type Row = Mapping[str, Any]


async def lay_out(client: HomeClient) -> None:
    """Make the dashboard for the devices that are there, and open into it."""
    devices = await client.ask(type="config/device_registry/list")
    entities = await client.ask(type="config/entity_registry/list")
    present = {
        item["url_path"] for item in await client.ask(type="lovelace/dashboards/list")
    }
    if PATH not in present:
        await client.ask(
            type="lovelace/dashboards/create",
            url_path=PATH,
            title="Print farm",
            icon="mdi:printer-3d-nozzle",
            show_in_sidebar=True,
            require_admin=False,
            mode="storage",
        )
    await client.ask(
        type="lovelace/config/save",
        url_path=PATH,
        config={"views": [_view(devices, entities)]},
    )
    await client.ask(
        type="frontend/set_system_data", key="core", value={"default_panel": PATH}
    )


def _view(devices: Iterable[Row], entities: Iterable[Row]) -> dict[str, Any]:
    """Draw one section per device of ours: first the farm, then the fabricators."""
    shown = [item for item in entities if item["platform"] == "printfarm"]
    ours = {item["device_id"] for item in shown}
    ordered = sorted(
        (device for device in devices if device["id"] in ours),
        key=lambda device: (device["via_device_id"] is not None, device["name"]),
    )
    return {
        "title": "Print farm",
        "type": "sections",
        "max_columns": 3,
        "sections": [
            _section(
                device, [item for item in shown if item["device_id"] == device["id"]]
            )
            for device in ordered
        ],
    }


def _section(device: Row, entities: list[Row]) -> dict[str, Any]:
    by_key = {
        _key(item): item["entity_id"] for item in entities if not item["disabled_by"]
    }
    cards: list[dict[str, Any]] = [{"type": "heading", "heading": device["name"]}]
    if device["via_device_id"] is None:
        return {
            "cards": cards + [_tile(entity) for _, entity in sorted(by_key.items())]
        }
    if (picture := by_key.get("thumbnail")) is not None:
        cards.append(
            {
                "type": "picture-entity",
                "entity": picture,
                "show_name": False,
                "show_state": False,
            }
        )
    cards += [_tile(by_key[key]) for key in _TILES + _HEATERS if key in by_key]
    buttons = [{"entity": by_key[key]} for key in _BUTTONS if key in by_key]
    cards.append({"type": "entities", "entities": [item["entity"] for item in buttons]})
    return {"cards": cards}


def _tile(entity: str) -> dict[str, Any]:
    return {"type": "tile", "entity": entity, "name": {"type": "entity"}}


def _key(entity: Row) -> str:
    """Give the part of a unique id behind the device's own."""
    return str(entity["unique_id"]).split("_", 1)[1]
