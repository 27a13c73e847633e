"""What is read out of a print file: plain, frozen data that is easy to store."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import override


class FileKind(StrEnum):
    """How the G-code is packed."""

    GCODE = "gcode"
    GCODE_GZ = "gcode.gz"
    THREEMF = "3mf"
    BGCODE = "bgcode"


class TimeSource(StrEnum):
    """Who says how long the print takes."""

    SLICER = "slicer"
    MOVES = "moves"


class Flag(StrEnum):
    """What is odd about a file that can still be kept. Shown to people, translated."""

    TRUNCATED = "truncated"
    NO_EXTRUSION = "no_extrusion"
    NO_MOVES = "no_moves"
    BAD_LINES = "bad_lines"
    BAD_THUMBNAIL = "bad_thumbnail"
    NOT_INDEXED = "not_indexed"


class Refusal(StrEnum):
    """Why a file is not taken at all."""

    EMPTY = "file_empty"
    BINARY = "file_binary"
    TOO_LARGE = "file_too_large"
    UNKNOWN_KIND = "file_kind_unknown"
    CORRUPT = "file_corrupt"
    NO_GCODE = "file_without_gcode"


class RefusedError(Exception):
    """The file cannot be taken. `reason` is the translation key, `detail` for people."""

    def __init__(self, reason: Refusal, detail: str = "") -> None:
        """Keep the reason for translation."""
        # Both as arguments, so that the error comes whole out of another process.
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    @override
    def __str__(self) -> str:
        """Return the text for people, or the key."""
        return self.detail or self.reason.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Filament:
    """What one tool uses. Lengths in mm, weight in g, colour as `#RRGGBB`."""

    tool: int
    length: float | None = None
    weight: float | None = None
    type: str | None = None
    colour: str | None = None
    cost: float | None = None
    diameter: float | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """The box around all extrusion, in mm, in the machine's coordinates."""

    min_x: float
    min_y: float
    min_z: float
    max_x: float
    max_y: float
    max_z: float


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One picture as found in the file."""

    width: int
    height: int
    format: str
    """`png`, `jpg` or `qoi`."""
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """One plate. Times in seconds, lengths in mm, temperatures in °C."""

    plate: int = 1
    name: str | None = None
    slicer: str | None = None
    slicer_version: str | None = None
    flavour: str | None = None
    printer_model: str | None = None
    nozzle_diameter: float | None = None
    time: float | None = None
    time_source: TimeSource | None = None
    filaments: tuple[Filament, ...] = ()
    layer_height: float | None = None
    first_layer_height: float | None = None
    layers: int | None = None
    height: float | None = None
    box: Box | None = None
    nozzle_temperatures: tuple[float, ...] = ()
    """The highest target per tool."""
    bed_temperature: float | None = None
    chamber_temperature: float | None = None
    size: int = 0
    """Bytes of the plain G-code."""
    lines: int = 0
    flags: tuple[Flag, ...] = ()

    @property
    def filament_length(self) -> float | None:
        """Millimetres over all tools, or None where no tool says."""
        known = [f.length for f in self.filaments if f.length is not None]
        return sum(known) if known else None

    @property
    def filament_weight(self) -> float | None:
        """Grams over all tools, or None where no tool says."""
        known = [f.weight for f in self.filaments if f.weight is not None]
        return sum(known) if known else None

    @property
    def cost(self) -> float | None:
        """Filament cost in the slicer's currency, or None where no tool says."""
        known = [f.cost for f in self.filaments if f.cost is not None]
        return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class Plate:
    """One plate of a file: what was read, its plain G-code and its index."""

    analysis: Analysis
    gcode: Path
    """The source itself where it is plain, else the unpacked copy."""
    index: Path | None
    """Read it with `LayerIndex.load`. None where nothing moves."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that was read out of one print file."""

    kind: FileKind
    plates: tuple[Plate, ...]
    thumbnails: tuple[Thumbnail, ...] = ()
    """Largest first."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where in a print one byte of its G-code lies.

    Times are print time in seconds, without heating and homing.
    """

    layer: int
    """1 for the first; 0 before it."""
    layers: int
    height: float
    """Z of the layer being printed, in mm."""
    layer_height: float
    """Thickness of that layer, in mm."""
    time: float
    remaining: float
    extruded: float
    """Filament fed so far over all tools, in mm."""
    progress: float
    """0 to 1, by time."""
