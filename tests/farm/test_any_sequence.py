"""Whatever is done in whatever order: the invariants hold and no job is lost."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
import contextlib
from functools import partial
import itertools
from pathlib import Path
import tempfile

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
import pytest

from custom_components.printfarm.fabricators.interface import (
    Checkpoint,
    FabricatorError,
    MachineEvent,
    MachineEventType,
    MachineState,
    Result,
    StartOutcome,
)
from custom_components.printfarm.farm.errors import FarmError
from custom_components.printfarm.farm.model import Job, JobStatus, Rating

from .machine import FakeFabricator
from .promises import Promises
from .rig import Rig

KEYS = ("a", "b", "c")
keys = st.sampled_from(KEYS)
picks = st.integers(0, 30)
UNDER_WAY = {MachineState.PREPARING, MachineState.PRINTING, MachineState.PAUSED}


class AnySequence(Promises, RuleBasedStateMachine):
    """A farm of up to three machines, and a world that does what it likes."""

    template: Path

    def __init__(self) -> None:
        """Open an empty farm."""
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.rig = Rig(Path(self.folder.name), self.template)
        self.rig.clock.rule(self.runner.get_loop())
        self.parts: set[str] = set()
        """Fabricators with something on their bed, whatever the farm believes."""
        self.cut_off: dict[str, int] = {}
        """Fabricators with a part that was cut off at this byte, and nothing since."""
        self.positions = itertools.count(100)
        self.starts: Counter[int] = Counter()
        self.refused: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.over: dict[int, JobStatus] = {}
        self.added = 0

    @initialize()
    def open(self) -> None:
        """Begin with two machines and one file."""

        async def begin() -> None:
            await self.rig.open()
            self.file = await self.rig.file()

        self.runner.run(begin())
        for key in KEYS[:2]:
            self.add_fabricator(key, auto_start=True)

    def teardown(self) -> None:
        """Close."""
        if hasattr(self.rig, "farm"):
            self.runner.run(self.rig.farm.close())
        self.runner.close()
        self.folder.cleanup()

    def _do(self, work: Awaitable[object]) -> None:
        """Do something, which may be refused, and let the farm react."""

        async def do() -> None:
            with contextlib.suppress(FarmError):
                await work
            await self.rig.quiet()

        self.runner.run(do())

    def _watch(self, key: str, *, answer: object = StartOutcome.STARTED) -> None:
        """Check each start at the moment when it reaches the machine."""
        machine = self.rig.machines[key]
        machine.start_answer = partial(self._start, key, machine, answer)

    def _start(self, key: str, machine: FakeFabricator, answer: object) -> StartOutcome:
        job_id = machine.starts[-1]
        resume = machine.tasks[-1].resume
        if resume is None and key in self.parts:
            self.wrong.append(f"job {job_id} started on a used bed")
        if resume is not None and (self.cut_off.get(key) != resume.checkpoint.position):
            self.wrong.append(f"job {job_id} goes on with what is not there")
        if machine.snapshot.state is not MachineState.IDLE:
            self.wrong.append(f"job {job_id} started on {machine.snapshot.state}")
        if self.rig.view(key).maintenance:
            self.wrong.append(f"job {job_id} started in maintenance")
        self.starts[job_id] += 1
        if answer is StartOutcome.REFUSED:
            self.refused[job_id] += 1
        else:
            self.parts.add(key)
            self.cut_off.pop(key, None)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, StartOutcome)
        return answer

    def _job(self, pick: int, *, queued: bool = True) -> Job:
        async def find() -> tuple[Job, ...]:
            return await self.rig.all_jobs()

        jobs = self.runner.run(find())
        wanted = [job for job in jobs if (job.status is JobStatus.QUEUED) is queued]
        return (wanted or list(jobs))[pick % len(wanted or jobs)]

    # People

    @rule(
        copies=st.integers(1, 3),
        priority=st.integers(-1, 1),
        meant_for=st.none() | keys,
        hold=st.booleans(),
        shortest=st.booleans(),
    )
    def add_jobs(
        self,
        *,
        copies: int,
        priority: int,
        meant_for: str | None,
        hold: bool,
        shortest: bool,
    ) -> None:
        """Somebody fills the queue."""

        async def add() -> None:
            jobs = await self.rig.farm.add_jobs(
                file_id=self.file.id,
                copies=copies,
                priority=priority,
                target=meant_for,
                hold=hold,
                shortest=shortest,
            )
            self.added += len(jobs)

        self._do(add())

    @precondition(lambda self: self.added)
    @rule(pick=picks, position=st.integers(0, 5))
    def move(self, pick: int, position: int) -> None:
        """Somebody moves a job."""
        self._do(self.rig.farm.move_job(self._job(pick).id, position=position))

    @precondition(lambda self: self.added)
    @rule(
        pick=picks,
        change=st.fixed_dictionaries(
            {},
            optional={
                "hold": st.booleans(),
                "priority": st.integers(-1, 1),
                "target": st.none() | keys,
            },
        ),
    )
    def change(self, pick: int, change: dict[str, object]) -> None:
        """Somebody changes a job."""

        async def act() -> None:
            await self.rig.farm.change_job(self._job_id, **change)  # type: ignore[arg-type]

        self._job_id = self._job(pick).id
        self._do(act())

    @precondition(lambda self: self.added)
    @rule(pick=picks)
    def remove(self, pick: int) -> None:
        """Somebody takes a job out."""
        self._do(self.rig.farm.remove_job(self._job(pick).id))

    @precondition(lambda self: self.added)
    @rule(pick=picks)
    def requeue(self, pick: int) -> None:
        """Somebody wants a job again."""
        job_id = self._job(pick, queued=False).id

        async def again() -> None:
            await self.rig.farm.requeue(job_id)
            self.added += 1

        self._do(again())

    @precondition(lambda self: self.added)
    @rule(key=keys, pick=picks, named=st.booleans())
    def start(self, key: str, pick: int, *, named: bool) -> None:
        """Somebody starts a job by hand."""
        job_id = self._job(pick).id if named else None

        async def act() -> None:
            await self.rig.farm.start(key, job_id)

        self._do(act())

    @rule(key=keys, command=st.sampled_from(["pause", "resume", "cancel"]))
    def command(self, key: str, command: str) -> None:
        """Somebody presses a button."""

        async def act() -> None:
            await getattr(self.rig.farm, command)(key)

        self._do(act())

    @rule(key=keys, rating=st.sampled_from(Rating))
    def release(self, key: str, rating: Rating) -> None:
        """Somebody clears a bed, and only then says so."""

        async def act() -> None:
            before = set(self.parts), dict(self.cut_off)
            self.parts.discard(key)
            self.cut_off.pop(key, None)
            try:
                await self.rig.farm.release(key, rating)
            except FarmError:
                self.parts, self.cut_off = before
                raise

        self._do(act())

    @rule(
        key=keys, on=st.booleans(), what=st.sampled_from(["auto_start", "maintenance"])
    )
    def switch(self, key: str, what: str, *, on: bool) -> None:
        """Somebody turns a switch."""

        async def act() -> None:
            await getattr(self.rig.farm, f"set_{what}")(key, on)

        self._do(act())

    @rule(key=keys, auto_start=st.booleans())
    def add_fabricator(self, key: str, *, auto_start: bool) -> None:
        """Somebody brings a machine."""
        if key in self.rig.configs:
            return

        async def act() -> None:
            machine = await self.rig.add(key, auto_start=auto_start, idle=False)
            self._watch(key)
            machine.idle()

        self.parts.discard(key)
        self._do(act())

    @rule(key=keys)
    def remove_fabricator(self, key: str) -> None:
        """Somebody takes a machine away."""
        if key in self.rig.configs:
            self._do(self.rig.remove(key))
            self.parts.discard(key)
            self.cut_off.pop(key, None)

    @rule(seconds=st.sampled_from([1, 11, 61, 700]))
    def wait(self, seconds: int) -> None:
        """Time passes; machines that are on keep talking."""

        async def act() -> None:
            await self.rig.pass_(seconds)
            for machine in self.rig.machines.values():
                if machine.snapshot.state is not MachineState.OFFLINE:
                    machine.show()

        self._do(act())

    # Machines

    def _machine(self, key: str) -> FakeFabricator | None:
        return self.rig.machines.get(key) if key in self.rig.configs else None

    @rule(
        key=keys,
        answer=st.sampled_from(
            [
                StartOutcome.STARTED,
                StartOutcome.REFUSED,
                StartOutcome.UNKNOWN,
                FabricatorError("connection_lost"),
                ZeroDivisionError(),
            ]
        ),
    )
    def answer_starts(self, key: str, answer: object) -> None:
        """A machine will answer so from now on."""
        if self._machine(key) is not None:
            self._watch(key, answer=answer)

    @rule(key=keys, result=st.sampled_from(Result), again=st.booleans())
    def end(self, key: str, result: Result, *, again: bool) -> None:
        """A print comes to its end, and perhaps it is said twice."""
        machine = self._machine(key)
        if machine is None or machine.snapshot.state not in UNDER_WAY:
            return

        async def act() -> None:
            run = machine.end(result)
            if again:
                machine.say(MachineEventType.ENDED, run, result=Result.COMPLETED)

        self._do(act())

    @rule(key=keys)
    def lose(self, key: str) -> None:
        """A print is cut off, each at a byte of its own."""
        machine = self._machine(key)
        if machine is None or machine.snapshot.state not in UNDER_WAY:
            return
        position = next(self.positions)

        async def act() -> None:
            machine.cut_off(position)

        if machine.snapshot.run is not None:
            self.cut_off[key] = position
        self._do(act())

    @rule(key=keys)
    def recover(self, key: str) -> None:
        """Somebody wants a print to go on where it was cut off."""

        async def act() -> None:
            if self.rig.farm.can_recover(key):
                assert key in self.cut_off
            await self.rig.farm.recover(key)
            self.added += 1

        self._do(act())

    @rule(key=keys, up=st.booleans())
    def turn(self, key: str, *, up: bool) -> None:
        """A print pauses or goes on."""
        machine = self._machine(key)
        if machine is None:
            return

        async def act() -> None:
            if machine.snapshot.state is MachineState.PRINTING and not up:
                machine.paused()
            elif machine.snapshot.state is MachineState.PAUSED and up:
                machine.resumed()

        self._do(act())

    @rule(key=keys)
    def external(self, key: str) -> None:
        """Somebody prints from the touch screen."""
        machine = self._machine(key)
        if machine is None or machine.snapshot.state is not MachineState.IDLE:
            return

        async def act() -> None:
            machine.printing(None)

        self.parts.add(key)
        self.cut_off.pop(key, None)
        self._do(act())

    @rule(key=keys, state=st.sampled_from(MachineState))
    def seen(self, key: str, state: MachineState) -> None:
        """A machine that prints nothing turns up in some other state."""
        machine = self._machine(key)
        if machine is None or machine.snapshot.state in UNDER_WAY or state in UNDER_WAY:
            return

        async def act() -> None:
            machine.show(state)

        self._do(act())

    # Ourselves

    @rule(crash=st.booleans(), go_on=st.booleans(), result=st.sampled_from(Result))
    def restart(self, result: Result, *, crash: bool, go_on: bool) -> None:
        """The farm stops or dies, and the machines did something meanwhile."""

        async def act() -> None:
            runs = {
                key: machine.snapshot.run
                for key, machine in self.rig.machines.items()
                if machine.snapshot.state in UNDER_WAY
            }
            await (self.rig.crash() if crash else self.rig.restart())
            for key in self.rig.configs:
                machine, run = self.rig.machines[key], runs.get(key)
                self._watch(key)
                if run is not None and result is Result.FAILED and not go_on:
                    self.cut_off[key] = position = next(self.positions)
                    machine.outcomes[run] = MachineEvent(
                        type=MachineEventType.ENDED,
                        run=run,
                        result=result,
                        checkpoint=Checkpoint(position=position, at=0.0),
                    )
                elif run is not None:
                    machine.outcomes[run] = None if go_on else result
                if key in runs and go_on:
                    machine.printing(run)
                else:
                    machine.idle()

        self._do(act())


@pytest.mark.timeout(300)
def test_any_sequence(template: Path) -> None:
    """Hypothesis looks for the sequence that breaks something."""
    AnySequence.template = template
    run_state_machine_as_test(
        AnySequence,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )
