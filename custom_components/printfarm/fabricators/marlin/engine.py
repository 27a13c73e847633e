"""Printing on a Marlin board, without a clock, a loop or a port.

Bytes and the time go in, bytes and events come out. Every method that may cause
something to be sent returns the bytes to write. Whoever drives it calls `tick` when
`deadline` has come, `upkeep` after writing, and `take_events` now and then.

    phases   GREETING -> IDENTIFYING -> READY -> STARTING -> PRINTING -> FINISHING
                                                 PRINTING <-> PAUSING/PAUSED/RESUMING
                                                 any of a run -> CANCELLING
             HALTED: the firmware has stopped itself and waits for a reset
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import Enum, auto
from functools import partial

from . import parking
from .answers import (
    Action,
    Answer,
    AreaReport,
    Banner,
    Busy,
    CapabilityReport,
    ErrorReport,
    FirmwareReport,
    Ok,
    PositionReport,
    Reading,
    Resend,
    Severity,
    TemperatureReport,
    Text,
    UnknownCommand,
    Wait,
    parse,
)
from .commands import ASKS_HOST, INTERRUPTIBLE, LONG, URGENT, WAITS_FOR_PERSON, code
from .dialog import Dialog
from .events import (
    Ending,
    Event,
    Fault,
    Firmware,
    Notification,
    Ready,
    Reply,
    RunEnded,
    RunPaused,
    RunResumed,
    RunStarted,
    Silent,
    Temperatures,
)
from .link import Link, LinkBroken
from .modal import Modal
from .wire import Auxiliary, Kind, Line, LineBuffer, encode

PREPARED = 128
"""File lines encoded ahead."""
BACKLOG = 2000
"""File lines wanted in memory."""
HELLO_INTERVAL = 2.0
IDENTIFY_TIMEOUT = 4.0
IDENTIFY_TRIES = 3
POLL_INTERVAL = 5.0
SYNC_INTERVAL = 10.0
"""Where the board reports temperatures by itself, M105 only keeps both sides in step."""
FAULT_GRACE = 0.5
"""An error may take two lines; the second says whether the board was killed."""
START_TRIES = 3
AUTOREPORT = b"M155 S2"


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

_REASONS = {Severity.HEATER: "heater_fault", Severity.KILLED: "killed"}


class Engine:
    """One board, from the first hello to the end of a print."""

    def __init__(self) -> None:
        """Start without a connection."""
        self.phase = Phase.CLOSED
        self.firmware: Firmware | None = None
        self.position = 0
        """Byte offset in the file behind the last accepted line."""
        self.sent_file_line = False
        """Whether a line of the file has left in this run."""
        self.readings: dict[str, Reading] = {}
        self.fault: str | None = None
        self.message: str | None = None
        """Text for the display."""
        self.heard_anything = False
        self.dialog = Dialog()
        self._link = Link()
        self._lines = LineBuffer()
        self._events: list[Event] = []
        self._modal = Modal()
        self._backlog: deque[tuple[int, bytes]] = deque()
        self._file_complete = False
        self._started = False
        self._then: Callable[[float], None] | None = None
        self._held_by: Line | None = None
        self._rest: parking.Rest | None = None
        self._at: PositionReport | None = None
        self._pause_reason: tuple[str, str | None] = ("user", None)
        self._firmware_paused = False
        self._going_on = False
        self._ending = RunEnded(Ending.COMPLETED)
        self._fault: tuple[Severity, list[str], float] | None = None
        self._next_hello = 0.0
        self._give_up = 0.0
        self._tries = 0
        self._next_poll = 0.0

    # What others may ask

    @property
    def running(self) -> bool:
        """Whether a print is under way."""
        return self.phase in RUNNING

    @property
    def moved(self) -> bool:
        """Whether the print has made its first move."""
        return self._modal.moved

    @property
    def heard(self) -> float | None:
        """When the board was last heard."""
        return self._link.silent_since if self.heard_anything else None

    @property
    def hungry(self) -> bool:
        """Whether `supply` should be called."""
        return self.running and not self._file_complete and len(self._backlog) < BACKLOG

    @property
    def wants_upkeep(self) -> bool:
        """Whether `upkeep` has something to do."""
        return bool(
            self._events
            or not self._link.steady
            or len(self._link.feed) < PREPARED // 2
            or len(self._link.answered) > PREPARED
        )

    @property
    def deadline(self) -> float | None:
        """Time at which `tick` is due, at the latest."""
        times = [self._link.deadline]
        if self._fault is not None:
            times.append(self._fault[2])
        if self.phase is Phase.GREETING:
            times.append(self._next_hello)
        elif self.phase is Phase.IDENTIFYING:
            times.append(self._give_up)
        elif self.phase in ANSWERING:
            times.append(self._next_poll)
        return min((time for time in times if time is not None), default=None)

    def target(self, name: str) -> float | None:
        """Target temperature of a heater, as the firmware reports it."""
        reading = self.readings.get(name)
        return reading.target if reading else None

    def take_events(self) -> list[Event]:
        """Hand over what has happened."""
        events, self._events = self._events, []
        return events

    # Bytes and time in

    def open(self, now: float) -> bytes:
        """A connection was made: greet the board.

        Boards that reset when the port is opened greet first and hear nothing before
        that, others say nothing until they are spoken to. So the greeting is repeated.
        """
        self._lines = LineBuffer()
        self.heard_anything = False
        self._greet(now)
        return self._link.take_output()

    def receive(self, data: bytes, now: float) -> bytes:
        """Take what the board has said."""
        link = self._link
        if link.steady and data == b"ok\n" and not self._lines.partial:
            link.silent_since = now
            return link.step(now)
        link.silent_since = now
        for line in self._lines.add(data):
            if not line.strip():
                continue
            self.heard_anything = True
            for answer in parse(line):
                self._note(answer, line)
                try:
                    self._take(answer, now)
                except LinkBroken as broken:
                    self._broken(str(broken), now)
                self._settle(now)
        return link.take_output()

    def tick(self, now: float) -> bytes:
        """Let time pass."""
        if self._fault is not None and now >= self._fault[2]:
            self._halt(now)
        if self.phase is Phase.GREETING and now >= self._next_hello:
            self._say_hello(now)
        elif self.phase is Phase.IDENTIFYING and now >= self._give_up:
            self._identify(now)
        elif self.phase in ANSWERING:
            if now >= self._next_poll:
                self._poll(now)
            if not self._link.tick(now):
                self._gone(now)
        elif self.phase is Phase.HALTED and not self._link.tick(now):
            self._drop_requests("halted")
            self._link.reset(now)
        self._settle(now)
        return self._link.take_output()

    def upkeep(self, now: float) -> bytes:
        """Do what can wait until the bytes are out: encode ahead, remember modes."""
        self._settle(now)
        return self._link.take_output()

    def lost(self, reason: str = "connection_lost") -> None:
        """The connection is gone."""
        self._drop_requests("not_connected")
        if self.running:
            self._end(RunEnded(Ending.FAILED, reason))
        self.phase = Phase.CLOSED
        self._fault = None
        self._link.reset(0.0)

    # What can be done with a board

    def begin(self, now: float) -> bytes:
        """Begin a print; its lines follow by `supply`. Only when READY."""
        if self.phase is not Phase.READY:
            raise RuntimeError(f"cannot begin while {self.phase.name}")
        self.phase = Phase.STARTING
        self.position = 0
        self.sent_file_line = self._started = False
        self._file_complete = False
        self._backlog.clear()
        self._modal = Modal(extruder_follows=self._modal.extruder_follows)
        self._rest = None
        self._tries = 0
        self._count_from_zero(now)
        self._settle(now)
        return self._link.take_output()

    def supply(
        self,
        commands: Iterable[tuple[int, bytes]],
        now: float,
        *,
        complete: bool = False,
    ) -> bytes:
        """Take file lines as (offset behind the line, command), in order."""
        self._backlog.extend(commands)
        self._file_complete = self._file_complete or complete
        self._settle(now)
        return self._link.take_output()

    def pause(self, now: float) -> bytes:
        """Stop feeding, then park. `RunPaused` follows."""
        self._pause("user", None, now)
        self._settle(now)
        return self._link.take_output()

    def resume(self, now: float) -> bytes:
        """Go back to where the print was left, or answer the dialogue that holds it."""
        if self._firmware_paused:
            self._going_on = True
            self._link.urgent(self.dialog.go_on(), now)
        elif self.phase is Phase.PAUSED:
            self._come_back(now)
        self._settle(now)
        return self._link.take_output()

    def cancel(
        self, now: float, ending: RunEnded = RunEnded(Ending.CANCELLED)
    ) -> bytes:
        """Drop the rest and leave the machine cold. `RunEnded` follows."""
        if self.running and self.phase is not Phase.CANCELLING:
            self._abandon(ending, now)
        self._settle(now)
        return self._link.take_output()

    def send(self, token: object, command: bytes, now: float) -> bytes:
        """Slip in a command; `Reply` with this token follows."""
        request = Auxiliary(token, command)
        if code(command) in URGENT:
            self._link.urgent(command, now, request)
            if code(command) == b"M112":
                self._events.append(Reply(token, ()))
        elif self.phase in ANSWERING or self.phase is Phase.HALTED:
            self._link.auxiliary.append(request)
            self._link.steady = False
        else:
            self._events.append(Reply(token, (), "not_connected"))
        self._settle(now)
        return self._link.take_output()

    def answer(self, button: int, now: float) -> bytes:
        """Press a button of the open dialogue."""
        self._link.urgent(b"M876 S%d" % button, now)
        return self._link.take_output()

    def heaters_off(self) -> bytes:
        """Last words before the connection is closed, whatever is going on."""
        if (
            self._link.head is not None
            and code(self._link.head.command) in INTERRUPTIBLE
        ):
            self._link.blind(b"M108")
        for command in parking.HEATERS_OFF:
            self._link.blind(command)
        return self._link.take_output()

    # Hearing

    def _note(self, answer: Answer, line: bytes) -> None:
        """Keep what is said while an auxiliary command runs: it is its reply."""
        head = self._link.head
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

    def _take(self, answer: Answer, now: float) -> None:
        link = self._link
        if not isinstance(answer, TemperatureReport) or answer.waiting:
            # Automatic reports go on when an answer was lost, so they prove nothing.
            link.heard = now
        match answer:
            case Ok():
                self._ok(answer, now)
            case Resend():
                if self.phase in ANSWERING:
                    link.resend(answer.number, now)
            case TemperatureReport():
                if (
                    answer.waiting
                    and link.head is not None
                    and link.head.kind is Kind.FILE
                ):
                    self._note_start()
                self._temperatures(answer)
            case Busy():
                self._busy(answer, now)
            case Wait():
                if self.phase in ANSWERING:
                    link.wait(now)
            case Banner():
                self._banner(answer, now)
            case ErrorReport():
                self._error(answer, now)
            case Action():
                self._action(answer, now)
            case PositionReport():
                self._at = answer
                link.saw("position")
            case UnknownCommand():
                self._unknown(answer)
            case FirmwareReport() | CapabilityReport() | AreaReport():
                self._describe(answer)
            case Text():
                self._text(answer)

    def _ok(self, answer: Ok, now: float) -> None:
        if answer.temperatures is not None:
            self._temperatures(answer.temperatures)
        if self.phase is Phase.GREETING:
            self._tries = 0
            self._identify(now)
        else:
            self._link.ok(answer, now)

    def _temperatures(self, report: TemperatureReport) -> None:
        self._link.saw("temperatures")
        for reading in report.readings:
            known = self.readings.get(reading.name)
            self.readings[reading.name] = Reading(
                reading.name,
                reading.actual
                if reading.actual is not None or not known
                else known.actual,
                reading.target
                if reading.target is not None or not known
                else known.target,
            )
        self._events.append(Temperatures(tuple(self.readings.values())))

    def _banner(self, banner: Banner, now: float) -> None:
        """The board has started: by our opening the port, or in the middle of things."""
        if self.phase is Phase.GREETING and banner.text != "start":
            return
        if self.phase is Phase.CLOSED:
            return
        self._drop_requests("reset")
        if self.running:
            self._end(RunEnded(Ending.FAILED, "reset"))
        self._greet(now)

    def _error(self, error: ErrorReport, now: float) -> None:
        if self._fault is not None:
            severity, texts, deadline = self._fault
            if error.severity is Severity.KILLED and severity is Severity.OTHER:
                severity = Severity.KILLED
            texts.append(error.text)
            self._fault = (severity, texts, deadline)
            if error.severity is Severity.KILLED:
                self._halt(now)
        elif error.severity.fatal and self.phase is not Phase.HALTED:
            self._link.feeding = self._link.steady = False
            self._fault = (error.severity, [error.text], now + FAULT_GRACE)
            if error.severity is Severity.KILLED:
                self._halt(now)

    def _text(self, text: Text) -> None:
        """Second half of an error that was broken in two (`Error:0`, `: MAXTEMP`)."""
        if self._fault is not None and text.text.startswith(":"):
            severity, texts, deadline = self._fault
            joined = parse(b"Error:" + text.text.encode())[0]
            if isinstance(joined, ErrorReport) and joined.severity is Severity.HEATER:
                severity = Severity.HEATER
            self._fault = (severity, [*texts[:-1], texts[-1] + text.text], deadline)

    def _unknown(self, unknown: UnknownCommand) -> None:
        """A command that we did not send is the rest of a line that was cut."""
        head = self._link.head
        if head is not None and self.phase in ANSWERING:
            sent = head.command.decode("ascii", "replace")
            if unknown.command.strip() != sent.strip():
                self._link.stray_ok_ahead()

    def _describe(self, answer: FirmwareReport | CapabilityReport | AreaReport) -> None:
        match answer:
            case FirmwareReport():
                self.firmware = Firmware(answer.name, answer.machine, answer.extruders)
                self._link.saw("firmware")
            case CapabilityReport() if self.firmware is not None:
                if answer.enabled:
                    self.firmware = replace(
                        self.firmware,
                        capabilities=self.firmware.capabilities | {answer.name},
                    )
            case AreaReport() if self.firmware is not None:
                self.firmware = replace(
                    self.firmware, minimum=answer.minimum, maximum=answer.maximum
                )

    def _action(self, action: Action, now: float) -> None:
        if (event := self.dialog.hear(action)) is not None:
            self._events.append(event)
            if isinstance(event, Notification):
                self.message = event.text
            if self._going_on and action.name == "prompt_show":
                self._link.urgent(self.dialog.go_on(), now)
        match action.name:
            case "pause":
                self._pause("host_action", action.text or None, now)
            case "paused" if self.phase is Phase.PRINTING:
                self._hold(action.text or None)
            case "resumed" if self._firmware_paused:
                self._firmware_resumed()
            case "resume" if self.phase is Phase.PAUSED and not self._firmware_paused:
                self._come_back(now)
            case "cancel" if self.running and self.phase is not Phase.CANCELLING:
                self._abandon(RunEnded(Ending.CANCELLED, "host_action"), now)

    def _hold(self, text: str | None, *, by_head: bool = False) -> None:
        """The firmware waits for a person by itself (M600, runout, its own menu).

        The `ok` of a command that waits is as good a sign of its end as a word to the
        host, which not every board says.
        """
        head = self._link.head
        waits = head is not None and code(head.command) in WAITS_FOR_PERSON
        self._held_by = head if waits or by_head else None
        self._firmware_paused = True
        self._link.feeding = self._link.steady = False
        self.phase = Phase.PAUSED
        self._events.append(RunPaused("firmware", text))

    def _busy(self, busy: Busy, now: float) -> None:
        self._link.busy_known = True
        head = self._link.head
        if head is not None and head.kind is Kind.FILE:
            self._note_start()
        if not busy.reason.startswith("paused"):
            return
        if self.phase is Phase.PRINTING and head is not None:
            self._hold(None, by_head=True)
        elif self._going_on and self.dialog.prompt is None:
            self._link.urgent(b"M108", now)

    def _firmware_resumed(self) -> None:
        self._firmware_paused = self._going_on = False
        self._held_by = None
        self._link.feeding = True
        self.phase = Phase.PRINTING
        self._events.append(RunResumed())

    # Hello

    def _greet(self, now: float) -> None:
        """Begin from nothing with a board that may or may not be listening yet."""
        self.phase = Phase.GREETING
        self.firmware = None
        self.fault = None
        self._fault = None
        self._then = None
        self._firmware_paused = self._going_on = False
        self._held_by = None
        self.dialog = Dialog()
        self._link.reset(now)
        self._say_hello(now)

    def _say_hello(self, now: float) -> None:
        self._link.blind(b"\n" + encode(0, b"M110 N0").rstrip())
        self._next_hello = now + HELLO_INTERVAL

    def _identify(self, now: float) -> None:
        """Ask what the board is; give up after a few tries and greet again."""
        self._tries += 1
        if self._tries > IDENTIFY_TRIES:
            self._events.append(Silent("not_marlin"))
            self._greet(now)
            return
        self.phase = Phase.IDENTIFYING
        self.firmware = None
        self._give_up = now + IDENTIFY_TIMEOUT
        self._link.reset(now)
        self._link.renumber(now)
        self._run([b"M115", b"M105"], self._ready)

    def _ready(self, now: float) -> None:
        if self.firmware is None:
            return
        self.phase = Phase.READY
        self._modal.extruder_follows = "marlin 1" not in self.firmware.name.lower()
        if "AUTOREPORT_TEMP" in self.firmware.capabilities:
            self._link.script.append(AUTOREPORT)
        self._next_poll = now + POLL_INTERVAL
        self._events.append(Ready(self.firmware))

    def _gone(self, now: float) -> None:
        """Nothing is heard any more: the run is over, keep calling."""
        self._drop_requests("no_answer")
        if self.running:
            self._end(RunEnded(Ending.FAILED, "no_answer"))
        self._events.append(Silent("no_answer"))
        self._greet(now)

    def _poll(self, now: float) -> None:
        """Ask for temperatures, unless something is waiting or under way for long."""
        autoreport = (
            self.firmware is not None
            and "AUTOREPORT_TEMP" in self.firmware.capabilities
        )
        self._next_poll = now + (SYNC_INTERVAL if autoreport else POLL_INTERVAL)
        head = self._link.head
        busy = head is not None and code(head.command) in LONG
        if not busy and not self._link.script and not self._link.auxiliary:
            self._link.auxiliary.append(Auxiliary(None, b"M105"))
            self._link.steady = False

    # The course of a print

    def _run(self, commands: list[bytes], then: Callable[[float], None]) -> None:
        """Send commands of our own and go on with `then` once all are accepted."""
        self._link.drop_script()
        self._link.script.extend(commands)
        self._then = then

    def _count_from_zero(self, now: float) -> None:
        """Reset line numbers. The M105 behind M110 proves that both sides agree."""
        self._link.renumber(now)
        self._run([b"M105"], self._feed)

    def _feed(self, _now: float) -> None:
        self.phase = Phase.PRINTING
        self._link.feeding = True

    def _settle(self, now: float) -> None:
        """Follow up on everything that was accepted, then send what is next."""
        link = self._link
        while True:
            if link.answered:
                self._account()
            if self._then is not None and link.script_done:
                then, self._then = self._then, None
                then(now)
                continue
            if self.phase is Phase.PRINTING:
                self._prepare(now)
            link.pump(now)
            if link.head is not None and link.head.kind is Kind.FILE:
                self.sent_file_line = True
            if self._then is None or not link.script_done:
                return

    def _account(self) -> None:
        answered, self._link.answered = self._link.answered, []
        apply = self._modal.apply
        for line in answered:
            if line.kind is Kind.FILE:
                apply(line.command)
                if line is self._held_by:
                    self._firmware_resumed()
            elif line.auxiliary is not None:
                apply(line.command)
                self._reply(line.auxiliary)
        for line in reversed(answered):
            if line.kind is Kind.FILE:
                self.position = line.offset
                self._note_start()
                break

    def _note_start(self) -> None:
        if not self._started:
            self._started = True
            self._events.append(RunStarted())

    def _reply(self, request: Auxiliary) -> None:
        if request.token is not None and code(request.command) != b"M112":
            self._events.append(Reply(request.token, tuple(request.lines)))
        if self.phase is Phase.HALTED and code(request.command) == b"M999":
            self.phase = Phase.READY
            self.fault = None

    def _prepare(self, now: float) -> None:
        """Encode ahead, up to a line that is meant for the host."""
        feed, backlog = self._link.feed, self._backlog
        if len(feed) >= PREPARED // 2:
            return
        chunk: list[tuple[int, bytes]] = []
        while backlog and len(chunk) < PREPARED:
            if _asks_host(backlog[0][1]):
                break
            chunk.append(backlog.popleft())
        self._link.prepare(chunk)
        if feed or not self._link.idle:
            return
        if backlog:
            self.position, command = backlog.popleft()
            self._note_start()
            self._pause("file", command.decode("ascii", "replace"), now)
        elif self._file_complete:
            self._finish()

    def _finish(self) -> None:
        """Wait until the last move is done. The M105 behind M400 cannot be mistaken."""
        self.phase = Phase.FINISHING
        self._link.feeding = False
        self._note_start()
        ending = RunEnded(Ending.COMPLETED)
        self._run([b"M105", b"M400", b"M105"], lambda _: self._end(ending))

    def _pause(self, reason: str, text: str | None, now: float) -> None:
        if self.phase is not Phase.PRINTING:
            return
        self.phase = Phase.PAUSING
        self._link.feeding = self._link.steady = False
        self._pause_reason = (reason, text)
        self._backlog.extendleft(reversed(self._link.unprepare()))
        self._at = None
        self._run([b"M400", b"M114"], self._park)
        self._link.pump(now)

    def _park(self, _now: float) -> None:
        targets = {
            name: reading.target
            for name, reading in self.readings.items()
            if reading.target and name != "T"
        }
        if "T0" not in self.readings and (target := self.target("T")):
            targets["T0"] = target
        self._rest = parking.rest(
            self._modal, self._at, self.firmware, targets, self._nozzle()
        )
        self._run(parking.leave(self._rest), self._parked)

    def _parked(self, _now: float) -> None:
        self.phase = Phase.PAUSED
        self._events.append(RunPaused(*self._pause_reason))

    def _come_back(self, _now: float) -> None:
        assert self._rest is not None
        self.phase = Phase.RESUMING
        self._at = None
        current = {
            name: reading.target or 0.0 for name, reading in self.readings.items()
        }
        current.setdefault("T0", current.get("T", 0.0))
        reheat = parking.reheat(self._rest, current)
        self._run([*reheat, b"M400", b"M114"], partial(self._return, self._rest))

    def _return(self, rest: parking.Rest, _now: float) -> None:
        self._run(parking.come_back(rest, self._modal, self._at), self._resumed)

    def _resumed(self, now: float) -> None:
        assert self._rest is not None
        self._modal = self._rest.modal.copy()
        self._rest = None
        self._feed(now)
        self._events.append(RunResumed())

    def _abandon(self, ending: RunEnded, now: float) -> None:
        """End a run early. What waits for heat or for a person is cut short first."""
        self.phase = Phase.CANCELLING
        self._ending = ending
        self._link.feeding = self._link.steady = False
        self._link.feed.clear()
        self._backlog.clear()
        self._file_complete = True
        head = self._link.head
        self._going_on = head is not None and code(head.command) in WAITS_FOR_PERSON
        self._going_on |= self._firmware_paused
        self._firmware_paused, self._held_by = False, None
        if head is not None and code(head.command) in INTERRUPTIBLE:
            self._link.urgent(b"M108", now)
        firmware = self.firmware or Firmware("")
        script = parking.safe_end(
            self._modal,
            firmware.extruders or 1,
            hot=(self._nozzle() or 0.0) >= parking.EXTRUDE_MINIMUM,
            chamber="CHAMBER_TEMPERATURE" in firmware.capabilities,
        )
        self._run([*script, b"M400", b"M105"], lambda _: self._end(ending))

    def _end(self, ending: RunEnded) -> None:
        self._link.feeding = self._link.steady = False
        self._link.feed.clear()
        self._link.drop_script()
        self._backlog.clear()
        self._then = None
        self._rest = None
        self._firmware_paused = self._going_on = False
        self._held_by = None
        self.phase = Phase.READY
        self._events.append(ending)

    def _broken(self, text: str, now: float) -> None:
        """The board counts differently. At the start that can be put right."""
        if self.phase is Phase.STARTING and self._tries < START_TRIES:
            self._tries += 1
            self._count_from_zero(now)
            return
        self._drop_requests("no_answer")
        if self.running:
            self._end(RunEnded(Ending.FAILED, "out_of_step", text))
        self._greet(now)
        for command in parking.HEATERS_OFF:
            self._link.blind(command)

    def _halt(self, now: float) -> None:
        """The firmware has stopped. Killed boards are deaf; others are told to cool."""
        assert self._fault is not None
        severity, texts, _ = self._fault
        self._fault = None
        self.fault = " / ".join(texts)
        reason = _REASONS.get(severity, "firmware_error")
        self._drop_requests("halted")
        if self.running:
            self._end(RunEnded(Ending.FAILED, reason, self.fault))
        self._link.reset(now)
        for command in parking.HEATERS_OFF:
            self._link.blind(command)
        self.phase = Phase.HALTED
        self._events.append(Fault(reason, self.fault))

    def _nozzle(self) -> float | None:
        """Temperature of the tool in use."""
        reading = self.readings.get("T") or self.readings.get("T0")
        return reading.actual if reading else None

    def _drop_requests(self, error: str) -> None:
        """Tell those who wait for a reply that none will come."""
        for request in self._link.requests():
            if request.token is not None:
                self._events.append(Reply(request.token, (), error))


def _asks_host(command: bytes) -> bool:
    """Cheap look at the first letter before the full one: this runs for every line."""
    return command[:1] in {b"M", b"m"} and code(command) in ASKS_HOST
