"""A file on its way in: streamed to the disk, whole or not at all."""

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self
import unicodedata

from ..gcode.model import Refusal
from .disk import on_disk
from .errors import InvalidError
from .model import StoredFile
from .whole import whole

if TYPE_CHECKING:
    from .library import Library

_BLOCK = 1024 * 1024
_NAME_LIMIT = 200


def clean_name(name: str) -> str:
    """Give the file's own name without folders or control characters.

    Raises `InvalidError` where nothing useful is left.
    """
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    base = "".join(
        char for char in base if unicodedata.category(char)[0] != "C"
    ).strip()
    if base.strip(". ") == "" or len(base) > _NAME_LIMIT:
        raise InvalidError("name_invalid", name=base[:40])
    return base


class Upload:
    """One file on its way in. Leaves nothing behind unless it is finished."""

    def __init__(self, library: Library, name: str, path: Path) -> None:
        """Use `Library.new_upload`."""
        self._library = library
        self.name = name
        self._path = path
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._pending = bytearray()
        self.size = 0

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Throw away what was not finished."""
        await self.abort()

    async def write(self, chunk: bytes) -> None:
        """Take the next bytes. Raises `InvalidError` past the largest size."""
        self.size += len(chunk)
        if self.size > self._library.max_size:
            raise InvalidError(
                Refusal.TOO_LARGE.value, limit=str(self._library.max_size)
            )
        self._pending += chunk
        if len(self._pending) >= _BLOCK:
            await self._flush()

    async def finish(self) -> StoredFile:
        """Keep the file: synced, renamed, written down; its analysis follows.

        The same content gives the file that is already there. Raises `RefusedError`
        for what cannot be a print, and `StorageError`.
        """
        await self._flush()
        await on_disk(self._sync)
        return await whole(
            self._library.keep(self._path, self.name, self._hash.hexdigest(), self.size)
        )

    async def abort(self) -> None:
        """Throw away what has arrived. Safe after `finish`."""
        await on_disk(self._discard)

    async def _flush(self) -> None:
        block, self._pending = bytes(self._pending), bytearray()
        await on_disk(self._append, block)

    def _append(self, block: bytes) -> None:
        if self._file is None:
            self._file = self._path.open("xb")
        self._file.write(block)
        self._hash.update(block)

    def _sync(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def _discard(self) -> None:
        if self._file is not None:
            self._file.close()
        self._path.unlink(missing_ok=True)
