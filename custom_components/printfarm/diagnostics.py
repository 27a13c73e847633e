"""What to send along with a bug report, without anything secret."""

from dataclasses import asdict
from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.const import CONF_NAME, CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr

from .const import CONF_DB_URL, CONF_FOLDER
from .coordinator import FarmConfigEntry
from .devices import key_of_device
from .farm.events import PrinterPrompt
from .farm.model import StoredEvent
from .farm.view import FabricatorView
from .payloads import job_payload, queued_payload
from .redaction import redacted

# An address of a database holds a password, a folder often somebody's name, a port an
# address or a serial number, and what is printed is nobody's business.
_PRIVATE = frozenset(
    {
        CONF_DB_URL,
        CONF_FOLDER,
        CONF_NAME,
        CONF_PORT,
        "fabricator_name",
        "file_name",
        "message",
        "serial_number",
    }
)


def _fabricator(
    hass: HomeAssistant, entry: FarmConfigEntry, view: FabricatorView
) -> dict[str, Any]:
    subentry = entry.subentries.get(view.key)
    return {
        "options": None if subentry is None else dict(subentry.data),
        "view": asdict(view)
        | {
            "job": None if view.job is None else job_payload(hass, entry, view.job),
            "file": None if view.file is None else view.file.id,
            "prompt": None if view.prompt is None else {"choices": view.prompt.choices},
        },
    }


def _told(event: StoredEvent) -> dict[str, Any]:
    """Give an event; what a machine asks may be words of a file."""
    told = asdict(event)
    if event.type == PrinterPrompt.type:
        told["data"].pop("text", None)
    return told


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: FarmConfigEntry
) -> dict[str, Any]:
    """Give the state of the whole farm."""
    farm = entry.runtime_data.farm
    report = {
        "entry": dict(entry.data),
        "farm": asdict(farm.farm_view()),
        "fabricators": [_fabricator(hass, entry, view) for view in farm.views()],
        "queue": [queued_payload(hass, entry, queued) for queued in farm.queue()],
    }
    return async_redact_data(report, _PRIVATE)


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: FarmConfigEntry, device: dr.AnyDeviceEntry
) -> dict[str, Any]:
    """Give the state of one fabricator, with what happened to it last."""
    farm, key = entry.runtime_data.farm, key_of_device(device)
    if key not in entry.runtime_data.fabricators:
        return await async_get_config_entry_diagnostics(hass, entry)
    view = farm.view(key)
    events = await farm.storage.events(fabricator_id=view.id)
    report = {
        "fabricator": _fabricator(hass, entry, view),
        "queue": [queued_payload(hass, entry, queued) for queued in farm.queue(key)],
        "events": [_told(event) for event in events],
    }
    names = [view.file_name, None if view.job is None else view.job.name]
    return async_redact_data(report, _PRIVATE) | {
        "wire": redacted(await farm.wire(key), filter(None, names))
    }
