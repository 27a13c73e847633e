"""What happens on a machine, turned into jobs, totals and events.

Each bay has one worker that takes its mailbox in order. Every change is committed
before it is shown or told; an end and all that follows from it is one transaction.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
import logging

from ..fabricators.interface import (
    FabricatorError,
    MachineEvent,
    MachineEventType,
    MachineState,
    Result,
)
from . import events
from .bay import Bay, Edge
from .ends import Ends, moment
from .ledger import Ledger
from .model import RUNNING, Job, JobStatus
from .progress import Progress, milestone
from .recovery import RESULT_STATUS, certainly_unstarted
from .teller import Teller

_LOGGER = logging.getLogger(__name__)

OUTCOME_WITHIN = 30.0
"""Seconds that a driver gets to say what became of a run."""
_FORGET_WITHIN = 5.0
"""Seconds that it gets to forget a run; it tells the end again where it did not."""
_STARTABLE = frozenset({JobStatus.STARTING, JobStatus.UNKNOWN})


class Runs:
    """Follows the prints on all bays."""

    def __init__(self, ledger: Ledger, teller: Teller, ends: Ends) -> None:
        """Everything is the farm's own."""
        self._ledger = ledger
        self._teller = teller
        self._ends = ends
        self._handlers = {
            MachineEventType.STARTED: self._on_started,
            MachineEventType.PAUSED: self._on_paused,
            MachineEventType.RESUMED: self._on_resumed,
            MachineEventType.ENDED: self._on_ended,
            MachineEventType.FILAMENT_RUNOUT: self._on_runout,
            MachineEventType.ERROR: self._on_error,
            MachineEventType.PROMPT: self._on_prompt,
        }
        self._edges = {
            Edge.SETTLE: self._settle,
            Edge.ONLINE: self._on_online,
            Edge.OFFLINE: self._on_offline,
            Edge.EXTERNAL: self._on_external,
            Edge.MILESTONE: self._on_milestone,
            Edge.GCODE_LOG: self._on_gcode_log,
            Edge.PROMPT: self._ask,
        }

    async def work(self, bay: Bay) -> None:
        """Take a bay's mailbox in order, for as long as the bay is there."""
        while True:
            item = await bay.mailbox.get()
            try:
                async with bay.lock:
                    if isinstance(item, Edge):
                        bay.edges.discard(item)
                        await self._edges[item](bay)
                    else:
                        await self._handlers[item.type](bay, item)
            except Exception:
                _LOGGER.exception("Could not take in %s of %s", item, bay.config.name)
            finally:
                bay.mailbox.task_done()

    async def begun(self, bay: Bay, job_id: int, at: float | None = None) -> None:
        """Note that this job was seen printing, since `at`. The bay's lock is held.

        A job that was given up to a person counts again: its own machine knows better.
        """
        job = bay.held
        if job is None or job.id != job_id or job.status not in _STARTABLE:
            return
        told: list[events.FarmEvent] = []
        if job.started_at is None:
            began = moment(at, job.start_sent_at, self._teller.utcnow())
            job = replace(job, started_at=began)
            told = [self._teller.make(events.PrintStarted, record=bay.record, job=job)]
        job = replace(job, status=JobStatus.PRINTING, reason=None, reason_text=None)
        await self._ledger.commit_fact(jobs=[job], events=told)

    # The machine's events. `bay.lock` is held in all of them.

    async def _on_started(self, bay: Bay, event: MachineEvent) -> None:
        if event.run is not None:
            await self.begun(bay, event.run, event.at)

    async def _on_paused(self, bay: Bay, event: MachineEvent) -> None:
        bay.progress = replace(bay.progress, anchor=None)
        await self._turn(bay, event, JobStatus.PAUSED, events.PrintPaused)

    async def _on_resumed(self, bay: Bay, event: MachineEvent) -> None:
        bay.progress = replace(bay.progress, anchor=None)
        await self._turn(bay, event, JobStatus.PRINTING, events.PrintResumed)

    async def _turn(
        self,
        bay: Bay,
        event: MachineEvent,
        status: JobStatus,
        kind: type[events.FarmEvent],
    ) -> None:
        job = bay.held
        if job is None or event.run != job.id:
            return
        await self.begun(bay, job.id)
        job = bay.held
        if job is None or job.status not in RUNNING or job.status is status:
            return
        job = replace(job, status=status)
        await self._ledger.commit_fact(
            jobs=[job],
            events=[
                self._teller.make(
                    kind,
                    record=bay.record,
                    job=job,
                    reason=event.reason,
                    text=event.text,
                )
            ],
        )

    async def _on_ended(self, bay: Bay, event: MachineEvent) -> None:
        job = bay.held
        if event.run is None:
            await self._on_external(bay)
            return
        if job is not None and event.run == job.id:
            lost = bay.unsettled or job.status is JobStatus.UNKNOWN
            if certainly_unstarted(job) or (
                event.result is Result.NOT_STARTED and not lost
            ):
                # About an earlier claim of this job; this one's start has its answer.
                return
            unsettled, bay.unsettled = bay.unsettled, False
            await self._over(bay, job, event, seen=not unsettled)
        await self.forget(bay, event.run)

    async def _over(
        self, bay: Bay, job: Job, event: MachineEvent, *, seen: bool
    ) -> None:
        """Take what a machine says of the end of the job that it holds."""
        reason, text = event.reason, event.text
        if event.result is Result.NOT_STARTED and job.started_at is None:
            await self._ends.give_back(
                bay, job, reason=reason or "restarted", text=text
            )
            return
        status = RESULT_STATUS[event.result or Result.UNKNOWN]
        if status is not JobStatus.UNKNOWN:
            await self._ends.end(
                bay,
                job,
                status,
                reason=reason,
                text=text,
                seen=seen,
                at=event.at,
                checkpoint=event.checkpoint,
            )
        elif job.status is not JobStatus.UNKNOWN:
            reason = reason or "outcome_unknown"
            await self._ends.park(bay, job, reason=reason, text=text)

    async def forget(self, bay: Bay, run: int) -> None:
        """Let the machine forget a run whose end is written down, or it is told again."""
        if bay.held is not None and bay.held.id == run:
            return
        try:
            async with asyncio.timeout(_FORGET_WITHIN):
                await bay.driver.forget(run)
        except (FabricatorError, TimeoutError) as err:
            _LOGGER.debug("%s still knows job %s: %r", bay.config.name, run, err)

    async def _on_runout(self, bay: Bay, event: MachineEvent) -> None:
        await self._tell(bay, events.FilamentRunout, event)

    async def _on_error(self, bay: Bay, event: MachineEvent) -> None:
        await self._tell(bay, events.PrinterError, event)

    async def _on_prompt(self, bay: Bay, event: MachineEvent) -> None:
        """A question may also have come up while nobody here listened."""
        await self._ask(bay)

    async def _tell(
        self, bay: Bay, kind: type[events.FarmEvent], event: MachineEvent | None = None
    ) -> None:
        await self._ledger.commit_fact(
            events=[
                self._teller.make(
                    kind,
                    record=bay.record,
                    job=bay.held,
                    reason=event.reason if event else None,
                    text=event.text if event else None,
                )
            ]
        )

    # Edges of the snapshot.

    async def _settle(self, bay: Bay) -> None:
        """After a restart: ask the machine what became of the job it was given."""
        job = bay.held
        if not bay.unsettled or job is None:
            return
        try:
            async with asyncio.timeout(OUTCOME_WITHIN):
                end = await bay.driver.outcome(job.id)
        except (FabricatorError, TimeoutError) as err:
            _LOGGER.info("%s cannot tell yet: %r", bay.config.name, err)
            return
        bay.unsettled = False
        if end is not None:
            if end.reason is None and end.at is None:
                end = replace(end, reason="restarted")
            await self._over(bay, job, end, seen=False)
            await self.forget(bay, job.id)
            return
        await self.begun(bay, job.id)
        # What happened to it meanwhile came as no event.
        kind = {
            MachineState.PAUSED: MachineEventType.PAUSED,
            MachineState.PRINTING: MachineEventType.RESUMED,
        }.get(bay.snapshot.state)
        if kind is not None:
            await self._handlers[kind](bay, MachineEvent(type=kind, run=job.id))

    async def _ask(self, bay: Bay) -> None:
        """Tell once what a person is asked, as long as nobody has answered it.

        When it was asked tells it from the same question before, over a restart too.
        """
        prompt = bay.prompt
        if prompt is None or prompt == bay.told_prompt:
            return
        at = datetime.fromtimestamp(prompt.at, UTC)
        log = await self._ledger.storage.events(fabricator_id=bay.id)
        if not any(
            one.type == events.PrinterPrompt.type and one.at == at for one in log
        ):
            told = self._teller.make(
                events.PrinterPrompt,
                record=bay.record,
                job=bay.held,
                text=prompt.text,
                choices=prompt.choices,
            )
            await self._ledger.commit_fact(events=[replace(told, at=at)])
        bay.told_prompt = prompt

    async def _on_online(self, bay: Bay) -> None:
        await self._tell(bay, events.PrinterOnline)

    async def _on_gcode_log(self, bay: Bay) -> None:
        """The machine is there (again): have its lines written down, or not."""
        try:
            await bay.driver.set_gcode_log(bay.record.gcode_log)
        except FabricatorError as err:
            _LOGGER.warning("Cannot log the lines of %s: %s", bay.config.name, err)

    async def _on_offline(self, bay: Bay) -> None:
        if not bay.connected:
            bay.told_offline = True
            await self._tell(bay, events.PrinterOffline)

    async def _on_external(self, bay: Bay) -> None:
        """Whatever somebody else printed: its part will lie on the bed, alone."""
        record = bay.record
        if bay.held is not None and not certainly_unstarted(bay.held):
            return
        if record.bed_clear or record.last_job_id is not None:
            await self._ledger.commit_fact(
                fabricators=[replace(record, bed_clear=False, last_job_id=None)]
            )
            bay.last_job = bay.last_file = None
            bay.progress = Progress()

    async def _on_milestone(self, bay: Bay) -> None:
        job = bay.held
        done = bay.progress.done
        if job is None or done is None or job.status not in RUNNING:
            return
        passed = milestone(done)
        if passed <= job.milestone:
            return
        job = replace(job, milestone=passed)
        await self._ledger.commit_fact(
            jobs=[job],
            events=[
                self._teller.make(
                    events.PrintProgress, record=bay.record, job=job, progress=passed
                )
            ],
        )


def milestone_due(bay: Bay) -> bool:
    """Tell whether a milestone was passed that was not announced yet."""
    job = bay.held
    if job is None or job.status is not JobStatus.PRINTING or job.milestone >= 75:
        return False
    done = bay.progress.done
    return done is not None and done * 100 >= job.milestone + 25
