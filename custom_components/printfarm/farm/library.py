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

from ..gcode import LayerIndex, RefusedError, Report, StaleIndexError, detect
from ..gcode.model import Refusal
from .cache import Cache, Made
from .errors import ConflictError, InvalidError, NotFoundError, StorageError
from .model import AnalysisState, Page, StoredFile
from .storage import Storage
from .whole import whole

_LOGGER = logging.getLogger(__name__)

MAX_SIZE = 4 * 1024**3
"""Bytes; the largest file that is taken."""
TOO_LARGE = 2**63
"""No id of any database comes that far."""
RETRY_AFTER = 30.0
"""Seconds between attempts to keep an analysis on a full disk."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
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
        await _on_disk(self._sync)
        return await whole(
            self._library.keep(self._path, self.name, self._hash.hexdigest(), self.size)
        )

    async def abort(self) -> None:
        """Throw away what has arrived. Safe after `finish`."""
        await _on_disk(self._discard)

    async def _flush(self) -> None:
        block, self._pending = bytes(self._pending), bytearray()
        await _on_disk(self._append, block)

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
        self._readings: dict[int, asyncio.Task[None]] = {}
        self._keeping = asyncio.Lock()
        """Guards the step between a file in its place and its row."""
        self._making = asyncio.Lock()
        self.on_file: Callable[[StoredFile], None] = lambda _: None
        self.on_delete: Callable[[int], None] = lambda _: None

    async def open(self) -> None:
        """Make the folders, clear half uploads, go on with unfinished analyses."""
        await _on_disk(self._tidy)
        page = await self._storage.files(state=AnalysisState.PENDING, limit=10_000)
        for file in page.items:
            self._read(file)

    async def close(self) -> None:
        """Stop reading; what is unfinished is taken up at the next start."""
        readings = tuple(self._readings.values())
        for task in readings:
            task.cancel()
        await asyncio.gather(*readings, return_exceptions=True)

    def new_upload(self, name: str) -> Upload:
        """Begin an upload. Raises `InvalidError` for a name that is none."""
        return Upload(self, clean_name(name), self._incoming / uuid4().hex)

    async def keep(self, path: Path, name: str, sha256: str, size: int) -> StoredFile:
        """Take over a whole, synced file; `Upload.finish` calls this."""
        kind = await _on_disk(detect, path, name)
        target = self._files / sha256
        async with self._keeping:
            known = await _on_disk(target.exists)
            await _on_disk(_move, path, target)
            try:
                file = await self._storage.add_file(
                    sha256=sha256, name=name, kind=kind, size=size, at=self._utcnow()
                )
            except StorageError:
                # Without a row nobody would ever find it, and a full disk stays full.
                if not known:
                    await _on_disk(target.unlink)
                raise
        self.on_file(file)
        if file.state is not AnalysisState.DONE:
            self._read(file)
        return file

    async def file(self, file_id: int) -> StoredFile:
        """Give one file, or raise `NotFoundError`."""
        file = None
        if 0 < file_id < TOO_LARGE:
            file = await self._storage.file(file_id)
        if file is None:
            raise NotFoundError("file_not_found", file=str(file_id))
        return file

    async def files(
        self, text: str | None = None, limit: int = 100, offset: int = 0
    ) -> Page[StoredFile]:
        """List files, newest first."""
        return await self._storage.files(text=text, limit=limit, offset=offset)

    async def delete(self, file_id: int) -> None:
        """Delete a file that no open job needs."""
        await whole(self._delete(file_id))

    async def _delete(self, file_id: int) -> None:
        file = await self.file(file_id)
        async with self._keeping:
            try:
                await self._storage.delete_file(file_id)
            except StorageError as err:
                if err.key == "file_in_use":
                    raise ConflictError("file_in_use", file=file.name) from err
                raise
            if (reading := self._readings.pop(file_id, None)) is not None:
                reading.cancel()
            self.on_delete(file_id)
            await _on_disk(self._forget, file)

    async def analysed(self, file_id: int) -> StoredFile:
        """Give the file once its analysis is done or has failed."""
        if (reading := self._readings.get(file_id)) is not None:
            await asyncio.wait([reading])
        return await self.file(file_id)

    def path(self, file: StoredFile) -> Path:
        """Where the file lies as it was uploaded."""
        return self._files / file.sha256

    async def ready(self, file: StoredFile, plate: int) -> Ready:
        """Make a plate ready to print.

        Raises `RefusedError`, `FarmError`, or `OSError` where the disk fails.
        """
        source = self.path(file)
        if not await asyncio.to_thread(source.is_file):
            raise NotFoundError("file_not_found", file=file.name)
        made, index = await self._made(file, plate)
        return Ready(source=source, gcode=made.gcode or source, index=index)

    async def thumbnail(self, file_id: int) -> bytes | None:
        """Give the largest picture of a file as PNG, or None where it has none."""
        file = await self.analysed(file_id)
        if file.state is not AnalysisState.DONE:
            return None
        try:
            await self._made(file, file.plates[0].plate)
        except OSError, RefusedError, InvalidError:
            return None
        return await asyncio.to_thread(self._cache.picture, file.sha256)

    async def _made(
        self, file: StoredFile, plate: int
    ) -> tuple[Made, LayerIndex | None]:
        """Find a plate in the cache, or read the file again where it is gone."""
        # One at a time: two would write over what the other just handed out.
        async with self._making:
            found = await asyncio.to_thread(self._find, file, plate)
            if found is None:
                room = self._cache.room(file)
                report = await self._analyse(self.path(file), file.name, room)
                await asyncio.to_thread(self._cache.keep, file, report)
                found = await asyncio.to_thread(self._find, file, plate)
        if found is None:
            raise InvalidError("plate_not_found", plate=str(plate))
        return found

    def _find(
        self, file: StoredFile, plate: int
    ) -> tuple[Made, LayerIndex | None] | None:
        """Give what is made of a plate, if all of it is there and sound."""
        made = self._cache.find(file.sha256, plate)
        if made is None or made.index is None:
            return None if made is None else (made, None)
        try:
            return made, LayerIndex.load(made.index)
        except StaleIndexError, OSError:
            return None

    def _read(self, file: StoredFile) -> None:
        """Read a file in the background, once."""
        if file.id not in self._readings:
            task = asyncio.get_running_loop().create_task(self._reading(file))
            self._readings[file.id] = task
            task.add_done_callback(lambda _: self._readings.pop(file.id, None))

    async def _reading(self, file: StoredFile) -> None:
        """Read a file and keep what came of it; a full disk is waited for."""
        complained = False
        while True:
            try:
                read = await self._read_and_keep(file)
            except NotFoundError:
                return
            except (OSError, StorageError) as err:
                if not complained:
                    _LOGGER.error("Cannot keep the analysis of %s: %s", file.name, err)
                complained = True
                await asyncio.sleep(RETRY_AFTER)
            else:
                self.on_file(read)
                return

    async def _read_and_keep(self, file: StoredFile) -> StoredFile:
        """Raises `OSError` only where the disk is full."""
        try:
            report = await self._analyse(
                self.path(file), file.name, self._cache.room(file)
            )
            await asyncio.to_thread(self._cache.keep, file, report)
        except RefusedError as err:
            error = err.reason.value
        except OSError as err:
            if err.errno in _FULL:
                raise
            _LOGGER.warning("Cannot read %s: %s", file.name, err)
            error = "file_unreadable"
        except Exception:
            _LOGGER.exception("The analysis of %s broke", file.name)
            error = "analysis_failed"
        else:
            return await self._storage.save_analysis(
                file.id,
                state=AnalysisState.DONE,
                plates=[plate.analysis for plate in report.plates],
            )
        return await self._storage.save_analysis(
            file.id, state=AnalysisState.FAILED, error=error
        )

    def _tidy(self) -> None:
        self._incoming.mkdir(parents=True, exist_ok=True)
        self._cache.folder.mkdir(parents=True, exist_ok=True)
        for left in self._incoming.iterdir():
            left.unlink(missing_ok=True)

    def _forget(self, file: StoredFile) -> None:
        self.path(file).unlink(missing_ok=True)
        self._cache.forget(file.sha256)


async def _on_disk[**P, T](
    work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Do blocking work in a thread, and wait for it also when cancelled.

    A thread cannot be stopped: whoever tidied up behind one that still writes would
    leave something lying about. Raises `StorageError` for `OSError`.
    """
    try:
        return await whole(asyncio.to_thread(work, *args, **kwargs))
    except OSError as err:
        raise _storage_error(err) from err


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
    if err.errno in _FULL:
        return StorageError("storage_full")
    if err.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
        return StorageError("storage_unwritable")
    return StorageError("storage_failed")
