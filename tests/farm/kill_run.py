"""A farm at work that dies at a given step, and one that comes after it.

Every run is a fork of one process that has loaded all there is to load. A step lies
before and after each call of the store, and around each word to or from a machine.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
import json
import os
from pathlib import Path
import shutil
import signal
import sys
import time
from typing import Any, cast, override

from custom_components.printfarm.fabricators.interface import (
    Checkpoint,
    FabricatorConfig,
    MachineEvent,
    MachineEventType,
    Result,
    StartOutcome,
    Task,
)
from custom_components.printfarm.farm.errors import ConflictError
from custom_components.printfarm.farm.events import FarmEvent
from custom_components.printfarm.farm.farm import Farm
from custom_components.printfarm.farm.storage import Storage
from custom_components.printfarm.farm.view import Command
from custom_components.printfarm.store.repository import open_repository

from .gcode import sliced
from .machine import FakeFabricator
from .rig import read_in_thread, replay_in_thread

KEYS = ("forgets", "remembers", "refuses", "loses")
FAITHFUL = ("remembers", "loses")
"""They tell each end again and again, until they may forget it."""
PATIENCE = 30.0


class Diary:
    """What really happened, line by line; what is written survives the writer.

    The kernel keeps what a killed process wrote, so nothing needs to be synced.
    """

    def __init__(self, path: Path, kill_at: int | None) -> None:
        """Die at step `kill_at`; the first is 1."""
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._kill_at = kill_at
        self.steps = 0

    def write(self, *words: object) -> None:
        """Add a line."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())

    def lines(self) -> list[list[str]]:
        """Read all lines, also those of earlier lives."""
        return [line.split() for line in self.path.read_text().splitlines()]

    def step(self) -> None:
        """Live on, or not."""
        self.steps += 1
        if self.steps == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


class SteppingStorage:
    """The real store with a step before and after each call."""

    def __init__(self, storage: Storage, diary: Diary) -> None:
        """Stand before `storage`."""
        self._storage = storage
        self._diary = diary

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        """Give the store's method, with steps around it."""
        method = getattr(self._storage, name)

        async def call(*args: object, **kwargs: object) -> object:
            self._diary.step()
            done = await method(*args, **kwargs)
            self._diary.step()
            return done

        return call


