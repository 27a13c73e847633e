"""Commands of a plain G-code file, read in blocks: memory stays flat."""

from collections import deque
from pathlib import Path
import re
from typing import BinaryIO

from .commands import NUMBERING, TEXT, code
from .wire import MAX_COMMAND

BLOCK = 128 * 1024
"""Bytes read at once. Seldom, because a thread that has the interpreter, and is put
aside by the system just then, keeps it from the event loop for milliseconds."""
PORTION = 64
"""Lines made ready at a time, in the event loop: what comes in meanwhile has to wait."""
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
    """Reads a file block by block, and gives its commands portion by portion."""

    def __init__(self, path: Path, start: int = 0) -> None:
        """Open the file; `start` is where a line begins. Blocks the caller."""
        self._file: BinaryIO = path.open("rb")
        self._file.seek(start)
        self._offset = start
        self._partial = b""
        self._lines: deque[bytes] = deque()
        self._line_end = 1

    @property
    def ready(self) -> bool:
        """Whether there are lines to be taken."""
        return bool(self._lines)

    def fetch(self) -> bool:
        """Read on, once everything was taken. False at the end of the file.

        Blocks the caller: call it outside the loop. Raises `OSError` and `SourceError`.
        """
        block = self._file.read(BLOCK)
        *lines, self._partial = (self._partial + block).split(b"\n")
        if len(self._partial) > MAX_LINE:
            raise SourceError(f"line of more than {MAX_LINE} bytes")
        if not block and self._partial:
            lines, self._partial = [self._partial], b""
            self._line_end = 0
        self._lines.extend(lines)
        return bool(block or lines)

    def take(self) -> list[tuple[int, bytes]]:
        """Commands of the next lines as (offset behind the line, command).

        There may be none among them. Raises `SourceError`.
        """
        commands = []
        for _ in range(min(PORTION, len(self._lines))):
            line = self._lines.popleft()
            if not self._offset:
                self._offset = len(_BOM) if line.startswith(_BOM) else 0
                line = line.removeprefix(_BOM)
            self._offset += len(line) + self._line_end
            if command := clean(line):
                commands.append((self._offset, command))
        return commands

    def close(self) -> None:
        """Close the file, once nothing is read any more."""
        self._file.close()
