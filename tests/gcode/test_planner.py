"""The planner's running minima are the loops that a firmware runs."""

from hypothesis import given, strategies as st
import numpy as np
import pytest

from custom_components.printfarm.gcode.planner import (
    Planner,
    Steps,
    durations,
    look_ahead,
)

_POSITIVE = st.floats(0.01, 1e4)


@given(st.lists(st.tuples(_POSITIVE, _POSITIVE), min_size=1, max_size=60))
def test_look_ahead_is_the_loop(moves: list[tuple[float, float]]) -> None:
    """Both passes at once give what one corner after another gives."""
    corner, gain = (np.array(column) for column in zip(*moves, strict=True))
    expected = [*corner, 0.0]
    for i in range(len(moves) - 1, -1, -1):
        expected[i] = min(expected[i], expected[i + 1] + gain[i])
    for i in range(len(moves)):
        expected[i + 1] = min(expected[i + 1], expected[i] + gain[i])
    assert look_ahead(corner, gain) == pytest.approx(expected, abs=1e-6, rel=1e-6)


def steps(
    distance: list[float], speed: float = 50, acceleration: float = 1000, *,
    stop: int | None = None, wait: float = 0.0, turn: bool = False,
) -> Steps:  # fmt: skip
    """Make moves along X, or in turns along X and Y."""
    count = len(distance)
    direction = np.zeros((4, count))
    direction[0] = 1.0
    if turn:
        direction[0, 1::2], direction[1, 1::2] = 0.0, 1.0
    stops = np.zeros(count, bool)
    waits = np.zeros(count)
    length = np.array(distance, float)
    if stop is not None:
        stops[stop], waits[stop], length[stop] = True, wait, 0.0
    return Steps(
        distance=length,
        speed=np.full(count, float(speed)),
        acceleration=np.full(count, float(acceleration)),
        begin=direction,
        end=direction,
        jerk=np.tile([[10.0], [10.0], [0.2], [2.5]], count),
        stops=stops,
        wait=waits,
    )


def run(*parts: Steps) -> float:
    """Return how long moves take, fed in these parts."""
    planner = Planner()
    for part in parts:
        planner.add(part)
    planner.finish()
    return planner.time


def test_a_long_move_is_a_trapezoid() -> None:
    """From jerk speed (10 mm/s) to 50, on, and down to rest, at 1000 mm/s^2."""
    up, down = (50 - 10) / 1000, 50 / 1000
    ramps = (50**2 - 10**2) / 2000 + 50**2 / 2000
    assert run(steps([100])) == pytest.approx(up + down + (100 - ramps) / 50)


def test_a_short_move_is_a_triangle() -> None:
    """One millimetre is too short for full speed."""
    peak = ((10**2 + 2 * 1000 * 1) / 2) ** 0.5
    assert run(steps([1])) == pytest.approx((peak - 10) / 1000 + peak / 1000)


def test_straight_on_costs_nothing() -> None:
    """Ten moves in a line take as long as one."""
    assert run(steps([10.0] * 10)) == pytest.approx(run(steps([100])), rel=1e-6)


def test_corners_cost() -> None:
    """A turn by 90 degrees slows down to where each axis jumps by its jerk."""
    assert run(steps([10.0] * 10, turn=True)) > run(steps([100])) + 0.2


def test_a_stop_waits() -> None:
    """A dwell takes its time, and the moves around it come to rest."""
    from_rest = 2 * 50 / 1000 + (50 - 50**2 / 1000) / 50
    assert run(steps([50, 0, 50], stop=1, wait=3.0)) == pytest.approx(
        run(steps([50])) + 3.0 + from_rest
    )


@given(st.lists(st.floats(0.01, 5), min_size=2, max_size=900), st.data())
def test_parts_are_as_good_as_the_whole(
    lengths: list[float], data: st.DataObject
) -> None:
    """Where a file is cut into chunks makes no difference to its time."""
    lengths *= 3
    cut = data.draw(st.integers(1, len(lengths) - 1))
    whole = run(steps(lengths))
    assert run(steps(lengths[:cut]), steps(lengths[cut:])) == pytest.approx(
        whole, abs=0.02
    )


def test_it_looks_ahead_far_enough() -> None:
    """From 200 mm/s at 1000 mm/s^2 to rest takes 200 moves of a tenth of a millimetre."""
    part = steps([0.1] * 500, speed=200)
    whole = run(steps([0.1] * 5000, speed=200))
    assert run(*[part] * 10) == pytest.approx(whole, rel=1e-3)


def test_ends_come_in_order() -> None:
    """Each move's end is told once, after the one before."""
    planner = Planner()
    first = planner.add(steps([1.0] * 1000))
    assert 0 < first.size < 1000
    rest = planner.finish()
    ends = np.concatenate((first, rest))
    assert ends.size == 1000
    assert (np.diff(ends) > 0).all()
    assert planner.finish().size == 0
    assert planner.add(steps([])).size == 0


def test_standing_still_takes_no_time() -> None:
    """Neither distance nor speed: no division by nothing."""
    none = np.zeros(1)
    assert durations(none, np.ones(1), np.ones(1), np.zeros(2)).tolist() == [0.0]
