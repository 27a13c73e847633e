"""The geometry of G2 and G3: arcs in the XY plane, all arcs of a chunk at once."""

from dataclasses import dataclass

import numpy as np

from .words import Floats, Mask

_TURN = 2 * np.pi


@dataclass(frozen=True, slots=True)
class Arcs:
    """One row per arc; directions are unit vectors in the plane."""

    length: Floats
    """mm in the plane."""
    begin_x: Floats
    begin_y: Floats
    end_x: Floats
    end_y: Floats
    box: tuple[Floats, Floats, Floats, Floats]
    """Least X and Y, greatest X and Y."""


def centres(
    dx: Floats, dy: Floats, i: Floats, j: Floats, radius: Floats, clockwise: Mask
) -> tuple[Floats, Floats]:
    """Return the centres relative to the starts, from I and J or from R."""
    centre_x, centre_y = np.nan_to_num(i), np.nan_to_num(j)
    chord = np.hypot(dx, dy)
    by_radius = np.isnan(i) & np.isnan(j) & ~np.isnan(radius) & (chord > 0)
    if by_radius.any():
        # The centre lies on the chord's bisector: to its left for a short arc against
        # the clock; a negative R asks for the long way round.
        half = chord[by_radius] / 2
        r = radius[by_radius]
        away = np.sqrt(np.maximum(r**2 - half**2, 0.0))
        side = np.where(clockwise[by_radius] == (r < 0), away, -away)
        unit_x = dx[by_radius] / chord[by_radius]
        unit_y = dy[by_radius] / chord[by_radius]
        centre_x[by_radius] = dx[by_radius] / 2 - side * unit_y
        centre_y[by_radius] = dy[by_radius] / 2 + side * unit_x
    return centre_x, centre_y


def arcs(
    x: Floats,
    y: Floats,
    dx: Floats,
    dy: Floats,
    centre: tuple[Floats, Floats],
    clockwise: Mask,
) -> Arcs:
    """Measure arcs from (x, y) by (dx, dy) around centres relative to the starts.

    An arc that ends where it began is a full turn. One without a centre is a line.
    """
    cx, cy = centre
    radius = np.hypot(cx, cy)
    first = np.arctan2(-cy, -cx)
    last = np.arctan2(dy - cy, dx - cx)
    way = np.where(clockwise, -1.0, 1.0)
    sweep = np.mod((last - first) * way, _TURN)
    sweep[(dx == 0) & (dy == 0)] = _TURN

    box_x, box_y = [x, x + dx], [y, y + dy]
    for quarter in range(4):
        angle = quarter * np.pi / 2
        passed = np.mod((angle - first) * way, _TURN) < sweep
        box_x.append(np.where(passed, x + cx + radius * np.cos(angle), x))
        box_y.append(np.where(passed, y + cy + radius * np.sin(angle), y))

    straight = radius == 0
    chord = np.hypot(dx, dy)
    line = np.maximum(chord, 1e-12)
    return Arcs(
        length=np.where(straight, chord, radius * sweep),
        begin_x=np.where(straight, dx / line, -way * np.sin(first)),
        begin_y=np.where(straight, dy / line, way * np.cos(first)),
        end_x=np.where(straight, dx / line, -way * np.sin(last)),
        end_y=np.where(straight, dy / line, way * np.cos(last)),
        box=(
            np.min(box_x, axis=0),
            np.min(box_y, axis=0),
            np.max(box_x, axis=0),
            np.max(box_y, axis=0),
        ),
    )
