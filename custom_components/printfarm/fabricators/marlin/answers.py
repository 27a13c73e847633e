"""What the firmware says, line by line, as plain data.

One table holds every accent that is understood; `parse` tries it from top to bottom.
Seen on Marlin 1.1, 2.0, 2.1 and its relatives (Prusa, Repetier, Smoothie, Klipper).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
import re


class Severity(Enum):
    """What an error line means for a print."""

    LINE = auto()
    """A line arrived damaged or out of turn; a `Resend` takes care of it."""
    HARMLESS = auto()
    HEATER = auto()
    KILLED = auto()
    OTHER = auto()

    @property
    def fatal(self) -> bool:
        """Whether the machine must not go on."""
        return self in {Severity.HEATER, Severity.KILLED, Severity.OTHER}


@dataclass(frozen=True, slots=True)
class Reading:
    """One sensor: `T`, `T1`, `B`, `C`; °C. None where the line does not say it."""

    name: str
    actual: float | None
    target: float | None = None


@dataclass(frozen=True, slots=True)
class TemperatureReport:
    """Readings; `waiting` when a blocking heat-up wrote them (`W:`)."""

    readings: tuple[Reading, ...]
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class Ok:
    """A command was accepted. `number` and `free` (planner, buffer) with ADVANCED_OK."""

    number: int | None = None
    free: tuple[int, int] | None = None
    temperatures: TemperatureReport | None = None


@dataclass(frozen=True, slots=True)
class Resend:
    """The firmware wants this line next."""

    number: int


@dataclass(frozen=True, slots=True)
class Busy:
    """Still working on a command, or waiting for a person."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wait:
    """The firmware has nothing to do (Marlin's NO_TIMEOUTS, Repetier)."""


@dataclass(frozen=True, slots=True)
class Banner:
    """The firmware has just started."""

    text: str


@dataclass(frozen=True, slots=True)
class PositionReport:
    """Answer to M114, mm."""

    x: float
    y: float
    z: float
    e: float


@dataclass(frozen=True, slots=True)
class FirmwareReport:
    """First line of the answer to M115."""

    name: str
    machine: str | None
    extruders: int | None