class Printer(FakeFabricator):
    """A machine that prints in no time, and writes into the diary what it does."""

    def __init__(self, *args: Any, diary: Diary, slow: float) -> None:
        """`slow` is how long a print takes, in seconds."""
        super().__init__(*args, monotonic=time.monotonic)
        self._diary = diary
        self._slow = slow
        self._refusals = 1 if self.config.key == "refuses" else 0

    @override
    async def run(self) -> None:
        self.idle()
        if self.config.key in FAITHFUL:
            for run in self._untold():
                self._announce(self._ended(run))
        while True:
            await asyncio.sleep(1)
            self.show()

    @override
    async def transfer(self, task: Task) -> None:
        self._diary.step()

    @override
    async def start(self, task: Task) -> StartOutcome:
        self._diary.step()
        self._diary.write("start", task.run, self.config.key)
        self._diary.step()
        if self._refusals:
            self._refusals -= 1
            self._diary.write("refused", task.run)
            return StartOutcome.REFUSED
        self.printing(task.run)
        self.say(MachineEventType.STARTED, task.run)
        self._go_on(lost=self.config.key == "loses" and task.resume is None)
        return StartOutcome.STARTED

    def _go_on(self, *, lost: bool) -> None:
        """Print to the end, or to where it is cut off."""
        self._diary.write("fate", self.snapshot.run, "cut" if lost else "end")
        asyncio.get_running_loop().call_later(self._slow, self.over, lost)

    def over(self, lost: bool) -> None:
        """Come to the end of the print."""
        run = self.snapshot.run
        assert run is not None
        self._diary.step()
        self._diary.write("cut" if lost else "end", run, self.config.key)
        self._diary.step()
        self.idle()
        self._announce(self._ended(run))
        self._diary.step()

    def _ended(self, run: int) -> MachineEvent:
        """Say what became of a run that is over."""
        if ["cut", str(run), self.config.key] not in self._diary.lines():
            result, checkpoint = Result.COMPLETED, None
        else:
            result, checkpoint = Result.FAILED, Checkpoint(position=200, at=0.0)
        return MachineEvent(
            type=MachineEventType.ENDED,
            run=run,
            result=result,
            reason="connection_lost" if checkpoint else None,
            checkpoint=checkpoint,
        )

    def _untold(self) -> list[int]:
        lines = [line for line in self._diary.lines() if line[2:] == [self.config.key]]
        forgot = {line[1] for line in lines if line[0] == "forgot"}
        return [
            int(line[1])
            for line in lines
            if line[0] in ("end", "cut") and line[1] not in forgot
        ]

    @override
    async def forget(self, run: int) -> None:
        self._diary.step()
        self._diary.write("forgot", run, self.config.key)
        self._diary.step()

    @override
    async def locate(self, checkpoint: Checkpoint) -> Checkpoint:
        self._diary.step()
        self._diary.write("locate", checkpoint.position)
        self._diary.step()
        return checkpoint

    @override
    async def outcome(self, run: int) -> MachineEvent | None:
        self._diary.step()
        if self.config.key not in FAITHFUL:
            return await super().outcome(run)
        lines = self._diary.lines()
        if any([word, str(run), self.config.key] in lines for word in ("end", "cut")):
            return self._ended(run)
        if ["start", str(run), self.config.key] not in lines:
            # One is sure of it, the other is not.
            self.outcomes[run] = (
                Result.NOT_STARTED if self.config.key == "loses" else Result.UNKNOWN
            )
            return await super().outcome(run)
        self.printing(run)
        self._go_on(lost=["fate", str(run), "cut"] in lines)
        return None


async def _open(folder: Path, diary: Diary, slow: float) -> Farm:
    storage = SteppingStorage(await open_repository(folder / "farm.db"), diary)
    farm = await Farm.open(
        storage=cast("Storage", storage),
        files=folder / "files",
        cache=folder / "cache",
        analyse=read_in_thread,
        replay=replay_in_thread,
        make=partial(Printer, diary=diary, slow=slow),
    )

    def tell(event: FarmEvent) -> None:
        diary.write("told", event.id, event.type, event.job_id)
        diary.step()

    farm.subscribe(tell)
    for key in KEYS:
        config = FabricatorConfig(key=key, name=key, protocol="fake")
        await farm.add_fabricator(config, auto_start=True)
    farm.go()
    return farm


async def _fill(farm: Farm, diary: Diary) -> None:
    """Fill and stir the queue, as people do."""
    (file,) = (await farm.library.files()).items
    jobs = list(await farm.add_jobs(file_id=file.id, copies=4))
    for job in jobs:
        diary.write("added", job.id)
    for wanted in ({"target": "forgets"}, {"priority": 3}, {"hold": True}):
        (job,) = await farm.add_jobs(file_id=file.id, **wanted)  # type: ignore[arg-type]
        diary.write("added", job.id)
        jobs.append(job)
    for change in (
        farm.move_job(jobs[3].id, position=0),
        farm.remove_job(jobs[2].id),
        farm.change_job(jobs[6].id, hold=False),
    ):
        try:
            await change
        except ConflictError:
            # A machine was faster.
            continue


async def _attend(farm: Farm, *, fill: bool) -> None:
    """Be the person: recover, clear beds, settle what nobody knows, until all is over.

    After a life that did not get to it, lift holds, too.
    """
    while farm.queue() or any(
        view.offer is not None or (view.job is not None and view.job.ended_at is None)
        for view in farm.views()
    ):
        for item in farm.queue():
            if item.job.hold and not fill:
                await farm.change_job(item.job.id, hold=False)
        for view in farm.views():
            try:
                if Command.RECOVER in view.available:
                    await farm.recover(view.key)
                elif Command.RELEASE in view.available and view.offer is None:
                    await farm.release(view.key)
            except ConflictError:
                # Something began there since the look.
                continue
        await asyncio.sleep(0.001)


