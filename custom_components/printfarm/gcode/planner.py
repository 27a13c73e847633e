"""How long moves take: acceleration, corner speeds and look-ahead, all at once.

A printer's planner limits the speed v at each corner between two moves by what the
corner allows, and by what acceleration allows from the corner before and to the corner
after: v[i+1]^2 <= v[i]^2 + 2 a d, both ways. With S the running sum of 2 a d, both
bounds become running minima of v^2 +- S, so that numpy reckons millions of moves
without a loop.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from .words import Floats, Mask

_HELD_BACK: Final = 256
"""Moves that wait for the next chunk: a printer looks ahead over far fewer."""
_SLOWEST: Final = 1e-3
"""The least speed, in mm/s, so that no file makes a print eternal."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Moves in order, one row each; also stops, with no distance.

    Directions are unit vectors over X, Y, Z and E, one column per move. They differ
    between a move's begin and end for arcs only.
    """

    distance: Floats
    """mm along the path, or of filament where nothing else moves."""
    speed: Floats
    """Speed asked for, within the axes' limits, in mm/s."""
    acceleration: Floats
    """mm/s^2."""
    begin: Floats
    end: Floats
    jerk: Floats
    """Step in speed that each axis takes, in mm/s; per axis, or per axis and move."""
    stops: Mask
    """Rows where the machine comes to rest."""
    wait: Floats
    """Seconds that pass there."""


def corner_speeds(steps: Steps, before: Floats | None) -> Floats:
    """Return the greatest speed (mm/s) at which each move may begin.

    `before` is the velocity (mm/s per axis) at which the move before the first one
    would end, None where that one stands still.
    """
    entering = steps.begin * steps.speed
    leaving = np.empty_like(steps.end)
    leaving[:, 0] = 0.0 if before is None else before
    leaving[:, 1:] = (steps.end * steps.speed)[:, :-1]
    speed_before = np.empty_like(steps.speed)
    speed_before[0] = 0.0 if before is None else _length(before)
    speed_before[1:] = steps.speed[:-1]

    steepest = np.max(np.abs(entering) / steps.jerk, axis=0)
    at_rest = steps.speed / np.maximum(steepest, 1.0)

    common = np.minimum(speed_before, steps.speed)
    with np.errstate(divide="ignore", invalid="ignore"):
        leaving *= np.nan_to_num(common / speed_before)
    entering *= common / steps.speed
    # Two speeds in one direction differ by their difference. Against each other an
    # axis has to stop first, so that the greater of the two counts.
    turn = np.where(
        leaving * entering > 0,
        np.abs(leaving - entering),
        np.maximum(np.abs(leaving), np.abs(entering)),
    )
    corner = common / np.maximum(np.max(turn / steps.jerk, axis=0), 1.0)

    rested = np.empty_like(steps.stops)
    rested[0] = before is None
    rested[1:] = steps.stops[:-1]
    corner = np.where(rested, at_rest, np.maximum(corner, 0.0))
    corner[steps.stops] = 0.0
    return corner


def _length(velocity: Floats) -> float:
    """Return a speed as the planner counts it: the filament only where alone."""
    path = float(np.sqrt(np.sum(velocity[:3] ** 2)))
    return path or float(abs(velocity[3]))


def look_ahead(corner: Floats, gain: Floats) -> Floats:
    """Return the squared speed at each corner, one more than there are moves.

    `corner` holds the squared corner speeds, `gain` 2 a d of each move. The last move
    ends at rest.
    """
    bound = np.append(corner, 0.0)
    total = np.zeros(bound.size)
    np.cumsum(gain, out=total[1:])
    backward = np.minimum.accumulate((bound + total)[::-1])[::-1] - total
    forward = np.minimum.accumulate(backward - total) + total
    squared: Floats = np.maximum(forward, 0.0)
    return squared


def durations(
    distance: Floats, speed: Floats, acceleration: Floats, corners: Floats
) -> Floats:
    """Return the seconds that each move takes between its squared corner speeds."""
    entry, leave = corners[:-1], corners[1:]
    gain = 2 * acceleration * distance
    peak = np.minimum(speed**2, (entry + leave + gain) / 2)
    peak = np.maximum(peak, np.maximum(entry, leave))
    ramps = (2 * peak - entry - leave) / (2 * acceleration)
    top = np.sqrt(peak)
    rising: Floats = (2 * top - np.sqrt(entry) - np.sqrt(leave)) / acceleration
    steady: Floats = np.maximum(distance - ramps, 0.0) / np.maximum(top, _SLOWEST)
    return np.maximum(rising, 0.0) + steady


@dataclass(slots=True)
class Planner:
    """Takes moves chunk by chunk and returns when each of them is over."""

    time: float = 0.0
    _velocity: Floats | None = None
    _held: list[Floats] = field(default_factory=lambda: [np.zeros(0)] * 5)
    """Corner speed squared, distance, speed, acceleration, wait."""

    def add(self, steps: Steps) -> Floats:
        """Take more moves; return the end times (s) of those that are settled."""
        if not steps.speed.size:
            return np.zeros(0)
        corner = corner_speeds(steps, self._velocity)
        last = steps.end[:, -1] * steps.speed[-1]
        self._velocity = None if steps.stops[-1] else last
        new = (corner**2, steps.distance, steps.speed, steps.acceleration, steps.wait)
        self._held = [
            np.concatenate(pair) for pair in zip(self._held, new, strict=True)
        ]
        return self._settle(_HELD_BACK)

    def finish(self) -> Floats:
        """Come to rest; return the end times (s) of all moves that waited."""
        return self._settle(0)

    def _settle(self, keep: int) -> Floats:
        corner, distance, speed, acceleration, wait = self._held
        settled = max(corner.size - keep, 0)
        if not settled:
            return np.zeros(0)
        corners = look_ahead(corner, 2 * acceleration * distance)
        spent = durations(distance, speed, acceleration, corners) + wait
        ends = self.time + np.cumsum(spent[:settled])
        self.time = float(ends[-1])
        self._held = [values[settled:] for values in self._held]
        if self._held[0].size:
            # What is behind is decided: the next chunk starts at this speed.
            self._held[0] = self._held[0].copy()
            self._held[0][0] = corners[settled]
        return ends
