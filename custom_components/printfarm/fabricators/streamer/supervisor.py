"""Keeps one streaming process within reach for as long as somebody needs it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
import logging
from pathlib import Path
from typing import Any, Protocol

from ..interface import FabricatorError
from .client import Client
from .launch import LaunchError, find, launch, reap

_LOGGER = logging.getLogger(__name__)

ASK_EVERY = 10.0
"""Seconds between two questions whether a process that we cannot use is done."""
PULSE_EVERY = 15.0
"""Seconds between two looks whether a process is still alive."""
ANSWER_WITHIN = 10.0
"""Seconds in which a process that is alive answers."""
QUIT_WITHIN = 15.0
"""Seconds in which a process ends; its prints park meanwhile."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
"""Seconds between two attempts to reach a process."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why machines cannot be spoken to, until a person or time puts it right."""

    kind: str
    """`serial` or `virtual`."""
    code: str
    """`streamer_outdated`, `streamer_unproven` or `streamer_failed`."""
    runs: tuple[str, ...] = ()
    """Prints under way there, as far as is known: fabricator and file."""


class Guest(Protocol):
    """A machine that needs the process."""

    @property
    def quiet(self) -> bool:
        """Whether nothing of it is under way in the process."""

    def troubled(self, code: str | None) -> None:
        """The process cannot be spoken to, for this reason, or just for a moment."""


class Supervisor:
    """Finds, starts, and starts again the process of one kind.

    It goes about that from when the first guest enters until the last one leaves.
    Leaving is hanging up: the process goes on by itself.
    """

    def __init__(
        self, farm: Path, kind: str, release: str, on_trouble: Callable[[], None]
    ) -> None:
        """`farm` is the farm's folder, `release` ours; `on_trouble` hears of changes."""
        self.trouble: Trouble | None = None
        self._farm = farm
        self._kind = kind
        self._release = release
        self._on_trouble = on_trouble
        self._guests: list[Guest] = []
        self._client: Client | None = None
        self._connected = asyncio.Event()
        self._look = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._resting = False

    def enter(self, guest: Guest) -> None:
        """Somebody needs the process."""
        self._guests.append(guest)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep())
        elif self.trouble is not None:
            guest.troubled(self.trouble.code)

    def leave(self, guest: Guest) -> None:
        """It does not any more."""
        self._guests.remove(guest)
        if not self._guests and self._task is not None:
            self._task.cancel()
            self._ending.add(self._task)
            self._task.add_done_callback(self._ending.discard)
            self._task = None

    async def client(self) -> Client:
        """Give the process, as soon as it is there."""
        while (client := self._client) is None or not client.open:
            self._connected.clear()
            await self._connected.wait()
        return client

    @property
    def machines(self) -> int:
        """How many need the process."""
        return len(self._guests)

    @property
    def current(self) -> Client | None:
        """The process, if it is there now."""
        return self._client

    def look(self) -> None:
        """Something ended: perhaps the process can be replaced now."""
        self._look.set()

    def rest(self) -> None:
        """Use the process that is there until it ends, and start none any more."""
        self._resting = True

    async def close(self) -> None:
        """Wait until everything that left is gone."""
        if self._ending:
            await asyncio.wait(self._ending)

    async def _keep(self) -> None:
        pause = _FIRST_PAUSE
        try:
            while not self._resting:
                if await self._once():
                    pause = _FIRST_PAUSE
                    continue
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            self._settled()

    async def _once(self) -> bool:
        """Reach the process and use it; tells whether that went well."""
        try:
            client = await find(self._farm, self._kind)
            if client is None:
                client = await launch(self._farm, self._kind, self._release)
        except LaunchError as error:
            self._tell(error.code, text=str(error))
            return False
        try:
            return await self._serve(client)
        except Exception:
            # Whatever it said: no machine is driven unless somebody tries again.
            _LOGGER.exception("The %s streaming process", self._kind)
            return False
        finally:
            self._client = None
            await client.close()
            reap()

    # One conversation.

    async def _serve(self, client: Client) -> bool:
        """Let the guests use the process until it is gone.

        Tells whether it went well: there is no reason to wait with the next.
        """
        if client.version is None:
            return await self._outwait(client)
        if client.release != self._release and await self._replace(client):
            return True
        self._settled()
        self._client = client
        self._connected.set()
        began = asyncio.get_running_loop().time()
        while client.open:
            self._look.clear()
            await _first(client.gone(), self._look.wait(), within=PULSE_EVERY)
            if client.release != self._release and self._quiet:
                for guest in self._guests:
                    guest.troubled(None)
                # Where it prints after all, it is simply taken up again.
                await self._replace(client)
                return True
            if not self._look.is_set():
                await self._pulse(client)
        return asyncio.get_running_loop().time() - began > _LONGEST_PAUSE

    async def _pulse(self, client: Client) -> None:
        try:
            await client.request("busy", within=ANSWER_WITHIN)
        except FabricatorError as error:
            _LOGGER.warning("The %s streaming process: %s", self._kind, error)
            client.hang_up()

    @property
    def _quiet(self) -> bool:
        return all(guest.quiet for guest in self._guests)

    async def _replace(self, client: Client) -> bool:
        """Have the process of another release end, unless it prints."""
        if not await quit_process(client):
            return False
        _LOGGER.info(
            "The %s streaming process of release %s made room", *self._of(client)
        )
        return True

    async def _outwait(self, client: Client) -> bool:
        """Wait until a process that speaks another version has nothing to print."""
        while client.open:
            try:
                answer = await client.request("busy", within=ANSWER_WITHIN)
            except FabricatorError:
                break
            if await self._replace(client):
                return True
            self._tell("streamer_outdated", runs=_named(answer))
            await _first(client.gone(), within=ASK_EVERY)
        return False

    def _of(self, client: Client) -> tuple[str, str]:
        return self._kind, client.release

    # Trouble.

    def _tell(self, code: str, *, text: str = "", runs: tuple[str, ...] = ()) -> None:
        trouble = Trouble(self._kind, code, runs)
        if trouble == self.trouble:
            return
        _LOGGER.warning("The %s streaming process: %s %s", self._kind, code, text)
        self.trouble = trouble
        for guest in tuple(self._guests):
            guest.troubled(code)
        self._on_trouble()

    def _settled(self) -> None:
        if self.trouble is not None:
            self.trouble = None
            self._on_trouble()


async def quit_process(client: Client, *, force: bool = False) -> bool:
    """Have a process end; without `force` only if nothing prints there.

    Tells whether it is gone.
    """
    try:
        await client.request("quit", args={"force": force}, within=QUIT_WITHIN)
    except FabricatorError as error:
        if error.key != "connection_lost":
            return False
    await _first(client.gone(), within=QUIT_WITHIN)
    return not client.open


def _named(busy: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the prints in an answer to `busy`, whoever gave it."""
    runs: list[dict[str, Any]] = busy.get("runs", [])
    return tuple(f"{run.get('name')}: {run.get('file')}" for run in runs)


async def _first(*waits: Any, within: float) -> None:
    """Wait for the first of these, or for so many seconds."""
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
