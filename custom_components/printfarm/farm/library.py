"""The files of the farm: stored once by content, read once, ready to print.

Uploads are streamed to a temporary file, synced and renamed; the row comes last, so
a file that has a row is whole. What can be made again (indexes, unpacked plates,
pictures) lies in the cache folder and is made again when it is gone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
import errno
import hashlib
import logging
import os
from pathlib import Path
from typing import BinaryIO, Self
import unicodedata
from uuid import uuid4

from ..gcode import FileKind, LayerIndex, RefusedError, Report
from ..gcode import quick as look_quickly
from ..gcode.model import Refusal
from .cache import Cache, Made
from .errors import ConflictError, InvalidError, NotFoundError, StorageError
from .model import AnalysisState, Page, StoredFile
from .storage import Storage
from .whole import whole

_LOGGER = logging.getLogger(__name__)

MAX_SIZE = 4 * 1024**3
"""Bytes; the largest file that is taken."""
_BLOCK = 1024 * 1024
_NAME_LIMIT = 200

type Analyse = Callable[[Path, str, Path], Awaitable[Report]]


@dataclass(frozen=True, slots=True)
class Ready:
    """A plate that can be printed now."""

    source: Path
    gcode: Path
    index: LayerIndex | None


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
        try:
            await asyncio.to_thread(self._sync)
            await asyncio.to_thread(look_quickly, self._path, self.name)
        except OSError as err:
            raise _storage_error(err) from err
        return await whole(
            self._library.keep(self._path, self.name, self._hash.hexdigest(), self.size)
        )

    async def abort(self) -> None:
        """Throw away what has arrived. Safe after `finish`."""
        await asyncio.shield(asyncio.to_thread(self._discard))

    async def _flush(self) -> None:
        block, self._pending = bytes(self._pending), bytearray()
        try:
            await asyncio.to_thread(self._append, block)
        except OSError as err:
            raise _storage_error(err) from err

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


class Library:
    """All files, by the id of their row."""

    def __init__(
        self,
        storage: Storage,
        *,
        files: Path,
        cache: Path,
        analyse: Analyse,
        utcnow: Callable[[], datetime],
        max_size: int = MAX_SIZE,
    ) -> None:
        """`files` is kept for ever, `cache` may vanish at any time."""
        self._storage = storage
        self._files = files
        self._cache = Cache(cache)
        self._incoming = files / "incoming"
        self._analyse = analyse
        self._utcnow = utcnow
        self.max_size = max_size
        self._readings: dict[int, asyncio.Task[StoredFile]] = {}
        self.on_file: Callable[[StoredFile], None] = lambda _: None

    async def open(self) -> None:
        """Make the folders, clear half uploads, go on with unfinished analyses."""
        try:
            await asyncio.to_thread(self._tidy)
        except OSError as err:
            raise _storage_error(err) from err
        page = await self._storage.files(state=AnalysisState.PENDING, limit=10_000)
        for file in page.items:
            self._read(file)

    async def close(self) -> None:
        """Stop reading; what is unfinished is taken up at the next start."""
        for task in tuple(self._readings.values()):
            task.cancel()
        await asyncio.gather(*self._readings.values(), return_exceptions=True)

    def new_upload(self, name: str) -> Upload:
        """Begin an upload. Raises `InvalidError` for a name that is none."""
        return Upload(self, clean_name(name), self._incoming / uuid4().hex)

    async def keep(self, path: Path, name: str, sha256: str, size: int) -> StoredFile:
        """Take over a whole, synced file; `Upload.finish` calls this."""
        kind = await asyncio.to_thread(_kind, path, name)
        target = self._files / sha256
        try:
            await asyncio.to_thread(_move, path, target)
        except OSError as err:
            raise _storage_error(err) from err
        file = await self._storage.add_file(
            sha256=sha256, name=name, kind=kind, size=size, at=self._utcnow()
        )
        self.on_file(file)
        if file.state is AnalysisState.PENDING:
            self._read(file)
        return file

    async def file(self, file_id: int) -> StoredFile:
        """Give one file, or raise `NotFoundError`."""
        if (file := await self._storage.file(file_id)) is None:
            raise NotFoundError("file_not_found", file=str(file_id))
        return file

    async def files(
        self, text: str | None = None, limit: int = 100, offset: int = 0
    ) -> Page[StoredFile]:
        """List files, newest first."""
        return await self._storage.files(text=text, limit=limit, offset=offset)

    async def delete(self, file_id: int) -> None:
        """Delete a file that no open job needs."""
        file = await self.file(file_id)
        try:
            await self._storage.delete_file(file_id)
        except StorageError as err:
            if err.key == "file_in_use":
                raise ConflictError("file_in_use", file=file.name) from err
            raise
        if (reading := self._readings.pop(file_id, None)) is not None:
            reading.cancel()
        await asyncio.to_thread(self._forget, file)

    async def analysed(self, file_id: int) -> StoredFile:
        """Give the file once its analysis is done or has failed."""
        if (reading := self._readings.get(file_id)) is not None:
            return await asyncio.shield(reading)
        return await self.file(file_id)

    def path(self, file: StoredFile) -> Path:
        """Where the file lies as it was uploaded."""
        return self._files / file.sha256

    async def ready(self, file: StoredFile, plate: int) -> Ready:
        """Make a plate ready to print. Raises `RefusedError` or `FarmError`."""
        source = self.path(file)
        if not await asyncio.to_thread(source.is_file):
            raise NotFoundError("file_not_found", file=file.name)
        made = await self._made(file, plate)
        if made is None:
            raise InvalidError("plate_not_found", plate=str(plate))
        index = await asyncio.to_thread(_load_index, made.index)
        return Ready(source=source, gcode=made.gcode or source, index=index)

    async def thumbnail(self, file_id: int) -> bytes | None:
        """Give the largest picture of a file as PNG, or None where it has none."""
        file = await self.analysed(file_id)
        if file.state is not AnalysisState.DONE:
            return None
        await self._made(file, file.plates[0].plate)
        return await asyncio.to_thread(self._cache.picture, file.sha256)

    async def _made(self, file: StoredFile, plate: int) -> Made | None:
        """Find a plate in the cache, or read the file again where it is gone."""
        made = await asyncio.to_thread(self._cache.find, file.sha256, plate)
        if made is None:
            report = await self._analyse(
                self.path(file), file.name, self._cache.room(file)
            )
            await asyncio.to_thread(self._cache.keep, file, report)
            made = await asyncio.to_thread(self._cache.find, file.sha256, plate)
        return made

    def _read(self, file: StoredFile) -> None:
        """Read a file in the background, once."""
        if file.id not in self._readings:
            task = asyncio.get_running_loop().create_task(self._reading(file))
            self._readings[file.id] = task
            task.add_done_callback(lambda _: self._readings.pop(file.id, None))

    async def _reading(self, file: StoredFile) -> StoredFile:
        room = self._cache.room(file)
        try:
            report = await self._analyse(self.path(file), file.name, room)
            await asyncio.to_thread(self._cache.keep, file, report)
        except RefusedError as err:
            error = err.reason.value
        except OSError as err:
            _LOGGER.warning("Cannot read %s: %s", file.name, err)
            error = "file_unreadable"
        except Exception:
            _LOGGER.exception("The analysis of %s broke", file.name)
            error = "analysis_failed"
        else:
            file = await self._storage.save_analysis(
                file.id,
                state=AnalysisState.DONE,
                plates=[plate.analysis for plate in report.plates],
            )
            self.on_file(file)
            return file
        file = await self._storage.save_analysis(
            file.id, state=AnalysisState.FAILED, error=error
        )
        self.on_file(file)
        return file

    def _tidy(self) -> None:
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._cache.folder.mkdir(parents=True, exist_ok=True)
        for left in self._incoming.iterdir():
            left.unlink()

    def _forget(self, file: StoredFile) -> None:
        self.path(file).unlink(missing_ok=True)
        self._cache.forget(file.sha256)


def _kind(path: Path, name: str) -> FileKind:
    return look_quickly(path, name).kind


def _load_index(path: Path | None) -> LayerIndex | None:
    return None if path is None else LayerIndex.load(path)


def _move(path: Path, target: Path) -> None:
    """Put a synced file in its place so that a power cut cannot undo it."""
    path.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _storage_error(err: OSError) -> StorageError:
    """Name what the disk has against it."""
    if err.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError("storage_full")
    if err.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
        return StorageError("storage_unwritable")
    return StorageError("storage_failed")
