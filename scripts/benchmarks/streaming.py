"""The streaming process and machines in it, driven as Home Assistant drives them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
import json
from pathlib import Path
from time import clock_gettime

from custom_components.printfarm.fabricators.interface import (
    Fabricator,
    FabricatorConfig,
    MachineEvent,
    MachineEventType,
    MachineState,
    Result,
    Snapshot,
    Task,
)
from custom_components.printfarm.fabricators.streamer.process import Streamers

_CONNECT_WITHIN = 60
_PRINT_WITHIN = 900


class Machine:
    """A fabricator of the farm, whose board is driven in the streaming process."""

    def __init__(self, streamers: Streamers, port: str) -> None:
        """Have it made as the farm does; nothing is connected yet."""
        self._changed = asyncio.Event()
        self._end: MachineEvent | None = None
        options = {"port": port, "baudrate": 115200}
        self._fabricator: Fabricator = streamers.make(
            FabricatorConfig(
                key=port.strip("/").replace("/", "-"),
                name="Bench",
                protocol="marlin",
                options=options,
            ),
            self._on_snapshot,
            self._on_event,
        )
        self._running: asyncio.Task[None] | None = None

    def _on_snapshot(self, _: Snapshot) -> None:
        self._changed.set()

    def _on_event(self, event: MachineEvent) -> None:
        if event.type is MachineEventType.ENDED:
            self._end = event
            self._changed.set()

    async def connect(self) -> None:
        """Wait until the board has said what it is."""
        self._running = asyncio.create_task(self._fabricator.run())
        async with asyncio.timeout(_CONNECT_WITHIN):
            while self._fabricator.snapshot.state is not MachineState.IDLE:
                self._changed.clear()
                await self._changed.wait()

    async def print(self, path: Path) -> Result | None:
        """Print a file to its end."""
        task = Task(run=1, name=path.name, source=path, gcode=path)
        await self._fabricator.start(task)
        async with asyncio.timeout(_PRINT_WITHIN):
            while self._end is None:
                self._changed.clear()
                await self._changed.wait()
        return self._end.result

    async def close(self) -> None:
        """Forget the print and give the port back."""
        await self._fabricator.forget(1)
        await self._fabricator.close()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)


@dataclass(slots=True)
class Streaming:
    """A streaming process of the benchmark's own."""

    folder: Path
    streamers: Streamers = field(init=False)

    def __post_init__(self) -> None:
        """Start nothing: the first machine does."""
        self.streamers = Streamers(self.folder, "benchmark")

    def cpu(self) -> float:
        """Processor seconds that the process has used so far."""
        about = self.folder / "streamer" / "serial" / "about.json"
        pid = json.loads(about.read_bytes())["pid"]
        # The clock of another process, as clock_getcpuclockid(3) would name it: the
        # figures in /proc/PID/stat are the same ones in steps of 10 ms.
        return clock_gettime(~pid << 3 | 2)


@asynccontextmanager
async def streaming(folder: Path) -> AsyncIterator[Streaming]:
    """Have a streaming process as long as the block runs."""
    process = Streaming(folder)
    try:
        yield process
    finally:
        await process.streamers.dismiss()
        await process.streamers.close()
