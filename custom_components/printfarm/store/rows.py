"""Rows of the tables to the farm's plain data, and back."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
import logging
from typing import Any

from ..farm.events import EVENT_TYPES, FarmEvent, payload
from ..farm.model import (
    HOLDING,
    AnalysisState,
    FabricatorRecord,
    Job,
    JobStatus,
    NewJob,
    Rating,
    StoredEvent,
    StoredFile,
)
from ..gcode.model import FileKind
from ..gcode.serial import plate_from_json
from .tables import SEARCH_LENGTH, EventRow, FabricatorRow, FileRow, JobRow

_LOGGER = logging.getLogger(__name__)

_JOB_COLUMNS = tuple(item.name for item in fields(Job))
_FABRICATOR_COLUMNS = tuple(item.name for item in fields(FabricatorRecord))


def search_name(name: str) -> str:
    """Fold a name so that a search finds it in any case and any language."""
    return name.casefold()[:SEARCH_LENGTH]


def job_from_row(row: JobRow) -> Job:
    """Give the job of a row."""
    values = {name: getattr(row, name) for name in _JOB_COLUMNS}
    values["status"] = JobStatus(row.status)
    values["rating"] = Rating(row.rating) if row.rating else None
    return Job(**values)


def job_values(job: Job) -> dict[str, Any]:
    """Give the columns of a job, with those that only the store has."""
    values = {name: getattr(job, name) for name in _JOB_COLUMNS}
    values["status"] = job.status.value
    values["rating"] = job.rating.value if job.rating else None
    values["checkpoint"] = None if job.checkpoint is None else dict(job.checkpoint)
    holds = job.status in HOLDING
    values["held_fabricator_id"] = job.fabricator_id if holds else None
    values["search_name"] = search_name(job.name)
    return values


def new_job_row(job: NewJob, position: int, at: datetime) -> JobRow:
    """Give the row of a job that enters the queue."""
    return JobRow(
        revision=0,
        file_id=job.file_id,
        plate=job.plate,
        name=job.name,
        search_name=search_name(job.name),
        status=JobStatus.QUEUED.value,
        target=job.target,
        priority=job.priority,
        position=position,
        hold=job.hold,
        not_before=job.not_before,
        origin_id=job.origin_id,
        created_at=at,
        milestone=job.milestone,
        start_offset=job.start_offset,
    )


def claim(row: JobRow, fabricator: FabricatorRecord, at: datetime) -> None:
    """Make a job that enters the queue this fabricator's at once."""
    row.status = JobStatus.STARTING.value
    row.fabricator_id = row.held_fabricator_id = fabricator.id
    row.claimed_at = at


def fabricator_from_row(row: FabricatorRow) -> FabricatorRecord:
    """Give the record of a row."""
    return FabricatorRecord(
        **{name: getattr(row, name) for name in _FABRICATOR_COLUMNS}
    )


def fabricator_values(record: FabricatorRecord) -> dict[str, Any]:
    """Give the columns of a record, with those that only the store has."""
    values = {name: getattr(record, name) for name in _FABRICATOR_COLUMNS}
    values["live_key"] = record.key if record.removed_at is None else None
    return values


def file_from_row(row: FileRow) -> StoredFile:
    """Give the file of a row."""
    return StoredFile(
        id=row.id,
        sha256=row.sha256,
        name=row.name,
        kind=FileKind(row.kind),
        size=row.size,
        added_at=row.added_at,
        state=AnalysisState(row.state),
        error=row.error,
        plates=tuple(plate_from_json(plate) for plate in row.plates),
    )


def event_row(event: FarmEvent) -> EventRow:
    """Give the row of an event that nobody was told of yet."""
    once = event.once_per_job and event.job_id is not None
    return EventRow(
        type=event.type,
        at=event.at,
        fabricator_id=event.fabricator_id,
        job_id=event.job_id,
        data=payload(event),
        announced=False,
        once_key=f"{event.job_id}:{event.type}" if once else None,
    )


def stored_event(row: EventRow) -> StoredEvent:
    """Give an event as the log shows it."""
    return StoredEvent(
        id=row.id,
        type=row.type,
        at=row.at,
        fabricator_id=row.fabricator_id,
        job_id=row.job_id,
        data=row.data,
    )


def events_from_rows(rows: Sequence[EventRow]) -> tuple[FarmEvent, ...]:
    """Give the events of rows, without those whose type this version does not know."""
    unknown = {row.type for row in rows} - EVENT_TYPES.keys()
    if unknown:
        _LOGGER.warning("Events of unknown type are not told: %s", sorted(unknown))
    return tuple(_event_from_row(row) for row in rows if row.type not in unknown)


def _event_from_row(row: EventRow) -> FarmEvent:
    kind = EVENT_TYPES[row.type]
    names = {item.name for item in fields(kind)}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in row.data.items()
        if key in names
    }
    return kind(
        **values
        | {
            "id": row.id,
            "at": row.at,
            "fabricator_id": row.fabricator_id,
            "job_id": row.job_id,
        }
    )
