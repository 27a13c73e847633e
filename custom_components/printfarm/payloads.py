"""Jobs and files as actions and the HTTP interface give them: plain JSON values."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from homeassistant.core import HomeAssistant, callback

from .coordinator import FarmConfigEntry
from .devices import fabricator_device_id
from .farm.errors import NotFoundError
from .farm.model import Job, StoredFile
from .farm.view import QueuedJob
from .gcode.model import Analysis
from .uploads import Received


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


@callback
def _device_id(
    hass: HomeAssistant, entry: FarmConfigEntry, fabricator_id: int | None
) -> str | None:
    """Give the device of a fabricator, None where there is none (any more)."""
    if fabricator_id is None:
        return None
    try:
        key = entry.runtime_data.farm.key_of(fabricator_id)
    except NotFoundError:
        return None
    return fabricator_device_id(hass, entry, key)


@callback
def job_payload(
    hass: HomeAssistant, entry: FarmConfigEntry, job: Job
) -> dict[str, Any]:
    """Give everything about a job. Times are ISO 8601, durations s, mm and g."""
    return {
        "id": job.id,
        "name": job.name,
        "status": str(job.status),
        "file_id": job.file_id,
        "plate": job.plate,
        "priority": job.priority,
        "hold": job.hold,
        "not_before": _time(job.not_before),
        "target_device_id": _device_id(hass, entry, job.target),
        "device_id": _device_id(hass, entry, job.fabricator_id),
        "origin_id": job.origin_id,
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "ended_at": _time(job.ended_at),
        "reason": job.reason,
        "reason_text": job.reason_text,
        "rating": None if job.rating is None else str(job.rating),
        "duration": job.duration,
        "filament_length": job.filament_length,
        "filament_weight": job.filament_weight,
    }


@callback
def queued_payload(
    hass: HomeAssistant, entry: FarmConfigEntry, queued: QueuedJob
) -> dict[str, Any]:
    """Give a job of the queue with its file's name and why it does not start."""
    plate = None if queued.file is None else queued.file.plate(queued.job.plate)
    return job_payload(hass, entry, queued.job) | {
        "file_name": None if queued.file is None else queued.file.name,
        "estimated_time": None if plate is None else plate.time,
        "waiting_reason": None if queued.reason is None else str(queued.reason),
    }


def received_payload(received: Received) -> dict[str, Any]:
    """Give what an upload led to, with what the slicer says about the file."""
    file, look = received.file, received.look
    return {
        "id": file.id,
        "sha256": file.sha256,
        "name": file.name,
        "size": file.size,
        "jobs": [job.id for job in received.jobs],
        "slicer": None
        if look is None
        else {
            "name": look.said.slicer,
            "time": look.said.time,
            "filament_length": look.said.filament_length,
            "filament_weight": look.said.filament_weight,
            "layers": look.said.layers,
            "thumbnail": look.thumbnail,
        },
    }


def file_payload(file: StoredFile) -> dict[str, Any]:
    """Give a file and what was read out of it."""
    return {
        "id": file.id,
        "sha256": file.sha256,
        "name": file.name,
        "kind": str(file.kind),
        "size": file.size,
        "added_at": _time(file.added_at),
        "analysis": str(file.state),
        "error": file.error,
        "plates": [_plate_payload(plate) for plate in file.plates],
    }


def _plate_payload(plate: Analysis) -> dict[str, Any]:
    return {
        "plate": plate.plate,
        "name": plate.name,
        "slicer": plate.slicer,
        "printer_model": plate.printer_model,
        "time": plate.time,
        "filament_length": plate.filament_length,
        "filament_weight": plate.filament_weight,
        "cost": plate.cost,
        "filaments": [asdict(filament) for filament in plate.filaments],
        "layers": plate.layers,
        "layer_height": plate.layer_height,
        "height": plate.height,
        "nozzle_temperatures": list(plate.nozzle_temperatures),
        "bed_temperature": plate.bed_temperature,
        "flags": [str(flag) for flag in plate.flags],
    }
