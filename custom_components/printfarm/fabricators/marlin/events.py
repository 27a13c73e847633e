"""What the engine tells whoever drives it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ..interface import JsonValue
from .answers import Reading


@dataclass(frozen=True, slots=True)
class Firmware:
    """What M115 said about the board."""

    name: str
    machine: str | None = None
    extruders: int | None = None
    capabilities: frozenset[str] = frozenset()
    """Names of the `Cap:` lines that are on."""
    minimum: tuple[float, float, float] | None = None
    maximum: tuple[float, float, float] | None = None

    @property
    def volume(self) -> tuple[float, float, float] | None:
        """Size of the space that the machine can reach, mm."""
        if self.minimum is None or self.maximum is None:
            return None
        (x0, y0, z0), (x1, y1, z1) = self.minimum, self.maximum
        return (x1 - x0, y1 - y0, z1 - z0)


class Ending(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Ready:
    """The board answers and has said what it is."""

    firmware: Firmware


@dataclass(frozen=True, slots=True)
class Silent:
    """The board answers no more; the engine keeps asking."""

    reason: str


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Readings as they came; merge them by name."""

    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The board has reacted to the first line of the file."""


@dataclass(frozen=True, slots=True)
class RunPaused:
    """The head is parked. `reason`: `user`, `file`, `firmware` or `host_action`."""

    reason: str
    text: str | None = None


@dataclass(frozen=True, slots=True)
class RunResumed:
    """The next line of the file is on its way."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A checkpoint without the time of day, which the engine does not know."""

    position: int
    data: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over; `reason` and `text` say why it failed."""

    ending: Ending
    reason: str | None = None
    text: str | None = None
    mark: Mark | None = field(default=None, compare=False)
    """How far a run came that was cut off."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the firmware said to an auxiliary command; `error` if it never went through."""

    token: object
    lines: tuple[str, ...]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A dialogue on the machine; without text it was closed."""

    text: str | None
    buttons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Notification:
    """Something for the display."""

    text: str


@dataclass(frozen=True, slots=True)
class Runout:
    """Filament has run out."""

    text: str


@dataclass(frozen=True, slots=True)
class Fault:
    """The firmware has stopped for good. `reason`: `heater_fault`, `killed`, ..."""

    reason: str
    text: str


type Event = (
    Ready
    | Silent
    | Temperatures
    | RunStarted
    | RunPaused
    | RunResumed
    | RunEnded
    | Reply
    | Prompt
    | Notification
    | Runout
    | Fault
)
