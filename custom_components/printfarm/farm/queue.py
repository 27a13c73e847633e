"""The order of the queue and who may take what: pure functions over plain data."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ..fabricators.interface import Capabilities
from ..gcode.model import Analysis, FileKind
from .model import AnalysisState, Job, StoredFile, WaitingReason

STEP = 1024
"""Distance between neighbours, so that most moves touch one row."""

_TOLERANCE = 0.5
"""Millimetres by which a print may exceed the stated build volume (brims, skirts)."""

_NEAREST_FIRST = (
    WaitingReason.AUTO_START_OFF,
    WaitingReason.BUSY,
    WaitingReason.BEHIND_OTHERS,
    WaitingReason.EXTERNAL_PRINT,
    WaitingReason.BED_NOT_CLEAR,
    WaitingReason.GATE_CLOSED,
    WaitingReason.HALTED,
    WaitingReason.OUTCOME_UNKNOWN,
    WaitingReason.STATE_STALE,
    WaitingReason.STORAGE_FAILED,
    WaitingReason.CONNECTING,
    WaitingReason.FABRICATOR_ERROR,
    WaitingReason.OFFLINE,
    WaitingReason.MAINTENANCE,
    WaitingReason.DOES_NOT_FIT,
)
"""Of several fabricators' reasons, the one closest to a start tells most."""


def order(jobs: Iterable[Job]) -> list[Job]:
    """Sort jobs into the order in which they go."""
    return sorted(jobs, key=lambda job: (-job.priority, job.position, job.id))


def unready(job: Job, file: StoredFile | None, now: datetime) -> WaitingReason | None:
    """Give the reason that lies in the job itself, whatever the fabricators do."""
    if job.hold:
        return WaitingReason.ON_HOLD
    if job.not_before is not None and job.not_before > now:
        return WaitingReason.SCHEDULED
    if file is None or file.state is AnalysisState.FAILED:
        return WaitingReason.FILE_UNUSABLE
    if file.state is AnalysisState.PENDING:
        return WaitingReason.FILE_NOT_READY
    if file.plate(job.plate) is None:
        return WaitingReason.FILE_UNUSABLE
    return None


def fits(file: StoredFile | None, plate: int, capabilities: Capabilities) -> bool:
    """Tell whether a machine can print this plate, as far as both are known.

    What is not known fits: a file without a box, a machine without a stated volume,
    and a file whose analysis is still under way.
    """
    if file is None:
        return True
    if "gcode" not in capabilities.accepts and file.kind is not FileKind.THREEMF:
        return False
    analysis = file.plate(plate)
    return analysis is None or (
        _fits_volume(analysis, capabilities) and _fits_tools(analysis, capabilities)
    )


def _fits_volume(analysis: Analysis, capabilities: Capabilities) -> bool:
    """Compare extents, not corners: where a machine's origin lies is not known."""
    box, volume = analysis.box, capabilities.build_volume
    if box is None or volume is None:
        return True
    extents = (box.max_x - box.min_x, box.max_y - box.min_y, box.max_z)
    return all(
        extent <= limit + _TOLERANCE
        for extent, limit in zip(extents, volume, strict=True)
    )


def _fits_tools(analysis: Analysis, capabilities: Capabilities) -> bool:
    if capabilities.tools is None:
        return True
    used = [item.tool for item in analysis.filaments if item.length != 0]
    return max(used, default=0) < capabilities.tools


def nearest(reasons: Iterable[WaitingReason | None]) -> WaitingReason | None:
    """Of the reasons at each fitting fabricator, give the one closest to a start."""
    known = list(reasons)
    if not known:
        return WaitingReason.NO_FABRICATOR
    if None in known:
        return None
    return min(
        (reason for reason in known if reason is not None), key=_NEAREST_FIRST.index
    )


def place(line: Sequence[Job], job: Job, index: int) -> list[tuple[Job, int]]:
    """Give the jobs that change, with their new positions, to put `job` at `index`.

    `line` is the ordered queue of the job's priority without the job. One row
    changes where there is room between the neighbours, else the whole line is
    spaced anew.
    """
    index = max(0, min(index, len(line)))
    before = line[index - 1].position if index else None
    after = line[index].position if index < len(line) else None
    if before is None and after is None:
        return [(job, job.position)]
    if after is None and before is not None:
        return [(job, before + STEP)]
    if before is None and after is not None:
        return [(job, after - STEP)]
    assert before is not None and after is not None
    if after - before > 1:
        return [(job, (before + after) // 2)]
    anew = [*line[:index], job, *line[index:]]
    return [
        (item, number * STEP)
        for number, item in enumerate(anew)
        if item is job or item.position != number * STEP
    ]


def load(jobs: Iterable[Job], files: Mapping[int, StoredFile]) -> float:
    """Give the seconds of printing that these jobs mean, as far as it is known."""
    total = 0.0
    for job in jobs:
        file = files.get(job.file_id) if job.file_id is not None else None
        analysis = file.plate(job.plate) if file is not None else None
        total += (analysis.time if analysis is not None else None) or 0.0
    return total
