"""Follow a print file up to one of its bytes, and tell what it has set up by then.

Moves are followed a chunk at a time, as in the analysis; commands that are rare are
looked at one by one. Modes are read as Marlin reads them: over the extruder the last
of G90, G91, M82 and M83 decides.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from .modes import Modes, spread
from .moment import Moment, ReplayError
from .standing import MOST_TOOLS, Standing
from .words import CHUNK, Floats, Ints, Mask, Words, chunks, code, split, without_mark

_STRAIGHT: Final = [code(name) for name in ("G0", "G1", "G5")]
_CURVED: Final = [code(name) for name in ("G2", "G3")]
_HOME: Final = code("G28")
_PLACE: Final = code("G92")
_MOVED_AWAY: Final = [
    code(name)
    for name in (
        *("G12", "G27", "G29", "G30", "G33", "G34", "G35", "G42", "G61", "G76"),
        *("M48", "M206", "M428"),
    )
]
"""Where these leave the head, only the machine knows."""
_UNKNOWABLE: Final = (
    (code("G6"), code("G6")),
    (code("G53"), code("G59.9")),
    (code("G92.1"), code("G92.9")),
    (code("M24"), code("M24")),
    (code("M32"), code("M32")),
    (code("M149"), code("M149")),
)
"""From the first to the second: raw steps, workspaces, other files, Fahrenheit."""
_FARTHEST: Final = 1e7
"""mm: no axis, and no spool, reaches further. Such a number is a slip."""


def replay(path: Path, position: int, chunk_size: int = CHUNK) -> Moment:
    """Return what the lines of a plain G-code file have set up to a byte offset.

    A line counts where it ends at `position` or before. Memory stays flat, whatever
    the file's size. Raises ReplayError where nobody could tell, OSError as for any
    file. Runs in any thread or process.
    """
    follower = _Follower()
    base = 0
    with path.open("rb") as file:
        for chunk in chunks(file, chunk_size):
            if not base:
                chunk = without_mark(chunk)
            left = max(position - base, 0)
            if left < len(chunk):
                follower.follow(chunk[: chunk.rfind(b"\n", 0, left) + 1], base)
                break
            follower.follow(chunk, base)
            base += len(chunk)
    return follower.moment()


@dataclass(slots=True)
class _Spool:
    """Filament of one tool: where it is, and how far it ever was."""

    place: float = 0.0
    peak: float = 0.0

    def feed(self, by: Floats) -> None:
        way = self.place + np.cumsum(by)
        self.place = float(way[-1])
        self.peak = max(self.peak, float(way.max()))


@dataclass(slots=True)
class _Follower:
    """What holds after the chunks that were followed."""

    _modes: Modes = field(default_factory=Modes)
    _place: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys("XYZ", np.nan) | {"E": 0.0}
    )
    """Logical coordinates; NaN where only the machine knows."""
    _lift: float = 0.0
    """Height above the bed less Z: what G92 has hidden since homing."""
    _highest: float = -np.inf
    """Above the bed."""
    _positioning: tuple[str, ...] = ("G90", "M82")
    _spools: dict[int, _Spool] = field(default_factory=dict)
    _extruded: bool = False
    _standing: Standing = field(default_factory=Standing)

    def follow(self, chunk: bytes, base: int) -> None:
        """Run whole lines that begin at byte `base`."""
        words = split(chunk)
        if not words.codes.size:
            return
        self._refuse(chunk, words, base)
        switch = self._modes.switch
        factor = switch("inch", words.codes, {"G20": 25.4, "G21": 1.0}, 1.0)
        tool = self._tools(words)
        self._standing.hear(chunk, words, tool, factor)
        self._move(words, tool, factor)
        self._position(words.codes)

    def moment(self) -> Moment:
        """Return all of it."""
        modes, standing = self._modes, self._standing
        factor = modes.value("inch", 1.0)
        tool = int(modes.value("tool", 0.0))
        spool = self._spools.get(tool, _Spool())
        nozzles = sorted(standing.nozzles.items())
        return Moment(
            x=_known(self._place["X"]),
            y=_known(self._place["Y"]),
            z=_known(self._place["Z"]),
            e=_known(self._place["E"]) or 0.0,
            highest=_known(self._highest - self._lift),
            positioning=self._positioning,
            inches=factor != 1.0,
            feedrate=_known(modes.value("feedrate", np.nan) / factor),
            tool=f"T{tool}" if "tool" in modes else None,
            fans=standing.fans,
            nozzles={f"T{each}": target for each, target in nozzles},
            bed=standing.bed,
            chamber=standing.chamber,
            speed_factor=standing.speed,
            flow_factor=standing.flows.get(tool),
            extruded=self._extruded,
            retracted=_known(spool.peak - spool.place) or 0.0,
            leveling=standing.leveling,
            setup=standing.setup(tool),
        )

    def _refuse(self, chunk: bytes, words: Words, base: int) -> None:
        """Stop at the first command whose outcome nobody can tell."""
        for first, last in _UNKNOWABLE:
            here = (words.codes >= first) & (words.codes <= last)
            if not here.any():
                continue
            if first == code("M149"):
                here &= words.named("F") | words.named("K")
            for row in np.flatnonzero(here).tolist():
                start, end = int(words.starts[row]), int(words.ends[row])
                text = chunk[start:end].decode("ascii", "replace")
                raise ReplayError(text.partition(";")[0].strip(), base + start)

    def _tools(self, words: Words) -> Ints:
        chosen = (
            (words.codes >= code("T0"))
            & (words.codes < code(f"T{MOST_TOOLS}"))
            & (words.codes % 10 == 0)
        )
        return self._modes.hold("tool", chosen, words.numbers, 0.0).astype(np.int64)

    # Moves

    def _move(self, words: Words, tool: Ints, factor: Floats) -> None:
        """Follow the head and the filament."""
        codes = words.codes
        switch = self._modes.switch
        absolute = switch("absolute", codes, {"G90": 1.0, "G91": 0.0}, 1.0) > 0
        extruder = {"G90": 1.0, "G91": 0.0, "M82": 1.0, "M83": 0.0}
        absolute_e = switch("absolute_e", codes, extruder, 1.0) > 0
        straight, curved = np.isin(codes, _STRAIGHT), np.isin(codes, _CURVED)
        self._feedrate(words, straight | curved, factor)
        if curved.any():
            # The firmware refuses an arc without a centre, and stays where it is.
            centre = [np.nan_to_num(words.column(letter)) for letter in "IJR"]
            curved &= np.any(np.stack(centre) != 0, axis=0)
        moving = straight | curved
        away = np.isin(codes, _MOVED_AWAY)
        given, places, began = {}, {}, dict(self._place)
        for letter in "XYZE":
            given[letter] = words.column(letter) * factor
            given[letter][np.abs(given[letter]) > _FARTHEST] = np.nan
            lost = away | _homed(letter, words) if letter != "E" else away & False
            relative = ~(absolute_e if letter == "E" else absolute)
            places[letter] = self._axis(
                letter, codes == _PLACE, lost, moving, relative, given[letter]
            )
        fed = np.diff(places["E"], prepend=began["E"])
        fed[~moving] = 0.0
        pushed = fed > 0
        self._extruded = self._extruded or bool(pushed.any())
        across = curved | ~np.isnan(given["X"]) | ~np.isnan(given["Y"])
        self._climb(words, pushed & across, began["Z"], places["Z"])
        for index in np.unique(tool[fed != 0]).tolist():
            self._spools.setdefault(index, _Spool()).feed(fed[tool == index])

    def _axis(
        self,
        letter: str,
        renamed: Mask,
        lost: Mask,
        moving: Mask,
        relative: Mask,
        given: Floats,
    ) -> Floats:
        """Return where one axis is after each row."""
        valued = ~np.isnan(given)
        adds = valued & moving & relative
        sets = lost | (valued & (renamed | (moving & ~relative)))
        targets = np.where(lost, np.nan, given)
        before = self._place[letter]
        if adds.any():
            added = np.cumsum(np.where(adds, given, 0.0))
            place = added + spread(sets, targets - added, before)
        else:
            place = spread(sets, targets, before)
        self._place[letter] = float(place[-1])
        return place

    def _climb(self, words: Words, laid: Mask, before: float, z: Floats) -> None:
        """Keep the greatest height of the rows that lay filament down."""
        homed = _homed("Z", words)
        renamed = (words.codes == _PLACE) & ~np.isnan(words.column("Z"))
        lifts = np.zeros(z.size)
        lift = self._lift
        for row in np.flatnonzero(homed | renamed).tolist():
            if homed[row]:
                lift = 0.0
            else:
                old = float(z[row - 1]) if row else before
                # A height that only the machine knows passes for the bed's.
                lift += (0.0 if np.isnan(old) else old) - float(z[row])
            lifts[row] = lift
        height = z + spread(homed | renamed, lifts, self._lift)
        if laid.any():
            began = np.concatenate(([before + self._lift], height[:-1]))
            reached = np.fmax(height, began)[laid]
            self._highest = float(np.fmax.reduce(reached, initial=self._highest))
        self._lift = lift

    def _feedrate(self, words: Words, moving: Mask, factor: Floats) -> None:
        given = words.column("F") * factor
        valid = moving & (given > 0) & (given < _FARTHEST)
        if valid.any():
            self._modes.hold("feedrate", valid, given, 0.0)

    def _position(self, codes: Ints) -> None:
        """Keep the two modes of positioning in the order they came last."""
        last = {
            name: int(rows[-1])
            for name in ("G90", "G91", "M82", "M83")
            if (rows := np.flatnonzero(codes == code(name))).size
        }
        for name in sorted(last, key=last.__getitem__):
            others = (mode for mode in self._positioning if mode[0] != name[0])
            self._positioning = (*others, name)


def _homed(letter: str, words: Words) -> Mask:
    """Say per row whether it homes an axis."""
    homing: Mask = words.codes == _HOME
    if not homing.any():
        return homing
    some = words.named("X") | words.named("Y") | words.named("Z")
    homed: Mask = homing & (words.named(letter) | ~some)
    return homed


def _known(value: float) -> float | None:
    """Return a number as people write it, None for one that nobody knows."""
    return round(float(value), 6) + 0.0 if np.isfinite(value) else None
