"""How far the print on a machine has come: one frozen state, moved on by snapshots."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..fabricators.interface import Snapshot
from ..gcode import LayerIndex, Position
from .estimate import Anchor, remaining
from .model import Job, JobStatus, StoredFile

MILESTONES = (25, 50, 75)
"""Percents of the print time that are announced."""
_STEADY = timedelta(seconds=60)
"""A finish time that moves by less stays as it is: people and graphs want it calm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Everything None is not known (yet). Times in seconds, lengths in mm."""

    index: LayerIndex | None = None
    """The file's own map from byte offset to layer, height, time and filament."""
    anchor: Anchor | None = None
    offset: int | None = None
    """Byte up to which the machine says that it came."""
    place: Position | None = None
    done: float | None = None
    """Share of the print time that is over, 0 to 1."""
    layer: int | None = None
    layers: int | None = None
    remaining: float | None = None
    finish: datetime | None = None


def followed(
    progress: Progress, snapshot: Snapshot, wall: float, now: datetime
) -> Progress:
    """Give the progress after this snapshot.

    `wall` is `time.monotonic()`. Where the machine reports a byte offset, the file's
    index says the rest; else the machine's own words are taken.
    """
    place = None
    anchor = progress.anchor
    left = snapshot.remaining
    if progress.index is not None and snapshot.position is not None:
        place = progress.index.at(snapshot.position)
        if anchor is None and place.time > 0:
            anchor = Anchor(wall=wall, file=place.time)
        left = remaining(anchor, wall, place.time, place.remaining)
        done: float | None = place.progress
    elif snapshot.progress is not None:
        done = snapshot.progress
    elif snapshot.position is not None and snapshot.size:
        done = min(1.0, snapshot.position / snapshot.size)
    else:
        done = progress.done
    return replace(
        progress,
        anchor=anchor,
        offset=_known(snapshot.position, progress.offset),
        place=_known(place, progress.place),
        done=done,
        layer=place.layer if place is not None else snapshot.layer,
        layers=place.layers if place is not None else snapshot.layers,
        remaining=left,
        finish=_calm(progress.finish, left, now),
    )


def reached(progress: Progress, offset: int) -> Progress:
    """Give the progress with all before this byte done, and nothing under way."""
    if progress.index is None:
        return replace(progress, offset=offset)
    place = progress.index.at(offset)
    return Progress(
        index=progress.index,
        offset=offset,
        place=place,
        done=place.progress,
        layer=place.layer,
        layers=place.layers,
    )


def milestone(done: float) -> int:
    """Give the last milestone that was passed, or 0."""
    return max((mark for mark in MILESTONES if mark <= done * 100), default=0)


def used(progress: Progress, start_offset: int | None) -> float | None:
    """Give the share of the file's filament that went into this print, if known.

    What was there before `start_offset` is another's.
    """
    index = progress.index
    if index is None or progress.place is None:
        return progress.done if start_offset is None else None
    total = index.at(int(index.offsets[-1])).extruded
    if total <= 0:
        return progress.done
    before = 0.0 if start_offset is None else index.at(start_offset).extruded
    return max(0.0, progress.place.extruded - before) / total


def over(progress: Progress, *, whole: bool) -> Progress:
    """Give the progress as it stays to be seen after the end."""
    index = progress.index
    if whole and index is not None:
        end = index.at(int(index.offsets[-1]))
        progress = replace(progress, place=end, layer=end.layer, layers=end.layers)
    return replace(
        progress,
        done=1.0 if whole else progress.done,
        remaining=0.0 if whole else None,
        anchor=None,
        finish=None,
    )


def finished(
    job: Job, file: StoredFile | None, index: LayerIndex | None = None
) -> Progress:
    """Give the progress of a job that is over, as far as job and file tell it."""
    if job.status is not JobStatus.COMPLETED:
        blank = Progress(index=index)
        return blank if job.end_offset is None else reached(blank, job.end_offset)
    analysis = file.plate(job.plate) if file is not None else None
    layers = analysis.layers if analysis is not None else None
    return Progress(done=1.0, layer=layers, layers=layers, remaining=0.0)


def _known[T](*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)


def _calm(old: datetime | None, left: float | None, now: datetime) -> datetime | None:
    if left is None:
        return None
    new = now + timedelta(seconds=left)
    if old is not None and abs(new - old) < _STEADY:
        return old
    return new.replace(microsecond=0)
