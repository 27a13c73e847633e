"""Follow the machine through a chunk: units, positions, arcs, tools, heaters."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from .arcs import Arcs, arcs, centres
from .dynamics import HOME, Dynamics, Motion
from .limits import Limits
from .modes import Modes, spread
from .planner import Steps
from .words import Floats, Ints, Mask, Words, code

_G0, _G1, _G2, _G3 = (code(f"G{number}") for number in range(4))
_STOPS: Final = np.array(
    [
        code(c)
        for c in (
            "G4",
            "G28",
            "G29",
            "M0",
            "M1",
            "M109",
            "M190",
            "M191",
            "M400",
            "M600",
            "M601",
        )
    ]
)
"""The machine comes to rest here. How long it heats depends on the machine, so slicers
leave that out of their times, and so do we. Homing counts as a move to the origin, as
PrusaSlicer has it."""
_FARTHEST: Final = 1e7
"""mm: no axis, and no spool, reaches further. Such a number is a slip."""
_MOST_TOOLS: Final = 64
"""Bambu's T255 and T1000 are commands to its changer and no tools."""
_FEEDRATE: Final = 1500.0
"""mm/min before the first F, as Marlin has it."""
_NOZZLE = {code("M104"), code("M109")}
_BED = {code("M140"), code("M190")}
_CHAMBER = {code("M141"), code("M191")}
_HEAT: Final = np.array(sorted(_NOZZLE | _BED | _CHAMBER))


@dataclass(frozen=True, slots=True)
class Moves:
    """The rows that take time: moves and stops, in order. Offsets in the chunk."""

    starts: Ints
    ends: Ints
    steps: Steps
    fed: Floats
    """Filament that each row adds to all that was fed before, in mm; never negative."""
    extruding: Mask
    """Rows that lay filament down: it flows while the head moves in the plane."""
    z: Floats
    """Height after the row, in mm in the machine's coordinates."""
    rising: Mask
    """Rows that lay filament down while Z changes, as in a spiral vase."""
    box: tuple[Floats, Floats, Floats, Floats]
    """Least X and Y, greatest X and Y of each row."""
    bad: Ints
    """Where the lines begin whose parameters cannot be read."""


