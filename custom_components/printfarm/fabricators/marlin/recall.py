"""What was sent and may be asked for again."""

from collections import deque
from itertools import islice

from .wire import Kind, Line

HISTORY = 64
"""Lines kept for `Resend`."""

SLACK = 8
"""A `Resend` this far behind the last answered line is believed: answers that came
twice can put the host ahead. Further back, the firmware has lost its memory."""

RESEND_LIMIT = 10
"""Times the same line is asked for before the link counts as broken."""


class LinkBroken(Exception):
    """The firmware asks for a line that we cannot give."""


class Recall:
    """The last lines by number, and how often the firmware wanted which of them."""

    def __init__(self) -> None:
        """Nothing was sent."""
        self.lines: deque[Line] = deque(maxlen=HISTORY)
        self._asked = 0
        self._times = 0
        self._absurd: int | None = None
        self._last: int | None = None

    def clear(self) -> None:
        """Count anew: what was sent before cannot be asked for any more."""
        self.lines.clear()
        self._asked = self._times = 0
        self._absurd = self._last = None

    def file_lines(self, last: int) -> list[tuple[int, int]]:
        """Give number and offset of the last lines of the file that left, in order."""
        lines = [
            (line.number or 0, line.offset)
            for line in self.lines
            if line.kind is Kind.FILE
        ]
        return lines[-last:]

    def latest(self, count: int) -> list[bytes]:
        """Give the last commands, the newest first."""
        return [line.command for line in islice(reversed(self.lines), count)]

    @property
    def refused(self) -> bool:
        """Whether a line was refused, and the `Resend` has not come yet."""
        return self._last is not None

    def complained(self, last: int | None) -> None:
        """The firmware says what it had accepted before the line that it refuses."""
        self._last = last

    def take_complaint(self) -> int | None:
        """Give the line that such words ask for, once."""
        last, self._last = self._last, None
        return None if last is None else last + 1

    def asked(self, number: int, sent: int, answered: int) -> list[Line] | None:
        """Find the lines that a `Resend` asks for, up to the last one sent.

        None where the number cannot be right: it may have been damaged on its way, so
        the firmware is asked once more. Raises `LinkBroken` if it says the same again.
        The error before a `Resend` names the same line; they must not disagree.
        """
        complaint = self.take_complaint()
        if complaint is not None and complaint != number:
            return None
        lines = [line for line in self.lines if (line.number or 0) >= number]
        behind = answered - number >= SLACK
        if behind or number > sent + 1 or len(lines) != sent + 1 - number:
            if number == self._absurd:
                raise LinkBroken(f"Resend: {number}, last line sent: {sent}")
            self._absurd = number
            return None
        self._absurd = None
        self._count(number)
        return lines

    def _count(self, number: int) -> None:
        if number != self._asked:
            self._asked, self._times = number, 0
        self._times += 1
        if self._times > RESEND_LIMIT:
            raise LinkBroken(f"Resend: {number}, {RESEND_LIMIT} times")
