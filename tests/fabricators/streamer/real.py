"""Streaming processes as they really run, in a folder of their own."""

import asyncio
from collections.abc import Callable, Mapping
import contextlib
import json
import os
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any

from custom_components.printfarm.fabricators.interface import FabricatorConfig, Task
from custom_components.printfarm.fabricators.streamer import messages
from custom_components.printfarm.fabricators.streamer.program import command

from .peer import Peer

COIN = Path("tests/fixtures/gcode/coin.gcode").absolute()


class Process:
    """One process; `program` replaces what it runs."""

    def __init__(
        self,
        farm: Path,
        kind: str = "virtual",
        *,
        linger: float = 3600,
        program: Callable[[str], str] = str,
    ) -> None:
        """Start it."""
        arguments = list(command(farm, kind, "0.3.0", linger=linger))
        arguments[3] = program(arguments[3])
        self.folder = farm / "streamer" / kind
        self._process = subprocess.Popen(
            arguments,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    async def about(self) -> Mapping[str, Any]:
        """Give what it says of itself, as soon as it does."""
        path = self.folder / "about.json"
        async with asyncio.timeout(30):
            while True:
                # Another process may have left something there.
                with contextlib.suppress(OSError, LookupError, TypeError, ValueError):
                    about: Mapping[str, Any] = json.loads(path.read_bytes())
                    if about["pid"] == self.pid:
                        return about
                assert self._process.poll() is None, self.log()
                await asyncio.sleep(0.01)

    async def peer(self) -> Peer:
        """Connect to it."""
        about = await self.about()
        return await Peer.proven(
            Path(about["socket"]), (self.folder / "secret").read_bytes()
        )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end, and give the exit code."""
        code = await asyncio.to_thread(self._process.wait, 60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    async def end(self) -> None:
        """End it, if it has not ended yet."""
        if self._process.poll() is None:
            self.signal(signal.SIGTERM)
        await self.ended()

    def output(self) -> str:
        """What it has said to whoever started it."""
        assert self._process.stdout is not None
        return self._process.stdout.read().decode()

    def log(self) -> str:
        """What it has logged."""
        path = self.folder / "log"
        return path.read_text() if path.exists() else ""


class Virtual:
    """A virtual machine in such a process, and what a client does with it."""

    def __init__(self, **options: object) -> None:
        """Keep how the board is to be."""
        self.config = FabricatorConfig(
            key="a", name="A", protocol="virtual", options={"speed": 0, **options}
        )

    async def add(self, peer: Peer) -> Any:
        """Add it, and wait until it can be used."""
        config = messages.config_to_json(self.config)
        answer = (await peer.ask("add", "a", config=config))["result"]
        if answer["snapshot"]["state"] in {"offline", "connecting"}:
            await peer.until(lambda one: _state(one) == "idle")
        return answer

    async def start(self, peer: Peer, path: Path, run: int = 7) -> Any:
        """Print a file."""
        task = Task(run=run, name=path.name, source=path, gcode=path)
        return await peer.ask("start", "a", task=messages.task_to_json(task))


def _state(message: Mapping[str, Any]) -> object:
    return message.get("snapshot", {}).get("state")
