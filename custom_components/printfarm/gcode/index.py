"""The index of a print: from a byte of its G-code to layer, time and filament.

Layers are kept where they begin, exactly. Time and filament are kept at both ends of
every line at which either passes another step (half a second, one millimetre), and
lie between two such rows on a line through them; so they are off by one step at most.
Steps double while a print has more than `MOST_ROWS` of them: a print of ten hours is
true to two seconds. An index so takes less than a megabyte, whatever the file.
"""

from dataclasses import dataclass, field
import os
from pathlib import Path
import struct
from typing import Final, Self
import zipfile
import zlib

import numpy as np

from .layers import Layers
from .model import Position
from .words import Floats, Ints, Mask

VERSION: Final = 1
"""The format on disk. Another version is read anew from the file."""
MOST_ROWS: Final = 32_768
TIME_STEP: Final = 0.5
"""Seconds."""
FED_STEP: Final = 1.0
"""Millimetres."""

_COLUMNS: Final = (
    "offsets",
    "times",
    "fed",
    "layer_starts",
    "layer_z",
    "layer_thickness",
)

_DAMAGED: Final = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    SyntaxError,
    OverflowError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What numpy and zipfile make of damaged files."""


class StaleIndexError(Exception):
    """The index was written by another version, or is no index at all."""


@dataclass(frozen=True, slots=True)
class LayerIndex:
    """Answers what lies at a byte. Small, never changes, fit for an event loop."""

    offsets: Ints
    """Bytes, rising; the first row is 0 and the last one the file's size."""
    times: Floats
    """Seconds of print time, never falling."""
    fed: Floats
    """Filament in mm, never falling."""
    layers: Layers

    @property
    def total(self) -> float:
        """Seconds of print time."""
        return float(self.times[-1])

    def at(self, offset: int) -> Position:
        """Return the state of the print when all bytes before `offset` are done."""
        # np.interp would look at every row; one search and one step are enough.
        row = int(self.offsets.searchsorted(offset, "right")) - 1
        row = min(max(row, 0), self.offsets.size - 2)
        start, end = self.offsets[row : row + 2].tolist()
        part = min(max((offset - start) / (end - start), 0.0), 1.0)
        before, after = self.times[row : row + 2].tolist()
        time = before + (after - before) * part
        fed, more = self.fed[row : row + 2].tolist()
        total = self.total
        layer = int(self.layers.starts.searchsorted(offset, "right"))
        return Position(
            layer=layer,
            layers=self.layers.starts.size,
            height=float(self.layers.z[layer - 1]) if layer else 0.0,
            layer_height=float(self.layers.thickness[layer - 1]) if layer else 0.0,
            time=time,
            remaining=max(total - time, 0.0),
            extruded=fed + (more - fed) * part,
            progress=time / total if total else part,
        )

    def save(self, path: Path) -> None:
        """Write the index; whoever reads meanwhile sees the old one or none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with unfinished.open("wb") as file:
                np.savez(
                    file,
                    version=np.array(VERSION),
                    offsets=self.offsets,
                    times=self.times,
                    fed=self.fed,
                    layer_starts=self.layers.starts,
                    layer_z=self.layers.z,
                    layer_thickness=self.layers.thickness,
                )
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read an index.

        Raises StaleIndexError where the file is not an index of this version; the
        print file is to be analysed again then. OSError as for any file.
        """
        try:
            # Opened here: numpy leaves its own file open where it is damaged.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                version = int(stored["version"])
                rows = {name: stored[name] for name in _COLUMNS}
        except _DAMAGED as err:
            raise StaleIndexError(f"{path.name} cannot be read: {err}") from err
        if version != VERSION:
            raise StaleIndexError(f"{path.name} has version {version}")
        return cls(
            offsets=rows["offsets"],
            times=rows["times"],
            fed=rows["fed"],
            layers=Layers(
                rows["layer_starts"], rows["layer_z"], rows["layer_thickness"]
            ),
        )


def thinned(
    offsets: Ints, times: Floats, fed: Floats, time_step: float, fed_step: float
) -> Mask:
    """Say which rows to keep: both neighbours of every step that is passed."""
    passed = np.diff(np.floor(times / time_step)) > 0
    passed |= np.diff(np.floor(fed / fed_step)) > 0
    kept = np.zeros(offsets.size, bool)
    kept[:-1] |= passed
    kept[1:] |= passed
    kept[[0, -1]] = True
    return kept


def _twice(before: float, after: Floats) -> Floats:
    """Return each line's value as it begins and as it ends, in turns."""
    turns: Floats = np.repeat(after, 2)
    turns[2::2] = after[:-1]
    turns[0] = before
    return turns


@dataclass(slots=True)
class IndexBuilder:
    """Gathers the rows of an index while a file is read."""

    time_step: float = TIME_STEP
    fed_step: float = FED_STEP
    _parts: list[tuple[Ints, Floats, Floats]] = field(
        default_factory=lambda: [(np.zeros(1, np.int64), np.zeros(1), np.zeros(1))]
    )
    _rows: int = 1

    def add(self, starts: Ints, ends: Ints, times: Floats, fed: Floats) -> None:
        """Add lines: where they begin and end, time and filament after each."""
        if not starts.size:
            return
        last = self._parts[-1]
        # Each line twice, as it begins and as it ends: what lies between two lines
        # (remarks, thumbnails) takes no time.
        offsets = np.stack((starts, ends), axis=1).ravel()
        times = _twice(last[1][-1], times)
        fed = _twice(last[2][-1], fed)
        kept = thinned(offsets, times, fed, self.time_step, self.fed_step)
        self._parts.append((offsets[kept], times[kept], fed[kept]))
        self._rows += int(kept.sum())
        while self._rows > 2 * MOST_ROWS:
            self._coarsen()

    def _coarsen(self) -> None:
        offsets, times, fed = self._joined()
        self.time_step *= 2
        self.fed_step *= 2
        kept = thinned(offsets, times, fed, self.time_step, self.fed_step)
        self._parts = [(offsets[kept], times[kept], fed[kept])]
        self._rows = int(kept.sum())

    def _joined(self) -> tuple[Ints, Floats, Floats]:
        offsets, times, fed = (
            np.concatenate(columns) for columns in zip(*self._parts, strict=True)
        )
        return offsets, times, fed

    def build(self, size: int, layers: Layers, total: float | None) -> LayerIndex:
        """Return the index of a file of `size` bytes, its times scaled to `total`."""
        if self._rows > MOST_ROWS:
            self._coarsen()
        offsets, times, fed = self._joined()
        offsets = np.append(offsets, size)
        times = np.append(times, times[-1])
        fed = np.append(fed, fed[-1])
        if total is not None and times[-1] > 0:
            times = times * (total / times[-1])
        # Two rows at one byte (a line ends where the next begins) would divide by
        # nothing; the later one is the truth there.
        kept = np.append(np.diff(offsets) > 0, True)
        return LayerIndex(offsets[kept], times[kept], fed[kept], layers)
