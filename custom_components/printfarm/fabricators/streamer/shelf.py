"""The files of one streaming process: stories, tapes, and the secret."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
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
LONGEST_KEY = 100


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
        """Open the tape of a machine, or make it. Raises `OSError`."""
        path = self._path("tape", key, "")
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Blocks of its own from the beginning: writing to a mapped file that finds
            # none left on the disk would kill the process.
            os.posix_fallocate(file, 0, Tape.SIZE)
            return Tape(mmap.mmap(file, Tape.SIZE))
        finally:
            os.close(file)

    def delete(self, key: str) -> None:
        """Forget a machine."""
        self._path("run", key, ".json").unlink(missing_ok=True)
        self._path("tape", key, "").unlink(missing_ok=True)

    def _path(self, kind: str, key: str, suffix: str) -> Path:
        return self.folder / f"{kind}-{quote(key, safe='')}{suffix}"

    def close(self) -> None:
        """Let the threads go; what hangs there is not waited for."""
        self._writers.shutdown(wait=False, cancel_futures=True)


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
    finally:
        os.close(folder)


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
        self.fresh = story is None
        """Nothing was known of this machine when the present client came: what it did
        before, under another process, nobody can say."""
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
