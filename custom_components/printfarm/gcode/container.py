"""What a file is, and the plain G-code inside it."""

from collections.abc import Iterator
from contextlib import contextmanager
import gzip
import os
from pathlib import Path
import re
from typing import BinaryIO, Final, Protocol
import zipfile
import zlib

from .model import FileKind, Refusal, RefusedError

LIMIT: Final = 4 << 30
"""Bytes of plain G-code that are taken if the caller names no limit."""

_BLOCK: Final = 1 << 20
_PROBE: Final = 1 << 16
_MAGIC: Final = {
    b"\x1f\x8b": FileKind.GCODE_GZ,
    b"PK\x03\x04": FileKind.THREEMF,
    b"PK\x05\x06": FileKind.THREEMF,
    b"GCDE": FileKind.BGCODE,
}
_OTHER: Final = {
    ".stl",
    ".obj",
    ".step",
    ".stp",
    ".amf",
    ".ply",
    ".svg",
    ".dxf",
    ".json",
    ".xml",
    ".html",
    ".htm",
    ".csv",
    ".md",
    ".py",
    ".yaml",
    ".yml",
    ".ini",
    ".cfg",
    ".log",
}
"""Text that is something else, whatever its lines look like."""
_PLATE: Final = re.compile(r"(?:^|/)plate_(\d{1,4})\.gcode$", re.IGNORECASE)
_MOST_MEMBERS: Final = 10_000
_MOST_PLATES: Final = 100
_LARGEST_PICTURE: Final = 16 << 20


class Readable(Protocol):
    """What `opened` hands out: a plain file, or one inside an archive."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, none at the end."""


def detect(path: Path, name: str) -> FileKind:
    """Tell what a file is, from its content first and from its name second.

    Raises RefusedError where it is nothing that prints.
    """
    with path.open("rb") as file:
        head = file.read(_PROBE)
    if not head:
        raise RefusedError(Refusal.EMPTY)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    if _is_binary(head):
        raise RefusedError(Refusal.BINARY)
    if Path(name.lower()).suffix in _OTHER:
        raise RefusedError(Refusal.UNKNOWN_KIND, f"{name} is no G-code file")
    return FileKind.GCODE


def _is_binary(head: bytes) -> bool:
    """Say whether this is no text: control characters, more than slips explain."""
    text = head.removeprefix(b"\xef\xbb\xbf")
    printable = bytes(range(32, 127)) + b"\t\r\n\f"
    controls = len(text.translate(None, printable + bytes(range(128, 256))))
    high = len(text.translate(None, bytes(range(128))))
    return controls * 50 > len(text) or high * 3 > len(text)


def check_size(path: Path, limit: int) -> None:
    """Raise RefusedError where a file is larger than `limit` bytes."""
    if (size := path.stat().st_size) > limit:
        raise RefusedError(Refusal.TOO_LARGE, f"{size} bytes, {limit} at most")


def plates(path: Path, kind: FileKind) -> tuple[int, ...]:
    """Return the numbers of the plates that hold G-code.

    Raises RefusedError where there is none or the archive is damaged.
    """
    if kind is not FileKind.THREEMF:
        return (1,)
    with _archive(path) as archive:
        found = tuple(sorted(_members(archive)))
    if not found:
        raise RefusedError(Refusal.NO_GCODE, "a project that is not sliced")
    if len(found) > _MOST_PLATES:
        raise RefusedError(Refusal.CORRUPT, f"{len(found)} plates")
    return found


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file; everything that goes wrong in it means that it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.filelist) > _MOST_MEMBERS:
                raise RefusedError(Refusal.CORRUPT, "too many files in it")
            yield archive
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        KeyError,
        OverflowError,
        UnicodeError,
    ) as err:
        raise RefusedError(Refusal.CORRUPT, str(err)) from err


def _members(archive: zipfile.ZipFile) -> dict[int, zipfile.ZipInfo]:
    return {
        int(found[1]): member
        for member in archive.filelist
        if (found := _PLATE.search(member.filename))
    }


@contextmanager
def opened(path: Path, kind: FileKind, plate: int) -> Iterator[Readable]:
    """Open the plain G-code of one plate for reading from its begin.

    Raises RefusedError where it is not there or damaged.
    """
    match kind:
        case FileKind.GCODE:
            with path.open("rb") as file:
                yield file
        case FileKind.GCODE_GZ:
            try:
                with gzip.open(path) as file:
                    yield file
            except (gzip.BadGzipFile, zlib.error, EOFError) as err:
                raise RefusedError(Refusal.CORRUPT, str(err)) from err
        case FileKind.THREEMF:
            with _archive(path) as archive:
                member = _members(archive).get(plate)
                if member is None:
                    raise RefusedError(Refusal.NO_GCODE, f"no plate {plate}")
                with archive.open(member) as file:
                    yield file
        case FileKind.BGCODE:
            raise RefusedError(
                Refusal.UNKNOWN_KIND, "binary G-code: export it as plain G-code"
            )


def unpack(
    path: Path, kind: FileKind, plate: int, dest: Path, limit: int = LIMIT
) -> None:
    """Write the plain G-code of one plate to `dest`, all of it or nothing.

    What an archive says about its sizes is not believed: reading stops at `limit`
    bytes. Raises RefusedError where the plate is too large, missing or damaged, and
    OSError where the disk cannot take it.
    """
    dest.parent.mkdir(parents=True, exist_ok=True)
    unfinished = dest.with_name(f".{dest.name}.{os.getpid()}.part")
    try:
        with opened(path, kind, plate) as source, unfinished.open("wb") as target:
            _copy(source, target, limit)
            target.flush()
            os.fsync(target.fileno())
        unfinished.replace(dest)
    finally:
        unfinished.unlink(missing_ok=True)


def _copy(source: Readable, target: BinaryIO, limit: int) -> None:
    written = 0
    while block := source.read(_BLOCK):
        written += len(block)
        if written > limit:
            raise RefusedError(Refusal.TOO_LARGE, f"more than {limit} bytes unpacked")
        target.write(block)


def pictures(path: Path, plate: int) -> list[bytes]:
    """Return the pictures of one plate of a 3MF file, the large one first."""
    names = (f"Metadata/plate_{plate}.png", f"Metadata/plate_{plate}_small.png")
    found = []
    with _archive(path) as archive:
        members = {member.filename: member for member in archive.filelist}
        for name in names:
            if name in members:
                with archive.open(members[name]) as file:
                    found.append(file.read(_LARGEST_PICTURE))
    return found
