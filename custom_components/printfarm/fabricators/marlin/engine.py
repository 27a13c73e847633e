"""Printing on a Marlin board, without a clock, a loop or a port.

Bytes and the time go in, bytes and events come out. Every method that may cause
something to be sent returns the bytes to write. Whoever drives it calls `tick` when
`deadline` has come, `upkeep` after writing, and `take_events` now and then.

    GREETING -> IDENTIFYING -> READY <-> a print (see `course`)
    HALTED: the firmware has stopped itself and waits for a reset
"""

from collections.abc import Iterable

from ..interface import Checkpoint, Resume
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
    Resend,
    Severity,
    TemperatureReport,
    Text,
    UnknownCommand,
    Wait,
    parse,
)
from .checkpoint import Heard
from .commands import INTERRUPTIBLE, LONG, URGENT, WAITS_FOR_PERSON, code, same
from .complaint import Complaint
from .course import PREPARED
from .events import Ending, Event, Fault, Reply, RunEnded, Silent
from .glance import Glance
from .greeting import Greeting
from .link import LinkBroken
from .session import ANSWERING, Phase
from .tape import Tape
from .wire import Auxiliary, Kind, LineBuffer

POLL_INTERVAL = 5.0
SYNC_INTERVAL = 10.0
"""Where the board reports temperatures by itself, M105 only keeps both sides in step."""
START_TRIES = 3
ANEW = Heard(reset=True)


