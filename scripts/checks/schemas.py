"""Actions, triggers and conditions against the schemas Home Assistant reads them with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import condition, service
from homeassistant.helpers.trigger import descriptions as trigger
from homeassistant.util.yaml import load_yaml_dict
import probatio

from .paths import INTEGRATION, read_json

# The schemas have no public name; nothing else in Home Assistant says what it accepts.
KINDS: dict[str, probatio.Schema] = {
    "services": service._SERVICES_SCHEMA,  # noqa: SLF001
    "triggers": trigger._TRIGGERS_DESCRIPTION_SCHEMA,  # noqa: SLF001
    "conditions": condition._CONDITIONS_DESCRIPTION_SCHEMA,  # noqa: SLF001
}


def fields_of(description: dict[str, Any] | None) -> dict[str, Any]:
    """Give the fields of an action or trigger, those inside sections too."""
    flat: dict[str, Any] = {}
    for name, field in ((description or {}).get("fields") or {}).items():
        flat |= field.get("fields", {name: field})
    return flat


def read_descriptions(root: Path, kind: str) -> dict[str, Any]:
    """Read one of the YAML files; an absent one describes nothing.

    A key that begins with a dot only holds what others refer to.
    """
    path = root / INTEGRATION / f"{kind}.yaml"
    found = load_yaml_dict(str(path)) if path.exists() else {}
    return {name: value for name, value in found.items() if not name.startswith(".")}


def check(root: Path) -> Iterator[str]:
    """Check each file's form, and that each text and icon it needs is there."""
    texts = read_json(root / INTEGRATION / "translations" / "en.json")
    icons = read_json(root / INTEGRATION / "icons.json")
    for kind, schema in KINDS.items():
        try:
            found = read_descriptions(root, kind)
            schema(found)
        except (HomeAssistantError, probatio.Invalid) as error:
            yield f"{kind}.yaml: {error}"
            continue
        yield from _texts(kind, found, texts.get(kind, {}))
        for name in found.keys() ^ icons.get(kind, {}).keys():
            yield f"icons.json: {kind}.{name} has an icon or a description, not both"


def _texts(kind: str, found: dict[str, Any], texts: dict[str, Any]) -> Iterator[str]:
    for name in texts.keys() - found.keys():
        yield f"en.json: {kind}.{name} is not in {kind}.yaml"
    for name, description in found.items():
        text = texts.get(name, {})
        for key in ("name", "description"):
            if key not in text:
                yield f"en.json: {kind}.{name}.{key} is missing"
        fields, described = fields_of(description), text.get("fields", {})
        for field in fields.keys() ^ described.keys():
            yield f"en.json: {kind}.{name}.fields.{field} is in one file only"
        for field, content in described.items():
            if not {"name", "description"} <= content.keys():
                yield f"en.json: {kind}.{name}.fields.{field} lacks name or description"
