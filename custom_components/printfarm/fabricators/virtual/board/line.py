"""From bytes to numbered lines: the receiving side of Marlin's command queue."""

from collections.abc import Callable, Iterator
from functools import reduce
from operator import xor
import re
from typing import NamedTuple

from .faults import FaultCounter
from .profile import BoardProfile

_LEADING_INTEGER = re.compile(rb"\s*(-?\d+)")
_EMERGENCY = re.compile(rb"\s*(?:N\d+\s*)?(M(?:108|112|410|876\s*S\d+))(?!\d)")


class Line(NamedTuple):
    """A line that was accepted."""

    number: int | None
    command: str


class LineError(NamedTuple):
    """A line that was not; the firmware asks for it again."""

    text: str


def _integer(data: bytes) -> int:
    """Read a leading number like C's strtol: 0 where there is none."""
    match = _LEADING_INTEGER.match(data)
    return int(match[1]) if match else 0


class LineReader:
    """RX ring, line buffer and line numbers.

    Bytes wait in the link until the ring has room for them; only what is in the ring
    can be seen by the emergency parser or lost in a flush.
    """

    def __init__(
        self,
        profile: BoardProfile,
        faults: FaultCounter,
        on_emergency: Callable[[str], None],
    ) -> None:
        """Call `on_emergency` with M108, M112, M410 or M876 Sn as they come in."""
        self.last_number = 0
        self._profile = profile
        self._faults = faults
        self._on_emergency = on_emergency
        self._link = bytearray()
        self._ring = bytearray()
        self._line = bytearray()
        self._seen = b""

    def feed(self, data: bytes) -> None:
        """Take bytes from the host."""
        self._link += data

    @property
    def pending(self) -> bool:
        """Whether there are bytes that were not read yet."""
        return bool(self._link or self._ring)

    def clear(self) -> None:
        """Lose everything that has come in, as a reset does."""
        self._link.clear()
        self._seen = b""
        self.flush()
        self.last_number = 0

    def flush(self) -> None:
        """Empty the ring and the line begun. What is still in the link comes later."""
        self._ring.clear()
        self._line.clear()

    def fill(self) -> None:
        """Move bytes from the link into the ring as far as they fit."""
        room = self._profile.rx_buffer - len(self._ring)
        if not self._link or room <= 0:
            return
        chunk = bytes(self._link[:room])
        del self._link[:room]
        self._ring += chunk
        if self._profile.emergency_parser:
            self._watch(chunk)

    def overrun(self) -> None:
        """Without flow control: lose what finds no room in the ring."""
        self.fill()
        if not self._profile.flow_control:
            self._link.clear()

    def read(self) -> Line | LineError | None:
        """Read on to the next line or error; None when the bytes have run out."""
        for raw in self._raw_lines():
            result = self._check(raw)
            if result is not None:
                return result
        return None

    def _raw_lines(self) -> Iterator[bytes]:
        """Cut the incoming bytes into lines without their ends and comments."""
        while True:
            if not self._ring:
                self.fill()
            if not self._ring:
                return
            end = self._ring.find(b"\n")
            if end < 0:
                self._line += self._ring
                self._ring.clear()
                continue
            self._line += self._ring[:end]
            del self._ring[: end + 1]
            raw = bytes(self._line)
            if raw[:1] == b"N":
                raw = self._faults.corrupt(raw)
                if self._faults.loses_line_end():
                    self._line[:] = raw
                    continue
            self._line.clear()
            for part in raw.split(b"\r"):
                text = part.partition(b";")[0][: self._profile.max_line - 1]
                if text:
                    yield text

    def _check(self, raw: bytes) -> Line | LineError | None:
        """Check number and checksum; None for a line that is dropped silently."""
        raw = raw.lstrip(b" ")
        if raw[:1] != b"N":
            return Line(None, raw.partition(b"*")[0].decode("ascii", "replace"))
        own_number = _integer(raw[1:])
        number = own_number
        sets_number = b"M110" in raw
        if sets_number:
            second = raw.find(b"N", 4)
            if second >= 0:
                number = _integer(raw[second + 1 :])
        elif number != self.last_number + 1:
            repeated = self.last_number - 1 <= number <= self.last_number
            if repeated and self._profile.drop_repeats:
                return None
            return LineError("Line Number is not Last Line Number+1")
        body, star, checksum = raw.rpartition(b"*")
        if not star:
            return LineError("No Checksum with line number")
        if reduce(xor, body) != _integer(checksum):
            return LineError("checksum mismatch")
        self.last_number = number
        digits = 1
        while body[digits : digits + 1].isdigit() or body[digits : digits + 1] == b"-":
            digits += 1
        return Line(own_number, body[digits:].lstrip(b" ").decode("ascii", "replace"))

    def _watch(self, chunk: bytes) -> None:
        """Act on emergency commands the moment their line is complete in the ring."""
        seen = self._seen + chunk
        *complete, rest = seen.split(b"\n")
        self._seen = rest[: self._profile.max_line]
        for line in complete:
            if b"M" in line and (match := _EMERGENCY.match(line)):
                self._on_emergency(match[1].decode("ascii"))
