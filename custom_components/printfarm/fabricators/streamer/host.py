"""The machines of the streaming process, and what may be asked of them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
import logging
from time import time
from typing import Any

from ..interface import (
    FabricatorConfig,
    FabricatorError,
    MachineEvent,
    MachineEventType,
    Result,
)
from . import messages
from .machine import Factory, Machine
from .news import Tell
from .shelf import Keeper, Shelf
from .story import widowed

_LOGGER = logging.getLogger(__name__)

STORE_WITHIN = 1.0
"""Seconds that the end of a print gets to be stored once its machine has to go."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with, and what follows right behind it."""

    result: Any = None
    then: Callable[[], None] | None = None


class Host:
    """Drivers by key. It holds no rule about the farm: it does what it is told."""

    def __init__(
        self,
        shelf: Shelf,
        factories: Mapping[str, Factory],
        release: str,
        tell: Tell,
        *,
        on_busy: Callable[[], None],
        on_quit: Callable[[], None],
    ) -> None:
        """Keep where stories lie and how drivers are made, by protocol."""
        self._shelf = shelf
        self._factories = factories
        self._release = release
        self._tell = tell
        self._on_busy = on_busy
        self._on_quit = on_quit
        self._keepers: dict[str, Keeper] = {}
        self._machines: dict[str, Machine] = {}
        self._changing: dict[str, asyncio.Lock] = {}
        self._closing = False

    async def load(self) -> None:
        """Take over the stories of the process before us, which is dead."""
        for key, story in (await self._shelf.on_disk(self._shelf.read_all)).items():
            keeper = self._keepers[key] = Keeper(self._shelf, key, story)
            if story.open:
                _LOGGER.warning("%s: run %s was cut off", key, story.run)
                tape = await self._shelf.on_disk(partial(self._shelf.tape, key))
                keeper.story = widowed(story, tape.entries(), time())
                await keeper.try_save()

    @property
    def busy(self) -> bool:
        """Whether a run is under way."""
        return any(machine.under_way for machine in self._machines.values())

    def greet(self) -> None:
        """A new client is there: it has added nothing yet."""
        for machine in self._machines.values():
            machine.detach()

    async def perform(self, op: object, key: object, args: Mapping[str, Any]) -> Answer:
        """Do what a client asks for.

        Raises `FabricatorError` where it cannot be done, and `LookupError`,
        `ValueError` or `TypeError` where the request makes no sense.
        """
        if not isinstance(op, str):
            raise FabricatorError("unknown_op")
        if key is None and (common := _OF_THE_PROCESS.get(op)) is not None:
            return common(self, args)
        if not isinstance(key, str) or op not in _OF_A_MACHINE:
            raise FabricatorError("unknown_op", op)
        if self._closing:
            raise FabricatorError("not_connected")
        return await _OF_A_MACHINE[op](self, key, args)

    # The process

    def _list_busy(self, _: Mapping[str, Any]) -> Answer:
        return Answer({"runs": self._runs(), "release": self._release})

    def _runs(self) -> list[dict[str, Any]]:
        return [
            {
                "key": machine.config.key,
                "name": machine.config.name,
                "run": machine.keeper.story.run,
                "file": machine.keeper.story.task.get("name"),
                "progress": _progress(machine),
            }
            for machine in self._all()
            if machine.under_way
        ]

    def _quit(self, args: Mapping[str, Any]) -> Answer:
        if self.busy and args.get("force") is not True:
            raise FabricatorError("busy")
        return Answer(then=self._on_quit)

    def _list_machines(self, _: Mapping[str, Any]) -> Answer:
        configs = (machine.config for machine in self._machines.values())
        return Answer({"machines": [messages.config_to_json(one) for one in configs]})

    # Machines come and go

    async def _add(self, key: str, args: Mapping[str, Any]) -> Answer:
        config = replace(messages.config_from_json(args["config"]), key=key)
        if not isinstance(config.options, dict) or not self._shelf.takes(key):
            raise ValueError("config")
        factory = self._factories.get(config.protocol)
        if factory is None:
            raise FabricatorError("unknown_protocol", config.protocol)
        async with self._lock(key):
            machine = await self._adopt(config, factory)
            events = await machine.take_events()
        snapshot, capabilities = seen = machine.look()
        return Answer(
            {
                "snapshot": messages.snapshot_to_json(snapshot),
                "capabilities": messages.capabilities_to_json(capabilities),
            },
            lambda: machine.attach(events, seen),
        )

    async def _adopt(self, config: FabricatorConfig, factory: Factory) -> Machine:
        """Give the machine of this configuration, as it is or made anew."""
        known = self._machines.get(config.key)
        if known is not None:
            if _same(known.config, config):
                known.rename(config)
                return known
            if known.under_way:
                raise FabricatorError("busy")
            await self._close(known)
        key = config.key
        keeper = self._keepers.get(key)
        if keeper is None:
            keeper = self._keepers[key] = Keeper(self._shelf, key)
            await keeper.try_save()
        tape = await self._shelf.on_disk(partial(self._shelf.tape, key))
        log_path = self._shelf.log_path(key)
        machine = Machine(config, keeper, tape, log_path, self._tell, self._on_busy)
        machine.open(factory)
        self._machines[key] = machine
        return machine

    async def _remove(self, key: str, _: Mapping[str, Any]) -> Answer:
        async with self._lock(key):
            if (machine := self._machines.get(key)) is not None:
                await machine.give_up()
                await self._close(machine)
            if (keeper := self._keepers.pop(key, None)) is not None:
                await keeper.delete()
        return Answer()

    async def _close(self, machine: Machine, *, unattended: bool = False) -> None:
        if unattended:
            await machine.cool()
        await machine.close()
        await machine.settle(STORE_WITHIN)
        self._machines.pop(machine.config.key, None)
        self._on_busy()

    def _lock(self, key: str) -> asyncio.Lock:
        return self._changing.setdefault(key, asyncio.Lock())

    async def close(self, *, unattended: bool) -> None:
        """Have every print end safely and every end stored, within a bounded time.

        `unattended`: nobody is there, or about to come, to watch what is hot.
        """
        self._closing = True
        await asyncio.gather(
            *(self._close(one, unattended=unattended) for one in self._all())
        )

    def _all(self) -> list[Machine]:
        return list(self._machines.values())

    # What one machine is told

    def machine(self, key: str) -> Machine:
        """Give a machine that was added. Raises `FabricatorError`."""
        if (machine := self._machines.get(key)) is None:
            raise FabricatorError("unknown_fabricator")
        return machine

    async def _start(self, key: str, args: Mapping[str, Any]) -> Answer:
        task = messages.task_from_json(args["task"])
        if type(task.run) is not int:
            raise TypeError("run")
        return Answer({"outcome": await self.machine(key).start(task)})

    async def _pause(self, key: str, _: Mapping[str, Any]) -> Answer:
        await self.machine(key).driver.pause()
        return Answer()

    async def _resume(self, key: str, _: Mapping[str, Any]) -> Answer:
        await self.machine(key).driver.resume()
        return Answer()

    async def _cancel(self, key: str, _: Mapping[str, Any]) -> Answer:
        await self.machine(key).driver.cancel()
        return Answer()

    async def _answer(self, key: str, args: Mapping[str, Any]) -> Answer:
        if type(choice := args["choice"]) is not int:
            raise TypeError("choice")
        await self.machine(key).driver.answer(choice)
        return Answer()

    async def _command(self, key: str, args: Mapping[str, Any]) -> Answer:
        lines = await self.machine(key).driver.command(str(args["line"]))
        return Answer({"lines": list(lines)})

    async def _set_target(self, key: str, args: Mapping[str, Any]) -> Answer:
        heater, celsius = str(args["heater"]), float(args["celsius"])
        await self.machine(key).driver.set_target(heater, celsius)
        return Answer()

    async def _outcome(self, key: str, args: Mapping[str, Any]) -> Answer:
        end = self._end(key, args["run"])
        return Answer({"end": None if end is None else messages.event_to_json(end)})

    def _end(self, key: str, run: int) -> MachineEvent | None:
        keeper, machine = self._keepers.get(key), self._machines.get(key)
        if keeper is not None and keeper.story.run == run:
            under_way = machine is not None and machine.under_way
            return None if under_way else keeper.story.end
        # Where nothing was ever printed here, it may have been elsewhere: before there
        # was such a process, or on the machine that this farm was restored from.
        fresh = keeper is None or keeper.story.run is None
        result = Result.UNKNOWN if fresh else Result.NOT_STARTED
        return MachineEvent(type=MachineEventType.ENDED, run=run, result=result)

    async def _forget(self, key: str, args: Mapping[str, Any]) -> Answer:
        keeper = self._keepers.get(key)
        if keeper is None or keeper.story.run != args["run"]:
            return Answer()
        if keeper.story.end is not None and not keeper.story.forgotten:
            keeper.change(forgotten=True)
            await keeper.try_save()
        return Answer()

    async def _locate(self, key: str, args: Mapping[str, Any]) -> Answer:
        checkpoint = messages.checkpoint_from_json(args["checkpoint"])
        located = await self.machine(key).driver.locate(checkpoint)
        return Answer({"checkpoint": messages.checkpoint_to_json(located)})

    async def _wire(self, key: str, _: Mapping[str, Any]) -> Answer:
        return Answer({"lines": list(await self.machine(key).driver.wire())})

    async def _set_gcode_log(self, key: str, args: Mapping[str, Any]) -> Answer:
        await self.machine(key).driver.set_gcode_log(bool(args["on"]))
        return Answer()


def _same(one: FabricatorConfig, other: FabricatorConfig) -> bool:
    """Whether two configurations differ by nothing but the name."""
    return one.protocol == other.protocol and one.options == other.options


def _progress(machine: Machine) -> float | None:
    snapshot = machine.driver.snapshot
    if snapshot.position is None or not snapshot.size:
        return snapshot.progress
    return snapshot.position / snapshot.size


type _Common = Callable[[Host, Mapping[str, Any]], Answer]
type _Operation = Callable[[Host, str, Mapping[str, Any]], Awaitable[Answer]]

_OF_THE_PROCESS: Mapping[str, _Common] = {
    "busy": Host._list_busy,  # noqa: SLF001 - the table of this very class
    "quit": Host._quit,  # noqa: SLF001
    "machines": Host._list_machines,  # noqa: SLF001
}
_OF_A_MACHINE: Mapping[str, _Operation] = {
    name: getattr(Host, f"_{name}")
    for name in (
        "add",
        "remove",
        "start",
        "pause",
        "resume",
        "cancel",
        "answer",
        "command",
        "set_target",
        "outcome",
        "forget",
        "locate",
        "wire",
        "set_gcode_log",
    )
}
