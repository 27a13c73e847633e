"""The farm's plain data: frozen, without behaviour that needs anything else.

Times are aware UTC datetimes, durations seconds, lengths mm, weights g.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from ..fabricators.interface import JsonValue
from ..gcode.model import Analysis, FileKind

MOST_IDS = 2**63
"""No id of any database comes that far; one that does is nobody's."""


class JobStatus(StrEnum):
    """Where a job stands. The last four are ends or need a person."""

    QUEUED = "queued"
    STARTING = "starting"
    PRINTING = "printing"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNKNOWN = "unknown"


RUNNING = frozenset({JobStatus.PRINTING, JobStatus.PAUSED})
HOLDING = RUNNING | {JobStatus.STARTING, JobStatus.UNKNOWN}
"""A job in one of these holds its fabricator: nothing else may be claimed there."""
ENDED = frozenset({JobStatus.COMPLETED, JobStatus.CANCELLED, JobStatus.FAILED})
OPEN = HOLDING | {JobStatus.QUEUED}


class FabricatorStatus(StrEnum):
    """What people see of a fabricator."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    IDLE = "idle"
    PREPARING = "preparing"
    PRINTING = "printing"
    PAUSED = "paused"
    FINISHED = "finished"
    """The print is over and the bed not yet released."""
    ERROR = "error"
    MAINTENANCE = "maintenance"


class WaitingReason(StrEnum):
    """Why a job does not start, most telling first where several apply."""

    ON_HOLD = "on_hold"
    SCHEDULED = "scheduled"
    FILE_NOT_READY = "file_not_ready"
    FILE_UNUSABLE = "file_unusable"
    NO_FABRICATOR = "no_fabricator"
    DOES_NOT_FIT = "does_not_fit"
    MAINTENANCE = "maintenance"
    OUTCOME_UNKNOWN = "outcome_unknown"
    HALTED = "halted"
    OFFLINE = "offline"
    CONNECTING = "connecting"
    FABRICATOR_ERROR = "fabricator_error"
    BUSY = "busy"
    EXTERNAL_PRINT = "external_print"
    BED_NOT_CLEAR = "bed_not_clear"
    GATE_CLOSED = "gate_closed"
    STATE_STALE = "state_stale"
    STORAGE_FAILED = "storage_failed"
    BEHIND_OTHERS = "behind_others"
    AUTO_START_OFF = "auto_start_off"


class AnalysisState(StrEnum):
    """How far the reading of a file has come."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class Rating(StrEnum):
    """What a person said of the part when clearing the bed."""

    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of the library. `plates` is empty until the analysis is done."""

    id: int
    sha256: str
    name: str
    kind: FileKind
    size: int
    added_at: datetime
    state: AnalysisState = AnalysisState.PENDING
    error: str | None = None
    """Translation key of what made the analysis fail."""
    plates: tuple[Analysis, ...] = ()

    def plate(self, number: int) -> Analysis | None:
        """Give the analysis of one plate, or None where there is none (yet)."""
        return next((plate for plate in self.plates if plate.plate == number), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One intended print of one file: one copy, one row, one id."""

    id: int
    revision: int = 0
    """Counts the commits of this row; a commit on an older one is refused."""
    file_id: int | None
    """None once the file was deleted from the library."""
    plate: int = 1
    name: str
    status: JobStatus = JobStatus.QUEUED
    target: int | None = None
    """The fabricator it is meant for; None is any that fits."""
    priority: int = 0
    """Higher goes first; then `position`."""
    position: int = 0
    hold: bool = False
    not_before: datetime | None = None
    origin_id: int | None = None
    """The job that this one repeats."""
    created_at: datetime
    fabricator_id: int | None = None
    """Whose it is since the claim; kept after the end."""
    claimed_at: datetime | None = None
    start_sent_at: datetime | None = None
    """Committed before the one start is sent: without it none was."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    milestone: int = 0
    """The last of 25, 50 and 75 % that was announced."""
    reason: str | None = None
    """A code: why it ended so, or why it came back to the queue."""
    reason_text: str | None = None
    """The machine's own words, where it had any."""
    rating: Rating | None = None
    duration: float | None = None
    filament_length: float | None = None
    filament_weight: float | None = None
    start_offset: int | None = None
    """Byte of the plain G-code at which it takes up the print of `origin_id`."""
    end_offset: int | None = None
    """Byte of the plain G-code up to which it came, where it did not come to the end."""
    checkpoint: Mapping[str, JsonValue] | None = None
    """What its driver needs to take it up again, where it was cut off; see `salvage`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What makes a job, before it has an id."""

    file_id: int
    name: str
    plate: int = 1
    target: int | None = None
    priority: int = 0
    hold: bool = False
    not_before: datetime | None = None
    origin_id: int | None = None
    start_offset: int | None = None
    milestone: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricatorRecord:
    """What the store remembers of a fabricator. The id is never given again."""

    id: int
    revision: int = 0
    key: str
    """The id of its config subentry."""
    name: str
    protocol: str
    position: int = 0
    bed_clear: bool = True
    auto_start: bool = False
    maintenance: bool = False
    gcode_log: bool = False
    """Whether every line to and from it is to be written down."""
    halted: str | None = None
    """Why its queue stands still after a start that failed, until a person acts."""
    last_job_id: int | None = None
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    print_time: float = 0.0
    filament_length: float = 0.0
    filament_weight: float = 0.0
    removed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs to look up; every given field must match."""

    statuses: frozenset[JobStatus] = frozenset()
    fabricator_id: int | None = None
    file_id: int | None = None
    text: str | None = None
    """Part of the job's name, in any case."""
    since: datetime | None = None
    until: datetime | None = None
    """Bounds of `created_at`: since inclusive, until exclusive."""
    oldest_first: bool = False
    limit: int = 100
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Page[T]:
    """Part of a long list and the length of the whole."""

    items: tuple[T, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as the store keeps it. Ids rise and are never given again."""

    id: int
    type: str
    at: datetime
    fabricator_id: int | None = None
    job_id: int | None = None
    data: Mapping[str, object] = field(default_factory=dict)
