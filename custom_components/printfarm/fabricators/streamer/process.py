"""The streaming processes of a farm, as Home Assistant sees them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
import logging
from pathlib import Path
from shutil import rmtree

from .. import registry
from ..interface import (
    EventListener,
    Fabricator,
    FabricatorConfig,
    FabricatorError,
    SnapshotListener,
)
from .client import Client
from .launch import LaunchError, find, folder_of, reap
from .program import KINDS
from .remote import RemoteFabricator
from .supervisor import ANSWER_WITHIN, QUIT_WITHIN, Supervisor, Trouble, quit_process

__all__ = ["Standing", "Streamers", "Trouble", "kind_of"]

_LOGGER = logging.getLogger(__name__)

_ONLY_HERE = ("esphome://",)
"""Ports that exist in Home Assistant's process alone."""


def kind_of(config: FabricatorConfig) -> str | None:
    """Tell which process drives this machine; None where none does."""
    if str(config.options.get("port", "")).startswith(_ONLY_HERE):
        return None
    return KINDS.get(config.protocol)


@dataclass(frozen=True, slots=True)
class Standing:
    """A process in a few words."""

    release: str | None
    """None where it cannot be spoken to."""
    machines: int


class Streamers:
    """The processes that drive the machines of one farm.

    Each is found or started when the first machine needs it, and left to itself when
    none does any more, or when Home Assistant ends.
    """

    def __init__(self, farm: Path, release: str) -> None:
        """`farm` is the farm's folder, `release` the one that Home Assistant runs."""
        self._farm = farm
        self._listeners: list[Callable[[], None]] = []
        self._supervisors = {
            kind: Supervisor(farm, kind, release, self._on_trouble)
            for kind in sorted(set(KINDS.values()))
        }

    def make(
        self,
        config: FabricatorConfig,
        on_snapshot: SnapshotListener,
        on_event: EventListener,
    ) -> Fabricator:
        """Make a fabricator of the farm, wherever it is driven.

        Raises `FabricatorError`: `unknown_protocol`.
        """
        if (kind := kind_of(config)) is None:
            return registry.make(config, on_snapshot, on_event)
        supervisor = self._supervisors[kind]
        return RemoteFabricator(config, on_snapshot, on_event, supervisor)

    @property
    def standings(self) -> Mapping[str, Standing]:
        """How each process stands that some machine needs."""
        return {
            kind: Standing(one.current.release if one.current else None, one.machines)
            for kind, one in self._supervisors.items()
            if one.machines
        }

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What keeps machines from being spoken to now."""
        troubles = (one.trouble for one in self._supervisors.values())
        return tuple(trouble for trouble in troubles if trouble is not None)

    def on_trouble(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call back whenever `troubles` has changed; gives the end of it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _on_trouble(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    async def close(self) -> None:
        """Wait until every connection is gone; the processes go on. Safe to call twice."""
        for supervisor in self._supervisors.values():
            await supervisor.close()
        reap()

    async def keep_only(self, configs: Iterable[FabricatorConfig]) -> None:
        """Have machines let go that no process should drive any more.

        For those that were removed while nobody had the farm open.
        """
        wanted = {(kind_of(config), config.key) for config in configs}

        async def remove(kind: str, client: Client) -> None:
            await _remove(client, {key for of, key in wanted if of == kind})

        await self._each(remove)

    async def park(self) -> None:
        """End the processes, as they will not outlive us; none is started again.

        What they print parks, and is over: whoever listens hears of it before this
        returns. The stories stay, for the next process and for what was not heard.
        """
        for supervisor in self._supervisors.values():
            supervisor.rest()

        async def end(kind: str, client: Client) -> None:
            await _quit(kind, client)

        await self._each(end)
        reap()

    async def dismiss(self) -> None:
        """End the processes and drop their stories: nobody will ask for them.

        What they print parks, and is over; nothing stays warm.
        """
        loop = asyncio.get_running_loop()

        async def end(kind: str, client: Client) -> None:
            with suppress(FabricatorError):
                await _remove(client, ())
            if not await _quit(kind, client):
                return
            remove = partial(rmtree, folder_of(self._farm, kind), ignore_errors=True)
            await loop.run_in_executor(None, remove)

        await self._each(end)
        reap()

    async def _each(self, do: Callable[[str, Client], Awaitable[None]]) -> None:
        """Do something with each process that is there, started by whomever."""
        await asyncio.gather(*(self._with(kind, do) for kind in self._supervisors))

    async def _with(
        self, kind: str, do: Callable[[str, Client], Awaitable[None]]
    ) -> None:
        if (client := self._supervisors[kind].current) is not None:
            ours = None
        else:
            try:
                client = ours = await find(self._farm, kind)
            except LaunchError as error:
                _LOGGER.warning("The %s streaming process: %s", kind, error)
                return
        if client is None:
            return
        try:
            await do(kind, client)
        except FabricatorError as error:
            _LOGGER.warning("The %s streaming process: %s", kind, error)
        finally:
            if ours is not None:
                await ours.close()


async def _remove(client: Client, kept: Collection[str]) -> None:
    """Have all other machines let go, at the same time: each parks what it prints."""
    if client.version is None:
        return
    answer = await client.request("machines", within=ANSWER_WITHIN)
    keys = {machine["key"] for machine in answer["machines"]}.difference(kept)
    await asyncio.gather(
        *(client.request("remove", key, within=QUIT_WITHIN) for key in keys)
    )


async def _quit(kind: str, client: Client) -> bool:
    """Have a process end, whatever it prints; tells whether it is gone."""
    if await quit_process(client, force=True):
        return True
    _LOGGER.warning("The %s streaming process does not end", kind)
    return False
