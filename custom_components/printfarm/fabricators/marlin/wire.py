"""Bytes on the wire: numbered lines out, lines of text in.

A line is `N<number> <command>*<checksum>` where the checksum is the XOR of every byte
before the asterisk (RepRap G-code, "checking"). Marlin drops a line that carries a
number and fails the test, and asks for it again.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

MAX_COMMAND = 80
"""Longest command in bytes. Marlin keeps 96 for a line: number, checksum and NUL too."""

MAX_PARTIAL = 4096
"""Bytes kept of a line that does not end: more than that is noise (wrong baud rate)."""


class Kind(Enum):
    """On whose behalf a line is sent."""

    FILE = auto()
    SCRIPT = auto()
    AUXILIARY = auto()
    PROBE = auto()
    URGENT = auto()


@dataclass(slots=True)
class Auxiliary:
    """A command of somebody outside, and what the firmware said while it ran."""

    token: object
    command: bytes
    lines: list[str] = field(default_factory=list)


class Line(NamedTuple):
    """A command that is ready to be sent."""

    wire: bytes
    command: bytes
    number: int | None
    kind: Kind
    offset: int = 0
    """For a line of the file: the byte behind it."""
    auxiliary: Auxiliary | None = None


def checksum(data: bytes) -> int:
    """XOR of all bytes.

    Folding one big integer in halves is five times faster than a loop over the bytes,
    and this runs for every line of a print. Good for up to 128 bytes.
    """
    folded = int.from_bytes(data)
    folded ^= folded >> 512
    folded ^= folded >> 256
    folded ^= folded >> 128
    folded ^= folded >> 64
    folded ^= folded >> 32
    folded ^= folded >> 16
    return (folded ^ folded >> 8) & 0xFF


def encode(number: int, command: bytes) -> bytes:
    """Put a number before the command and a checksum behind it."""
    body = b"N%d %b" % (number, command)
    return b"%b*%d\n" % (body, checksum(body))


class LineBuffer:
    """Cuts what arrives into lines, however the bytes were chopped up on the way."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.partial = b""

    def add(self, data: bytes) -> list[bytes]:
        """Take bytes, give back the lines that are now complete, without their ends."""
        *lines, self.partial = (self.partial + data).split(b"\n")
        if len(self.partial) > MAX_PARTIAL:
            self.partial = b""
        return [line.rstrip(b"\r") for line in lines]
