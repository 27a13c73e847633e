"""A small checkout, whole and right, for tests to spoil in one place."""

from collections.abc import Callable
import json
from pathlib import Path
import shutil
from typing import Any

import pytest

from scripts.checks.paths import INTEGRATION
from scripts.checks.quality_scale import RULES

ROOT = Path(__file__).resolve().parents[2]

SENSOR = """
from homeassistant.components.sensor import SensorEntity, SensorEntityDescription

DESCRIPTIONS = (SensorEntityDescription(key="layer"),)


class Sensor(SensorEntity):
    _attr_translation_key = "status"
"""

FLOW = """
from homeassistant.config_entries import ConfigFlow
from homeassistant.exceptions import HomeAssistantError

KEY = "full"


class Flow(ConfigFlow):
    async def async_step_user(self, user_input=None):
        if user_input:
            return self.async_abort(reason="busy")
        return self.async_show_form(step_id="user")


def refuse():
    raise HomeAssistantError(translation_domain="printfarm", translation_key=KEY)
"""

TEXTS: dict[str, Any] = {
    "config": {
        "abort": {"busy": "Somebody else is at it."},
        "step": {
            "user": {
                "title": "Farm",
                "data": {"folder": "Folder"},
                "data_description": {"folder": "Where files are kept."},
            }
        },
    },
    "entity": {
        "sensor": {
            "layer": {"name": "Layer"},
            "status": {"name": "Status", "state": {"idle": "Idle"}},
        }
    },
    "exceptions": {"full": {"message": "No room for {file}."}},
    "services": {
        "start": {
            "name": "Start",
            "description": "Starts it.",
            "fields": {"job": {"name": "Job", "description": "Which one."}},
        }
    },
}

SERVICES = """
start:
  fields:
    job:
      required: true
      selector:
        number:
"""

ICONS = {
    "entity": {
        "sensor": {
            "layer": {"default": "mdi:layers"},
            "status": {"default": "mdi:printer-3d", "state": {"idle": "mdi:sleep"}},
        }
    },
    "services": {"start": {"service": "mdi:play"}},
}


class Checkout:
    """A checkout in a temporary folder."""

    def __init__(self, root: Path) -> None:
        """Fill `root`."""
        self.root = root
        self.integration = root / INTEGRATION
        shutil.copytree(ROOT / INTEGRATION / "brand", self.integration / "brand")
        for name in ("hacs.json", "pyproject.toml", INTEGRATION / "manifest.json"):
            shutil.copy(ROOT / name, root / name)
        self.write("sensor.py", SENSOR)
        self.write("config_flow.py", FLOW)
        self.write("services.yaml", SERVICES)
        self.write("icons.json", json.dumps(ICONS))
        self.write("translations/en.json", json.dumps(TEXTS))
        rules = "".join(f"  {rule}: done\n" for rule in sorted(RULES))
        self.write("quality_scale.yaml", f"rules:\n{rules}")

    def write(self, name: str, content: str) -> None:
        """Write a file of the integration."""
        path = self.integration / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def edit(self, name: str, change: Callable[[Any], None]) -> None:
        """Change a JSON file of the integration."""
        content = json.loads((self.integration / name).read_text(encoding="utf-8"))
        change(content)
        self.write(name, json.dumps(content))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Give a checkout that no check complains about."""
    return Checkout(tmp_path)