@dataclass(frozen=True, slots=True)
class CapabilityReport:
    """One `Cap:` line of M115."""

    name: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class AreaReport:
    """Where the machine can go, mm."""

    minimum: tuple[float, float, float]
    maximum: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """An error, in the firmware's words without the prefix."""

    severity: Severity
    text: str

    @property
    def last_line(self) -> int | None:
        """Number of the last line that was accepted, where it says so."""
        match = _LAST_LINE.search(self.text)
        return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class Action:
    """A word to the host: `//action:<name> <text>`."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class UnknownCommand:
    """The firmware does not know a command; its `ok` still comes."""

    command: str


@dataclass(frozen=True, slots=True)
class Text:
    """Anything else."""

    text: str


type Answer = (
    Ok
    | Resend
    | Busy
    | Wait
    | Banner
    | TemperatureReport
    | PositionReport
    | FirmwareReport
    | CapabilityReport
    | AreaReport
    | ErrorReport
    | Action
    | UnknownCommand
    | Text
)

_NUMBER = r"-?(?:\d+\.?\d*|\.\d+|nan|inf)"
_READING = re.compile(rf"(?<![\w@])(T\d*|B|C):\s*({_NUMBER})(?:\s*/\s*({_NUMBER}))?")
_LAST_LINE = re.compile(r"Last Line: (\d+)$")
_FIELD = re.compile(r"([A-Z_]+):")

_SEVERITIES: tuple[tuple[re.Pattern[str], Severity], ...] = (
    (
        re.compile(
            # Several marks, because one of them may have been damaged.
            r"checksum|mismatch|line number|linenumber|last line|expected line"
            r"|format error",
            re.IGNORECASE,
        ),
        Severity.LINE,
    ),
    (
        re.compile(
            r"unknown command|cold extrusion|extrusion prevented|eeprom|invalid extruder"
            r"|open failed|openroot|workdir|volume\.init|sd (?:init|card|read)|subdir"
            r"|file(?:name)? .*(?:fail|not found)|writing to file|no media|not sd printing"
            r"|too long extrusion|bed leveling|invalid mesh",
            re.IGNORECASE,
        ),
        Severity.HARMLESS,
    ),
    (
        re.compile(
            r"heating failed|thermal|runaway|m(?:ax|in)temp|heater|thermistor"
            r"|temp.*malfunction",
            re.IGNORECASE,
        ),
        Severity.HEATER,
    ),
    (
        re.compile(r"halted|kill\(\)|killed|m112|emergency", re.IGNORECASE),
        Severity.KILLED,
    ),
)


def _float(text: str | None) -> float | None:
    """Read a number; `nan` and `inf` are no reading."""
    if text is None or text.endswith(("nan", "inf")):
        return None
    return float(text)


def _readings(text: str) -> tuple[Reading, ...]:
    return tuple(
        Reading(match[1], _float(match[2]), _float(match[3]))
        for match in _READING.finditer(text)
    )


def _temperatures(match: re.Match[str]) -> Answer:
    return TemperatureReport(_readings(match.string), "W:" in match.string)


def _repetier_target(match: re.Match[str]) -> Answer:
    name = f"T{match[1]}" if match[1] else "B"
    return TemperatureReport((Reading(name, None, float(match[2])),))


def _ok(match: re.Match[str]) -> Answer:
    number, planner, buffer, rest = match.groups()
    readings = _readings(rest)
    return Ok(
        None if number is None else int(number),
        None if planner is None else (int(planner), int(buffer)),
        TemperatureReport(readings) if readings else None,
    )


def _firmware(match: re.Match[str]) -> Answer:
    """Split `KEY:value KEY:value`, where values hold blanks, slashes and colons."""
    parts = _FIELD.split(match.string)
    fields = dict(zip(parts[1::2], (part.strip() for part in parts[2::2]), strict=True))
    extruders = fields.get("EXTRUDER_COUNT", "")
    return FirmwareReport(
        fields["FIRMWARE_NAME"],
        fields.get("MACHINE_TYPE") or None,
        int(extruders) if extruders.isdecimal() else None,
    )


def _area(match: re.Match[str]) -> Answer:
    low = (float(match[1]), float(match[2]), float(match[3]))
    return AreaReport(low, (float(match[4]), float(match[5]), float(match[6])))


def _error(match: re.Match[str]) -> Answer:
    text = match[1].strip()
    for pattern, severity in _SEVERITIES:
        if pattern.search(text):
            return ErrorReport(severity, text)
    return ErrorReport(Severity.OTHER, text)


def _position(match: re.Match[str]) -> Answer:
    x, y, z, e = (float(value) for value in match.groups())
    return PositionReport(x, y, z, e)


_CORNER = rf"{{x:({_NUMBER}),y:({_NUMBER}),z:({_NUMBER})}}"

_TABLE: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Answer]], ...] = (
    (
        re.compile(r"(?:ok)+(?=[\s:]|$)(?: N?(\d+)(?=\s|$))?(?: P(\d+) B(\d+))?(.*)$"),
        _ok,
    ),
    (re.compile(r"\s*(?:ok )?(?:T\d*|B|C):\s*-?[\d.ni]"), _temperatures),
    (
        re.compile(r"(?:Resend:\s*(?:N:?)?|rs (?:N\s*)?)(\d+)"),
        lambda match: Resend(int(match[1])),
    ),
    (
        re.compile(r"(?:echo:\s*)?busy:\s*(.*)$"),
        lambda match: Busy(match[1]),
    ),
    (re.compile(r"wait$"), lambda _: Wait()),
    (
        re.compile(
            r"(start|PowerUp|External Reset|Brown out Reset|Watchdog Reset"
            r"|Software Reset)$"
        ),
        lambda match: Banner(match[1]),
    ),
    (
        re.compile(r"(?:echo:\s*)?Unknown command: ?\"?(.*?)\"?$"),
        lambda match: UnknownCommand(match[1]),
    ),
    (re.compile(r"(?:Error:\s*|!!\s*|fatal:\s*)(.*)$"), _error),
    (
        re.compile(r"//\s*action:\s*(\w+)\s*(.*)$"),
        lambda match: Action(match[1], match[2]),
    ),
    (
        re.compile(
            rf"(?:C: )?X:\s*({_NUMBER}) Y:\s*({_NUMBER}) Z:\s*({_NUMBER})"
            rf" E:\s*({_NUMBER})"
        ),
        _position,
    ),
    (re.compile(r"FIRMWARE_NAME:"), _firmware),
    (
        re.compile(r"Cap:(\w+):([01])"),
        lambda match: CapabilityReport(match[1], match[2] == "1"),
    ),
    (re.compile(rf"area:{{full:{{min:{_CORNER},max:{_CORNER}}}"), _area),
    (
        re.compile(rf"Target(?:Extr(\d+)|Bed):({_NUMBER})"),
        _repetier_target,
    ),
)

_GLUED = re.compile(
    r"(?P<first>\s*(?:T\d*:|X:|(?:echo:\s*)?busy:).*?)"
    r"(?P<ok>ok(?: N\d+)?(?: P\d+ B\d+)?)$"
)
"""A report written by an interrupt can swallow the line end before an `ok`."""


_NAMED = "ok FIRMWARE_NAME:"
"""Klipper answers M115 on the line of its `ok`."""


def parse(line: bytes) -> tuple[Answer, ...]:
    """Read one line of the firmware; almost always one answer, two if glued together."""
    text = line.replace(b"\0", b"").decode("ascii", "replace").lstrip("\ufffd").rstrip()
    if not text.startswith("ok") and (glued := _GLUED.match(text)):
        return _parse(glued["first"].rstrip()), _parse(glued["ok"])
    if text.startswith(_NAMED):
        return _parse(text.removeprefix("ok ")), Ok()
    return (_parse(text),)


def _parse(text: str) -> Answer:
    for pattern, build in _TABLE:
        if match := pattern.match(text):
            return build(match)
    return Text(text)
