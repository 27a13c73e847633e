"""A driver without a machine: it reports what a test has it report."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, override

from custom_components.printfarm.fabricators.interface import (
    Capabilities,
    Checkpoint,
    EventListener,
    Fabricator,
    FabricatorConfig,
    FabricatorError,
    MachineEvent,
    MachineEventType,
    MachineState,
    Result,
    SnapshotListener,
    StartOutcome,
    Task,
)
from custom_components.printfarm.fabricators.marlin.tape import Tape


class StubDriver(Fabricator):
    """Starts at once, and ends a run when it is closed, as a real one does."""

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
        """Keep what it was made with."""
        super().__init__(config, on_snapshot, on_event)
        if config.options.get("broken"):
            raise KeyError("port")
        self.tape = tape
        self.lost = lost
        self.log_path = log_path
        self.able = Capabilities()
        self.starts: list[Task] = []
        self.said: list[object] = []
        """What it was told, in order."""
        self.outcome_of_start: StartOutcome | FabricatorError | Exception = (
            StartOutcome.STARTED
        )
        self.hold_start: asyncio.Event | None = None
        self.marked: Checkpoint | None = None
        self.closed = False
        self.ends_on_close = True
        self.fails_on_close: Exception | None = None
        self.breaks = asyncio.Event()

    @property
    @override
    def capabilities(self) -> Capabilities:
        return self.able

    @override
    async def run(self) -> None:
        await self.breaks.wait()
        raise RuntimeError("broken")

    @override
    def give_up(self) -> None:
        self.said.append("give_up")

    @override
    async def close(self) -> None:
        self.closed = True
        if self.fails_on_close is not None:
            raise self.fails_on_close
        if self.hold_start is not None:
            self.outcome_of_start = StartOutcome.REFUSED
            self.hold_start.set()
        if self.ends_on_close and self.snapshot.run is not None:
            self.end(Result.FAILED, reason="stopped", checkpoint=self.marked)

    @override
    async def start(self, task: Task) -> StartOutcome:
        self.starts.append(task)
        if self.hold_start is not None:
            await self.hold_start.wait()
        if isinstance(self.outcome_of_start, Exception):
            raise self.outcome_of_start
        if self.outcome_of_start is StartOutcome.STARTED:
            self.report(state=MachineState.PRINTING, run=task.run)
            self.announce(MachineEventType.STARTED)
        return self.outcome_of_start

    @override
    async def pause(self) -> None:
        self.said.append("pause")

    @override
    async def resume(self) -> None:
        self.said.append("resume")

    @override
    async def cancel(self) -> None:
        self.said.append("cancel")

    @override
    async def answer(self, choice: int) -> None:
        self.said.append(f"answer {choice}")

    @override
    async def command(self, line: str) -> tuple[str, ...]:
        if line == "M999":
            raise FabricatorError("not_connected", "off")
        self.said.append(line)
        return ("ok", line)

    @override
    async def set_target(self, heater: str, celsius: float) -> None:
        self.said.append((heater, celsius))

    @override
    def checkpoint(self) -> Checkpoint | None:
        return self.marked

    @override
    async def locate(self, checkpoint: Checkpoint) -> Checkpoint:
        return replace(checkpoint, position=checkpoint.position + 1)

    @override
    async def wire(self) -> tuple[str, ...]:
        return ("> G28", "< ok")

    @override
    async def set_gcode_log(self, on: bool) -> None:
        self.said.append(on)

    # What a test has happen on the machine.

    def report(self, **changes: Any) -> None:
        """Change what is seen of the machine."""
        self._report(replace(self.snapshot, **changes))

    def announce(self, kind: MachineEventType, **fields: Any) -> None:
        """Have something happen."""
        self._announce(MachineEvent(type=kind, run=self.snapshot.run, **fields))

    def end(self, result: Result = Result.COMPLETED, **fields: Any) -> None:
        """End the run: the snapshot first, then the event, as all drivers do."""
        run = self.snapshot.run
        self.report(state=MachineState.IDLE, run=None)
        self._announce(
            MachineEvent(type=MachineEventType.ENDED, run=run, result=result, **fields)
        )