@dataclass(slots=True)
class Machine:
    """The machine's state between two chunks."""

    limits: Limits = field(default_factory=Limits)
    feedrate_unit: float = 1.0
    """What M203 counts in, in mm/s: RepRapFirmware counts in mm/min."""
    fed: dict[int, float] = field(default_factory=dict)
    """Filament used per tool, in mm."""
    nozzles: dict[int, float] = field(default_factory=dict)
    """The highest target per tool."""
    bed: float | None = None
    chamber: float | None = None
    _modes: Modes = field(default_factory=Modes)
    _logical: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys("XYZE", 0.0)
    )
    _offset: dict[str, float] = field(default_factory=lambda: dict.fromkeys("XYZ", 0.0))
    _filament: dict[int, float] = field(default_factory=dict)

    def follow(self, words: Words) -> Moves:
        """Run one chunk of commands; return what takes time in it."""
        codes = words.codes
        moving = (codes >= _G0) & (codes <= _G3) & (codes % 10 == 0)
        tool = self._tools(words)
        self._heat(words, tool)
        switch = self._modes.switch
        factor = switch("inch", codes, {"G20": 25.4, "G21": 1.0}, 1.0)
        absolute = switch("absolute", codes, {"G90": 1.0, "G91": 0.0}, 1.0) > 0
        absolute_e = switch("absolute_e", codes, {"M82": 1.0, "M83": 0.0}, 1.0) > 0
        # G91 makes the filament relative too; G90 alone leaves M83 in force. Firmwares
        # differ in the second, but no slicer relies on the difference.
        places = {
            letter: self._axis(
                letter,
                words,
                moving,
                absolute if letter != "E" else absolute & absolute_e,
                factor,
            )
            for letter in "XYZE"
        }
        feedrate = self._feedrate(words, moving, factor)
        shift = {letter: places[letter][0] for letter in "XYZE"}
        return self._select(words, moving, tool, shift, places, feedrate, factor)

    def _tools(self, words: Words) -> Ints:
        chosen = (
            (words.codes >= code("T0"))
            & (words.codes < code(f"T{_MOST_TOOLS}"))
            & (words.codes % 10 == 0)
        )
        return self._modes.hold("tool", chosen, words.numbers, 0.0).astype(np.int64)

    def _heat(self, words: Words, tool: Ints) -> None:
        rows = np.flatnonzero(np.isin(words.codes, _HEAT))
        if not rows.size:
            return
        targets, fallback = words.column("S"), words.column("R")
        tools = words.column("T")
        for row in rows.tolist():
            target = targets[row] if targets[row] == targets[row] else fallback[row]
            if not 0 < target < 1000:
                continue
            target = float(target)
            command = int(words.codes[row])
            if command in _BED:
                self.bed = max(self.bed or 0.0, target)
            elif command in _CHAMBER:
                self.chamber = max(self.chamber or 0.0, target)
            else:
                index = (
                    int(tools[row]) if 0 <= tools[row] < _MOST_TOOLS else int(tool[row])
                )
                self.nozzles[index] = max(self.nozzles.get(index, 0.0), target)

    def _axis(
        self, letter: str, words: Words, moving: Mask, absolute: Mask, factor: Floats
    ) -> tuple[Floats, Floats]:
        """Return by how much each row moves one axis, and where it is afterwards."""
        codes = words.codes
        given = words.column(letter) * factor
        given[np.abs(given) > _FARTHEST] = np.nan
        valued = ~np.isnan(given)
        placed = (codes == code("G92")) & valued
        homed = np.zeros(codes.size, bool)
        if letter != "E" and (homing := codes == HOME).any():
            some = words.named("X") | words.named("Y") | words.named("Z")
            homed = homing & (words.named(letter) | ~some)
            given[homed] = 0.0
        sets = placed | homed | (moving & valued & absolute)
        adds = moving & valued & ~absolute
        before = self._logical[letter]
        if adds.any():
            added = np.cumsum(np.where(adds, given, 0.0))
            place = added + spread(sets, given - added, before)
        else:
            place = spread(sets, given, before)
        by = np.diff(place, prepend=before)
        by[placed] = 0.0
        if codes.size:
            self._logical[letter] = float(place[-1])
        if letter == "E":
            return by, place
        return by, place + self._offsets(letter, placed, homed, place, before)

    def _offsets(
        self, letter: str, placed: Mask, homed: Mask, place: Floats, before: float
    ) -> Floats | float:
        """Return what G92 hides: the machine's coordinate less the file's."""
        offset = self._offset[letter]
        events = np.flatnonzero(placed | homed)
        if not events.size:
            return offset
        values = np.full(place.size, np.nan)
        for row in events.tolist():
            if homed[row]:
                offset = 0.0
            else:
                offset += float((place[row - 1] if row else before) - place[row])
            values[row] = offset
        held = spread(~np.isnan(values), values, self._offset[letter])
        self._offset[letter] = offset
        return held

    def _feedrate(self, words: Words, moving: Mask, factor: Floats) -> Floats:
        """Return mm/s, as asked for."""
        given = words.column("F") * factor
        valid = moving & (given > 0) & (given < _FARTHEST)
        feedrate = self._modes.hold("feedrate", valid, given, _FEEDRATE) / 60
        override = words.codes == code("M220")
        if override.any() or "override" in self._modes:
            percent = words.column("S")
            valid = override & (percent > 0) & (percent < 1000)
            feedrate = (
                feedrate * self._modes.hold("override", valid, percent, 100.0) / 100
            )
        return feedrate

    def _select(
        self,
        words: Words,
        moving: Mask,
        tool: Ints,
        by: dict[str, Floats],
        places: dict[str, tuple[Floats, Floats]],
        feedrate: Floats,
        factor: Floats,
    ) -> Moves:
        """Keep the rows that take time, and measure them."""
        curved = moving & (words.codes >= _G2)
        stops = np.isin(words.codes, _STOPS)
        travels = (by["X"] != 0) | (by["Y"] != 0) | curved
        taken = stops | travels | (by["Z"] != 0) | (by["E"] != 0)
        rows = np.flatnonzero(taken)
        dx, dy, dz, de = (by[letter][rows] for letter in "XYZE")
        x, y, z = (places[letter][1][rows] for letter in "XYZ")
        plane = np.hypot(dx, dy)
        begin = np.stack((dx, dy, dz, de))
        end = begin
        box = (
            np.minimum(x, x - dx),
            np.minimum(y, y - dy),
            np.maximum(x, x - dx),
            np.maximum(y, y - dy),
        )
        along = begin[:2]
        if curved.any():
            bent = np.flatnonzero(curved[rows])
            arc = self._arcs(
                words,
                rows[bent],
                (x - dx)[bent],
                (y - dy)[bent],
                dx[bent],
                dy[bent],
                factor,
            )
            end = begin.copy()
            plane[bent] = arc.length
            begin[0, bent], begin[1, bent] = (
                arc.begin_x * arc.length,
                arc.begin_y * arc.length,
            )
            end[0, bent], end[1, bent] = (
                arc.end_x * arc.length,
                arc.end_y * arc.length,
            )
            for side, values in zip(box, arc.box, strict=True):
                side[bent] = values
            # Somewhere on the arc each axis carries the whole speed.
            along = begin[:2].copy()
            along[:, bent] = arc.length
        spatial = np.hypot(plane, dz)
        distance = np.where(spatial > 0, spatial, np.abs(de))
        extruding = (de > 0) & (plane > 0) & ~stops[rows]
        motion = Motion(
            distance=distance,
            spatial=spatial > 0,
            begin=begin,
            end=end,
            along=np.stack((along[0], along[1], dz, de)),
            feedrate=feedrate[rows],
            stops=stops[rows],
        )
        limits = Dynamics(self._modes, self.limits, self.feedrate_unit)
        return Moves(
            starts=words.starts[rows],
            ends=words.ends[rows],
            steps=limits.steps(words, rows, motion),
            fed=self._feed(tool[rows], de),
            extruding=extruding,
            z=z,
            rising=extruding & (dz != 0),
            box=box,
            bad=_unreadable(words, moving),
        )

    def _arcs(
        self,
        words: Words,
        rows: Ints,
        x: Floats,
        y: Floats,
        dx: Floats,
        dy: Floats,
        factor: Floats,
    ) -> Arcs:
        i, j, radius = (words.column(letter)[rows] * factor[rows] for letter in "IJR")
        clockwise = words.codes[rows] == _G2
        for values in (i, j, radius):
            values[np.abs(values) > _FARTHEST] = np.nan
        return arcs(x, y, dx, dy, centres(dx, dy, i, j, radius, clockwise), clockwise)

    def _feed(self, tool: Ints, by: Floats) -> Floats:
        """Count filament: what is drawn back and pushed again counts once."""
        fed = np.zeros(by.size)
        for index in np.unique(tool).tolist():
            here = tool == index
            before = self._filament.get(index, 0.0)
            most = self.fed.get(index, 0.0)
            place = before + np.cumsum(by[here])
            peak = np.maximum.accumulate(np.maximum(place, most))
            fed[here] = np.diff(peak, prepend=most)
            self._filament[index] = float(place[-1])
            if peak[-1] > 0:
                self.fed[index] = float(peak[-1])
        return fed


def _unreadable(words: Words, moving: Mask) -> Ints:
    """Return where the lines of moves begin that name an axis without a number."""
    return words.starts[words.blank("XYZEF") & moving]
