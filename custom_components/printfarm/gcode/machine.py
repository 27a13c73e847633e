"""Follow the machine through a chunk: modes, units, positions, limits, heaters.

Modes hold until the next command changes them. A mode over a whole chunk is therefore
the list of its changes, repeated over the rows between them.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from .arcs import Arcs, arcs, centres
from .limits import AXES, Limits
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
_HOME: Final = code("G28")
_WAITS: Final = np.array([code("G4"), code("M400")])
_LONGEST_WAIT: Final = 86_400.0
_FARTHEST: Final = 1e7
"""mm: no axis, and no spool, reaches further. Such a number is a slip."""
_MOST_TOOLS: Final = 64
"""Bambu's T255 and T1000 are commands to its changer and no tools."""
_FEEDRATE: Final = 1500.0
"""mm/min before the first F, as Marlin has it."""
_SLOWEST: Final = 1e-3
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
    _held: dict[str, float] = field(default_factory=dict)
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
        factor = self._mode(codes, "inch", {"G20": 25.4, "G21": 1.0}, 1.0)
        absolute = self._mode(codes, "absolute", {"G90": 1.0, "G91": 0.0}, 1.0) > 0
        absolute_e = self._mode(codes, "absolute_e", {"M82": 1.0, "M83": 0.0}, 1.0) > 0
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

    def _mode(
        self, codes: Ints, name: str, commands: dict[str, float], first: float
    ) -> Floats:
        changes = np.zeros(codes.size)
        found = np.zeros(codes.size, bool)
        for command, value in commands.items():
            here = codes == code(command)
            found |= here
            changes[here] = value
        return self._hold(name, found, changes, first)

    def _hold(self, name: str, at: Mask, values: Floats, first: float) -> Floats:
        """Repeat each value over its row and all rows until the next one."""
        rows = np.flatnonzero(at)
        before = self._held.get(name, first)
        if not rows.size:
            return np.full(at.size, before)
        spans = np.diff(np.concatenate(([0], rows, [at.size])))
        self._held[name] = float(values[rows[-1]])
        held: Floats = np.repeat(np.concatenate(([before], values[rows])), spans)
        return held

    def _tools(self, words: Words) -> Ints:
        chosen = (
            (words.codes >= code("T0"))
            & (words.codes < code(f"T{_MOST_TOOLS}"))
            & (words.codes % 10 == 0)
        )
        return self._hold("tool", chosen, words.numbers, 0.0).astype(np.int64)

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
        if letter != "E" and (homing := codes == _HOME).any():
            some = words.named("X") | words.named("Y") | words.named("Z")
            homed = homing & (words.named(letter) | ~some)
            given[homed] = 0.0
        sets = placed | homed | (moving & valued & absolute)
        adds = moving & valued & ~absolute
        before = self._logical[letter]
        if adds.any():
            added = np.cumsum(np.where(adds, given, 0.0))
            place = added + self._hold_from(sets, given - added, before)
        else:
            place = self._hold_from(sets, given, before)
        by = np.diff(place, prepend=before)
        by[placed] = 0.0
        if codes.size:
            self._logical[letter] = float(place[-1])
        if letter == "E":
            return by, place
        return by, place + self._offsets(letter, placed, homed, place, before)

    @staticmethod
    def _hold_from(at: Mask, values: Floats, before: float) -> Floats:
        rows = np.flatnonzero(at)
        spans = np.diff(np.concatenate(([0], rows, [at.size])))
        held: Floats = np.repeat(np.concatenate(([before], values[rows])), spans)
        return held

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
        held = self._hold_from(~np.isnan(values), values, self._offset[letter])
        self._offset[letter] = offset
        return held

    def _feedrate(self, words: Words, moving: Mask, factor: Floats) -> Floats:
        """Return mm/s, as asked for."""
        given = words.column("F") * factor
        valid = moving & (given > 0) & (given < _FARTHEST)
        feedrate = self._hold("feedrate", valid, given, _FEEDRATE) / 60
        override = words.codes == code("M220")
        if override.any() or "override" in self._held:
            percent = words.column("S")
            valid = override & (percent > 0) & (percent < 1000)
            feedrate = feedrate * self._hold("override", valid, percent, 100.0) / 100
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
        steps = self._steps(
            words,
            rows,
            distance,
            spatial > 0,
            begin,
            end,
            np.stack((along[0], along[1], dz, de)),
            feedrate[rows],
            stops[rows],
        )
        return Moves(
            starts=words.starts[rows],
            ends=words.ends[rows],
            steps=steps,
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

    def _steps(
        self,
        words: Words,
        rows: Ints,
        distance: Floats,
        spatial: Mask,
        begin: Floats,
        end: Floats,
        along: Floats,
        feedrate: Floats,
        stops: Mask,
    ) -> Steps:
        """Hold each row to the axes' limits that are in force there."""
        length = np.maximum(distance, 1e-9)
        share = np.abs(along) / length
        top, steep, jerk = (
            self._limit(words, command, getattr(self.limits, name), unit)[:, rows]
            for command, name, unit in (
                ("M203", "feedrate", self.feedrate_unit),
                ("M201", "acceleration", 1.0),
                ("M205", "jerk", 1.0),
            )
        )
        printing, travel, retract = (
            values[rows] for values in self._accelerations(words)
        )
        wanted = np.where(spatial, np.where(along[3] > 0, printing, travel), retract)
        with np.errstate(divide="ignore"):
            speed = np.minimum(feedrate, np.min(top / share, axis=0))
            acceleration = np.minimum(wanted, np.min(steep / share, axis=0))
        return Steps(
            distance=np.where(stops & (words.codes[rows] != _HOME), 0.0, distance),
            speed=np.maximum(speed, _SLOWEST),
            acceleration=acceleration,
            begin=begin / length,
            end=end / length,
            jerk=jerk,
            stops=stops,
            wait=_waits(words, rows),
        )

    def _limit(
        self, words: Words, command: str, first: tuple[float, ...], unit: float
    ) -> Floats:
        """Return one limit per axis and row."""
        here = words.codes == code(command)
        held = []
        for axis, value in zip(AXES, first, strict=True):
            given = words.column(axis.upper()) * unit if here.any() else None
            if given is None:
                held.append(np.full(here.size, self._held.get(command + axis, value)))
            else:
                held.append(
                    self._hold(command + axis, here & (given > 0), given, value)
                )
        return np.stack(held)

    def _accelerations(self, words: Words) -> tuple[Floats, Floats, Floats]:
        """Return the accelerations of printing, travel and the filament alone.

        M204 S is the old form and means printing and travel both.
        """
        limits = self.limits
        here = words.codes == code("M204")
        given = {
            letter: words.column(letter) if here.any() else np.full(here.size, np.nan)
            for letter in "SPTR"
        }
        both = given["S"]

        def held(name: str, letter: str, first: float) -> Floats:
            values = np.where(np.isnan(given[letter]), both, given[letter])
            return self._hold(name, here & (values > 0), values, first)

        retract = given["R"]
        return (
            held("printing", "P", limits.printing),
            held("travel", "T", limits.travel),
            self._hold("retract", here & (retract > 0), retract, limits.retract),
        )

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


def _waits(words: Words, rows: Ints) -> Floats:
    """Return the seconds that dwells take: P in milliseconds, S in seconds."""
    waiting = np.isin(words.codes[rows], _WAITS)
    seconds = np.zeros(rows.size)
    if waiting.any():
        at = rows[waiting]
        milli, whole = words.column("P")[at], words.column("S")[at]
        wait = np.nan_to_num(np.where(np.isnan(milli), whole, milli / 1000))
        seconds[waiting] = np.clip(wait, 0.0, _LONGEST_WAIT)
    return seconds


def _unreadable(words: Words, moving: Mask) -> Ints:
    """Return where the lines of moves begin that name an axis without a number."""
    return words.starts[words.blank("XYZEF") & moving]
