"""Which lines of the file were written last, kept where a `kill -9` cannot take it.

The story of a run is written to disk now and then; the tape knows every line. It lies
in a small file that is mapped into memory: a page that was changed belongs to the
system and outlives the process that changed it, and costs no system call.
"""

from mmap import mmap
import struct
from typing import Final

_SLOTS: Final = 32
"""More than are ever under way between the host and the firmware's last answer."""

_SLOT: Final = struct.Struct("<QQQ")
_WIDTH: Final = _SLOT.size
_LAST: Final = _SLOTS - 1
_MARK: Final = 0x7461_7065_0000_0001
"""Part of the check word, so that an empty slot is no entry."""

_WORD: Final = 1 << 64


class Tape:
    """A ring of (line number, file offset behind the line), each with a check word.

    An entry that was only half written, or that somebody else wrote, fails its check
    and counts as none. Whoever begins to count lines anew clears the tape first.
    """

    SIZE = _SLOTS * _WIDTH
    """Bytes of the buffer."""

    __slots__ = ("_buffer", "_pack")

    def __init__(self, buffer: bytearray | mmap) -> None:
        """Use a writable buffer of `SIZE` bytes; what is on it stays."""
        if len(buffer) < self.SIZE:
            raise ValueError(f"a tape takes {self.SIZE} bytes")
        self._buffer = buffer
        self._pack = _SLOT.pack_into

    def note(self, number: int, offset: int) -> None:
        """Write down that this line is about to be sent. In the hot path."""
        self._pack(
            self._buffer,
            (number & _LAST) * _WIDTH,
            number,
            offset,
            # A sum, not an exclusive or: a line's number and its place in the file grow
            # together, and could cancel each other out in a half-written entry.
            _MARK + (number << 32) + offset,
        )

    def clear(self) -> None:
        """Forget everything."""
        self._buffer[: self.SIZE] = bytes(self.SIZE)

    def entries(self) -> tuple[tuple[int, int], ...]:
        """Give what is certain, by line number."""
        slots = (
            _SLOT.unpack_from(self._buffer, index * _WIDTH) for index in range(_SLOTS)
        )
        return tuple(
            sorted(
                (number, offset)
                for index, (number, offset, check) in enumerate(slots)
                if check == (_MARK + (number << 32) + offset) % _WORD
                and number & _LAST == index
            )
        )
