"""What a driver knows of a print of its own that was cut off."""

import asyncio
from dataclasses import replace
from pathlib import Path
from time import time

from ..interface import Checkpoint, FabricatorError, Resume
from .checkpoint import placed
from .engine import Engine
from .recovery import IDLE_LIMIT, PLANNED
from .rewind import earlier
from .session import Phase

LOCATE_GRACE = 30.0
"""Seconds that a board gets to answer when it is asked where a print stopped."""


class Salvage:
    """From the end of a print that was cut off to the start of the next one."""

    def __init__(self, engine: Engine, lost: Checkpoint | None) -> None:
        """`lost` is of a print that was cut off before there was this driver."""
        self._engine = engine
        self._lost = lost
        self._adrift: bool | None = None
        self._ready = asyncio.Event()

    def cut_off(self, checkpoint: Checkpoint | None) -> None:
        """A print has ended with this."""
        self._lost = checkpoint
        self._adrift = None

    def look(self) -> None:
        """The machine was looked at."""
        if self._engine.phase is not Phase.READY:
            self._ready.clear()
            return
        self._ready.set()
        if self._lost is not None and self._adrift is None:
            # From now on they are held, where the firmware knows how.
            self._adrift = _motors_went_off(self._lost)

    def fits(self, resume: Resume | None) -> bool:
        """Whether the board is still what it was when it was asked."""
        if resume is None or resume.checkpoint.data.get("reset") is not False:
            return True
        return self._engine.remembers.reset is False

    async def locate(self, checkpoint: Checkpoint) -> Checkpoint:
        """Say how far a print really came, by what the board still knows of it.

        What a board had planned and not moved is lost when it is started anew, so the
        print goes back that far: better done twice than not at all.

        Raises:
            FabricatorError: `not_connected`, `file_error`.
        """
        try:
            async with asyncio.timeout(LOCATE_GRACE):
                await self._ready.wait()
        except TimeoutError:
            raise FabricatorError("not_connected") from None
        located = placed(checkpoint, self._engine.remembers)
        if located.data["reset"] is False:
            return replace(located, data={**located.data, "adrift": self._adrift})
        loop = asyncio.get_running_loop()
        try:
            planned = self._engine.planned
            return await loop.run_in_executor(None, back, located, planned)
        except OSError as error:
            raise FabricatorError("file_error", str(error)) from error


def _motors_went_off(lost: Checkpoint) -> bool:
    parked = lost.data.get("parked")
    held = isinstance(parked, dict) and bool(parked.get("hold"))
    return not held and time() - lost.at > IDLE_LIMIT


def back(located: Checkpoint, planned: int) -> Checkpoint:
    """Go back to what was surely made; `planned` moves may be all that is lost.

    Blocks the caller. Raises `OSError`.
    """
    data = located.data
    if data.get("astray") or data.get("still"):
        # Nothing of the file was under way: all that was accepted was made.
        return located
    moves = max(PLANNED, planned, int(str(data.get("planned", 0))))
    modal = data["modal"]
    relative = isinstance(modal, dict) and "G91" in str(modal["positioning"])
    file = Path(str(data["file"]))
    position = earlier(file, located.position, moves, relative=relative)
    return replace(
        located, position=position, data={**data, "accepted": located.position}
    )
