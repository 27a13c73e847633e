"""A host with drivers that have no machine, and what its client is told."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from custom_components.printfarm.fabricators.interface import (
    FabricatorConfig,
    FabricatorError,
    Task,
)
from custom_components.printfarm.fabricators.streamer import messages
from custom_components.printfarm.fabricators.streamer.host import Host
from custom_components.printfarm.fabricators.streamer.machine import Machine
from custom_components.printfarm.fabricators.streamer.shelf import Shelf

from .stub_driver import StubDriver

CONFIG = FabricatorConfig(
    key="a", name="A", protocol="stub", options={"port": "/dev/ttyUSB0"}
)


def task(run: int = 7, **fields: Any) -> Task:
    """Give a task; its file is never read."""
    path = Path(f"/files/{run}.gcode")
    return Task(run=run, name=f"{run}.gcode", source=path, gcode=path, **fields)


class Hosted:
    """One process without a socket. Another one on the same folder comes after it."""

    def __init__(self, folder: Path) -> None:
        """Start with the stories that lie in the folder once `load` is called."""
        self.shelf = Shelf(folder)
        self.told: list[tuple[str, Mapping[str, Any]]] = []
        self.behind = False
        """The client does not read."""
        self.quits = 0
        self.turns = 0
        self._changed = asyncio.Event()
        self.host = Host(
            self.shelf,
            {"stub": StubDriver},
            "0.3.0",
            self._tell,
            on_busy=self._busy,
            on_quit=self._quit,
        )

    def _tell(self, key: str, news: Mapping[str, Any]) -> bool:
        if self.behind and "event" not in news:
            return False
        self.told.append((key, news))
        self._changed.set()
        return True

    def _busy(self) -> None:
        self.turns += 1
        self._changed.set()

    def _quit(self) -> None:
        self.quits += 1

    async def ask(self, op: object, key: object = None, **args: Any) -> Any:
        """Ask as the client does, and let happen what follows the answer."""
        answer = await self.host.perform(op, key, args)
        if answer.then is not None:
            answer.then()
        return answer.result

    async def refused(self, op: object, key: object = None, **args: Any) -> str:
        """Ask for what is refused, and give the reason."""
        try:
            await self.ask(op, key, **args)
        except FabricatorError as error:
            return error.key
        raise AssertionError("it was done")

    async def add(self, config: FabricatorConfig = CONFIG) -> Any:
        """Add a machine."""
        return await self.ask("add", config.key, config=messages.config_to_json(config))

    async def start(self, run: int = 7, key: str = "a", **fields: Any) -> Any:
        """Start a run."""
        started = await self.ask(
            "start", key, task=messages.task_to_json(task(run, **fields))
        )
        return started["outcome"]

    async def end_of(self, run: int, key: str = "a") -> Any:
        """Ask what became of a run."""
        return (await self.ask("outcome", key, run=run))["end"]

    def machine(self, key: str = "a") -> Machine:
        """Give a machine."""
        return self.host.machine(key)

    def driver(self, key: str = "a") -> StubDriver:
        """Give the driver of a machine."""
        driver = self.machine(key).driver
        assert isinstance(driver, StubDriver)
        return driver

    def events(self) -> list[str]:
        """Types of the events that the client was told, in order."""
        return [news["event"]["type"] for _, news in self.told if "event" in news]

    def snapshots(self) -> list[Mapping[str, Any]]:
        """Snapshots that the client was told, in order."""
        return [news["snapshot"] for _, news in self.told if "snapshot" in news]

    async def until(self, done: Callable[[], object]) -> None:
        """Wait until something that was told, or that ended, makes this true."""
        async with asyncio.timeout(30):
            while not done():
                self._changed.clear()
                await self._changed.wait()

    async def turn(self) -> None:
        """Let what was put off until the next turn of the loop happen."""
        for _ in range(3):
            await asyncio.sleep(0)

    async def kill(self) -> None:
        """End it as `kill -9` does: whatever is not on disk is gone."""
        for machine in self.host._all():
            driver = machine.driver
            assert isinstance(driver, StubDriver)
            driver.ends_on_close = False
            for pending in (*machine._tasks, machine._running):
                if pending is not None:
                    pending.cancel()
            machine.detach()
            if machine._watching is not None:
                machine._watching.cancel()
        self.shelf.close()

    async def close(self, *, unattended: bool = False) -> None:
        """End it in an orderly way."""
        await self.host.close(unattended=unattended)
        self.shelf.close()
