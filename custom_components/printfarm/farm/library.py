"""The files of the farm: stored once by content, read once, ready to print.

Uploads are streamed to a temporary file, synced and renamed; the row comes last, so
a file that has a row is whole. What can be made again (indexes, unpacked plates,
pictures) lies in the cache folder and is made again when it is gone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
import logging
from pathlib import Path
from uuid import uuid4

from ..gcode import LayerIndex, RefusedError, Report, StaleIndexError, detect
from .cache import Cache, Made
from .disk import FULL, move, on_disk
from .errors import ConflictError, InvalidError, NotFoundError, StorageError
from .model import MOST_IDS, AnalysisState, Page, StoredFile
from .storage import Storage
from .upload import Upload, clean_name
from .whole import whole

_LOGGER = logging.getLogger(__name__)

MAX_SIZE = 4 * 1024**3
"""Bytes; the largest file that is taken."""
RETRY_AFTER = 30.0
"""Seconds between attempts to keep an analysis on a full disk."""

type Analyse = Callable[[Path, str, Path], Awaitable[Report]]


@dataclass(frozen=True, slots=True)
class Ready:
    """A plate that can be printed now."""

    source: Path
    gcode: Path
    index: LayerIndex | None


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
        await on_disk(self._tidy)
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
        kind = await on_disk(detect, path, name)
        target = self._files / sha256
        async with self._keeping:
            known = await on_disk(target.exists)
            await on_disk(move, path, target)
            try:
                file = await self._storage.add_file(
                    sha256=sha256, name=name, kind=kind, size=size, at=self._utcnow()
                )
            except StorageError:
                # Without a row nobody would ever find it, and a full disk stays full.
                if not known:
                    await on_disk(target.unlink)
                raise
        self.on_file(file)
        if file.state is not AnalysisState.DONE:
            self._read(file)
        return file

    async def file(self, file_id: int) -> StoredFile:
        """Give one file, or raise `NotFoundError`."""
        file = None
        if 0 < file_id < MOST_IDS:
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
            await on_disk(self._forget, file)

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
            if err.errno in FULL:
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
