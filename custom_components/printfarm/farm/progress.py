"""How far the print on a machine has come: one frozen state, moved on by snapshots."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..fabricators.interface import Snapshot
from ..gcode import LayerIndex, Position
from .estimate import Anchor, remaining
from .model import Job, JobStatus, StoredFile

_STEADY = timedelta(seconds=60)
"""A finish time that moves by less stays as it is: people and graphs want it calm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Everything None is not known (yet). Times in seconds, lengths in mm."""

    index: LayerIndex | None = None
    """The file's own map from byte offset to layer, height, time and filament."""
    anchor: Anchor | None = None
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
        place=place if place is not None else progress.place,
        done=done,
        layer=place.layer if place is not None else snapshot.layer,
        layers=place.layers if place is not None else snapshot.layers,
        remaining=left,
        finish=_calm(progress.finish, left, now),
    )


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


def finished(job: Job, file: StoredFile | None) -> Progress:
    """Give the progress of a job that is over, as far as job and file tell it."""
    if job.status is not JobStatus.COMPLETED:
        return Progress()
    analysis = file.plate(job.plate) if file is not None else None
    layers = analysis.layers if analysis is not None else None
    return Progress(done=1.0, layer=layers, layers=layers, remaining=0.0)


def _calm(old: datetime | None, left: float | None, now: datetime) -> datetime | None:
    if left is None:
        return None
    new = now + timedelta(seconds=left)
    if old is not None and abs(new - old) < _STEADY:
        return old
    return new.replace(microsecond=0)