async def _live(folder: Path, diary: Diary, slow: float, *, fill: bool) -> None:
    farm = await _open(folder, diary, slow)
    async with asyncio.timeout(PATIENCE):
        if fill:
            await _fill(farm, diary)
            # As an impatient person would, beside the automatic starts.
            for key in KEYS:
                try:
                    await farm.start(key)
                except ConflictError:
                    continue
        await _attend(farm, fill=fill)
    await farm.close()


def _life(folder: Path, kill_at: int | None, slow: float, *, fill: bool) -> int:
    """Live once in a process of its own; gives its id."""
    if (child := os.fork()) != 0:
        return child
    # Whatever it hangs on, it does not outlive the test.
    signal.alarm(60)
    try:
        diary = Diary(folder / "diary", kill_at)
        with asyncio.Runner() as runner:
            runner.run(_live(folder, diary, slow, fill=fill))
        diary.write("steps", diary.steps)
    except BaseException as err:  # noqa: BLE001 - the parent has to hear of it
        sys.stderr.write(f"{err!r} in {folder}\n")
        os._exit(1)
    os._exit(0)


def _wait_for(folder: Path, word: str, count: int, pid: int) -> None:
    """Wait until the diary has a word so often, or its writer is gone."""
    diary = folder / "diary"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if diary.exists() and diary.read_text().count(word) >= count:
            return
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.0002)


def _prepared(folder: Path) -> None:
    """Make a farm's folder with one file in it, read and ready."""

    async def prepare() -> None:
        farm = await Farm.open(
            storage=await open_repository(folder / "farm.db"),
            files=folder / "files",
            cache=folder / "cache",
            analyse=read_in_thread,
            replay=replay_in_thread,
        )
        async with farm.library.new_upload("tower.gcode") as upload:
            await upload.write(sliced())
            file = await upload.finish()
        assert (await farm.library.analysed(file.id)).plates
        await farm.close()

    if (child := os.fork()) == 0:
        folder.mkdir()
        with asyncio.Runner() as runner:
            runner.run(prepare())
        os._exit(0)
    os.waitpid(child, 0)


def main() -> None:
    """Carry out the plan on standard input; the outcome goes to standard output.

    A plan has `folder`, and either `points` (shares of a whole run at which it kills
    itself, 0 to 1) or `triggers` (words of the diary and how often, at which it is
    killed from outside).
    """
    plan = json.load(sys.stdin)
    root = Path(plan["folder"])
    _prepared(root / "prepared")
    outcome: dict[str, Any] = {"killed": [], "recovered": []}

    def fresh(name: str) -> Path:
        return shutil.copytree(root / "prepared", root / name)

    whole = fresh("whole")
    outcome["whole"] = os.waitpid(_life(whole, None, 0.0, fill=True), 0)[1]
    steps = int(Diary(whole / "diary", None).lines()[-1][1])
    outcome["steps"] = steps
    lives: list[tuple[Path, int]] = []
    for number, share in enumerate(plan.get("points", ())):
        folder = fresh(f"point{number}")
        child = _life(folder, 1 + int(share * steps), 0.0, fill=True)
        lives.append((folder, os.waitpid(child, 0)[1]))
    for number, (word, count) in enumerate(plan.get("triggers", ())):
        folder = fresh(f"trigger{number}")
        child = _life(folder, None, 0.02, fill=True)
        _wait_for(folder, word, count, child)
        os.kill(child, signal.SIGKILL)
        lives.append((folder, os.waitpid(child, 0)[1]))
    for folder, status in lives:
        outcome["killed"].append(os.WIFSIGNALED(status))
        shutil.copy(folder / "farm.db", folder / "killed.db")
        again = os.waitpid(_life(folder, None, 0.0, fill=False), 0)[1]
        outcome["recovered"].append(again)
    json.dump(outcome, sys.stdout)
