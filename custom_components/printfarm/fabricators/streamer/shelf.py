"""The files of one streaming process: stories, tapes, and the secret."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
import errno
import glob
import json
import logging
import mmap
import os
from pathlib import Path
import secrets
from typing import Any
from urllib.parse import quote

from ..marlin.tape import Tape
from .story import Story, from_json, to_json

_LOGGER = logging.getLogger(__name__)

WRITERS = 4
"""Threads; a disk that is slow to sync holds up no reading of files."""
RETRY = 1.0
"""Seconds before what could not be stored is tried again."""
_LONGEST_NAME = 200
"""Bytes in the name of a file; file systems take 255."""


class Shelf:
    """A folder, and the threads that write into it."""

    def __init__(self, folder: Path) -> None:
        """Keep where it is; touches nothing."""
        self.folder = folder
        self._writers = ThreadPoolExecutor(WRITERS, "story")

    async def on_disk[T](self, deed: Callable[[], T]) -> T:
        """Do something in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._writers, deed)

    def write(self, key: str, story: Story) -> None:
        """Replace the story of a machine; it is on disk afterwards."""
        write_json(self._path("run", key, ".json"), to_json(key, story))

    def read_all(self) -> dict[str, Story]:
        """Give all stories by machine; what cannot be read is said and set aside."""
        stories = {}
        for path in sorted(self.folder.glob("run-*.json")):
            try:
                key, story = from_json(json.loads(path.read_bytes()))
            except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
                _LOGGER.error("Cannot read the story %s: %r", path.name, error)
                continue
            stories[key] = story
        return stories

    def tape(self, key: str) -> Tape:
        """Open the tape of a machine, or make it. Where there can be none, say so."""
        path = self._path("tape", key, "")
        try:
            return Tape(_mapped(path, Tape.SIZE))
        except OSError as error:
            _LOGGER.error("%s: lines are not kept on %s: %s", key, path.name, error)
            return Tape(bytearray(Tape.SIZE))

    def delete(self, key: str) -> None:
        """Forget a machine."""
        self._path("run", key, ".json").unlink(missing_ok=True)
        self._path("tape", key, "").unlink(missing_ok=True)
        log = self.log_path(key)
        for path in self.folder.glob(f"{glob.escape(log.name)}*"):
            path.unlink(missing_ok=True)

    def log_path(self, key: str) -> Path:
        """Say where the lines of a machine are written down when somebody asks for it."""
        return self._path("gcode", key, ".log")

    def takes(self, key: str) -> bool:
        """Whether files can bear this key in their names."""
        return 0 < len(quote(key, safe="")) <= _LONGEST_NAME

    def _path(self, kind: str, key: str, suffix: str) -> Path:
        return self.folder / f"{kind}-{quote(key, safe='')}{suffix}"

    def close(self) -> None:
        """Wait until the threads have gone. What they have not begun is dropped."""
        self._writers.shutdown(cancel_futures=True)


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a file in one step, and see to it that it is on disk. Raises `OSError`."""
    temporary = path.with_name(f"{path.name}.new")
    with temporary.open("wb") as file:
        file.write(json.dumps(data).encode())
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    except OSError as error:
        # Network file systems often know no such thing for a folder.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(folder)


def _mapped(path: Path, size: int) -> mmap.mmap:
    """Map a file into memory; what it holds stays. Raises `OSError`."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Really written, not just made longer: a mapped page for which the disk then
        # has no room would kill the process.
        known = os.fstat(file).st_size
        os.pwrite(file, bytes(max(0, size - known)), known)
        return mmap.mmap(file, size)
    finally:
        os.close(file)


def secret(folder: Path) -> bytes:
    """Give the secret of this folder, made when first asked for. Raises `OSError`."""
    path = folder / "secret"
    try:
        known = path.read_bytes()
    except FileNotFoundError:
        known = b""
    if len(known) >= 32:
        return known
    made = secrets.token_bytes(32)
    temporary = path.with_name("secret.new")
    file = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
    )
    with os.fdopen(file, "wb") as stream:
        stream.write(made)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    return made


class Keeper:
    """The story of one machine, in memory and on disk."""

    def __init__(self, shelf: Shelf, key: str, story: Story | None = None) -> None:
        """Take over a story that lies on disk, or begin without one."""
        self.key = key
        self.story = story or Story()
        self._shelf = shelf
        self._saved = story
        self._writing = asyncio.Lock()
        self._failing = False

    def change(self, **fields: Any) -> None:
        """Change the story in memory."""
        self.story = replace(self.story, **fields)

    @property
    def writing(self) -> bool:
        """Whether the disk is at it."""
        return self._writing.locked()

    async def save(self) -> None:
        """Return once the story, as it is now or newer, is on disk. Raises `OSError`."""
        async with self._writing:
            story = self.story
            if story is self._saved:
                return
            await self._shelf.on_disk(lambda: self._shelf.write(self.key, story))
            self._saved = story

    async def try_save(self) -> bool:
        """Save, and say once when it fails and once when it works again."""
        try:
            await self.save()
        except OSError as error:
            if not self._failing:
                _LOGGER.error("%s: cannot store the print: %s", self.key, error)
            self._failing = True
            return False
        if self._failing:
            _LOGGER.info("%s: the print is stored again", self.key)
        self._failing = False
        return True

    async def save_surely(self) -> None:
        """Save, however often it takes."""
        while not await self.try_save():
            await asyncio.sleep(RETRY)

    async def delete(self) -> None:
        """Forget everything."""
        async with self._writing:
            await self._shelf.on_disk(lambda: self._shelf.delete(self.key))
