"""Drawing the views from what the farm holds. Nothing here changes anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from ..fabricators.interface import MachineState
from . import queue
from .bay import Bay
from .book import Book
from .model import RUNNING, FabricatorStatus, Job, JobStatus, WaitingReason
from .readiness import obstacle
from .salvage import offered
from .view import FabricatorView, FarmView, Offer, QueuedJob

_STATUS = {
    MachineState.OFFLINE: FabricatorStatus.OFFLINE,
    MachineState.CONNECTING: FabricatorStatus.CONNECTING,
    MachineState.UNKNOWN: FabricatorStatus.CONNECTING,
    MachineState.ERROR: FabricatorStatus.ERROR,
    MachineState.PREPARING: FabricatorStatus.PREPARING,
    MachineState.PRINTING: FabricatorStatus.PRINTING,
    MachineState.PAUSED: FabricatorStatus.PAUSED,
}
_HELD_STATUS = {
    JobStatus.STARTING: FabricatorStatus.PREPARING,
    JobStatus.PRINTING: FabricatorStatus.PRINTING,
    JobStatus.PAUSED: FabricatorStatus.PAUSED,
    JobStatus.UNKNOWN: FabricatorStatus.FINISHED,
}
_ATTENTION = frozenset({FabricatorStatus.FINISHED, FabricatorStatus.ERROR})


def status(bay: Bay) -> FabricatorStatus:
    """Give the one word for what goes on at this fabricator."""
    record, held = bay.record, bay.held
    if record.maintenance and held is None:
        return FabricatorStatus.MAINTENANCE
    if bay.snapshot.state in _STATUS:
        return _STATUS[bay.snapshot.state]
    if held is not None:
        return _HELD_STATUS[held.status]
    return FabricatorStatus.IDLE if record.bed_clear else FabricatorStatus.FINISHED


def next_job(bay: Bay, now: datetime) -> Job | None:
    """Give the job that would go next here; jobs that others just reach for do not."""
    book = bay.ledger.book
    for job in book.line(bay.id, bay.driver.capabilities):
        if job.id in book.reserved:
            continue
        if queue.unready(job, book.file(job), now) is None:
            return job
    return None


@dataclass(frozen=True, slots=True)
class _Station:
    """What every job's reason needs to know of one fabricator, found out once."""

    bay: Bay
    takes: frozenset[int]
    """The queued jobs that it could take."""
    following: int | None
    """The one that would go next."""
    held_back: WaitingReason | None

    @classmethod
    def of(cls, bay: Bay, now: datetime, wall: float) -> Self:
        following = next_job(bay, now)
        return cls(
            bay=bay,
            takes=bay.ledger.book.takes(bay.id, bay.driver.capabilities),
            following=None if following is None else following.id,
            held_back=obstacle(
                bay.record,
                bay.snapshot,
                bay.held,
                now=wall,
                storage_ok=bay.ledger.trusted,
            ),
        )

    def reason(self, job: Job) -> WaitingReason | None:
        """Give the reason why a ready job that fits does not start here."""
        if self.held_back is not None:
            return self.held_back
        if self.following != job.id:
            return WaitingReason.BEHIND_OTHERS
        if not self.bay.record.auto_start:
            return WaitingReason.AUTO_START_OFF
        return None


def queued_jobs(
    book: Book, bays: Iterable[Bay], jobs: Iterable[Job], now: datetime, wall: float
) -> tuple[QueuedJob, ...]:
    """Give jobs of the queue with the reason why each does not start."""
    stations = [_Station.of(bay, now, wall) for bay in bays]
    return tuple(
        QueuedJob(
            job=job, file=book.file(job), reason=_reason(book, stations, job, now)
        )
        for job in jobs
    )


def _reason(
    book: Book, stations: list[_Station], job: Job, now: datetime
) -> WaitingReason | None:
    if (own := queue.unready(job, book.file(job), now)) is not None:
        return own
    wanted = [station for station in stations if job.target in (None, station.bay.id)]
    if not wanted:
        return WaitingReason.NO_FABRICATOR
    fitting = [station for station in wanted if job.id in station.takes]
    if not fitting:
        return WaitingReason.DOES_NOT_FIT
    return queue.nearest(station.reason(job) for station in fitting)


def _offer(bay: Bay) -> Offer | None:
    """Give what can be taken up here, with where it stopped as far as that is known."""
    if (job := offered(bay)) is None:
        return None
    place = bay.progress.place
    return Offer(
        job_id=job.id,
        name=job.name,
        reason=job.reason,
        ended=job.ended_at,
        progress=_percent(bay, job),
        layer=bay.progress.layer,
        height=place.height if place is not None else None,
    )


def recoverable(bay: Bay, wall: float, *, storage_ok: bool) -> bool:
    """Tell whether a person can have the offered print taken up now."""
    if (job := offered(bay)) is None or bay.dispatching is not None or bay.closed:
        return False
    hindrance = obstacle(
        bay.record,
        bay.snapshot,
        bay.held,
        now=wall,
        by_hand=True,
        part_of=job.id,
        storage_ok=storage_ok,
    )
    return hindrance is None


