"""What silence means: when to ask what became of a line, and when nobody is there.

Asking costs a line and does no harm, so that is done soon. A print that is given up is
lost, so that is done late: no machine may be taken for dead because it is slow.

A board counts as gone, at the latest one `timeout` after these times without any sign of
life (a byte of any kind):

| waiting for | says `busy` | never says `busy` |
|---|---|---|
| a short command | 30 s | 150 s, and what moves and pauses on their way may take |
| a long one (homing, probing, heating, M400) | 120 s | 1800 s, or the above if longer |
| a person | 120 s | never |
"""

from collections.abc import Iterable
import re

from .commands import INTERRUPTIBLE, LONG, WAITS_FOR_PERSON, code

ANSWER_TIMEOUT = 30.0
BUSY_TIMEOUT = 6.0
"""Once the firmware is known to say `busy` (every 2 s), silence means more."""

ASK_AFTER = 1.5
"""Most commands are answered at once, and moves as soon as the planner has room."""
ASK_BUSY_AFTER = 2.5
"""Who says `busy` would have said so by then."""
ASK_AGAIN_AFTER = 5.0

WAIT_GRACE = 0.5
"""An idle firmware's `wait` may cross a line that is on its way."""

MOST_QUESTIONS = 4
MOST_QUESTIONS_LONG = 2
"""Questions under way: the buffer of a firmware at work must not be filled up. Where
there is no emergency parser, M108 is heard only if it finds room in the queue."""

UNDONE = 36
"""Commands that the firmware may still have to execute."""

_ROUNDS = 5
_LONG_ROUNDS = 20
_LONG_LIMIT = 1800.0

_SLOW = 600.0
"""Feed rate in mm/min where the last lines do not say it."""
_MARGIN = 3.0
"""Speed factor, acceleration, arcs."""

_WORD = re.compile(rb"([EFPSXYZ])(-?\d*\.?\d+)")
_MOVES = frozenset({b"G0", b"G1", b"G2", b"G3", b"G5"})


class Silence:
    """How long one command has been waited for, and what was heard meanwhile."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.busy_known = False
        self.rounds = 0
        """Times that was asked since the last answer."""
        self._working = False
        """The firmware has said that it works on the line."""

    def sent(self) -> None:
        """A line has left, and no other one is under way."""
        self._working = False

    def answered(self) -> None:
        """A line was accepted."""
        self.rounds = 0
        self._working = False

    def busy(self) -> None:
        """The firmware is one that says `busy`."""
        self.busy_known = self._working = True

    def at_work(self) -> None:
        """The line in flight has arrived, and takes its time."""
        self._working = True

    @property
    def timeout(self) -> float:
        """Seconds of silence that are allowed to a firmware at work."""
        return BUSY_TIMEOUT if self.busy_known else ANSWER_TIMEOUT

    @property
    def patience(self) -> float:
        """Seconds of silence before the next question."""
        if self._working or self.rounds > 1:
            return self.timeout
        if self.rounds == 1:
            return min(ASK_AGAIN_AFTER, self.timeout)
        return ASK_BUSY_AFTER if self.busy_known else ASK_AFTER

    def asks(self, command: bytes, under_way: int) -> bool:
        """Whether this is a round to ask in, with so many questions unanswered.

        A long command without `busy` gets time. But not for ever: it may have been lost
        on its way.
        """
        name = code(command)
        if name not in LONG:
            return under_way < MOST_QUESTIONS
        if not self.busy_known and self.rounds != 2 and self.rounds % 4:
            return False
        # All of them may have been lost. M108 matters only where it ends something.
        more = 0 if name in INTERRUPTIBLE else min(2, self.rounds // 8)
        return under_way < MOST_QUESTIONS_LONG + more

    def gone(self, command: bytes, silent: float, latest: Iterable[bytes]) -> bool:
        """Whether nobody seems to be there, after so many seconds without a byte."""
        name = code(command)
        if self.busy_known:
            rounds = _LONG_ROUNDS if name in LONG else _ROUNDS
            return silent >= rounds * BUSY_TIMEOUT
        if name in WAITS_FOR_PERSON:
            return False
        limit = _ROUNDS * ANSWER_TIMEOUT
        if silent < limit:
            return False
        limit += allowance(latest)
        return silent >= (max(_LONG_LIMIT, limit) if name in LONG else limit)


def allowance(latest: Iterable[bytes]) -> float:
    """Seconds that the last commands, the newest first, may take at the very most."""
    at: dict[bytes, float] = {}
    feedrate = _SLOW
    seconds = 0.0
    for command in reversed([*latest]):
        name = code(command)
        words = {word[1]: float(word[2]) for word in _WORD.finditer(command)}
        if name == b"G4":
            seconds += words.get(b"S", 0.0) + words.get(b"P", 0.0) / 1000
        if name not in _MOVES:
            continue
        feedrate = max(1.0, words.pop(b"F", feedrate))
        length = 0.0
        for axis, value in words.items():
            # Relative or absolute: the longer way of the two.
            length += max(abs(value), abs(value - at.get(axis, 0.0)))
            at[axis] = value
        seconds += 60 * length / feedrate
    return _MARGIN * seconds
