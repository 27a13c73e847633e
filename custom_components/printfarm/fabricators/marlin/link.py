"""The numbered link: one line in flight, and none lost or sent twice.

Marlin accepts a numbered line only in turn and only if its checksum is right, so the
firmware itself keeps the order; what is left to the host is to find out what became of
a line whose answer went missing. It never guesses: it sends a numbered M105 as the next
line. If the firmware answers, everything before has arrived; if not, its `Resend` says
what it is waiting for. A line repeated on suspicion would be dropped without any answer
(Marlin >= 2.1.2), and so would the knowledge.

One line in flight, because `Resend` flushes the firmware's buffer in the middle of
whatever else is there, and the rest of a cut line is then executed without a checksum.
"""

from collections import deque
from collections.abc import Callable, Iterable

from .answers import Ok
from .commands import LONG, WAITS_FOR_PERSON, code
from .tape import Tape
from .wire import Auxiliary, Kind, Line, encode

HISTORY = 64
"""Lines kept for `Resend`."""

SLACK = 8
"""A `Resend` this far behind the last answered line is believed: answers that came
twice can put the host ahead. Further back, the firmware has lost its memory."""

RESEND_LIMIT = 10
"""Times the same line is asked for before the link counts as broken."""

RESEND_OK_TIMEOUT = 0.5
"""Some firmware forgets the `ok` after `Resend`."""

ANSWER_TIMEOUT = 30.0
BUSY_TIMEOUT = 6.0
"""Once the firmware is known to say `busy` (every 2 s), silence means more."""

WAIT_GRACE = 0.5
"""An idle firmware's `wait` may cross a line that is on its way."""

ROUNDS = 5
LONG_ROUNDS = 20
"""Silent time-outs before the firmware counts as gone."""

_RESET = b"M110 N0"
_PROBE = b"M105"
_EVIDENCE = {b"M105": "temperatures", b"M114": "position", b"M115": "firmware"}
"""Commands whose `ok` cannot be mistaken, because a report belongs to it."""


class LinkBroken(Exception):
    """The firmware asks for a line that we cannot give."""


