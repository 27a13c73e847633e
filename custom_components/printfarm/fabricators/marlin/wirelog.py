"""The last lines that went over the wire, for a report of a bug."""

from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from time import monotonic, time

from .wire import LineBuffer

LINES = 2000
"""Lines that are kept."""

_PIECES = 2 * LINES
"""A network can chop a line into pieces; what is kept of them stays bounded too."""

type Piece = tuple[str, float, bytes]
"""Direction, monotonic time, and what went by."""


class WireLog:
    """Both directions, as they were read and written; made readable only when asked.

    `sent` and `heard` run for every line of a print, so they only keep what they are
    given.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._pieces: deque[Piece] = deque(maxlen=_PIECES)
        self._keep: Callable[[Piece], None] = self._pieces.append

    def sent(self, now: float, data: bytes) -> None:
        """Bytes are written to the machine at this monotonic time."""
        self._keep((">", now, data))

    def heard(self, now: float, data: bytes) -> None:
        """Bytes came from the machine."""
        self._keep(("<", now, data))

    def follow(self, follower: Callable[[Piece], None] | None) -> None:
        """Hand everything to somebody else as well, from now on; or to nobody."""
        keep = self._pieces.append
        if follower is None:
            self._keep = keep
            return

        def both(piece: Piece) -> None:
            keep(piece)
            follower(piece)

        self._keep = both

    def lines(self) -> tuple[str, ...]:
        r"""Give time of day, direction and text of each line, oldest first.

        A line has the time at which its first byte went by. Bytes that are no text
        are written as `\x..`.
        """
        return tuple(Scribe().write(tuple(self._pieces), whole=True)[-LINES:])


class Scribe:
    """Puts pieces of a wire together and makes them readable."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._buffers = {">": LineBuffer(), "<": LineBuffer()}
        self._began = dict.fromkeys(self._buffers, 0.0)

    def write(self, pieces: Iterable[Piece], *, whole: bool = False) -> list[str]:
        """Give the lines that are complete; with `whole` also what is left."""
        offset = time() - monotonic()
        buffers, began = self._buffers, self._began
        lines: list[tuple[float, str, bytes]] = []
        for direction, now, data in pieces:
            buffer = buffers[direction]
            if not buffer.partial:
                began[direction] = now
            for line in buffer.add(data):
                lines.append((began[direction], direction, line))
                began[direction] = now
        if whole:
            lines += [
                (began[direction], direction, buffer.partial)
                for direction, buffer in buffers.items()
                if buffer.partial
            ]
        lines.sort(key=lambda entry: entry[0])
        return [
            f"{_clock(now + offset)} {direction} {_text(line)}"
            for now, direction, line in lines
        ]


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _text(line: bytes) -> str:
    return line.decode("ascii", "backslashreplace").translate(_CONTROL)


_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127)}
