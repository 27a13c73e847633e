"""One print under way: its file, and the promise to say whether it has begun."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from ..interface import Resume, StartOutcome, Task
from .rewind import with_height
from .source import Source, SourceError

type Supply = Callable[[list[tuple[int, bytes]], str | None], None]
"""Takes a block of commands, or the reason why there is none."""


DISK_GRACE = 1.0
"""Seconds that a read under way gets to come back."""

type _Opened = tuple[Source, int, Resume | None]


class Stream:
    """Reads the file of a print block by block, beside the event loop."""

    def __init__(self, task: Task) -> None:
        """Keep the task; opens nothing."""
        loop = asyncio.get_running_loop()
        self.task = task
        self.size = 0
        self.resume: Resume | None = None
        """Where to go on, with what the file says about it."""
        self.outcome: asyncio.Future[StartOutcome] = loop.create_future()
        self.closed = asyncio.Event()
        self._source: Source | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the file. Raises `OSError`."""
        assert self.task.gcode is not None
        loop = asyncio.get_running_loop()
        opening = loop.run_in_executor(None, _open, self.task.gcode, self.task.resume)
        try:
            self._source, self.size, self.resume = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The thread goes on, and what it opens is nobody's then.
            opening.add_done_callback(_close_opened)
            raise

    def read(self, supply: Supply) -> None:
        """Have the next block read and handed to `supply`, unless one is on its way."""
        if self._reading is None and self._source is not None:
            self._reading = asyncio.get_running_loop().create_task(
                self._read(self._source, supply), name=f"read {self.task.name}"
            )

    async def _read(self, source: Source, supply: Supply) -> None:
        """Give the next portion: mostly out of memory, now and then after the disk."""
        loop = asyncio.get_running_loop()
        commands: list[tuple[int, bytes]] = []
        fault = None
        reading: asyncio.Future[bool] | None = None
        try:
            while not commands:
                if source.ready:
                    commands = source.take()
                    await asyncio.sleep(0)
                    continue
                reading = loop.run_in_executor(None, source.fetch)
                if not await asyncio.shield(reading):
                    break
                reading = None
        except (OSError, SourceError) as error:
            fault = str(error)
        except asyncio.CancelledError:
            if reading is None:
                source.close()
            else:
                reading.add_done_callback(lambda done: _close_read(source, done))
            raise
        self._reading = None
        if self._source is None:
            source.close()
        else:
            supply(commands, fault)

    async def gone(self) -> None:
        """Wait until nothing is read any more, unless the disk hangs."""
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=DISK_GRACE)

    def close(self) -> None:
        """Let go of the file; a read under way does it when it comes back."""
        source, self._source = self._source, None
        if source is not None and self._reading is None:
            source.close()
        self.closed.set()


def _close_read[T](source: Source, reading: asyncio.Future[T]) -> None:
    if not reading.cancelled():
        # Looked at, so that nobody misses it in the log: it is nobody's any more.
        reading.exception()
    source.close()


def _close_opened(opening: asyncio.Future[_Opened]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].close()


def _open(path: Path, resume: Resume | None) -> _Opened:
    size = path.stat().st_size
    if resume is None:
        return Source(path), size, None
    resume = with_height(resume, path)
    return Source(path, resume.checkpoint.position), size, resume
