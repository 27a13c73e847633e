"""What is shown of a fabricator and of the farm: frozen, ready to be drawn."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ..fabricators.interface import Capabilities, Prompt, Temperature
from .model import RUNNING, FabricatorStatus, Job, JobStatus, StoredFile, WaitingReason


class Command(StrEnum):
    """What a person can tell a fabricator."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RELEASE = "release"
    RECOVER = "recover"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A print that was cut off, with its part on the bed: it can be taken up there.

    It stands until the bed is released or something else was printed on it.
    """

    job_id: int
    name: str
    reason: str | None
    """Why it was cut off."""
    ended: datetime | None
    progress: float | None
    """Where it stopped, 0 to 100."""
    layer: int | None
    height: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedJob:
    """A job of the queue, its file, and why it does not start (None: it does now)."""

    job: Job
    file: StoredFile | None
    reason: WaitingReason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricatorView:
    """One fabricator as people see it.

    Times are UTC, durations seconds, lengths mm, temperatures °C, progress 0 to 100.
    Progress and times stay as they were at the end until the bed is cleared. None is
    "not known", except for `job` and what belongs to it: there it is "none".
    """

    id: int
    key: str
    name: str
    protocol: str
    status: FabricatorStatus
    connected: bool
    bed_clear: bool
    auto_start: bool
    maintenance: bool
    halted: str | None
    external: bool
    unsettled: bool
    """It held a job before a restart and has not yet said what became of it."""
    problem: str | None
    message: str | None
    prompt: Prompt | None
    """What the machine asks of a person, with the answers that it takes."""
    gcode_log: bool
    """Whether every line to and from it is to be written down."""
    offer: Offer | None
    """What a person may have taken up here, or give up by releasing the bed."""
    recoverable: bool
    """Whether the offer can be taken up now."""
    job: Job | None
    """The job it holds, or the one whose part still lies on the bed."""
    file: StoredFile | None
    file_name: str | None
    progress: float | None
    layer: int | None
    layers: int | None
    layer_height: float | None
    """Z of the layer being printed."""
    max_layer_height: float | None
    started: datetime | None
    finish: datetime | None
    remaining: float | None
    filament_used: float | None
    nozzles: tuple[Temperature, ...]
    bed: Temperature | None
    chamber: Temperature | None
    capabilities: Capabilities
    firmware: str | None
    model: str | None
    queue_length: int
    """Queued jobs that this fabricator could take."""
    waiting_reason: WaitingReason | None
    next_job_id: int | None
    completed: int
    failed: int
    cancelled: int
    print_time: float
    filament_length: float
    filament_weight: float

    @property
    def available(self) -> frozenset[Command]:
        """The commands that make sense now."""
        held = self.job is not None and self.job.status in RUNNING
        running = held or self.external
        able = self.capabilities.pause and self.connected
        unknown = self.job is not None and self.job.status is JobStatus.UNKNOWN
        starting = self.job is not None and self.job.status is JobStatus.STARTING
        return frozenset(
            command
            for command, sensible in {
                Command.START: self.status is FabricatorStatus.IDLE
                and self.next_job_id is not None,
                Command.PAUSE: able
                and running
                and self.status
                in {FabricatorStatus.PRINTING, FabricatorStatus.PREPARING},
                Command.RESUME: able
                and running
                and self.status is FabricatorStatus.PAUSED,
                Command.CANCEL: (running and self.connected) or starting,
                Command.RELEASE: (not self.bed_clear and not running and not starting)
                or unknown
                or (self.unsettled and not self.connected)
                or self.halted is not None,
                Command.RECOVER: self.recoverable,
            }.items()
            if sensible
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmView:
    """The whole farm in numbers."""

    fabricators: int
    queue_length: int
    printing: int
    needs_attention: int
    """Fabricators that wait for a person."""
    next_free: datetime | None
    """When the next fabricator can take a job; now if one can, None if nobody knows."""
    completed: int
    failed: int
    cancelled: int
    print_time: float
    filament_length: float
    filament_weight: float
