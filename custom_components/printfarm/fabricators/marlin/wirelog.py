"""The last lines that went over the wire, for a report of a bug."""

from collections import deque
from datetime import UTC, datetime
from time import monotonic, time

from .wire import LineBuffer

LINES = 2000
"""Lines that are kept."""

_PIECES = 2 * LINES
"""A network can chop a line into pieces; what is kept of them stays bounded too."""

type _Piece = tuple[str, float, bytes]


class WireLog:
    """Both directions, as they were read and written; made readable only when asked.

    `sent` and `heard` run for every line of a print, so they only keep what they are
    given.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._pieces: deque[_Piece] = deque(maxlen=_PIECES)
        self._keep = self._pieces.append

    def sent(self, now: float, data: bytes) -> None:
        """Bytes are written to the machine at this monotonic time."""
        self._keep((">", now, data))

    def heard(self, now: float, data: bytes) -> None:
        """Bytes came from the machine."""
        self._keep(("<", now, data))

    def lines(self) -> tuple[str, ...]:
        r"""Give time of day, direction and text of each line, oldest first.

        A line has the time at which its first byte went by. Bytes that are no text
        are written as `\x..`.
        """
        offset = time() - monotonic()
        buffers = {">": LineBuffer(), "<": LineBuffer()}
        began = dict.fromkeys(buffers, 0.0)
        lines: list[tuple[float, str, bytes]] = []
        for direction, now, data in tuple(self._pieces):
            buffer = buffers[direction]
            if not buffer.partial:
                began[direction] = now
            for line in buffer.add(data):
                lines.append((began[direction], direction, line))
                began[direction] = now
        lines += [
            (began[direction], direction, buffer.partial)
            for direction, buffer in buffers.items()
            if buffer.partial
        ]
        lines.sort(key=lambda entry: entry[0])
        return tuple(
            f"{_clock(now + offset)} {direction} {_text(line)}"
            for now, direction, line in lines[-LINES:]
        )


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _text(line: bytes) -> str:
    return line.decode("ascii", "backslashreplace").translate(_CONTROL)


_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127)}
