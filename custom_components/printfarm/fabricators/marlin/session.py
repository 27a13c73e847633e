"""A conversation with one board: what is known of it, and what it is told in turn."""

from collections.abc import Callable
from dataclasses import replace
from enum import Enum, auto

from .answers import (
    Action,
    Answer,
    AreaReport,
    Banner,
    Busy,
    CapabilityReport,
    FirmwareReport,
    Ok,
    PositionReport,
    Reading,
    Resend,
    TemperatureReport,
    Wait,
)
from .commands import WAITS_FOR_PERSON, code
from .dialog import Dialog
from .events import Event, Firmware, Notification, Reply, Temperatures
from .link import Link
from .wire import Line


class Phase(Enum):
    """Where the conversation stands."""

    CLOSED = auto()
    GREETING = auto()
    IDENTIFYING = auto()
    READY = auto()
    STARTING = auto()
    PRINTING = auto()
    PAUSING = auto()
    PAUSED = auto()
    RESUMING = auto()
    FINISHING = auto()
    CANCELLING = auto()
    HALTED = auto()


RUNNING = frozenset(
    {
        Phase.STARTING,
        Phase.PRINTING,
        Phase.PAUSING,
        Phase.PAUSED,
        Phase.RESUMING,
        Phase.FINISHING,
        Phase.CANCELLING,
    }
)
ANSWERING = RUNNING | {Phase.READY}


class Session:
    """Shared by everything that talks to the board."""

    def __init__(self) -> None:
        """Start without a connection."""
        self.phase = Phase.CLOSED
        self.link = Link()
        self.events: list[Event] = []
        self.firmware: Firmware | None = None
        self.readings: dict[str, Reading] = {}
        self.position: PositionReport | None = None
        """Last answer to M114; reset it before asking."""
        self.dialog = Dialog()
        self.message: str | None = None
        """Text for the display."""
        self.planned = 0
        """Most moves that the board has ever told to have room for."""
        self._then: Callable[[float], None] | None = None

    def begin(self, now: float) -> None:
        """Forget what was under way, and what the board was."""
        self.link.reset(now)
        self.firmware = None
        self.dialog = Dialog()
        self.message = None
        self._then = None

    @property
    def running(self) -> bool:
        """Whether a print is under way."""
        return self.phase in RUNNING

    def can(self, capability: str) -> bool:
        """Whether the board has said that it can do something (`Cap:`)."""
        return self.firmware is not None and capability in self.firmware.capabilities

    # Commands of our own

    def perform(self, commands: list[bytes], then: Callable[[float], None]) -> None:
        """Send commands and go on with `then` once all are accepted."""
        self.link.drop_script()
        self.link.script.extend(commands)
        self._then = then

    def abandon_script(self) -> None:
        """Neither send the rest nor go on with anything."""
        self.link.drop_script()
        self._then = None

    @property
    def performed(self) -> bool:
        """Whether `go_on` is due."""
        return self._then is not None and self.link.script_done

    def go_on(self, now: float) -> None:
        """Take the step that was waiting for the commands."""
        then, self._then = self._then, None
        if then is not None:
            then(now)

    def drop_requests(self, error: str) -> None:
        """Tell those who wait for a reply that none will come."""
        for request in self.link.requests():
            if request.token is not None:
                self.events.append(Reply(request.token, (), error))

    # What the board says of itself

    def overhear(self, answer: Answer, line: bytes) -> None:
        """Keep what is said while an auxiliary command runs: it is its reply."""
        head = self.link.head
        if head is None or head.auxiliary is None:
            return
        text = line.decode("ascii", "replace").strip()
        match answer:
            case Busy() | Wait() | Banner() | Action() | Resend():
                return
            case TemperatureReport() if not line.startswith(b"T"):
                return
            case Ok(temperatures=None):
                return
            case Ok():
                text = text.removeprefix("ok").strip()
        head.auxiliary.lines.append(text)

    def temperatures(self, report: TemperatureReport) -> None:
        """Merge readings by name; a line may hold only half of one."""
        self.link.saw("temperatures")
        for new in report.readings:
            known = self.readings.get(new.name, new)
            self.readings[new.name] = Reading(
                new.name,
                known.actual if new.actual is None else new.actual,
                known.target if new.target is None else new.target,
            )
        self.events.append(Temperatures(tuple(self.readings.values())))

    def located(self, position: PositionReport) -> None:
        """The answer to M114, or an unasked one after homing."""
        self.position = position
        self.link.saw("position")

    def describe(self, answer: FirmwareReport | CapabilityReport | AreaReport) -> None:
        """Put M115 together, line by line."""
        known = self.firmware
        match answer:
            case FirmwareReport():
                self.firmware = Firmware(answer.name, answer.machine, answer.extruders)
                self.link.saw("firmware")
                self.link.answers_blank = answer.name.startswith("Klipper")
            case CapabilityReport(name, enabled) if known is not None and enabled:
                able = known.capabilities | {name}
                self.firmware = replace(known, capabilities=able)
            case AreaReport(low, high) if known is not None:
                self.firmware = replace(known, minimum=low, maximum=high)

    def listen(self, action: Action) -> None:
        """Keep dialogues and messages, and tell of them."""
        if (event := self.dialog.hear(action)) is not None:
            self.events.append(event)
            if isinstance(event, Notification):
                self.message = event.text

    def wait_for_person(self, line: Line, *, held: bool) -> None:
        """A line waits for somebody; boards without prompts ask in plain words.

        What else waits, and does not hold the print, is the rest of something older.
        """
        if held or code(line.command) in WAITS_FOR_PERSON:
            question = self.dialog.wait(line)
            if question is not None:
                self.events.append(question)

    @property
    def nozzle(self) -> float | None:
        """Temperature of the tool in use, °C."""
        reading = self.readings.get("T") or self.readings.get("T0")
        return reading.actual if reading else None

    @property
    def targets(self) -> dict[str, float]:
        """Target temperatures by tool (`T0`), bed and chamber; 0 is off."""
        targets = {
            name: reading.target or 0.0 for name, reading in self.readings.items()
        }
        if (single := targets.pop("T", None)) is not None:
            targets.setdefault("T0", single)
        return targets