class Engine(Glance):
    """One board, from the first hello to the end of a print."""

    def __init__(
        self,
        tape: Tape | None = None,
        standby: parking.Standby = parking.Standby.OFF,
        lost: Checkpoint | None = None,
    ) -> None:
        """Start without a connection.

        Each file line is noted on the tape; `standby` says how a machine is left whose
        print was stopped, `lost` that one was cut off before.
        """
        super().__init__(standby)
        self._link.tape = tape
        self._lines = LineBuffer()
        self._complaint: Complaint | None = None
        self._greeting = Greeting(
            self._session, start_over=self._greet, ready=self._be_ready
        )
        self._start_tries = 0
        self._next_poll = 0.0
        if lost is not None:
            self._course.lookout.cut_off(lost.data)

    @property
    def wants_upkeep(self) -> bool:
        """Whether `upkeep` has something to do."""
        link = self._link
        return bool(
            self._session.events
            or not link.steady
            or len(link.feed) < PREPARED // 2
            or len(link.answered) > PREPARED
        )

    @property
    def deadline(self) -> float | None:
        """Time at which `tick` is due, at the latest."""
        times = [self._greeting.deadline]
        if self._complaint is not None:
            times.append(self._complaint.due)
        if self.phase in ANSWERING:
            times += [self._link.deadline, self._next_poll]
        elif self.phase is Phase.HALTED:
            times.append(self._link.deadline)
        return min((time for time in times if time is not None), default=None)

    def take_events(self) -> list[Event]:
        """Hand over what has happened."""
        events, self._session.events = self._session.events, []
        return events

    # Bytes and time in

    def open(self, now: float) -> bytes:
        """A connection was made: greet the board."""
        self._lines = LineBuffer()
        self.heard_anything = False
        self._greet(now)
        return self._link.take_output()

    def receive(self, data: bytes, now: float) -> bytes:
        """Take what the board has said."""
        link = self._link
        link.silent_since = now
        if link.steady and not self._lines.partial:
            if data == b"ok\n":
                if not link.advanced:
                    return link.step(now)
            elif link.confirms(data):
                return link.step(now)
        for line in self._lines.add(data):
            if not line.strip():
                continue
            self.heard_anything = True
            for answer in parse(line):
                self._session.overhear(answer, line)
                try:
                    self._take(answer, now)
                except LinkBroken as broken:
                    self._broken(str(broken), now)
                self._settle(now)
        return link.take_output()

    def tick(self, now: float) -> bytes:
        """Let time pass."""
        if self._complaint is not None and now >= self._complaint.due:
            self._halt(self._complaint, now)
        if self.phase not in ANSWERING:
            self._greeting.tick(now)
        if self.phase in ANSWERING:
            if now >= self._next_poll:
                self._poll(now)
            if not self._link.tick(now):
                self._gone(now)
        elif self.phase is Phase.HALTED and not self._link.tick(now):
            self._session.drop_requests("halted")
            self._link.reset(now)
        return self.upkeep(now)

    def upkeep(self, now: float) -> bytes:
        """Do what can wait until the bytes are out: encode ahead, remember modes."""
        self._settle(now)
        return self._link.take_output()

    def lost(self, reason: str = "connection_lost") -> None:
        """The connection is gone."""
        self._session.drop_requests("not_connected")
        self._note_numbers()
        if self.running:
            self._course.end(RunEnded(Ending.FAILED, reason))
        self._session.phase = Phase.CLOSED
        self._complaint = None
        self.dialog.settle()
        self._link.reset(0.0)

    # What can be done with a board

    def begin(self, now: float, resume: Resume | None = None) -> bytes:
        """Begin a print, or take one up; its lines follow by `supply`. Only when READY."""
        if self.phase is not Phase.READY:
            raise RuntimeError(f"cannot begin while {self.phase.name}")
        self._start_tries = 0
        self._course.begin(now, resume)
        return self.upkeep(now)

    def supply(
        self,
        commands: Iterable[tuple[int, bytes]],
        now: float,
        *,
        complete: bool = False,
    ) -> bytes:
        """Take file lines as (offset behind the line, command), in order."""
        if self.running:
            self._course.supply(commands, complete=complete)
        return self.upkeep(now)

    def pause(self, now: float) -> bytes:
        """Stop feeding, then park. `RunPaused` follows."""
        self._course.pause("user", None, now)
        return self.upkeep(now)

    def resume(self, now: float) -> bytes:
        """Go back to where the print was left, or answer the dialogue that holds it."""
        self._course.resume(now)
        return self.upkeep(now)

    def answer(self, choice: int, now: float) -> bytes:
        """Answer what a person is asked; only while there is such a choice."""
        self._link.urgent(self.dialog.answer(choice), now)
        return self.upkeep(now)

    def cancel(self, now: float) -> bytes:
        """Drop the rest and leave the machine cold. `RunEnded` follows."""
        self._course.cancel(RunEnded(Ending.CANCELLED), now)
        return self.upkeep(now)

    def stop(self, now: float, ending: RunEnded) -> bytes:
        """Park and stand by, for somebody to go on later. `RunEnded` follows."""
        self._course.stop(ending, now)
        return self.upkeep(now)

    def send(self, token: object, command: bytes, now: float) -> bytes:
        """Slip in a command; `Reply` with this token follows."""
        request = Auxiliary(token, command)
        if self.phase not in ANSWERING and self.phase is not Phase.HALTED:
            self._session.events.append(Reply(token, (), "not_connected"))
        elif code(command) == b"M112":
            # Nobody answers that: the board is dead once it has read it.
            self._link.urgent(command, now)
            self._session.events.append(Reply(token, ()))
        elif code(command) in URGENT:
            self._link.urgent(command, now, request)
        else:
            self._link.auxiliary.append(request)
            self._link.steady = False
        return self.upkeep(now)

    def give_up(self) -> None:
        """Leave nothing warm from now on, whatever was chosen."""
        self._course.standby = parking.Standby.OFF

    def stand_by(self) -> bytes:
        """Last words before the connection is closed, whatever is going on."""
        head = self._link.head
        if head is not None and code(head.command) in INTERRUPTIBLE:
            self._link.blind(b"M108")
        for command in self._course.standing_by():
            self._link.blind(command)
        return self._link.take_output()

    # Hearing

    def _take(self, answer: Answer, now: float) -> None:
        link, session = self._link, self._session
        if self.phase is Phase.GREETING:
            last = self._greeting.overhear(answer, now)
            if last is not None:
                self._course.lookout.answered(last)
        if not isinstance(answer, TemperatureReport) or answer.waiting:
            # Automatic reports go on when an answer was lost, so they prove nothing.
            link.heard = now
        match answer:
            case Ok():
                self._ok(answer, now)
            case Resend(number) if self.phase in ANSWERING:
                self._excuse()
                link.resend(number, now)
            case TemperatureReport(waiting=waiting):
                session.temperatures(answer)
                if waiting:
                    link.at_work()
                    self._course.heard_life()
            case Busy():
                link.busy()
                self._course.heard_busy(answer, now)
            case Wait() if self.phase in ANSWERING:
                link.wait(now)
            case Banner():
                self._banner(answer, now)
            case ErrorReport():
                self._hear_error(answer, now)
            case Action():
                session.listen(answer)
                self._course.heard_action(answer, now)
            case PositionReport():
                session.located(answer)
            case UnknownCommand() if self.phase in ANSWERING:
                self._unknown(answer)
            case FirmwareReport() | CapabilityReport() | AreaReport():
                session.describe(answer)
            case Text(text):
                self.dialog.overhear(text, link.head)
                if self._complaint is not None:
                    self._complaint.complete(text)

    def _ok(self, answer: Ok, now: float) -> None:
        if answer.temperatures is not None:
            self._session.temperatures(answer.temperatures)
        if answer.free is not None:
            self._session.planned = max(self._session.planned, answer.free[0])
        if self.phase is Phase.GREETING:
            if not self._greeting.asking:
                self._greeting.answered(now)
        else:
            self._link.ok(answer, now)

    def _banner(self, banner: Banner, now: float) -> None:
        """The board has started: by our opening the port, or in the middle of things."""
        lookout = self._course.lookout
        lookout.started_anew()
        if self.phase is Phase.GREETING and banner.text != "start":
            return
        self._session.drop_requests("reset")
        if self.running:
            self._course.end(RunEnded(Ending.FAILED, "reset"), ANEW)
        self._greet(now)

    def _unknown(self, unknown: UnknownCommand) -> None:
        """A command that we did not send is the rest of a line that was cut."""
        head = self._link.head
        if head is not None and not same(unknown.command.encode(), head.command):
            self._link.stray_ok_ahead()

    def _settle(self, now: float) -> None:
        """Follow up on everything that was accepted, then send what is next."""
        link, session, course = self._link, self._session, self._course
        while True:
            if link.answered:
                for line in course.account():
                    if line.auxiliary is not None:
                        self._reply(line.auxiliary)
            if session.performed:
                session.go_on(now)
                continue
            course.prepare(now)
            link.pump(now)
            if link.head is not None and link.head.kind is Kind.FILE:
                course.sent_file_line = True
            if not session.performed:
                return

    def _reply(self, request: Auxiliary) -> None:
        if code(request.command) in WAITS_FOR_PERSON:
            self.dialog.settle()
        if request.token is not None:
            self._session.events.append(Reply(request.token, tuple(request.lines)))
        if self.phase is Phase.HALTED and code(request.command) == b"M999":
            self._session.phase = Phase.READY
            self.fault = None

    # Hello, and from then on

    def _note_numbers(self) -> None:
        """What the board counts up to, as far as we know: it may be asked for it."""
        if self.phase in ANSWERING:
            self._course.lookout.counted(*self._link.numbered)

    def _greet(self, now: float) -> None:
        """Begin from nothing with a board that may or may not be listening yet."""
        self._note_numbers()
        self.fault = None
        self._complaint = None
        self._course.forget()
        self._greeting.begin(now, self._course.lookout.question)

    def _be_ready(self, now: float) -> None:
        """The board is known; one whose print was cut off is not left as it was."""
        self._next_poll = now + POLL_INTERVAL
        lookout = self._course.lookout
        if lookout.hot:
            self._link.script.extend(self._course.standing_by())
        if lookout.heard.reset is False and parking.holds(self.firmware):
            self._link.script.append(parking.HOLD)

    def _poll(self, now: float) -> None:
        """Ask for temperatures, unless something is waiting or under way for long."""
        reports = self._session.can("AUTOREPORT_TEMP")
        self._next_poll = now + (SYNC_INTERVAL if reports else POLL_INTERVAL)
        link = self._link
        busy = link.head is not None and code(link.head.command) in LONG
        if not busy and not link.script and not link.auxiliary:
            link.auxiliary.append(Auxiliary(None, b"M105"))
            link.steady = False

    # When things go wrong

    def _gone(self, now: float) -> None:
        """Nothing is heard any more: the run is over, keep calling."""
        self._session.drop_requests("no_answer")
        if self.running:
            self._course.end(RunEnded(Ending.FAILED, "no_answer"))
        self._session.events.append(Silent("no_answer"))
        self._greet(now)

    def _broken(self, text: str, now: float) -> None:
        """The board counts differently. At the start that can be put right."""
        begun = self.sent_file_line
        if (
            self.phase is Phase.STARTING
            and not begun
            and self._start_tries < START_TRIES
        ):
            self._start_tries += 1
            self._course.count_from_zero(now)
            return
        self._session.drop_requests("no_answer")
        if self.running:
            self._course.end(RunEnded(Ending.FAILED, "out_of_step", text))
        self._greet(now)
        self._cool()

    def _hear_error(self, error: ErrorReport, now: float) -> None:
        """Stop at a fatal error, and wait whether more is said about it."""
        if error.severity is Severity.LINE and self.phase in ANSWERING:
            self._link.refused(error.last_line)
        if not error.severity.fatal or self.phase is Phase.HALTED:
            return
        self._link.feeding = self._link.steady = False
        if self._complaint is None:
            self._complaint = Complaint.begin(error, now)
        else:
            self._complaint.add(error)
        if error.severity is Severity.KILLED:
            self._halt(self._complaint, now)

    def _excuse(self) -> None:
        """An error with a `Resend` behind it was about a line, in whatever words."""
        complaint = self._complaint
        if complaint is not None and complaint.severity is Severity.OTHER:
            self._complaint = None
            self._link.feeding = self.phase is Phase.PRINTING

    def _halt(self, complaint: Complaint, now: float) -> None:
        """The firmware has stopped. Killed boards are deaf; others are told to cool."""
        self._complaint = None
        self.fault = complaint.text
        reason = complaint.reason
        self._session.drop_requests("halted")
        if self.running:
            self._course.end(RunEnded(Ending.FAILED, reason, self.fault), ANEW)
        self._course.lookout.started_anew()
        self._link.reset(now)
        self._cool()
        self.dialog.settle()
        self._session.phase = Phase.HALTED
        self._session.events.append(Fault(reason, self.fault))

    def _cool(self) -> None:
        for command in parking.HEATERS_OFF:
            self._link.blind(command)
