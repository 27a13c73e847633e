"""When a process that nobody needs ends itself."""

import asyncio
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """Something that was put off."""

    def cancel(self) -> None:
        """Do not do it."""


type CallLater = Callable[[float, Callable[[], None]], Timer]


class Linger:
    """Waits while nobody needs the process, and says when that has lasted."""

    def __init__(
        self,
        seconds: float,
        needed: Callable[[], bool],
        over: Callable[[], None],
        call_later: CallLater | None = None,
    ) -> None:
        """Keep whom to ask, and whom to tell; waits from the first look on."""
        self._seconds = seconds
        self._needed = needed
        self._over = over
        self._call_later = call_later or asyncio.get_running_loop().call_later
        self._timer: Timer | None = None

    def look(self) -> None:
        """Something has changed: a client came or went, a run began or ended."""
        if self._needed():
            self.stop()
        elif self._timer is None:
            self._timer = self._call_later(self._seconds, self._due)

    def stop(self) -> None:
        """Wait no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        if not self._needed():
            self._over()
