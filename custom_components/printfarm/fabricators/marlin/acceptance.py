"""What an `ok` accepts: seldom said, mostly to be concluded."""

from collections import deque
from collections.abc import Callable

from .answers import Ok
from .commands import code
from .wire import Line

PROBE = b"M105"
TEMPERATURES = "temperatures"

EVIDENCE = {PROBE: TEMPERATURES, b"M114": "position", b"M115": "firmware"}
"""Commands whose `ok` cannot be mistaken, because a report belongs to it."""


class Acceptance:
    """Knows the firmware's way to say `ok`, and finds the lines that one belongs to."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.advanced = False
        """Each `ok` of a numbered line says its number (ADVANCED_OK)."""
        self.reports = False
        """M105 is answered on the line of its `ok`."""
        self._seen: set[str] = set()
        self._strays = 0

    @property
    def expects_stray(self) -> bool:
        """Whether the next `ok` belongs to nothing of ours."""
        return self._strays > 0

    def stray_ahead(self) -> None:
        """The next `ok` belongs to something that was never sent (a cut line)."""
        self._strays += 1

    def sending(self, command: bytes) -> None:
        """A report from before this command is no answer to it."""
        if (evidence := EVIDENCE.get(code(command))) is not None:
            self._seen.discard(evidence)

    def saw(self, evidence: str) -> None:
        """A report came in; it vouches for the `ok` that follows."""
        self._seen.add(evidence)

    def count(self, answer: Ok, flight: deque[Line], written: int) -> int:
        """How many lines in flight this accepts, from the front.

        Only the first `written` of them have left: an `ok` cannot answer the others.
        """
        if written <= 0:
            return 0
        if answer.number is not None:
            number = answer.number
            count = _through(flight, written, lambda line: line.number == number)
            if count and answer.free is not None:
                self.advanced = True
            return count
        if answer.temperatures is not None:
            self.reports = True
            return _through(flight, written, is_probe)
        if self._strays:
            self._strays -= 1
            return 0
        head = flight[0]
        evidence = EVIDENCE.get(code(head.command))
        if self.advanced and head.number is not None and evidence is None:
            # What says no number is the answer to a resend or to a cut line.
            return 0
        if evidence is not None and (
            evidence not in self._seen or (self.reports and is_probe(head))
        ):
            return 0
        return 1

    def ends_with_probe(self, flight: deque[Line]) -> bool:
        """Whether an `ok` now is that of the M105 behind the first line in flight.

        On firmware that writes the temperatures on a line before it.
        """
        return (
            not self.reports
            and TEMPERATURES in self._seen
            and len(flight) > 1
            and is_probe(flight[1])
        )


def is_probe(line: Line) -> bool:
    """Whether the `ok` of this line carries temperatures."""
    return line.command.startswith(PROBE)


def _through(flight: deque[Line], written: int, matches: Callable[[Line], bool]) -> int:
    """Count of lines up to the first one that matches; 0 if none does."""
    for count, line in enumerate(flight, 1):
        if count > written:
            break
        if matches(line):
            return count
    return 0
