"""What the farm tells the world. One frozen dataclass per event.

Names are those that print software already knows. An event that decides nothing
by itself is still written with the change it tells of, in one transaction, so that
a restart neither forgets nor repeats it.
"""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmEvent:
    """What every event carries; None where it does not apply or is not known."""

    type: ClassVar[str]
    once_per_job: ClassVar[bool] = False
    """At most one of this type per job, for ever; the store refuses a second."""

    at: datetime
    id: int | None = None
    """Given by the store; rises, so a subscriber can tell what it has seen."""
    fabricator_id: int | None = None
    fabricator_name: str | None = None
    job_id: int | None = None
    file_name: str | None = None
    result: str | None = None
    duration: float | None = None
    filament_weight: float | None = None
    filament_length: float | None = None
    reason: str | None = None
    text: str | None = None
    next_job_id: int | None = None


class PrintStarted(FarmEvent):
    """A job was seen printing."""

    type = "print_started"
    once_per_job = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintProgress(FarmEvent):
    """A quarter, half or three quarters of the print time are over."""

    type = "print_progress"
    progress: int = 0


class PrintComplete(FarmEvent):
    """A job ended well."""

    type = "print_complete"
    once_per_job = True


class PrintFailed(FarmEvent):
    """A job ended badly; `reason` says why."""

    type = "print_failed"
    once_per_job = True


class PrintCancelled(FarmEvent):
    """Somebody ended a job."""

    type = "print_cancelled"
    once_per_job = True


class PrintPaused(FarmEvent):
    """A print pauses: for a person, the machine or a filament change."""

    type = "print_paused"


class PrintResumed(FarmEvent):
    """A paused print goes on."""

    type = "print_resumed"


class PrinterOffline(FarmEvent):
    """A fabricator that was there no longer answers."""

    type = "printer_offline"


class PrinterOnline(FarmEvent):
    """A fabricator answers (again)."""

    type = "printer_online"


class PrinterError(FarmEvent):
    """A machine reports a fault."""

    type = "printer_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrinterPrompt(FarmEvent):
    """A machine asks something (`text`) and waits for one of the answers."""

    type = "printer_prompt"
    choices: tuple[str, ...] = ()


class JobAdded(FarmEvent):
    """A job entered the queue."""

    type = "job_added"
    once_per_job = True


class JobAssigned(FarmEvent):
    """A fabricator claimed a job."""

    type = "job_assigned"


class JobWaiting(FarmEvent):
    """A start came to nothing and the job is back in the queue."""

    type = "job_waiting"


class JobUnknown(FarmEvent):
    """Nobody can tell what became of a start; a person has to look."""

    type = "job_unknown"


class JobRemoved(FarmEvent):
    """A job was taken out of the queue before it was ever printed."""

    type = "job_removed"
    once_per_job = True


class BedClearRequired(FarmEvent):
    """A print is over and its part lies on the bed."""

    type = "bed_clear_required"


class BedCleared(FarmEvent):
    """A person says that the bed is clear."""

    type = "bed_cleared"


class QueueEmpty(FarmEvent):
    """The last job is over and none is waiting."""

    type = "queue_empty"


class FilamentRunout(FarmEvent):
    """A machine ran out of filament."""

    type = "filament_runout"


EVENT_TYPES: dict[str, type[FarmEvent]] = {
    kind.type: kind
    for kind in (
        PrintStarted,
        PrintProgress,
        PrintComplete,
        PrintFailed,
        PrintCancelled,
        PrintPaused,
        PrintResumed,
        PrinterOffline,
        PrinterOnline,
        PrinterError,
        PrinterPrompt,
        JobAdded,
        JobAssigned,
        JobWaiting,
        JobUnknown,
        JobRemoved,
        BedClearRequired,
        BedCleared,
        QueueEmpty,
        FilamentRunout,
    )
}

_COLUMNS = frozenset({"id", "at", "fabricator_id", "job_id"})


def payload(event: FarmEvent) -> dict[str, object]:
    """Give an event's fields besides id, time, fabricator and job, without the Nones."""
    return {
        item.name: value
        for item in fields(event)
        if item.name not in _COLUMNS
        and (value := getattr(event, item.name)) is not None
    }
