"""Read all of a print file once, in chunks, and sum up what it does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .index import IndexBuilder
from .layers import LayerFinder, Layers
from .limits import from_settings
from .machine import Machine, Moves
from .model import Box
from .planner import Planner
from .slicers import Slicer
from .words import CHUNK, Floats, Ints, chunks, split, without_mark


@dataclass(slots=True)
class _Extent:
    """The box around the filament laid down, and where layers raise it."""

    least: Floats = field(default_factory=lambda: np.full(3, np.inf))
    most: Floats = field(default_factory=lambda: np.full(3, -np.inf))

    def grow(self, moves: Moves) -> None:
        """Take in what a chunk lays down."""
        laid = moves.extruding
        if not laid.any():
            return
        min_x, min_y, max_x, max_y = (side[laid] for side in moves.box)
        z = moves.z[laid]
        self.least = np.minimum(self.least, (min_x.min(), min_y.min(), z.min()))
        self.most = np.maximum(self.most, (max_x.max(), max_y.max(), z.max()))

    def box(self) -> Box | None:
        """Return the box, None where nothing was laid down."""
        if not np.isfinite(self.least).all():
            return None
        corners = np.round(np.concatenate((self.least, self.most)), 4).tolist()
        return Box(*corners)


@dataclass(frozen=True, slots=True)
class Walked:
    """What the commands of a file come to."""

    size: int
    lines: int
    bad: int
    """Lines that no printer would understand."""
    commands: int
    time: float
    """Seconds, as the moves tell it."""
    moves: bool
    fed: dict[int, float]
    """Filament per tool, in mm."""
    nozzles: dict[int, float]
    bed: float | None
    chamber: float | None
    box: Box | None
    layers: Layers
    index: IndexBuilder


def walk(
    path: Path,
    slicer: Slicer | None,
    settings: Mapping[str, str],
    chunk_size: int = CHUNK,
) -> Walked:
    """Walk through a plain G-code file. Memory stays flat, whatever its size."""
    machine = Machine(limits=from_settings(settings))
    if settings.get("gcode_flavor", "").startswith("reprap"):
        machine.feedrate_unit = 1 / 60
    planner, finder, extent = Planner(), LayerFinder(), _Extent()
    rows = _Rows()
    size = lines = bad = commands = 0
    with path.open("rb") as file:
        for chunk in chunks(file, chunk_size):
            if not size:
                chunk = without_mark(chunk)
            words = split(chunk)
            moves = machine.follow(words)
            finder.follow(chunk, size, words, moves)
            extent.grow(moves)
            rows.add(size, moves, planner.add(moves.steps))
            lines += words.lines
            bad += np.union1d(words.odd, moves.bad).size
            commands += words.commands
            size += len(chunk)
    rows.settle(planner.finish())
    return Walked(
        size=size,
        lines=lines,
        bad=bad,
        commands=commands,
        time=planner.time,
        moves=rows.any,
        fed=machine.fed,
        nozzles=machine.nozzles,
        bed=machine.bed,
        chamber=machine.chamber,
        box=extent.box(),
        layers=finder.layers(slicer.mark if slicer else None),
        index=rows.index,
    )


@dataclass(slots=True)
class _Rows:
    """Lines that wait for their times, which the planner settles later."""

    index: IndexBuilder = field(default_factory=IndexBuilder)
    any: bool = False
    _starts: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    _ends: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    _fed: Floats = field(default_factory=lambda: np.zeros(0))
    _sum: float = 0.0

    def add(self, base: int, moves: Moves, times: Floats) -> None:
        """Take the lines of a chunk at byte `base`, and the times settled by it."""
        fed = self._sum + np.cumsum(moves.fed)
        if fed.size:
            self._sum = float(fed[-1])
            self.any = self.any or not moves.steps.stops.all()
        self._starts = np.concatenate((self._starts, moves.starts + base))
        self._ends = np.concatenate((self._ends, moves.ends + base))
        self._fed = np.concatenate((self._fed, fed))
        self.settle(times)

    def settle(self, times: Floats) -> None:
        """Hand the lines over whose times are known."""
        count = times.size
        self.index.add(
            self._starts[:count], self._ends[:count], times, self._fed[:count]
        )
        self._starts = self._starts[count:]
        self._ends = self._ends[count:]
        self._fed = self._fed[count:]
