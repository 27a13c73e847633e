"""Modes, units, positions, arcs, filament and heaters, one command after another."""

from itertools import pairwise
import math

from hypothesis import given, strategies as st
import numpy as np
import pytest

from custom_components.printfarm.gcode.limits import Limits, from_settings
from custom_components.printfarm.gcode.machine import Machine, Moves
from custom_components.printfarm.gcode.words import split


def follow(text: str, machine: Machine | None = None) -> Moves:
    """Run commands."""
    return (machine or Machine()).follow(split(text.encode() + b"\n"))


def lengths(text: str) -> list[float]:
    """Return the distance (mm) of every move."""
    return follow(text).steps.distance.round(6).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("G1 X10\nG1 X10 Y5", [10, 5]),
        ("G1 X10\nG91\nG1 X10 Y5\nG90\nG1 X0", [10, math.sqrt(125), 20]),
        ("G20\nG1 X1\nG21\nG1 X0", [25.4, 25.4]),
        ("G1 X10\nG92 X0\nG1 X5", [10, 5]),
        ("G92 E5\nG1 E7", [2]),
        ("M83\nG1 E2\nG1 E2\nM82\nG1 E5", [2, 2, 1]),
        ("G91\nG1 E2\nG1 E2\nG90\nG1 E5", [2, 2, 1]),
        ("G1 X3 Y4 E1", [5]),
        ("G1 X3 Z4", [5]),
        ("G0 X10", [10]),
        ("G10\nG11\nM84\nM106 S255\nG1 F100", []),
        ("G1 X10\nG28\nG1 X10", [10, 10, 10]),
        ("G1 X10 Y10\nG28 Y\nG1 X10 Y10", [14.142136, 10, 10]),
        ("G4 P100", [0]),
        ("G1 X99999999\nG1 X1e3", [1]),
    ],
)
def test_distances(text: str, expected: list[float]) -> None:
    """Every mode moves as far as it says."""
    assert lengths(text) == pytest.approx([round(value, 6) for value in expected])


def test_speed_and_acceleration() -> None:
    """Feed rates hold, limits of the axes cap them, M204 and M220 change them."""
    found = follow(
        "G1 X10\nG1 X20 F3000\nG1 Z1\nM220 S50\nG1 X30\nM220 S100\n"
        "M203 X20\nG1 X40\nM203 X500\nM204 P300 T400 R500\nG1 X50\nG1 X60 E1\nG1 E2\n"
        "M204 S700\nG1 X70\nG1 X80 E3\nM201 X100\nG1 X90"
    ).steps
    assert found.speed.tolist() == [25, 50, 12, 25, 20, 50, 50, 50, 50, 50, 50]
    assert found.acceleration.tolist() == [
        1500, 1500, 500, 1500, 1500, 400, 300, 500, 700, 700, 100,
    ]  # fmt: skip


def test_the_slowest_move_ends() -> None:
    """No feed rate makes a print eternal."""
    assert follow("G1 X1 F0.6\nG1 X2 F0.0006").steps.speed.tolist() == [0.01, 0.001]


def test_jerk_is_held() -> None:
    """M205 changes it from there on."""
    jerk = follow("G1 X1\nM205 X7 E1\nG1 X2").steps.jerk
    assert jerk[:, 0].tolist() == [10, 10, 0.2, 2.5]
    assert jerk[:, 1].tolist() == [7, 10, 0.2, 1]


def test_dwells() -> None:
    """Milliseconds before seconds; heating takes none that anybody could know."""
    found = follow("G4 P1500\nG4 S2\nM400 S3\nG4\nM109 S200\nG4 S1e9\nG4 P-5").steps
    assert found.wait.tolist() == [1.5, 2, 3, 0, 0, 1, 0]
    assert found.stops.all()
    assert follow("G4 S999999999").steps.wait.tolist() == [86400]


def test_filament_counts_once() -> None:
    """What is drawn back and pushed again is the same filament, per tool."""
    machine = Machine()
    found = follow(
        "M83\nG1 X1 E5\nG1 E-2\nG1 X2\nG1 E2\nG1 X3 E1\nT1\nG1 X4 E3\nG1 E-4\nT0\nG1 X5 E1",
        machine,
    )
    assert found.fed.tolist() == [5, 0, 0, 0, 1, 3, 0, 1]
    assert found.extruding.tolist() == [
        True,
        False,
        False,
        False,
        True,
        True,
        False,
        True,
    ]
    assert machine.fed == {0: 7, 1: 3}


def test_strange_tools_are_none() -> None:
    """Bambu's T255 unloads, T1000 is a mode: the tool stays."""
    machine = Machine()
    follow("M83\nT1\nG1 X1 E1\nT255\nG1 X2 E1\nT1000\nG1 X3 E1", machine)
    assert machine.fed == {1: 3}


