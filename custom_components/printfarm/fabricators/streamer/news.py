"""What the client is told about one machine, in what order and how often."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from ..interface import Capabilities, MachineEvent, Snapshot
from . import messages

SNAPSHOT_INTERVAL = 0.25
"""Seconds that lie at least between two snapshots which differ by what creeps along."""

type Tell = Callable[[str, Mapping[str, Any]], bool]
"""Sends a message about a machine to the client. False: it cannot take more now."""
type Look = Callable[[], tuple[Snapshot, Capabilities]]
"""Gives what is to be seen of the machine now."""


class News:
    """Snapshots as they change, and events at once, behind what changed before them.

    Nothing goes out while there is no client, nor while it is held back.
    """

    def __init__(self, key: str, tell: Tell, look: Look) -> None:
        """Keep whom to tell; there is no client yet."""
        self.attached = False
        """A client is there that has asked for this machine."""
        self.held = False
        """Something must happen before the client may know more."""
        self._key = key
        self._tell = tell
        self._look = look
        self._told: tuple[Snapshot, Capabilities] | None = None
        self._soon: asyncio.Handle | None = None

    @property
    def open(self) -> bool:
        """Whether the client is told what happens now."""
        return self.attached and not self.held

    def attach(self, told: tuple[Snapshot, Capabilities]) -> None:
        """A client is there from now on; it was given this."""
        self.attached = True
        self._told = told

    def detach(self) -> None:
        """It is not any more."""
        self.attached = False
        self._stop()

    def changed(self, snapshot: Snapshot) -> None:
        """The machine looks different."""
        if not self.attached:
            return
        told = self._told and self._told[0]
        if told is None or (told.state, told.run) != (snapshot.state, snapshot.run):
            # Soon, not at once: the end of a run that comes with it may hold it back.
            self._stop()
            self._soon = asyncio.get_running_loop().call_soon(self.flush)
        elif self._soon is None:
            self._later()

    def flush(self) -> None:
        """Tell what has changed since it was told last."""
        self._stop()
        if not self.open:
            return
        snapshot, capabilities = seen = self._look()
        told = self._told or (None, None)
        news: list[Mapping[str, Any]] = []
        if capabilities != told[1]:
            news.append({"capabilities": messages.capabilities_to_json(capabilities)})
        if snapshot != told[0]:
            news.append({"snapshot": messages.snapshot_to_json(snapshot)})
        if all(self._tell(self._key, one) for one in news):
            self._told = seen
        else:
            self._later()

    def event(self, event: MachineEvent) -> None:
        """Tell an event, after what has changed before it."""
        self.flush()
        self._tell(self._key, {"event": messages.event_to_json(event)})

    def _later(self) -> None:
        loop = asyncio.get_running_loop()
        self._soon = loop.call_later(SNAPSHOT_INTERVAL, self.flush)

    def _stop(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
