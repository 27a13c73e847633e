"""Find the layers: by the slicer's remarks, or by where filament is laid down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
import re
from typing import Final

import numpy as np

from .machine import Moves
from .words import Floats, Ints, Words

_STEP: Final = 0.005
"""mm: heights closer than that are one; less than any layer, more than any rounding."""


class Mark(StrEnum):
    """How a slicer says that a layer begins."""

    LAYER_CHANGE = "LAYER_CHANGE"
    """PrusaSlicer, SuperSlicer, OrcaSlicer."""
    CHANGE_LAYER = "CHANGE_LAYER"
    """Bambu Studio, and OrcaSlicer for Bambu's printers."""
    LAYER = "LAYER"
    """Cura, ideaMaker."""


_REMARK = re.compile(
    rb"; ?(?:(LAYER_CHANGE|CHANGE_LAYER)\s*$"
    rb"|LAYER: ?-?\d+\s*$"
    rb"|(?:Z|Z_HEIGHT): ?(\d*\.?\d+)\s*$"
    rb"|(?:HEIGHT|LAYER_HEIGHT): ?(\d*\.?\d+)\s*$)"
)
_FIRST = np.zeros(256, bool)
_FIRST[list(b" LCZH")] = True
_SECOND = np.zeros(256, bool)
_SECOND[list(b"LCZHAE:_")] = True


@dataclass(slots=True)
class _Layer:
    start: int
    z: float | None = None
    thickness: float | None = None


@dataclass(frozen=True, slots=True)
class Layers:
    """All layers of a print in order; row n is layer n + 1."""

    starts: Ints
    """Byte at which each begins."""
    z: Floats
    thickness: Floats


def finished(layers: Sequence[_Layer]) -> Layers:
    """Fill in what no remark and no move said, from the layer below."""
    z, thickness = np.zeros(len(layers)), np.zeros(len(layers))
    below = 0.0
    for row, layer in enumerate(layers):
        height = below if layer.z is None else layer.z
        # Lower than the layer before: another object begins, printed after the first.
        step = height - below if height > below else height
        z[row] = height
        thickness[row] = layer.thickness if layer.thickness is not None else step
        if layer.z is None and layer.thickness is None:
            thickness[row] = 0.0
        below = height
    return Layers(np.array([layer.start for layer in layers], np.int64), z, thickness)


@dataclass(slots=True)
class ByRemark:
    """Layers as one kind of remark tells them."""

    layers: list[_Layer] = field(default_factory=list)

    def begin(self, start: int) -> None:
        """Open a layer."""
        self.layers.append(_Layer(start))

    def settle(self, starts: Ints, z: Floats) -> None:
        """Give layers without a told height that of the first filament they lay."""
        for index in range(len(self.layers) - 1, -1, -1):
            layer = self.layers[index]
            if layer.z is not None:
                break
            last = index + 1 == len(self.layers)
            row = int(np.searchsorted(starts, layer.start))
            if row < starts.size and (
                last or starts[row] < self.layers[index + 1].start
            ):
                layer.z = round(float(z[row]), 6)


@dataclass(slots=True)
class ByMoves:
    """Layers as filament laid down at a new height tells them."""

    layers: list[_Layer] = field(default_factory=list)
    _z: float | None = None

    def follow(self, starts: Ints, z: Floats, rising: np.ndarray) -> None:
        """Look at moves that lay filament down; only a changed height matters."""
        if not z.size:
            return
        changed = np.ones(z.size, bool)
        changed[1:] = np.abs(np.diff(z)) > 1e-9
        for row in np.flatnonzero(changed).tolist():
            self._at(int(starts[row]), float(z[row]), rising=bool(rising[row]))

    def _at(self, start: int, z: float, *, rising: bool) -> None:
        if self._z is None:
            self._z = z
        elif rising:
            # A spiral climbs all the time: a turn is a layer, one thickness high.
            if z <= self._z + _STEP:
                return
            self._z = max(self._z + self._thickness(), z)
        elif abs(z - self._z) <= _STEP:
            return
        else:
            if z < self._z and len(self.layers) == 1:
                # A line to clean the nozzle, higher than the first layer.
                self.layers.clear()
            self._z = z
        self.layers.append(_Layer(start, round(self._z, 6)))

    def _thickness(self) -> float:
        heights = [layer.z or 0.0 for layer in self.layers[-2:]]
        step = heights[-1] - heights[0] if len(heights) == 2 else heights[0]
        return step if step > _STEP else 0.2


@dataclass(slots=True)
class LayerFinder:
    """Watches a file chunk by chunk for every sign of a layer."""

    _by_remark: dict[Mark, ByRemark] = field(
        default_factory=lambda: {mark: ByRemark() for mark in Mark}
    )
    _by_moves: ByMoves = field(default_factory=ByMoves)
    _pending: tuple[ByRemark, int] | None = None
    """The layer whose height the next remarks tell, and where its line was."""

    def follow(self, chunk: bytes, base: int, words: Words, moves: Moves) -> None:
        """Take one chunk that begins at byte `base`."""
        self._remarks(chunk, base, words)
        laid = moves.extruding
        starts, z = moves.starts[laid] + base, moves.z[laid]
        for found in self._by_remark.values():
            if found.layers:
                found.settle(starts, z)
        self._by_moves.follow(starts, z, moves.rising[laid])

    def _remarks(self, chunk: bytes, base: int, words: Words) -> None:
        text = np.frombuffer(chunk, np.uint8)
        lines = words.remarks[words.remarks < text.size - 2]
        lines = lines[_FIRST[text[lines + 1]] & _SECOND[text[lines + 2]]]
        commands = words.starts
        for line in lines.tolist():
            found = _REMARK.match(chunk[line : line + 64].split(b"\n", 1)[0])
            if not found:
                continue
            mark, z, thickness = found.groups()
            if z is None and thickness is None:
                kind = Mark(mark.decode()) if mark else Mark.LAYER
                self._by_remark[kind].begin(base + line)
                self._pending = self._by_remark[kind], base + line
            elif self._pending:
                self._tell(self._pending, base, line, commands, z, thickness)

    def _tell(
        self,
        pending: tuple[ByRemark, int],
        base: int,
        line: int,
        commands: Ints,
        z: bytes | None,
        thickness: bytes | None,
    ) -> None:
        """Take a height that stands right after the layer's own remark.

        Later ones are about single features: bridges and supports are told too.
        """
        found, start = pending
        if np.searchsorted(commands, line) != np.searchsorted(commands, start - base):
            self._pending = None
            return
        layer = found.layers[-1]
        if z is not None and layer.z is None:
            layer.z = float(z)
        elif thickness is not None and layer.thickness is None:
            layer.thickness = float(thickness)

    def layers(self, mark: Mark | None) -> Layers:
        """Return the layers; the slicer's own mark first, then any, then the moves."""
        marks = [*([mark] if mark else []), *Mark]
        for kind in marks:
            if self._by_remark[kind].layers:
                return finished(self._by_remark[kind].layers)
        return finished(self._by_moves.layers)
