"""How fast the machine may go: its limits, and those that the file sets on the way."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from .limits import AXES, Limits
from .modes import Modes
from .planner import Steps
from .words import Floats, Ints, Mask, Words, code

HOME: Final = code("G28")
_WAITS: Final = np.array([code("G4"), code("M400")])
_LONGEST_WAIT: Final = 86_400.0
_SLOWEST: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Motion:
    """What rows ask for, before any limit. Columns are rows, lines are X, Y, Z and E."""

    distance: Floats
    """mm; of the filament where nothing else moves."""
    spatial: Mask
    """Whether more than the filament moves."""
    begin: Floats
    end: Floats
    """Directions at both ends of a row, times its length."""
    along: Floats
    """The most that each axis moves per length, times the length."""
    feedrate: Floats
    """mm/s."""
    stops: Mask


@dataclass(frozen=True, slots=True)
class Dynamics:
    """The limits of the machine, until the file sets others."""

    modes: Modes
    limits: Limits
    feedrate_unit: float
    """What M203 counts in, in mm/s."""

    def steps(self, words: Words, rows: Ints, motion: Motion) -> Steps:
        """Hold each row to the axes' limits that are in force there."""
        length = np.maximum(motion.distance, 1e-9)
        share = np.abs(motion.along) / length
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
        wanted = np.where(
            motion.spatial, np.where(motion.along[3] > 0, printing, travel), retract
        )
        with np.errstate(divide="ignore"):
            speed = np.minimum(motion.feedrate, np.min(top / share, axis=0))
            acceleration = np.minimum(wanted, np.min(steep / share, axis=0))
        still = motion.stops & (words.codes[rows] != HOME)
        return Steps(
            distance=np.where(still, 0.0, motion.distance),
            speed=np.maximum(speed, _SLOWEST),
            acceleration=acceleration,
            begin=motion.begin / length,
            end=motion.end / length,
            jerk=jerk,
            stops=motion.stops,
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
                held.append(np.full(here.size, self.modes.value(command + axis, value)))
            else:
                held.append(
                    self.modes.hold(command + axis, here & (given > 0), given, value)
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
            return self.modes.hold(name, here & (values > 0), values, first)

        retract = given["R"]
        return (
            held("printing", "P", limits.printing),
            held("travel", "T", limits.travel),
            self.modes.hold("retract", here & (retract > 0), retract, limits.retract),
        )


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
