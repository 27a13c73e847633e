"""May something start on this fabricator? One pure answer for every way to start.

This is invariant I1: idle, released, open gates, fresh state. The claim itself is
the store's business. Whatever is not known for certain counts as "no".
"""

from ..fabricators.interface import MachineState, Snapshot
from .model import FabricatorRecord, Job, JobStatus, WaitingReason

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
    storage_ok: bool = True,
) -> WaitingReason | None:
    """Give the most telling reason why nothing may start here, or None.

    A halted queue keeps only automatic starts back: a start by hand is the person's
    act that it waits for.
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
    if not record.bed_clear:
        return WaitingReason.BED_NOT_CLEAR
    if not fresh(snapshot, now):
        return WaitingReason.STATE_STALE
    if not storage_ok:
        return WaitingReason.STORAGE_FAILED
    return None
