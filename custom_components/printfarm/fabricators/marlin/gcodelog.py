"""Every line of the wire in a text file, when somebody wants to know it all."""

import asyncio
from collections import deque
from itertools import pairwise
import logging
import os
from pathlib import Path

from .wirelog import Piece, Scribe, WireLog

_LOGGER = logging.getLogger(__name__)

INTERVAL = 1.0
"""Seconds between two looks at what has come together."""
LIMIT = 5 * 1024 * 1024
"""Bytes after which another file is begun."""
KEPT = 2
"""Files kept besides the one that is written."""
_MOST = 200_000
"""Pieces that can wait to be written; a disk that is slower than that loses some."""


class GcodeLog:
    """Follows a wire while it is switched on; writes in a thread, now and then."""

    def __init__(self, path: Path, wire: WireLog) -> None:
        """Keep where to write; touches nothing."""
        self._path = path
        self._wire = wire
        self._waiting: deque[Piece] = deque(maxlen=_MOST)
        self._scribe = Scribe()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Write down everything from now on."""
        if self._task is None:
            self._stop.clear()
            self._wire.follow(self._waiting.append)
            self._task = asyncio.get_running_loop().create_task(
                self._run(), name=f"write {self._path.name}"
            )

    async def end(self) -> None:
        """Write what there is still, and no more."""
        task, self._task = self._task, None
        if task is not None:
            self._wire.follow(None)
            self._stop.set()
            await task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        over = False
        while not over:
            try:
                async with asyncio.timeout(INTERVAL):
                    over = await self._stop.wait()
            except TimeoutError:
                pass
            pieces = [*self._waiting]
            self._waiting.clear()
            if not pieces:
                continue
            try:
                await loop.run_in_executor(None, self._write, pieces)
            except OSError as error:
                _LOGGER.warning("%s is not written any more: %s", self._path, error)
                self._wire.follow(None)
                return

    def _write(self, pieces: list[Piece]) -> None:
        """Append the lines that are complete, in a new file if this one is full."""
        text = "".join(f"{line}\n" for line in self._scribe.write(pieces))
        flags = os.O_APPEND | os.O_CREAT | os.O_WRONLY
        with os.fdopen(os.open(self._path, flags, 0o600), "a", encoding="ascii") as log:
            log.write(text)
            full = log.tell() >= LIMIT
        if full:
            names = [f"{self._path.name}.{number}" for number in range(KEPT, 0, -1)]
            names.append(self._path.name)
            for older, newer in pairwise(names):
                file = self._path.with_name(newer)
                if file.exists():
                    file.replace(self._path.with_name(older))