def fabricator_view(bay: Bay, now: datetime, wall: float) -> FabricatorView:
    """Draw one fabricator."""
    record, snapshot, held = bay.record, bay.snapshot, bay.held
    book = bay.ledger.book
    job = held if held is not None else (None if record.bed_clear else bay.last_job)
    file = book.file(held) if held is not None else bay.last_file
    file = file if job is not None else None
    analysis = file.plate(job.plate) if file is not None and job is not None else None
    line = book.line(bay.id, bay.driver.capabilities)
    following = next_job(bay, now)
    first = following or (line[0] if line else None)
    progress = bay.progress if job is not None else None
    place = progress.place if progress is not None else None
    return FabricatorView(
        id=bay.id,
        key=bay.key,
        name=record.name,
        protocol=record.protocol,
        status=status(bay),
        connected=bay.connected,
        bed_clear=record.bed_clear,
        auto_start=record.auto_start,
        maintenance=record.maintenance,
        halted=record.halted,
        external=bay.external,
        unsettled=bay.unsettled
        and held is not None
        and held.status is not JobStatus.UNKNOWN,
        gcode_log=record.gcode_log,
        offer=_offer(bay),
        recoverable=recoverable(bay, wall, storage_ok=bay.ledger.trusted),
        problem=snapshot.error or _unknown(held) or record.halted,
        message=snapshot.message,
        prompt=bay.prompt,
        job=job,
        file=file,
        file_name=job.name if job is not None else snapshot.file_name,
        progress=_percent(bay, job),
        layer=progress.layer if progress is not None else snapshot.layer,
        layers=_known(
            progress.layers if progress is not None else snapshot.layers,
            analysis.layers if analysis is not None else None,
        ),
        layer_height=place.height if place is not None else None,
        max_layer_height=analysis.height if analysis is not None else None,
        started=job.started_at if job is not None else None,
        finish=_finish(bay, job),
        remaining=progress.remaining if progress is not None else snapshot.remaining,
        filament_used=_known(
            place.extruded if place is not None else None,
            job.filament_length if job is not None else None,
        ),
        nozzles=snapshot.nozzles,
        bed=snapshot.bed,
        chamber=snapshot.chamber,
        capabilities=bay.driver.capabilities,
        firmware=snapshot.firmware,
        model=snapshot.model,
        queue_length=len(line),
        waiting_reason=_reason(book, [_Station.of(bay, now, wall)], first, now)
        if first is not None
        else None,
        next_job_id=following.id if following is not None else None,
        completed=record.completed,
        failed=record.failed,
        cancelled=record.cancelled,
        print_time=record.print_time,
        filament_length=record.filament_length,
        filament_weight=record.filament_weight,
    )


def _known[T](*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)


def _unknown(held: Job | None) -> str | None:
    unknown = held is not None and held.status is JobStatus.UNKNOWN
    return "outcome_unknown" if unknown else None


def _percent(bay: Bay, job: Job | None) -> float | None:
    if job is not None:
        if job.status is JobStatus.COMPLETED:
            return 100.0
        done = bay.progress.done
        return None if done is None else round(done * 100, 1)
    if bay.external:
        given = bay.snapshot.progress
        return None if given is None else round(given * 100, 1)
    return 0.0 if bay.snapshot.state is MachineState.IDLE else None


def _finish(bay: Bay, job: Job | None) -> datetime | None:
    if job is None:
        return None
    return job.ended_at if job.ended_at is not None else bay.progress.finish


def farm_view(views: Iterable[FabricatorView], queued: int, now: datetime) -> FarmView:
    """Draw the whole farm."""
    drawn = tuple(views)
    return FarmView(
        fabricators=len(drawn),
        queue_length=queued,
        printing=sum(
            view.external or (view.job is not None and view.job.status in RUNNING)
            for view in drawn
        ),
        needs_attention=sum(
            view.status in _ATTENTION
            or view.halted is not None
            or view.status is FabricatorStatus.PAUSED
            or view.prompt is not None
            for view in drawn
        ),
        next_free=min(
            (moment for view in drawn if (moment := _free(view, now)) is not None),
            default=None,
        ),
        completed=sum(view.completed for view in drawn),
        failed=sum(view.failed for view in drawn),
        cancelled=sum(view.cancelled for view in drawn),
        print_time=sum(view.print_time for view in drawn),
        filament_length=sum(view.filament_length for view in drawn),
        filament_weight=sum(view.filament_weight for view in drawn),
    )


def _free(view: FabricatorView, now: datetime) -> datetime | None:
    if view.status is FabricatorStatus.IDLE:
        return now.replace(second=0, microsecond=0)
    if view.status is FabricatorStatus.PRINTING and view.remaining is not None:
        # Whole minutes, and never one that is over already.
        finish = now + timedelta(seconds=view.remaining + 59)
        return finish.replace(second=0, microsecond=0)
    return None
