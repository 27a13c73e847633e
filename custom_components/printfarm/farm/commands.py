"""What a person tells a machine. Each command is checked here, once, for all edges."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from ..fabricators import heaters
from ..fabricators.interface import FabricatorError, MachineState
from . import events
from .bay import UNDER_WAY, Bay
from .ends import Ends
from .errors import ConflictError, InvalidError, StorageError
from .ledger import Ledger
from .model import ENDED, RUNNING, Job, JobStatus, Rating
from .progress import Progress
from .salvage import offered
from .teller import Teller

COOL_WITHIN = 2.0
"""Seconds that a machine gets to turn its heaters off; it may be one that hangs."""


class Commands:
    """Carries out commands on bays, under the invariants."""

    def __init__(self, ledger: Ledger, ends: Ends, teller: Teller) -> None:
        """Everything is the farm's own."""
        self._ledger = ledger
        self._ends = ends
        self._teller = teller

    @asynccontextmanager
    async def _alone(self, bay: Bay) -> AsyncIterator[None]:
        """Hold the bay; raises `StorageError` rather than keep a person waiting.

        Whoever stores what has happened there keeps the bay until it is stored, on a
        full disk for hours.
        """
        if bay.lock.locked() and self._ledger.stuck is not None:
            raise StorageError(self._ledger.stuck.key)
        async with bay.lock:
            yield

    async def pause(self, bay: Bay) -> Job | None:
        """Pause what prints here; the job turns when the machine says so."""
        if bay.snapshot.state not in (MachineState.PRINTING, MachineState.PREPARING):
            raise ConflictError("nothing_to_pause", name=bay.config.name)
        if not bay.driver.capabilities.pause:
            raise ConflictError("not_supported", name=bay.config.name)
        await bay.driver.pause()
        return bay.held

    async def resume(self, bay: Bay) -> Job | None:
        """Let a paused print go on."""
        if bay.snapshot.state is not MachineState.PAUSED:
            raise ConflictError("nothing_to_resume", name=bay.config.name)
        await bay.driver.resume()
        return bay.held

    async def cancel(self, bay: Bay) -> Job | None:
        """End a print; a start that is under way ends before it is sent, or after."""
        held = bay.held
        if held is not None and held.status is JobStatus.STARTING and bay.dispatching:
            if bay.snapshot.run == held.id:
                await bay.driver.cancel()
            else:
                bay.cancel_asked = True
            return held
        if bay.snapshot.state not in UNDER_WAY:
            raise ConflictError("nothing_to_cancel", name=bay.config.name)
        await bay.driver.cancel()
        return held

    async def release(self, bay: Bay, rating: Rating) -> None:
        """The bed is clear. Settles what nobody could tell, and lifts a halt."""
        async with self._alone(bay):
            held = bay.held
            lost = bay.unsettled and not bay.connected
            if held is not None and (held.status is JobStatus.UNKNOWN or lost):
                await self._settle(bay, held, rating)
                return
            if (
                held is not None
                or bay.dispatching is not None
                or bay.snapshot.state in UNDER_WAY
                or (bay.record.bed_clear and bay.record.halted is None)
            ):
                raise ConflictError("nothing_to_release", name=bay.config.name)
            if offered(bay) is not None:
                await self._cool(bay)
            record = replace(bay.record, bed_clear=True, halted=None)
            rated = None if bay.record.bed_clear else await self._last(bay)
            jobs = [] if rated is None else [replace(rated, rating=rating)]
            told = self._teller.make(
                events.BedCleared, record=record, job=rated, reason=rating.value
            )
            await self._ledger.commit(
                jobs=jobs,
                fabricators=[record],
                events=[] if bay.record.bed_clear else [told],
            )
            self._forget_print(bay)

    async def _cool(self, bay: Bay) -> None:
        """Nobody goes on with a print for which something was kept warm."""
        with suppress(FabricatorError, TimeoutError):
            async with asyncio.timeout(COOL_WITHIN):
                for heater in heaters.targets(bay.snapshot):
                    await bay.driver.set_target(heater, 0)

    async def _last(self, bay: Bay) -> Job | None:
        """Give the job whose part lies on the bed, as the store has it now.

        Its row may have changed since its end: its file may have been deleted.
        """
        if bay.last_job is None:
            return None
        job = await self._ledger.storage.job(bay.last_job.id)
        return job if job is not None and job.status in ENDED else None

    async def _settle(self, bay: Bay, held: Job, rating: Rating) -> None:
        """A person looked: the word of the machine is no longer waited for."""
        bay.unsettled = False
        good = rating is Rating.GOOD
        await self._ends.end(
            bay,
            replace(held, rating=rating),
            JobStatus.COMPLETED if good else JobStatus.FAILED,
            reason="settled_by_person",
            bed_clear=True,
            seen=False,
        )
        self._forget_print(bay)

    def _forget_print(self, bay: Bay) -> None:
        bay.last_job = bay.last_file = None
        bay.progress = Progress()

    async def set_auto_start(self, bay: Bay, *, on: bool) -> None:
        """Let a fabricator take the next job by itself, or not."""
        async with self._alone(bay):
            await self._ledger.commit(fabricators=[replace(bay.record, auto_start=on)])

    async def set_maintenance(self, bay: Bay, *, on: bool) -> None:
        """Take a fabricator out of work, or back. Not while it holds a job."""
        async with self._alone(bay):
            if on and bay.busy:
                raise ConflictError("fabricator_printing", name=bay.config.name)
            await self._ledger.commit(fabricators=[replace(bay.record, maintenance=on)])

    async def set_gcode_log(self, bay: Bay, *, on: bool) -> None:
        """Have every line to and from a machine written down, or no more."""
        if not bay.driver.capabilities.gcode_log:
            raise ConflictError("not_supported", name=bay.config.name)
        async with self._alone(bay):
            if bay.connected:
                await bay.driver.set_gcode_log(on)
            await self._ledger.commit(fabricators=[replace(bay.record, gcode_log=on)])

    async def send_gcode(
        self, bay: Bay, lines: Sequence[str], *, force: bool
    ) -> tuple[tuple[str, ...], ...]:
        """Send lines one after another. Refused in mid-print unless forced."""
        if not bay.driver.capabilities.gcode:
            raise ConflictError("not_supported", name=bay.config.name)
        self._check_reachable(bay)
        if bay.busy and not force:
            raise ConflictError("gcode_while_printing", name=bay.config.name)
        wanted = [line.strip() for line in lines if line.strip()]
        if not wanted or any("\n" in line or "\r" in line for line in wanted):
            raise InvalidError("gcode_invalid")
        return tuple([await bay.driver.command(line) for line in wanted])

    async def set_target(self, bay: Bay, heater: str, celsius: float) -> None:
        """Set a heater's target; the print's own commands may set it again."""
        if not bay.driver.capabilities.temperatures:
            raise ConflictError("not_supported", name=bay.config.name)
        self._check_reachable(bay)
        if bay.held is not None and bay.held.status not in RUNNING:
            raise ConflictError("fabricator_printing", name=bay.config.name)
        await bay.driver.set_target(heater, celsius)

    def _check_reachable(self, bay: Bay) -> None:
        if not bay.connected:
            raise ConflictError("not_connected", name=bay.config.name)
