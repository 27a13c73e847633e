"""Icons: in the form Home Assistant reads, and for entities and texts that exist."""

from collections.abc import Iterator
from pathlib import Path
import re
from typing import Any

from .paths import INTEGRATION, read_json

ICON = re.compile(r"mdi:[a-z0-9]+(-[a-z0-9]+)*")
SECTIONS = {"conditions", "entity", "services", "triggers"}


def check(root: Path) -> Iterator[str]:
    """Check icons.json, and the pictures that Home Assistant and HACS show."""
    icons = read_json(root / INTEGRATION / "icons.json")
    texts = read_json(root / INTEGRATION / "translations" / "en.json")
    for section in icons.keys() - SECTIONS:
        yield f"icons.json: {section} is not a section that Home Assistant reads"
    for where, icon in _leaves(icons):
        if not isinstance(icon, str) or not ICON.fullmatch(icon):
            yield f"icons.json: {where} is {icon!r}, not the name of an icon"
    named = texts.get("entity", {})
    for platform, entities in icons.get("entity", {}).items():
        for key, entity in entities.items():
            text = named.get(platform, {}).get(key)
            if text is None:
                yield f"icons.json: entity.{platform}.{key} has an icon but no name"
            elif (
                unknown := entity.get("state", {}).keys() - text.get("state", {}).keys()
            ):
                # A switch or a binary sensor may take its states from its device class.
                if "state" in text:
                    yield f"icons.json: entity.{platform}.{key} knows {sorted(unknown)}"
            if "default" not in entity:
                yield f"icons.json: entity.{platform}.{key} has no default"
    for name in ("icon.png", "icon@2x.png", "logo.png", "logo@2x.png"):
        if not (root / INTEGRATION / "brand" / name).exists():
            yield f"brand/{name}: is missing"


def _leaves(tree: dict[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        name = f"{where}.{key}" if where else key
        if isinstance(value, dict):
            yield from _leaves(value, name)
        else:
            yield name, value
