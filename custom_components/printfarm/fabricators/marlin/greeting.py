"""Getting to know a board: from the first hello to what it says of itself."""

from collections.abc import Callable
from math import log2
import re

from .answers import Answer, Busy, Ok, Resend, TemperatureReport, Text
from .events import Ready, Silent
from .session import Phase, Session
from .wire import encode

HELLO_INTERVAL = 2.0
IDENTIFY_TIMEOUT = 4.0
IDENTIFY_TRIES = 3
AUTOREPORT = b"M155 S2"
ASK_TRIES = 5
"""Silent tries to hear a board's last line number."""
ASK_LIMIT = 30
"""The same for a board that speaks, but not of that."""
BLOCK_BYTES = 108
"""What a planned move takes in Marlin, between 92 and 124; their count is a power of 2."""
_BUFFER = re.compile(r"PlannerBufferBytes: ?([1-9]\d+)")
ANSWER_GRACE = 0.5
"""Seconds for the `ok` behind the answer."""


class Greeting:
    """Says hello until somebody answers, then asks who it is.

    Boards that reset when the port is opened greet first and hear nothing before that,
    others say nothing until they are spoken to. So the greeting is repeated.

    After a print was cut off the board is asked first which line it has taken last: a
    line out of turn makes it say so, and the greeting itself would make it forget.

    `start_over` is called when what answers is no board that we know, `ready` once it
    has said what it is; both with the time.
    """

    def __init__(
        self,
        session: Session,
        *,
        start_over: Callable[[float], None],
        ready: Callable[[float], None],
    ) -> None:
        """Greet nobody yet."""
        self._session = session
        self._link = session.link
        self._start_over = start_over
        self._ready = ready
        self._next_hello = 0.0
        self._give_up = 0.0
        self._tries = 0
        self._question: int | None = None
        self._asked = self._in_vain = 0

    @property
    def deadline(self) -> float | None:
        """When `tick` has something to do."""
        match self._session.phase:
            case Phase.GREETING:
                return self._next_hello
            case Phase.IDENTIFYING:
                return self._give_up
        return None

    def begin(self, now: float, question: int | None = None) -> None:
        """Begin from nothing with a board that may or may not be listening yet.

        `question` is the number of a line out of turn to ask with.
        """
        self._session.begin(now)
        self._session.phase = Phase.GREETING
        self._question = question
        self._asked = self._in_vain = 0
        self._say_hello(now)

    def overhear(self, answer: Answer, now: float) -> int | None:
        """Listen for the number of the last line; give it back once it is known."""
        if isinstance(answer, Text) and (buffer := _BUFFER.search(answer.text)):
            blocks = 2 ** round(log2(int(buffer[1]) / BLOCK_BYTES))
            self._session.planned = max(self._session.planned, blocks - 1)
        if self._question is None:
            return None
        match answer:
            case Resend(number):
                self._question = None
                self._next_hello = now + ANSWER_GRACE
                return number - 1
            case Ok(temperatures=TemperatureReport()):
                # It has taken the line: it does not count.
                self._question = None
            case Busy() | TemperatureReport():
                self._in_vain = 0
        return None

    @property
    def asking(self) -> bool:
        """Whether an `ok` is none that we wait for."""
        return self._question is not None

    def answered(self, now: float) -> None:
        """Somebody is there."""
        self._tries = 0
        self._identify(now)

    def tick(self, now: float) -> None:
        """Let time pass."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return
        if self._session.phase is Phase.GREETING:
            self._say_hello(now)
        else:
            self._identify(now)

    def _say_hello(self, now: float) -> None:
        self._next_hello = now + HELLO_INTERVAL
        if self._question is not None:
            self._asked += 1
            self._in_vain += 1
            if self._in_vain <= ASK_TRIES and self._asked <= ASK_LIMIT:
                line = encode(self._question, b"M105")
                self._link.blind(b"\n" + line.rstrip())
                return
            self._question = None
        self._link.blind(b"\n" + encode(0, b"M110 N0").rstrip())

    def _identify(self, now: float) -> None:
        """Ask what the board is; give up after a few tries and greet again."""
        self._tries += 1
        session = self._session
        if self._tries > IDENTIFY_TRIES:
            session.events.append(Silent("not_marlin"))
            self._start_over(now)
            return
        session.begin(now)
        session.phase = Phase.IDENTIFYING
        self._give_up = now + IDENTIFY_TIMEOUT
        self._link.renumber(now)
        session.perform([b"M115", b"M105"], self._identified)

    def _identified(self, now: float) -> None:
        session = self._session
        if session.firmware is None:
            return
        session.phase = Phase.READY
        if session.can("AUTOREPORT_TEMP"):
            self._link.script.append(AUTOREPORT)
        self._ready(now)
        session.events.append(Ready(session.firmware))
