"""The numbered link: one line in flight, and none lost or sent twice.

Marlin accepts a numbered line only in turn and only if its checksum is right, so the
firmware itself keeps the order; what is left to the host is to find out what became of
a line whose answer went missing. It never guesses: it sends a numbered M105 as the next
line. If the firmware answers, everything before has arrived; if not, its `Resend` says
what it is waiting for. A line repeated on suspicion would be dropped without any answer
(Marlin >= 2.1.2), and so would the knowledge; older firmware would take it for an error
and empty its buffer, whatever has just come into it.

One line in flight, because `Resend` flushes the firmware's buffer in the middle of
whatever else is there, and the rest of a cut line is then executed without a checksum.
"""

from collections import deque
from collections.abc import Iterable

from .acceptance import EVIDENCE, PROBE, Acceptance, is_probe
from .answers import Ok
from .flight import Flight
from .recall import LinkBroken, Recall
from .resending import Resending
from .silence import UNDONE, WAIT_GRACE, Silence
from .tape import Tape
from .wire import Auxiliary, Kind, Line, encode

__all__ = ["Link", "LinkBroken"]

_RESET = b"M110 N0"


class Link:
    """Decides which bytes go next. Time is handed in; nothing here waits or writes."""

    def __init__(self) -> None:
        """Start without a connection."""
        self.tape: Tape | None = None
        """Where each line of the file is noted before it goes out."""
        self._blind = bytearray()
        self.reset(0.0)

    def reset(self, now: float) -> None:
        """Forget everything that was under way: the firmware has."""
        self.feed: deque[Line] = deque()
        self.script: deque[bytes] = deque()
        self.auxiliary: deque[Auxiliary] = deque()
        self.answered: list[Line] = []
        """Lines accepted since somebody last looked, in order, each once."""
        self.feeding = False
        self.steady = False
        """Nothing but file lines is going on: `step` may be used."""
        self.heard = now
        self.silent_since = now
        self.resends = 0
        """Lines sent again since the count began."""
        self.answers_blank = False
        """An empty line has an `ok`, too (Klipper)."""
        self._acceptance = Acceptance()
        self._recall = Recall()
        self._history = self._recall.lines
        self._silence = Silence()
        self._flight = Flight()
        self._in_flight = self._flight.lines
        self._sent = 0
        self._answered_through = 0
        self._arrived_through = 0
        self._sent_at = now
        self._ok_since_sent = False
        self._again: deque[Line] = deque()
        self._resending = Resending()

    # What others may ask

    @property
    def idle(self) -> bool:
        """Nothing is in flight or waits for its turn, apart from file lines."""
        return not (
            self._in_flight
            or self._again
            or self._resending.waits
            or self.script
            or self.auxiliary
        )

    @property
    def script_done(self) -> bool:
        """Whether every command of the script was accepted."""
        waiting = (*self._in_flight, *self._again, *(self._resending.lines or ()))
        return not self.script and all(line.kind is not Kind.SCRIPT for line in waiting)

    @property
    def head(self) -> Line | None:
        """The line whose answer is awaited."""
        return self._in_flight[0] if self._in_flight else None

    @property
    def numbered(self) -> tuple[int, int]:
        """Last line number that was answered, and last one that was given out."""
        return self._answered_through, self._sent

    @property
    def advanced(self) -> bool:
        """Whether each `ok` says what it answers (ADVANCED_OK)."""
        return self._acceptance.advanced

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do, if nothing is heard until then."""
        times = []
        if self._in_flight:
            times.append(self.heard + self._silence.patience)
        if self._resending.waits:
            times.append(self._resending.until)
        return min(times, default=None)

    def file_lines(self, last: int) -> list[tuple[int, int]]:
        """Give number and offset of the last lines of the file that left, in order."""
        return self._recall.file_lines(last)

    def requests(self) -> list[Auxiliary]:
        """Commands of others that are under way or waiting."""
        sent = [line.auxiliary for line in (*self._in_flight, *self._again)]
        return [*(request for request in sent if request is not None), *self.auxiliary]

    # Lines out

    def take_output(self) -> bytes:
        """Hand over the bytes to be written."""
        output = bytes(self._blind) + self._flight.take()
        self._blind.clear()
        return output

    def confirms(self, data: bytes) -> bool:
        """Whether this is the numbered `ok` of the line in flight, and nothing else."""
        return (
            data.startswith(b"ok N%d P" % (self._in_flight[0].number or 0))
            and data.find(b"\n") == len(data) - 1
            and self._acceptance.advanced
        )

    def step(self, now: float) -> bytes:
        """Answer an `ok` with the next line of the file. The hot path.

        Only while `steady`. Returns the bytes, past the output.
        """
        line = self.feed.popleft()
        flight = self._in_flight
        answered = flight.popleft()
        self.answered.append(answered)
        flight.append(line)
        self._history.append(line)
        self._answered_through = answered.number or 0
        self._sent += 1
        self.heard = self._sent_at = now
        if not self.feed:
            self.steady = False
        if self.tape is not None:
            self.tape.note(line.number or 0, line.offset)
        return line.wire

    def prepare(self, commands: Iterable[tuple[int, bytes]]) -> None:
        """Encode file lines (offset behind the line, command) ahead of need."""
        number = self._sent + len(self.feed)
        for offset, command in commands:
            number += 1
            self.feed.append(
                Line(encode(number, command), command, number, Kind.FILE, offset)
            )

    def unprepare(self) -> list[tuple[int, bytes]]:
        """Take the file lines back that were not sent yet."""
        lines = [(line.offset, line.command) for line in self.feed]
        self.feed.clear()
        self.steady = False
        return lines

    def renumber(self, now: float) -> None:
        """Begin to count at zero, on both sides (M110)."""
        self._recall.clear()
        self._again.clear()
        self._in_flight.clear()
        self._resending.clear()
        self.resends = 0
        self._sent = self._answered_through = self._arrived_through = 0
        self._transmit(Line(encode(0, _RESET), _RESET, 0, Kind.SCRIPT), now)
        self.steady = False

    def urgent(
        self, command: bytes, now: float, auxiliary: Auxiliary | None = None
    ) -> None:
        """Send out of turn and without a number; its `ok` comes all the same."""
        line = Line(command + b"\n", command, None, Kind.URGENT, auxiliary=auxiliary)
        self._transmit(line, now)
        self.steady = False

    def blind(self, command: bytes) -> None:
        """Write a command whose answer nobody waits for; it survives a `reset`."""
        self._blind += command + b"\n"

    def drop_script(self) -> None:
        """Forget the script's commands that were not sent."""
        self.script.clear()

    def pump(self, now: float) -> None:
        """Send the next line if it is time for one."""
        if not self._in_flight and not self._resending.waits:
            if self._again:
                self._repeat(self._again.popleft(), now)
            elif self.script:
                self._transmit_next(self.script.popleft(), Kind.SCRIPT, now)
            elif self.auxiliary:
                request = self.auxiliary.popleft()
                self._transmit_next(request.command, Kind.AUXILIARY, now, request)
            elif self.feeding and self.feed:
                line = self.feed.popleft()
                self._sent += 1
                self._history.append(line)
                if self.tape is not None:
                    self.tape.note(self._sent, line.offset)
                self._transmit(line, now)
        self.steady = bool(
            self.feeding
            and self.feed
            and len(self._in_flight) == 1
            and self._in_flight[0].kind is Kind.FILE
            and (self._in_flight[0].number or 0) == self._sent
            and self._in_flight[0].command[:4] not in EVIDENCE
            and not (self._again or self.script or self.auxiliary)
            and not self._acceptance.expects_stray
            and not self._recall.refused
            and not self._resending.waits
            and not self._resending.doubtful
        )

    # Answers in

    def saw(self, evidence: str) -> None:
        """A report came in; it vouches for the `ok` that follows."""
        self._acceptance.saw(evidence)

    def busy(self) -> None:
        """The firmware says that it is busy."""
        self._silence.busy()

    def at_work(self) -> None:
        """The firmware shows by other words that it works on what it was sent."""
        self._silence.at_work()

    def stray_ok_ahead(self) -> None:
        """The next `ok` belongs to something that we never sent (a cut line)."""
        self._acceptance.stray_ahead()
        self.steady = False

    def refused(self, last: int | None) -> None:
        """A line arrived damaged or out of turn; `last` was the one before."""
        self._recall.complained(last)
        self.steady = False

    def ok(self, answer: Ok, now: float) -> None:
        """Take an `ok`, find the line it belongs to, and send what comes next."""
        self.heard = self.silent_since = now
        self._ok_since_sent = True
        plain = answer.number is None and answer.temperatures is None
        wanted = self._recall.take_complaint()
        resending = self._resending
        expected = resending.waits or resending.doubtful
        if plain and wanted is not None and not expected:
            # The `Resend` between an error and its `ok` was damaged on the way.
            self.resend(wanted, now)
        if plain and resending.waits:
            self._send_again(now)
        elif not plain or not resending.swallows():
            self._accept(self._accepted_by(answer, plain=plain))
        self.pump(now)

    def resend(self, number: int, now: float) -> None:
        """The firmware wants to go on from this line."""
        self.heard = self.silent_since = now
        self.steady = False
        head = self.head
        if head is not None and head.command == _RESET:
            # The answer is about the old count, which we are about to leave.
            self._recall.take_complaint()
            self._in_flight.clear()
            self._resending.hold([head], now)
            return
        lines = self._recall.asked(number, self._sent, self._answered_through)
        self._again.clear()
        if lines is None:
            self._resending.hold([], now)
            return
        self._arrived_through = number - 1
        self._flight.take_back(number)
        if self.advanced:
            # The `ok` behind it has no number, so it cannot be mistaken for another.
            self._resending.clear()
            self._again.extend(lines)
            self.pump(now)
        elif self._resending.forgetful and lines and all(map(is_probe, lines[1:])):
            self._send_at_once(lines, now)
        else:
            self._resending.hold(lines, now)

    def wait(self, now: float) -> None:
        """The firmware idles: what is in flight was lost, or its answer."""
        if self._in_flight and now - self._sent_at >= WAIT_GRACE:
            self.heard = now
            self._inquire(now, idle=True)

    def tick(self, now: float) -> bool:
        """Let time pass. False once the firmware has been silent for too long."""
        if self._resending.waits and now >= self._resending.until:
            self._resending.forgetful = True
            self._send_again(now)
            self.pump(now)
        if self._in_flight and now >= self.heard + self._silence.patience:
            self.heard = now
            return self._inquire(now)
        return True

    # What became of a line

    def _accepted_by(self, answer: Ok, *, plain: bool) -> int:
        """How many lines in flight this `ok` accepts, from the front."""
        flight, written = self._in_flight, self._flight.written
        if self._resending.doubtful:
            apart = plain and self._acceptance.ends_with_probe(flight)
            # The probe behind the line has decided, or a second `ok` has.
            self._resending.decide(forgetful=apart or not plain)
            if apart:
                return min(2, written)
        return self._acceptance.count(answer, flight, written)

    def _accept(self, count: int) -> None:
        if count:
            self._silence.answered()
        for _ in range(count):
            line = self._in_flight.popleft()
            if line.number and line.number <= self._answered_through:
                continue
            if line.number:
                self._answered_through = line.number
            if line.kind is not Kind.PROBE:
                self.answered.append(line)

    def _send_again(self, now: float) -> None:
        if lines := self._resending.release():
            self._again.extend(lines)
        elif self._arrived_through < self._sent:
            # It cannot be told which line is wanted.
            self._question(now)

    def _send_at_once(self, lines: list[Line], now: float) -> None:
        """Send a line again to firmware that seems to say no `ok` behind `Resend`.

        An M105 behind it tells what an `ok` without a number cannot.
        """
        self._resending.doubt()
        for line in lines:
            self._repeat(line, now)
        if len(lines) == 1:
            self._question(now)

    def _inquire(self, now: float, *, idle: bool = False) -> bool:
        """Find out what the silence means. False when nobody seems to be there."""
        flight, silence = self._in_flight, self._silence
        head = flight[0]
        if all(map(self._settled, flight)):
            self._accept(len(flight))
            self.pump(now)
            return True
        latest = self._recall.latest(UNDONE)
        if silence.gone(head.command, now - self.silent_since, latest):
            return False
        silence.rounds += 1
        self.steady = False
        if not self.answers_blank:
            # A line whose end was damaged is still open over there: close it first.
            self._flight.put(b"\n")
        if head.command == _RESET:
            self._flight.put(head.wire)
        elif idle or silence.asks(
            head.command, sum(line.kind is Kind.PROBE for line in flight)
        ):
            self._question(now)
        return True

    def _settled(self, line: Line) -> bool:
        """Whether a line needs no answer any more, once it has become quiet."""
        if line.number is None:
            return True
        if line.number and line.number <= self._arrived_through:
            return True
        return line.kind is Kind.PROBE and self._ok_since_sent

    # Writing

    def _question(self, now: float) -> None:
        """Ask what has arrived."""
        self._transmit_next(PROBE, Kind.PROBE, now)

    def _repeat(self, line: Line, now: float) -> None:
        self.resends += 1
        self._transmit(line, now)

    def _transmit_next(
        self, command: bytes, kind: Kind, now: float, auxiliary: Auxiliary | None = None
    ) -> None:
        """Give the next number to a command; file lines behind it move up by one."""
        lines = self.unprepare()
        self._sent += 1
        line = Line(
            encode(self._sent, command), command, self._sent, kind, auxiliary=auxiliary
        )
        self.prepare(lines)
        self._history.append(line)
        self._transmit(line, now)

    def _transmit(self, line: Line, now: float) -> None:
        self._acceptance.sending(line.command)
        self._flight.add(line)
        self._ok_since_sent = False
        self._sent_at = now
        if len(self._in_flight) == 1:
            self.heard = self.silent_since = now
            self._silence.sent()