def test_heaters() -> None:
    """The highest target of each; off is no target."""
    machine = Machine()
    follow(
        "M104 S200\nM109 S215\nM104 S0\nT1\nM104 S230\nM104 T0 S220\nM140 S60\n"
        "M190 R65\nM140 S0\nM141 S40\nM191 S45\nM104\nM104 S99999",
        machine,
    )
    assert machine.nozzles == {0: 220, 1: 230}
    assert (machine.bed, machine.chamber) == (65, 45)


def test_hidden_offsets() -> None:
    """G92 renames places; the machine's own coordinates go on."""
    found = follow("G1 Z5\nG92 Z0\nG1 Z1\nG92 Z10\nG1 Z11\nG28\nG1 Z2")
    assert found.z.tolist() == [5, 6, 7, 0, 2]


@given(st.lists(st.integers(0, 3), min_size=2, max_size=30), st.data())
def test_chunks_do_not_matter(moves: list[int], data: st.DataObject) -> None:
    """Any state is carried over to the next chunk."""
    lines = []
    for kind in moves:
        number = data.draw(st.integers(-50, 50))
        lines.append(
            [
                f"G1 X{number} E{number / 10}",
                "G91" if number > 0 else "G90",
                f"G92 X{number} E{number}",
                "M83" if number > 0 else f"T{abs(number) % 3}",
            ][kind]
        )
    whole, parts = Machine(), Machine()
    expected = follow("\n".join(lines), whole)
    found = [follow(line, parts) for line in lines]
    for name in ("fed", "z", "extruding"):
        joined = np.concatenate([getattr(part, name) for part in found])
        assert joined.tolist() == pytest.approx(getattr(expected, name).tolist())
    assert parts.fed == pytest.approx(whole.fed)


@pytest.mark.parametrize(
    ("arc", "length", "box"),
    [
        ("G3 X0 Y10 I-10 J0", 5 * math.pi, (0, 0, 10, 10)),
        ("G2 X0 Y10 I-10 J0", 15 * math.pi, (-10, -10, 10, 10)),
        ("G3 X-10 Y0 R10", 10 * math.pi, (-10, 0, 10, 10)),
        ("G3 X0 Y10 R10", 5 * math.pi, (0, 0, 10, 10)),
        ("G3 X0 Y10 R-10", 15 * math.pi, (0, 0, 20, 20)),
        ("G2 X0 Y10 R10", 5 * math.pi, (0, 0, 10, 10)),
        ("G2 I-10", 20 * math.pi, (-10, -10, 10, 10)),
        ("G2 X0 Y10", math.sqrt(200), (0, 0, 10, 10)),
    ],
)
def test_arcs(arc: str, length: float, box: tuple[float, float, float, float]) -> None:
    """From (10, 0): as long and as wide as the circle says."""
    found = follow(f"G1 X10\nM83\n{arc} E1")
    assert found.steps.distance[1] == pytest.approx(length, rel=1e-6)
    assert [side[1] for side in found.box] == pytest.approx(box, abs=1e-6)
    assert found.extruding[1]


def test_arcs_are_their_chords() -> None:
    """A circle of many arcs takes as long a way as one circle."""
    points = [(math.cos(a), math.sin(a)) for a in np.linspace(0, math.tau, 13)]
    text = "G1 X1\n" + "\n".join(
        f"G3 X{x1:.6f} Y{y1:.6f} I{-x0:.6f} J{-y0:.6f}"
        for (x0, y0), (x1, y1) in pairwise(points)
    )
    steps = follow(text).steps
    assert steps.distance[1:].sum() == pytest.approx(math.tau, rel=1e-4)
    # Where one ends the next begins, in the same direction.
    assert steps.end[:, 1:-1] == pytest.approx(steps.begin[:, 2:], abs=1e-3)


def test_arcs_climb() -> None:
    """A spiral lift is a full turn upwards, in millimetres or inches."""
    found = follow("G2 Z1 I3 J4")
    assert found.steps.distance[0] == pytest.approx(math.hypot(10 * math.pi, 1))
    assert follow("G20\nG2 I1").steps.distance[0] == pytest.approx(25.4 * math.tau)


def test_unreadable_moves() -> None:
    """An axis without a number is told by its line."""
    assert follow("G1 X\nG28 X\nG1 X1 Ynan").bad.tolist() == [0, 11]


def test_reprapfirmware_counts_by_the_minute() -> None:
    """Its M203 is in mm/min; the file says which firmware it is for."""
    machine = Machine(feedrate_unit=1 / 60)
    assert follow("M203 X1200\nG1 X10 F9000", machine).steps.speed.tolist() == [20]


def test_limits_from_settings() -> None:
    """The normal mode's value counts; what is missing or nought stays."""
    found = from_settings(
        {
            "machine_max_acceleration_x": "800,400",
            "machine_max_feedrate_y": "90",
            "machine_max_speed_z": "30,30",
            "machine_max_jerk_e": "0",
            "machine_max_acceleration_extruding": "600,1250",
            "machine_max_acceleration_retracting": "700",
        }
    )
    assert found == Limits(
        feedrate=(500, 90, 30, 120),
        acceleration=(800, 9000, 500, 10000),
        printing=600,
        travel=600,
        retract=700,
    )
    assert from_settings({}) == Limits()
