"""A machine for trying things out: everything but the hardware is real."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from ..interface import (
    Checkpoint,
    EventListener,
    FabricatorConfig,
    FabricatorError,
    SnapshotListener,
)
from ..marlin.driver import MarlinFabricator
from ..marlin.port import ProtocolFactory
from ..marlin.tape import Tape
from .bench import open_board
from .board import DEFAULT_MODEL, PROFILES, Faults


class VirtualFabricator(MarlinFabricator):
    """The Marlin driver, with an emulated board in place of a serial port.

    Options: `model` (a name out of `PROFILES`), `speed` (times real time, 0 is as fast
    as it goes) and, for rehearsals of trouble, `faults` (fields of `Faults`).
    """

    def __init__(
        self,
        config: FabricatorConfig,
        on_snapshot: SnapshotListener,
        on_event: EventListener,
        *,
        tape: Tape | None = None,
        lost: Checkpoint | None = None,
        log_path: Path | None = None,
    ) -> None:
        """Keep the options; the board is built when it is first connected to."""
        super().__init__(
            config,
            on_snapshot,
            on_event,
            open_port=self._open,
            tape=tape,
            lost=lost,
            log_path=log_path,
        )

    async def _open(
        self, factory: ProtocolFactory
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect to this machine's own board.

        Raises:
            FabricatorError: `unknown_model`, `port_busy`.
        """
        options = self.config.options
        model = str(options.get("model", DEFAULT_MODEL))
        if model not in PROFILES:
            raise FabricatorError("unknown_model", model)
        faults = options.get("faults")
        try:
            return await open_board(
                factory,
                model,
                float(str(options.get("speed", 1))),
                Faults(**faults) if isinstance(faults, Mapping) else None,
                key=self.config.key,
            )
        except OSError as error:
            raise FabricatorError("port_busy", str(error)) from error
