"""The driver of a fabricator that is no longer configured: there is nobody to speak to."""

import asyncio
from typing import override

from ..fabricators.interface import (
    Capabilities,
    Fabricator,
    FabricatorError,
    StartOutcome,
    Task,
)


class Gone(Fabricator):
    """Answers nothing, so that what was left open there can be settled."""

    @property
    @override
    def capabilities(self) -> Capabilities:
        """Nothing is known of it."""
        return Capabilities()

    @override
    async def run(self) -> None:
        """Stay away."""
        await asyncio.Event().wait()

    @override
    async def close(self) -> None:
        """Hold nothing that had to be let go."""

    @override
    async def start(self, task: Task) -> StartOutcome:
        """Start nothing."""
        return StartOutcome.REFUSED

    @override
    async def pause(self) -> None:
        """Say that it is not there."""
        raise FabricatorError("not_connected")

    @override
    async def resume(self) -> None:
        """Say that it is not there."""
        raise FabricatorError("not_connected")

    @override
    async def cancel(self) -> None:
        """Say that it is not there."""
        raise FabricatorError("not_connected")

    @override
    async def command(self, line: str) -> tuple[str, ...]:
        """Say that it is not there."""
        raise FabricatorError("not_connected")

    @override
    async def set_target(self, heater: str, celsius: float) -> None:
        """Say that it is not there."""
        raise FabricatorError("not_connected")
