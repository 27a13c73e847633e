"""The fabricators of the farm: how each comes, changes and goes, by itself."""

import asyncio
from collections.abc import Awaitable, Callable, Set as AbstractSet, ValuesView
from dataclasses import replace
from datetime import datetime
import logging

from ..fabricators.interface import FabricatorConfig, MachineEvent, Snapshot
from ..gcode import LayerIndex
from .bay import Bay, MakeFabricator
from .ends import Ends, last_of
from .errors import ConflictError, NotFoundError, StorageError
from .gone import Gone
from .ledger import Ledger
from .library import Library
from .model import FabricatorRecord, Job, JobStatus, StoredFile
from .progress import Progress, finished
from .recovery import certainly_unstarted
from .runs import Runs

_LOGGER = logging.getLogger(__name__)

INDEX_WITHIN = 60.0
"""Seconds for which a fabricator waits with connecting for the index of its print."""


class Fleet:
    """All bays, by the fabricator's id and by its key."""

    def __init__(
        self,
        ledger: Ledger,
        library: Library,
        runs: Runs,
        ends: Ends,
        *,
        bays: dict[int, Bay],
        make: MakeFabricator,
        utcnow: Callable[[], datetime],
        observed: Callable[[Bay], None],
    ) -> None:
        """`bays` is shared with all who look; only the fleet changes it.

        `observed` is called when a driver replaced its snapshot.
        """
        self._ledger = ledger
        self._library = library
        self._runs = runs
        self._ends = ends
        self._bays = bays
        self._make = make
        self._utcnow = utcnow
        self._observed = observed
        self._ids: dict[str, int] = {}
        self._turn = asyncio.Lock()

    @property
    def bays(self) -> ValuesView[Bay]:
        """All that are there."""
        return self._bays.values()

    def find(self, key: str) -> Bay:
        """Give the bay of this key, or raise `NotFoundError`."""
        if (fabricator_id := self._ids.get(key)) is None:
            raise NotFoundError("fabricator_not_found", key=key)
        return self._bays[fabricator_id]

    def by_id(self, fabricator_id: int) -> Bay:
        """Give the bay of this id, or raise `NotFoundError`."""
        if (bay := self._bays.get(fabricator_id)) is None:
            raise NotFoundError("fabricator_not_found", key=str(fabricator_id))
        return bay

    def has(self, bay: Bay) -> bool:
        """Tell whether this bay is still the one of its fabricator."""
        return self._bays.get(bay.id) is bay

    async def close(self) -> None:
        """Leave every machine, all at once; prints that need no host go on."""
        await asyncio.gather(*(bay.leave() for bay in self._bays.values()))

    async def see_off(self, deed: Callable[[], Awaitable[None]]) -> None:
        """Let nothing start, and take in what machines say while `deed` is done."""
        bays = tuple(self._bays.values())
        for bay in bays:
            bay.shut()
        await deed()
        await asyncio.gather(*(bay.take_in() for bay in bays))

    async def add(self, config: FabricatorConfig, *, auto_start: bool) -> Bay:
        """Take in a fabricator; one that is there already takes the configuration."""
        async with self._turn:
            if config.key in self._ids:
                return await self._change(config)
            record = await self._ledger.storage.add_fabricator(
                key=config.key,
                name=config.name,
                protocol=config.protocol,
                auto_start=auto_start,
            )
            self._ledger.records[record.id] = record
            bay = self._bay(record.id, config)
            await self._describe(bay, config)
            bay.last_job, bay.last_file = await last_of(
                self._ledger.storage, bay.record
            )
            if bay.last_job is not None:
                bay.progress = finished(bay.last_job, bay.last_file)
            self._put(bay)
            return bay

    async def change(self, config: FabricatorConfig) -> Bay:
        """Take a changed configuration. A new name alone never reconnects.

        Raises `ConflictError` where the connection would change under a print.
        """
        async with self._turn:
            return await self._change(config)

    async def _change(self, config: FabricatorConfig) -> Bay:
        bay = self.find(config.key)
        same = (bay.config.protocol, dict(bay.config.options)) == (
            config.protocol,
            dict(config.options),
        )
        if same:
            await self._describe(bay, config)
            bay.config = bay.driver.config = config
            return bay
        if bay.busy:
            raise ConflictError("fabricator_printing", name=bay.config.name)
        anew = self._bay(bay.id, config)
        # From here on nothing starts there, so no print can come under the change.
        bay.closed = True
        try:
            await self._describe(bay, config)
        except StorageError:
            bay.closed = False
            raise
        await bay.close()
        anew.last_job, anew.last_file = bay.last_job, bay.last_file
        anew.progress = bay.progress
        self._put(anew)
        return anew

    async def remove(self, key: str) -> None:
        """Let go of a fabricator for good.

        A print of ours on it ends; queued jobs meant for it stay, on hold and for any.
        """
        async with self._turn:
            bay = self.find(key)
            await bay.close()
            async with bay.lock:
                await self._end_held(bay)
                async with self._ledger.queue_lock:
                    await self._forget(bay)

    async def keep_only(self, keys: AbstractSet[str]) -> None:
        """Let go of fabricators that were removed while nobody had the farm open."""
        for record in tuple(self._ledger.records.values()):
            if record.key in keys:
                continue
            if record.key not in self._ids:
                self._stand_in(record)
            await self.remove(record.key)

    def _stand_in(self, record: FabricatorRecord) -> None:
        """Put a bay where none was made, so that what is open there can be settled."""
        config = FabricatorConfig(
            key=record.key, name=record.name, protocol=record.protocol
        )
        nobody = Gone(config, lambda _: None, lambda _: None)
        bay = Bay(id=record.id, ledger=self._ledger, config=config, driver=nobody)
        self._bays[bay.id], self._ids[bay.key] = bay, bay.id

    async def _end_held(self, bay: Bay) -> None:
        bay.unsettled = False
        if (held := bay.held) is None:
            return
        if certainly_unstarted(held):
            await self._ends.take_back([held], "fabricator_removed")
        else:
            await self._ends.end(
                bay, held, JobStatus.FAILED, reason="fabricator_removed", seen=False
            )

    async def _forget(self, bay: Bay) -> None:
        """Take the fabricator out of store and memory. Both locks are held."""
        orphans = [
            replace(job, target=None, hold=True, reason="fabricator_removed")
            for job in self._ledger.book.queued()
            if job.target == bay.id
        ]
        removed = replace(bay.record, removed_at=self._utcnow())
        # Out of sight before its record goes: whoever looks, looks at the record.
        del self._bays[bay.id], self._ids[bay.key]
        try:
            await self._ledger.commit(jobs=orphans, fabricators=[removed])
        except StorageError:
            self._bays[bay.id], self._ids[bay.key] = bay, bay.id
            raise

    def _bay(self, fabricator_id: int, config: FabricatorConfig) -> Bay:
        def on_snapshot(_: Snapshot) -> None:
            self._observed(bay)

        def on_event(event: MachineEvent) -> None:
            bay.mailbox.put_nowait(event)

        driver = self._make(config, on_snapshot, on_event)
        bay = Bay(id=fabricator_id, ledger=self._ledger, config=config, driver=driver)
        return bay

    def _put(self, bay: Bay) -> None:
        """Show the bay to all and bring it to life."""
        bay.unsettled = bay.held is not None
        self._bays[bay.id] = bay
        self._ids[bay.key] = bay.id
        loop = asyncio.get_running_loop()
        bay.tasks = [
            loop.create_task(self._runs.work(bay)),
            loop.create_task(self._live(bay)),
        ]

    async def _live(self, bay: Bay) -> None:
        if bay.held is not None:
            file = self._ledger.book.file(bay.held)
            bay.progress = Progress(index=await self._index(file, bay.held))
        elif (job := bay.last_job) is not None and job.end_offset is not None:
            bay.progress = finished(
                job, bay.last_file, await self._index(bay.last_file, job)
            )
        await bay.watch()

    async def _describe(self, bay: Bay, config: FabricatorConfig) -> None:
        """Write down name and protocol where they are new."""
        async with bay.lock:
            record = bay.record
            told = replace(record, name=config.name, protocol=config.protocol)
            if told != record:
                await self._ledger.commit(fabricators=[told])

    async def _index(self, file: StoredFile | None, job: Job) -> LayerIndex | None:
        """Find the index of a print that may be under way, or where one stopped."""
        if file is None:
            return None
        try:
            async with asyncio.timeout(INDEX_WITHIN):
                return (await self._library.ready(file, job.plate)).index
        except Exception as err:  # noqa: BLE001 - whatever it is, the print goes on
            _LOGGER.warning(
                "No index for job %s, its layers stay unknown: %s", job.id, err
            )
        return None
