"""A whole farm for a test: real store, real library, scripted machines, own clock."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
import shutil

from custom_components.printfarm.fabricators.interface import (
    EventListener,
    FabricatorConfig,
    SnapshotListener,
)
from custom_components.printfarm.farm.bay import Bay
from custom_components.printfarm.farm.errors import StorageError
from custom_components.printfarm.farm.events import FarmEvent
from custom_components.printfarm.farm.farm import Farm
from custom_components.printfarm.farm.library import Analyse
from custom_components.printfarm.farm.model import (
    Job,
    JobFilter,
    StoredEvent,
    StoredFile,
)
from custom_components.printfarm.farm.salvage import Replay
from custom_components.printfarm.farm.storage import Committed
from custom_components.printfarm.farm.view import FabricatorView
from custom_components.printfarm.gcode import Moment, Report, analyse, replay
from custom_components.printfarm.store.repository import Repository, open_repository

from .gcode import sliced
from .machine import FakeFabricator

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PATIENCE = 20.0
"""Seconds after which what a test waits for will not come."""


class Clock:
    """Time that passes when a test says so, also for the loop's timers."""

    def __init__(self) -> None:
        """Begin."""
        self.passed = 0.0

    def utcnow(self) -> datetime:
        """Tell the time of day."""
        return START + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        """Tell the time since some moment."""
        return 1000.0 + self.passed

    def rule(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the loop's timers follow this clock on top of the real one."""
        real = loop.time
        loop.time = lambda: real() + self.passed  # type: ignore[method-assign]
        # A leap of this clock is no slow callback.
        loop.slow_callback_duration = float("inf")

    def pass_(self, seconds: float) -> None:
        """Let this time pass at once."""
        self.passed += seconds


class FaultyRepository(Repository):
    """The real store, with failures where a test wants them."""

    failing: str | None = None
    """Key of the error with which every commit fails."""
    commits = 0

    async def commit(self, **changes: Sequence[object]) -> Committed:  # type: ignore[override]
        """Commit, or fail before anything is written."""
        self.commits += 1
        if self.failing is not None:
            raise StorageError(self.failing)
        return await super().commit(**changes)  # type: ignore[arg-type]

    async def add_claimed(self, *args: object) -> Committed:  # type: ignore[override]
        """Claim as new, or fail before anything is written."""
        self.commits += 1
        if self.failing is not None:
            raise StorageError(self.failing)
        return await super().add_claimed(*args)  # type: ignore[arg-type]


async def read_in_thread(path: Path, name: str, work: Path) -> Report:
    """Analyse without a process of its own."""
    return await asyncio.to_thread(analyse, path, name, work)


async def replay_in_thread(path: Path, position: int) -> Moment:
    """Follow a file without a process of its own."""
    return await asyncio.to_thread(replay, path, position)


class Rig:
    """A farm in a folder, that can be stopped and opened again."""

    farm: Farm
    storage: FaultyRepository

    def __init__(self, folder: Path, template: Path) -> None:
        """`template` is an empty database of the current version."""
        self.folder = folder
        self.clock = Clock()
        self.machines: dict[str, FakeFabricator] = {}
        self.configs: dict[str, FabricatorConfig] = {}
        self.events: list[FarmEvent] = []
        self.analyse: Analyse = read_in_thread
        self.replay: Replay = replay_in_thread
        self.made = 0
        shutil.copy(template, folder / "farm.db")

    # The farm itself

    async def open(self, *, go: bool = True) -> None:
        """Open the farm on what lies in the folder."""
        self.storage = await open_faulty(self.folder / "farm.db")
        self.farm = await Farm.open(
            storage=self.storage,
            files=self.folder / "files",
            cache=self.folder / "cache",
            analyse=lambda *args: self.analyse(*args),
            replay=lambda *args: self.replay(*args),
            make=self._make,
            utcnow=self.clock.utcnow,
            monotonic=self.clock.monotonic,
        )
        self.farm.subscribe(self.events.append)
        for config in self.configs.values():
            await self.farm.add_fabricator(config, auto_start=False)
        if go:
            self.farm.go()

    async def restart(self, *, go: bool = True) -> None:
        """Stop in an orderly way and come again; the machines are new to the farm."""
        await self.farm.close()
        await self.open(go=go)

    async def crash(self, *, go: bool = True) -> None:
        """Go without a word, as killed: nothing is written any more, and come again."""
        await self.storage.close()
        await self.farm.close()
        await self.open(go=go)

    def _make(
        self,
        config: FabricatorConfig,
        on_snapshot: SnapshotListener,
        on_event: EventListener,
    ) -> FakeFabricator:
        machine = FakeFabricator(
            config, on_snapshot, on_event, monotonic=self.clock.monotonic
        )
        old = self.machines.get(config.key)
        if old is not None:
            machine.can = old.can
        self.made += 1
        self.machines[config.key] = machine
        return machine

    async def add(
        self, key: str = "a", *, auto_start: bool = False, idle: bool = True
    ) -> FakeFabricator:
        """Add a fabricator."""
        config = FabricatorConfig(key=key, name=f"Machine {key}", protocol="fake")
        await self.farm.add_fabricator(config, auto_start=auto_start)
        self.configs[key] = config
        machine = self.machines[key]
        if idle:
            machine.idle()
        return machine

    async def remove(self, key: str) -> None:
        """Remove a fabricator."""
        await self.farm.remove_fabricator(key)
        del self.configs[key], self.machines[key]

    # Files and jobs

    async def file(
        self, name: str = "tower.gcode", content: bytes | None = None
    ) -> StoredFile:
        """Upload a file and wait until it was read."""
        async with self.farm.library.new_upload(name) as upload:
            await upload.write(sliced(remark=name) if content is None else content)
            file = await upload.finish()
        return await self.farm.library.analysed(file.id)

    async def job(self, *, file: StoredFile | None = None, **wanted: object) -> Job:
        """Add a job."""
        file = file or await self.file()
        (job,) = await self.farm.add_jobs(file_id=file.id, **wanted)  # type: ignore[arg-type]
        return job

    async def jobs(self, count: int, **wanted: object) -> list[Job]:
        """Add several jobs of one file."""
        file = await self.file()
        return list(
            await self.farm.add_jobs(file_id=file.id, copies=count, **wanted)  # type: ignore[arg-type]
        )

    async def stored(self, job_id: int) -> Job:
        """Give a job as it lies in the store."""
        job = await self.storage.job(job_id)
        assert job is not None
        return job

    async def all_jobs(self) -> tuple[Job, ...]:
        """Give all jobs of the store, in the order of their ids."""
        page = await self.storage.jobs(JobFilter(limit=10_000, oldest_first=True))
        return page.items

    async def log(self, job_id: int | None = None) -> list[StoredEvent]:
        """Give the stored events, oldest first."""
        return list(reversed(await self.storage.events(job_id=job_id, limit=10_000)))

    async def types(self, job_id: int | None = None) -> list[str]:
        """Give the types of the stored events, oldest first."""
        return [event.type for event in await self.log(job_id)]

    def told(self, *types: str) -> list[str]:
        """Give the types of the announced events, only these where any are named."""
        return [e.type for e in self.events if not types or e.type in types]

    def view(self, key: str = "a") -> FabricatorView:
        """Look at a fabricator."""
        return self.farm.view(key)

    def bay(self, key: str = "a") -> Bay:
        """Give the inside of a fabricator's place."""
        return self.farm._fleet.find(key)

    # Time

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the farm work until this holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.0005)

    async def quiet(self) -> None:
        """Let the farm work until it has nothing left to do.

        A start that stands before a gate of its machine counts as nothing to do.
        """
        calm = 0
        async with asyncio.timeout(PATIENCE):
            while calm < 3:
                before = self.storage.commits
                await self.storage.events(limit=1)
                await asyncio.sleep(0)
                busy = self._busy() or before != self.storage.commits
                calm = 0 if busy else calm + 1
                if busy:
                    await asyncio.sleep(0.0005)

    def _busy(self) -> bool:
        farm = self.farm
        return (
            farm._dispatcher._soon is not None
            or bool(farm._ledger._marking)
            or bool(farm.library._readings)
            or any(
                (bay.dispatching is not None or bay.mailbox._unfinished_tasks > 0)  # type: ignore[attr-defined]
                and not self.machines[bay.key].waiting
                and self.storage.failing is None
                for bay in farm._fleet.bays
            )
        )

    async def pass_(self, seconds: float) -> None:
        """Let time pass, timers go off and the farm react."""
        self.clock.pass_(seconds)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await self.quiet()


async def open_faulty(path: Path) -> FaultyRepository:
    """Open the store with failures to order."""
    repository = await open_repository(path)
    return FaultyRepository(repository._database)
