"""May something start on this fabricator? One pure answer for every way to start.

This is invariant I1: idle, released, open gates, fresh state. The claim itself is
the store's business. Whatever is not known for certain counts as "no".
"""

from dataclasses import replace
from datetime import datetime

from ..fabricators.interface import Capabilities, MachineState, Snapshot
from . import queue
from .errors import ConflictError
from .model import FabricatorRecord, Job, JobStatus, StoredFile, WaitingReason

FRESH_FOR = 60.0
"""Seconds after its last word for which a machine's state is believed."""

_BY_STATE = {
    MachineState.OFFLINE: WaitingReason.OFFLINE,
    MachineState.CONNECTING: WaitingReason.CONNECTING,
    MachineState.UNKNOWN: WaitingReason.STATE_STALE,
    MachineState.ERROR: WaitingReason.FABRICATOR_ERROR,
}


def fresh(snapshot: Snapshot, now: float) -> bool:
    """Tell whether the machine spoke lately; `now` is `time.monotonic()`."""
    return snapshot.seen is not None and now - snapshot.seen <= FRESH_FOR


def obstacle(
    record: FabricatorRecord,
    snapshot: Snapshot,
    held: Job | None,
    *,
    now: float,
    by_hand: bool = False,
    part_of: int | None = None,
    storage_ok: bool = True,
) -> WaitingReason | None:
    """Give the most telling reason why nothing may start here, or None.

    A halted queue keeps only automatic starts back: a start by hand is the person's
    act that it waits for. What takes up the print of job `part_of` needs that part on
    the bed; everything else needs it clear.
    """
    if record.maintenance:
        return WaitingReason.MAINTENANCE
    if held is not None and held.status is JobStatus.UNKNOWN:
        return WaitingReason.OUTCOME_UNKNOWN
    if held is not None:
        return WaitingReason.BUSY
    if record.halted is not None and not by_hand:
        return WaitingReason.HALTED
    if (reason := _BY_STATE.get(snapshot.state)) is not None:
        return reason
    if snapshot.state is not MachineState.IDLE:
        return WaitingReason.EXTERNAL_PRINT
    on_bed = None if record.bed_clear else record.last_job_id
    ready = record.bed_clear if part_of is None else on_bed == part_of
    if not ready:
        return WaitingReason.BED_NOT_CLEAR
    if not fresh(snapshot, now):
        return WaitingReason.STATE_STALE
    if not storage_ok:
        return WaitingReason.STORAGE_FAILED
    return None


def check_job(
    job: Job,
    file: StoredFile | None,
    fabricator_id: int,
    capabilities: Capabilities,
    now: datetime,
    *,
    by_hand: bool,
) -> None:
    """Raise `ConflictError` where this job cannot be printed on this fabricator.

    A hold or a schedule does not keep back a start that a person asks for.
    """
    if job.status is not JobStatus.QUEUED:
        raise ConflictError("job_not_queued", job=str(job.id))
    if job.target not in (None, fabricator_id):
        raise ConflictError("job_meant_for_other", job=str(job.id))
    asked = replace(job, hold=False, not_before=None) if by_hand else job
    reason = queue.unready(asked, file, now)
    if reason is None and not queue.fits(file, job.plate, capabilities):
        reason = WaitingReason.DOES_NOT_FIT
    if reason is not None:
        raise ConflictError("not_startable", reason=reason.value)
