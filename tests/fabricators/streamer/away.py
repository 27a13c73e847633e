"""A fabricator whose machine is driven in another process, under watch."""

import asyncio
from pathlib import Path

from custom_components.printfarm.fabricators.interface import (
    Fabricator,
    FabricatorConfig,
)
from custom_components.printfarm.fabricators.streamer.process import Streamers
from custom_components.printfarm.fabricators.streamer.supervisor import Trouble
from tests.fabricators.watched import Watched

ADA = FabricatorConfig(
    key="k", name="Ada", protocol="virtual", options={"model": "marlin_2", "speed": 0}
)


class Away(Watched[Fabricator]):
    """One machine of a farm, as a Home Assistant of this release has it."""

    def __init__(
        self, farm: Path, release: str = "1", config: FabricatorConfig = ADA
    ) -> None:
        """Make it; it connects to nothing yet."""
        super().__init__()
        self.streamers = Streamers(farm, release)
        self.fabricator = self.streamers.make(config, self.on_snapshot, self.on_event)
        self.troubles: list[tuple[Trouble, ...]] = []
        self.streamers.on_trouble(self._on_trouble)
        self._running: asyncio.Task[None] | None = None

    def _on_trouble(self) -> None:
        self.troubles.append(self.streamers.troubles)
        self._changed.set()

    def run(self) -> None:
        """Let it connect."""
        self._running = asyncio.create_task(self.fabricator.run())

    async def leave(self) -> None:
        """Hang up, as Home Assistant does when it stops."""
        await self.fabricator.leave()
        await self.stop()

    async def stop(self) -> None:
        """Let the task end that keeps it connected."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        await self.streamers.close()
