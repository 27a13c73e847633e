"""A machine that does what a test says, and remembers what it was told."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import override

from custom_components.printfarm.fabricators.interface import (
    Capabilities,
    Checkpoint,
    EventListener,
    Fabricator,
    FabricatorConfig,
    MachineEvent,
    MachineEventType,
    MachineState,
    Prompt,
    Result,
    SnapshotListener,
    StartOutcome,
    Task,
)

type Answer[T] = T | Exception | Callable[[], T]
"""What a machine answers: a value, an error to raise, or something to do first."""


class Gate:
    """Lets callers through, or keeps them until it is opened."""

    def __init__(self) -> None:
        """Open at first."""
        self._open = asyncio.Event()
        self._open.set()
        self.waiting = 0

    def shut(self) -> None:
        """Keep whoever comes."""
        self._open.clear()

    def open(self) -> None:
        """Let all through."""
        self._open.set()

    async def __call__(self) -> None:
        """Pass, as soon as the gate is open."""
        self.waiting += 1
        try:
            await self._open.wait()
        finally:
            self.waiting -= 1


class FakeFabricator(Fabricator):
    """One scripted machine.

    `log` has everything that it was told, in order, as tuples. The answers to come
    are plain attributes; the gates make it slow.
    """

    def __init__(
        self,
        config: FabricatorConfig,
        on_snapshot: SnapshotListener,
        on_event: EventListener,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        """Be off."""
        super().__init__(config, on_snapshot, on_event)
        self._monotonic = monotonic
        self.log: list[tuple[object, ...]] = []
        self.tasks: list[Task] = []
        self.can = Capabilities()
        self.transferring = Gate()
        self.starting = Gate()
        self.closing = Gate()
        self.asking = Gate()
        self.transfer_answer: Answer[None] = None
        self.start_answer: Answer[StartOutcome] = StartOutcome.STARTED
        self.asked = 0.0
        self.answer_answer: Answer[None] = None
        self.command_answer: Answer[tuple[str, ...]] = ("ok",)
        self.outcomes: dict[int, Answer[Result | MachineEvent | None]] = {}
        self.run_answer: Answer[None] = None
        self.runs = 0
        self.closed = False
        self.left = False
        self.forget_answer: Answer[None] = None
        self.located: Answer[Checkpoint] | None = None
        """What it says of how far a print came; what it is asked about by default."""
        self.locating = Gate()
        self.lines: tuple[str, ...] = ()
        self.log_answer: Answer[None] = None
        self.logging: bool | None = None

    @property
    @override
    def capabilities(self) -> Capabilities:
        return self.can

    @override
    async def run(self) -> None:
        self.runs += 1
        _say(self.run_answer)
        await asyncio.Event().wait()

    @override
    async def close(self) -> None:
        self.log.append(("close",))
        await self.closing()
        self.closed = True

    @override
    async def leave(self) -> None:
        self.log.append(("leave",))
        await self.closing()
        self.left = True

    @override
    async def transfer(self, task: Task) -> None:
        self.log.append(("transfer", task.run))
        await self.transferring()
        _say(self.transfer_answer)

    @override
    async def start(self, task: Task) -> StartOutcome:
        self.log.append(("start", task.run))
        self.tasks.append(task)
        await self.starting()
        outcome = _say(self.start_answer)
        if outcome is StartOutcome.STARTED:
            self.printing(task.run)
        return outcome

    @override
    async def pause(self) -> None:
        self.log.append(("pause",))

    @override
    async def resume(self) -> None:
        self.log.append(("resume",))

    @override
    async def cancel(self) -> None:
        self.log.append(("cancel",))

    @override
    async def answer(self, choice: int) -> None:
        self.log.append(("answer", choice))
        _say(self.answer_answer)

    @override
    async def command(self, line: str) -> tuple[str, ...]:
        self.log.append(("command", line))
        return _say(self.command_answer)

    @override
    async def set_target(self, heater: str, celsius: float) -> None:
        self.log.append(("set_target", heater, celsius))

    @override
    async def outcome(self, run: int) -> MachineEvent | None:
        self.log.append(("outcome", run))
        await self.asking()
        answer = _say(self.outcomes.get(run, Result.UNKNOWN))
        if not isinstance(answer, Result):
            return answer
        return MachineEvent(type=MachineEventType.ENDED, run=run, result=answer)

    @override
    async def forget(self, run: int) -> None:
        self.log.append(("forget", run))
        _say(self.forget_answer)

    @override
    async def locate(self, checkpoint: Checkpoint) -> Checkpoint:
        self.log.append(("locate", checkpoint.position))
        await self.locating()
        return checkpoint if self.located is None else _say(self.located)

    @override
    async def wire(self) -> tuple[str, ...]:
        return self.lines

    @override
    async def set_gcode_log(self, on: bool) -> None:
        self.log.append(("set_gcode_log", on))
        _say(self.log_answer)
        self.logging = on

    # What the test lets happen on the machine.

    @property
    def waiting(self) -> bool:
        """Whether somebody stands before a gate."""
        return any(
            gate.waiting
            for gate in (
                self.transferring,
                self.starting,
                self.closing,
                self.asking,
                self.locating,
            )
        )

    @property
    def starts(self) -> list[int]:
        """The jobs whose start was sent, in order."""
        return [told[1] for told in self.log if told[0] == "start"]  # type: ignore[misc]

    def told(self, word: str) -> int:
        """Count how often it was told this."""
        return sum(told[0] == word for told in self.log)

    def show(self, state: MachineState | None = None, **changes: object) -> None:
        """Be seen in this state, now."""
        changes.setdefault("seen", self._monotonic())
        if state is not None:
            changes["state"] = state
        self._report(replace(self.snapshot, **changes))  # type: ignore[arg-type]

    def idle(self) -> None:
        """Be on and do nothing."""
        self.show(MachineState.IDLE, run=None, file_name=None, error=None)

    def offline(self) -> None:
        """Answer no more."""
        self.show(MachineState.OFFLINE, seen=self.snapshot.seen)

    def printing(self, run: int | None, **changes: object) -> None:
        """Print this job, or None for something of its own."""
        self.show(MachineState.PRINTING, run=run, **changes)

    def say(
        self,
        kind: MachineEventType,
        run: int | None,
        *,
        result: Result | None = None,
        reason: str | None = None,
        text: str | None = None,
        at: float | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Tell an event."""
        self._announce(
            MachineEvent(
                type=kind,
                run=run,
                result=result,
                reason=reason,
                text=text,
                at=at,
                checkpoint=checkpoint,
            )
        )

    def end(
        self,
        result: Result = Result.COMPLETED,
        reason: str | None = None,
        text: str | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> int | None:
        """Come to the end of what it prints."""
        run = self.snapshot.run
        self.idle()
        self.say(
            MachineEventType.ENDED,
            run,
            result=result,
            reason=reason,
            text=text,
            checkpoint=checkpoint,
        )
        return run

    def cut_off(
        self, position: int, reason: str = "connection_lost", at: float = 0.0
    ) -> int | None:
        """Lose what it prints at this byte of the file."""
        checkpoint = Checkpoint(position=position, at=at, data={"z": 0.4})
        return self.end(Result.FAILED, reason, checkpoint=checkpoint)

    def ask(self, text: str, *choices: str) -> None:
        """Ask a person something."""
        self.asked += 1
        self.show(prompt=Prompt(text, choices, self.asked))
        self._announce(
            MachineEvent(
                type=MachineEventType.PROMPT,
                run=self.snapshot.run,
                text=text,
                choices=choices,
            )
        )

    def paused(self, reason: str | None = None) -> None:
        """Stand still in the middle of a print."""
        self.show(MachineState.PAUSED)
        self.say(MachineEventType.PAUSED, self.snapshot.run, reason=reason)

    def resumed(self) -> None:
        """Go on."""
        self.show(MachineState.PRINTING)
        self.say(MachineEventType.RESUMED, self.snapshot.run)


def _say[T](answer: Answer[T]) -> T:
    if isinstance(answer, Exception):
        raise answer
    return answer() if callable(answer) else answer