class Link:
    """Decides which bytes go next. Time is handed in; nothing here waits or writes."""

    def __init__(self) -> None:
        """Start without a connection."""
        self.busy_known = False
        self.advanced = False
        self.reports_on_ok = False
        self.tape: Tape | None = None
        """Where each line of the file is noted before it goes out."""
        self._blind = bytearray()
        self.reset(0.0)

    def reset(self, now: float) -> None:
        """Forget everything that was under way: the firmware has."""
        self.output = bytearray()
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
        self._in_flight: deque[Line] = deque()
        self._history: deque[Line] = deque(maxlen=HISTORY)
        self._sent = 0
        self._answered_through = 0
        self._arrived_through = 0
        self._sent_at = now
        self._unwritten = 0
        self._evidence: set[str] = set()
        self._ok_since_sent = False
        self._stray_oks = 0
        self._rounds = 0
        self._resend: list[Line] | None = None
        self._resend_deadline = 0.0
        self._resend_number = 0
        self._resend_count = 0
        self._again: deque[Line] = deque()

    @property
    def idle(self) -> bool:
        """Nothing is in flight or waits for its turn, apart from file lines."""
        return not (
            self._in_flight
            or self._again
            or self._resend is not None
            or self.script
            or self.auxiliary
        )

    @property
    def script_done(self) -> bool:
        """Whether every command of the script was accepted."""
        waiting = (*self._in_flight, *self._again, *(self._resend or ()))
        return not self.script and all(line.kind is not Kind.SCRIPT for line in waiting)

    @property
    def head(self) -> Line | None:
        """The line whose answer is awaited."""
        return self._in_flight[0] if self._in_flight else None

    @property
    def numbered(self) -> tuple[int, int]:
        """Last line number that was answered, and last one that was given out."""
        return self._answered_through, self._sent

    def file_lines(self, last: int) -> list[tuple[int, int]]:
        """Give number and offset of the last lines of the file that left, in order."""
        lines = [
            (line.number or 0, line.offset)
            for line in self._history
            if line.kind is Kind.FILE
        ]
        return lines[-last:]

    @property
    def timeout(self) -> float:
        """Seconds of silence that are allowed now."""
        return BUSY_TIMEOUT if self.busy_known else ANSWER_TIMEOUT

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do, if nothing is heard until then."""
        times = []
        if self._in_flight:
            times.append(self.heard + self.timeout)
        if self._resend is not None:
            times.append(self._resend_deadline)
        return min(times, default=None)

    def take_output(self) -> bytes:
        """Hand over the bytes to be written."""
        output = bytes(self._blind + self.output)
        self._blind.clear()
        self.output.clear()
        self._unwritten = 0
        return output

    def step(self, now: float) -> bytes:
        """Answer a plain `ok` with the next line of the file. The hot path.

        Only while `steady`. Returns the bytes, past `output`.
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
        self._history.clear()
        self._again.clear()
        self._in_flight.clear()
        self._resend = None
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
        if not self._in_flight and self._resend is None:
            if self._again:
                self._transmit(self._again.popleft(), now)
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
            and not self.advanced
            and len(self._in_flight) == 1
            and self._in_flight[0].kind is Kind.FILE
            and (self._in_flight[0].number or 0) == self._sent
            and self._in_flight[0].command[:4] not in _EVIDENCE
            and not (self._again or self.script or self.auxiliary or self._stray_oks)
            and self._resend is None
        )

    def requests(self) -> list[Auxiliary]:
        """Commands of others that are under way or waiting."""
        sent = [line.auxiliary for line in (*self._in_flight, *self._again)]
        return [*(request for request in sent if request is not None), *self.auxiliary]

    def saw(self, evidence: str) -> None:
        """A report came in; it vouches for the `ok` that follows."""
        self._evidence.add(evidence)

    def stray_ok_ahead(self) -> None:
        """The next `ok` belongs to something that we never sent (a cut line)."""
        self._stray_oks += 1
        self.steady = False

    def ok(self, answer: Ok, now: float) -> None:
        """Take an `ok`, find the line it belongs to, and send what comes next."""
        self.heard = self.silent_since = now
        self._ok_since_sent = True
        plain = answer.number is None and answer.temperatures is None
        if plain and self._resend is not None:
            self._send_again()
        elif accepted := self._accepted_by(answer):
            self._accept(accepted)
        self.pump(now)

    def resend(self, number: int, now: float) -> None:
        """The firmware wants to go on from this line."""
        self.heard = self.silent_since = now
        self.steady = False
        head = self.head
        if head is not None and head.command == _RESET:
            # The answer is about the old count, which we are about to leave.
            self._resend, self._resend_deadline = [head], now + RESEND_OK_TIMEOUT
            self._in_flight.clear()
            return
        self._count_resend(number)
        lines = [line for line in self._history if (line.number or 0) >= number]
        behind = self._answered_through - number >= SLACK
        if behind or number > self._sent + 1 or len(lines) != self._sent + 1 - number:
            raise LinkBroken(f"Resend: {number}, last line sent: {self._sent}")
        self._arrived_through = number - 1
        self._in_flight = deque(
            line
            for line in self._in_flight
            if line.number is None or line.number < number
        )
        self._again.clear()
        self._resend, self._resend_deadline = lines, now + RESEND_OK_TIMEOUT

    def wait(self, now: float) -> None:
        """The firmware idles: what is in flight was lost, or its answer."""
        if self._in_flight and now - self._sent_at >= WAIT_GRACE:
            self.heard = now
            self._inquire(now)

    def tick(self, now: float) -> bool:
        """Let time pass. False once the firmware has been silent for too long."""
        if self._resend is not None and now >= self._resend_deadline:
            self._send_again()
            self.pump(now)
        if self._in_flight and now - self.heard >= self.timeout:
            self.heard = now
            return self._inquire(now)
        return True

    def _count_resend(self, number: int) -> None:
        if number != self._resend_number:
            self._resend_number, self._resend_count = number, 0
        self._resend_count += 1
        if self._resend_count > RESEND_LIMIT:
            raise LinkBroken(f"Resend: {number}, {RESEND_LIMIT} times")

    def _send_again(self) -> None:
        self._again.extend(self._resend or ())
        self._resend = None

    def _accepted_by(self, answer: Ok) -> int:
        """How many lines in flight this `ok` accepts, from the front."""
        flight = self._in_flight
        written = len(flight) - self._unwritten
        if written <= 0:
            # Nothing has left us that could be answered: an `ok` too many.
            return 0
        if answer.number is not None:
            self.advanced = True
            return self._through(lambda line: line.number == answer.number, written)
        if answer.temperatures is not None:
            self.reports_on_ok = True
            return self._through(lambda line: _is_probe(line.command), written)
        if self._stray_oks:
            self._stray_oks -= 1
            return 0
        head = flight[0]
        evidence = _EVIDENCE.get(code(head.command))
        if evidence is not None and (
            evidence not in self._evidence
            or (_is_probe(head.command) and self.reports_on_ok)
        ):
            return 0
        if self.advanced and head.number is not None and answer.free is None:
            # With ADVANCED_OK only the answer to a resend is that short.
            return 0 if evidence is None else 1
        return 1

    def _through(self, matches: Callable[[Line], bool], written: int) -> int:
        """Count of lines up to the first one that matches; 0 if none does."""
        for count, line in enumerate(self._in_flight, 1):
            if count > written:
                break
            if matches(line):
                return count
        return 0

    def _accept(self, count: int) -> None:
        self._rounds = 0
        for _ in range(count):
            line = self._in_flight.popleft()
            if line.number and line.number <= self._answered_through:
                continue
            if line.number:
                self._answered_through = line.number
            if line.kind is not Kind.PROBE:
                self.answered.append(line)

    def _inquire(self, now: float) -> bool:
        """Find out what the silence means. False when nobody seems to be there."""
        head = self._in_flight[0]
        if all(self._settled(line) for line in self._in_flight):
            self._accept(len(self._in_flight))
            self.pump(now)
            return True
        name = code(head.command)
        self._rounds += 1
        limit = LONG_ROUNDS if name in LONG else ROUNDS
        silent = now - self.silent_since >= limit * self.timeout * 0.99
        if silent and (self.busy_known or name not in WAITS_FOR_PERSON):
            return False
        # A line whose end was damaged is still open over there: close it first.
        self.output += b"\n"
        last = self._in_flight[-1]
        if head.command == _RESET:
            self.output += head.wire
        elif last.kind is not Kind.PROBE:
            self._transmit_next(_PROBE, Kind.PROBE, now)
        elif turn := self._rounds if name not in LONG else _rarely(self._rounds):
            if turn % 2:
                self._transmit_next(_PROBE, Kind.PROBE, now)
            else:
                self.output += last.wire
        self.steady = False
        return True

    def _settled(self, line: Line) -> bool:
        """Whether a line needs no answer any more, once it has become quiet."""
        if line.number is None:
            return True
        if line.number and line.number <= self._arrived_through:
            return True
        return line.kind is Kind.PROBE and self._ok_since_sent

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
        if (evidence := _EVIDENCE.get(code(line.command))) is not None:
            self._evidence.discard(evidence)
        self.output += line.wire
        self._in_flight.append(line)
        self._unwritten += 1
        self._ok_since_sent = False
        self._sent_at = now
        if len(self._in_flight) == 1:
            self.heard = self.silent_since = now


def _rarely(rounds: int) -> int:
    """Every fourth round: the buffer of a firmware at work must not be filled up."""
    return rounds // 4 if rounds % 4 == 0 else 0


def _is_probe(command: bytes) -> bool:
    """Whether this command's `ok` carries temperatures."""
    return command.startswith(_PROBE)
