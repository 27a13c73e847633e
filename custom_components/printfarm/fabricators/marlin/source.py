"""Commands of a plain G-code file, read in blocks: memory stays flat."""

from collections.abc import Iterator
from pathlib import Path
import re
from typing import BinaryIO

from .commands import NUMBERING, TEXT, code
from .wire import MAX_COMMAND

BLOCK = 8 * 1024
"""Small, so that the reading thread never keeps the interpreter from the event loop."""
MAX_LINE = 1024 * 1024
"""A line longer than this is no G-code."""

_COMMENT = re.compile(rb"(?<!\\);.*", re.DOTALL)
_LINE_NUMBER = re.compile(rb"^[Nn]\d+\s*|\*\d+\s*$")
_BLANKS = re.compile(rb"\s+")
_BOM = b"\xef\xbb\xbf"


class SourceError(Exception):
    """The file holds something that cannot be sent."""


def clean(line: bytes) -> bytes:
    """Reduce a line of a file to the command that is sent; empty if it holds none."""
    if b";" in line:
        line = _COMMENT.sub(b"", line)
    line = line.strip()
    if not line:
        return b""
    if line[:1] in b"Nn" and b"*" in line:
        line = _LINE_NUMBER.sub(b"", line)
    if not line.isascii():
        line = line.decode("utf-8", "replace").encode("ascii", "replace")
    if line[:1] == b"M" and code(line) in NUMBERING:
        return b""
    return line if len(line) <= MAX_COMMAND else _shorten(line)


def _shorten(line: bytes) -> bytes:
    """Cut text; close up the words of anything else."""
    if code(line) in TEXT or not code(line):
        return line[:MAX_COMMAND].rstrip()
    closed = _BLANKS.sub(b"", line)
    if len(closed) > MAX_COMMAND:
        raise SourceError(f"command of {len(line)} bytes: {line[:MAX_COMMAND]!r}")
    return closed


class Source:
    """Reads a file. Blocks the caller: call `read` and `close` outside the loop."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self._file: BinaryIO = path.open("rb")
        self._offset = 0
        self._partial = b""

    def read(self) -> list[tuple[int, bytes]]:
        """Commands of the next block as (offset behind the line, command).

        Empty at the end of the file only. Raises `OSError` and `SourceError`.
        """
        while block := self._file.read(BLOCK):
            *lines, self._partial = (self._partial + block).split(b"\n")
            if len(self._partial) > MAX_LINE:
                raise SourceError(f"line of more than {MAX_LINE} bytes")
            if commands := list(self._commands(lines)):
                return commands
        last, self._partial = self._partial, b""
        return list(self._commands([last], end=0)) if last else []

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _commands(
        self, lines: list[bytes], end: int = 1
    ) -> Iterator[tuple[int, bytes]]:
        """Clean each line; `end` is the length of its line end."""
        for line in lines:
            if not self._offset:
                self._offset = len(_BOM) if line.startswith(_BOM) else 0
                line = line.removeprefix(_BOM)
            self._offset += len(line) + end
            if command := clean(line):
                yield self._offset, command
