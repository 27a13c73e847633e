"""Moves: times, back-pressure, places, stops."""

from math import pi

from hypothesis import given, strategies as st
import pytest

from custom_components.printfarm.fabricators.virtual.board.planner import (
    FIRST_MOVE_DELAY,
    Planner,
    Position,
)

from .host import Host

_ZERO: Position = (0.0, 0.0, 0.0, 0.0)
_coordinate = st.floats(0, 200)


def _seconds(*lines: str) -> float:
    """How long a fresh board takes for these moves."""
    host = Host()
    begin = host.now
    for line in lines:
        host.ask(line)
    host.ask("M400")
    return host.now - begin - FIRST_MOVE_DELAY


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["G1 X100 F600"], 10.0017),
        (["G1 X100 F6000"], 1.0167),
        (["G0 Z10 F6000"], 2.0),
        (["G1 X50 F6000", "G1 X100"], 1.0167),
        (["G1 X50 F6000", "G1 X0"], 1.05),
        (["G1 X50 F6000", "G1 X50 Y50"], 1.0333),
        (["G1 X0.01 F6000"], 0.0026),
        (["M204 P500", "G1 X100 F6000"], 1.1),
        (["M220 S50", "G1 X100 F600"], 20.0008),
        (["M203 X5", "G1 X100 F600"], 20.0008),
        (["M302 P1", "G1 E25 F6000"], 1.0042),
        (["G20", "G1 X1 F60"], 1.0042),
        (["G91", "G1 X50 F6000", "G1 X50"], 1.0167),
        (["G2 X20 I10 F600"], pi + 0.0017),
        (["G3 X20 I10 F600"], pi + 0.0017),
        (["G2 X20 Y20 J20 F600"], 3 * pi * 2 * 20 / 40 + 0.0017),
        (["G2 I10 F600"], 2 * pi + 0.0017),
        (["G2 X20 R10 F600"], pi + 0.0017),
    ],
)
def test_time_of_moves(lines: list[str], seconds: float) -> None:
    """Time of moves."""
    assert _seconds(*lines) == pytest.approx(seconds, rel=0.01)


@given(st.lists(st.tuples(_coordinate, _coordinate), min_size=1, max_size=10))
def test_no_move_is_faster_than_its_feed_rate(
    places: list[tuple[float, float]],
) -> None:
    """No move is faster than its feed rate."""
    planner = Planner(16)
    here, way = _ZERO, 0.0
    for x, y in places:
        there = (x, y, 0.0, 0.0)
        planner.add(0.0, here, there, feedrate=50.0, acceleration=1000.0)
        way += ((x - here[0]) ** 2 + (y - here[1]) ** 2) ** 0.5
        here = there
    if way:
        assert planner.idle_at() >= FIRST_MOVE_DELAY + way / 50.0 - 1e-6


def test_ok_comes_when_a_block_is_free() -> None:
    """`ok` comes when a block is free."""
    host = Host()
    for number in range(15):
        assert host.send(f"G1 X{(number + 1) * 10} F600") == ["ok"]
    assert host.send("G1 X10") == []
    assert host.send("G1 X20") == []
    host.wait(1.5)
    assert host.take() == ["ok"]
    host.wait(1)
    assert host.take() == ["ok"]


def test_move_waiting_for_a_block_is_busy() -> None:
    """Move waiting for a block is busy."""
    host = Host()
    for number in range(16):
        host.send(f"G1 X{150 * (1 - number % 2)} F600")
    host.wait(7)
    assert host.take() == ["echo:busy: processing"] * 3


def test_move_to_where_it_is_takes_no_block() -> None:
    """Move to where it is takes no block."""
    host = Host("idex")
    assert host.send("G1 X0") == ["ok P15 B31"]


def test_position_is_planned_and_steps_are_real() -> None:
    """Position is planned and steps are real."""
    host = Host()
    host.send("G1 X100 F600")
    host.wait(FIRST_MOVE_DELAY + 5)
    line = host.ask("M114")[0]
    assert line.startswith("X:100.00 Y:0.00 Z:0.00 E:0.00 Count X:")
    assert int(line.split()[5].removeprefix("X:")) == pytest.approx(4000, abs=10)
    assert host.board.position[0] == pytest.approx(50, abs=0.1)


def test_home_says_where_it_is() -> None:
    """Home says where it is."""
    host = Host()
    answer = host.ask("G28")
    assert answer[-2:] == ["X:0.00 Y:0.00 Z:5.00 E:0.00 Count X:0 Y:0 Z:2000", "ok"]
    host.ask("G1 X10 Y10 F6000")
    host.ask("G28 X")
    assert host.board.position[:2] == (0, 10)


def test_homed_machine_stays_inside_its_volume() -> None:
    """Homed machine stays inside its volume."""
    host = Host()
    host.ask("G28")
    host.ask("G1 X-5 Y999 Z300 F9000")
    assert host.ask("M114")[0].startswith("X:0.00 Y:220.00 Z:250.00")


def test_g92_shifts_what_the_host_sees() -> None:
    """G92 shifts what the host sees."""
    host = Host()
    host.ask("G28")
    host.ask("G1 X50 F6000")
    assert host.ask("G92 X0 E7")[0].startswith("X:0.00 Y:0.00 Z:5.00 E:7.00")
    host.ask("G1 X10")
    host.ask("M400")
    assert host.board.position[0] == 60
    host.ask("G92")
    assert host.ask("M114")[0].startswith("X:0.00 Y:0.00 Z:0.00 E:0.00")


def test_modes() -> None:
    """Modes."""
    host = Host()
    host.ask("M302 P1")
    for line in ("G91", "G1 X10 E1", "G1 X10 E1", "G90", "M83", "G1 X5 E1", "M82"):
        host.ask(line)
    host.ask("G1 E5")
    assert host.ask("M114")[0].startswith("X:5.00 Y:0.00 Z:0.00 E:5.00")
    for line in ("G20", "G1 X1", "G21"):
        host.ask(line)
    assert host.ask("M114")[0].startswith("X:25.40")


def test_quick_stop_ends_all_motion_where_it_is() -> None:
    """Quick stop ends all motion where it is."""
    host = Host()
    for line in ("G1 X180 F600", "G1 X10 F600", "M400"):
        host.send(line)
    host.wait(FIRST_MOVE_DELAY + 3)
    host.take()
    host.raw(b"M410\n")
    host.wait(1)
    assert [line for line in host.take() if "busy" not in line] == ["ok", "ok"]
    place = host.board.position
    assert place[0] == pytest.approx(30, abs=0.1)
    host.wait(5)
    assert host.board.position == place
    assert host.ask("M114")[0].startswith(f"X:{place[0]:.2f}")
    host.ask("G1 X20 F6000")
    host.ask("M400")
    assert host.board.position[0] == 20


def test_quick_stop_without_emergency_parser_comes_when_read_and_in_its_turn() -> None:
    """Quick stop without emergency parser comes when read and in its turn."""
    host = Host("marlin_2_plain")
    host.send("G1 X180 F600")
    host.wait(2)
    host.take()
    host.raw(b"M410\n")
    assert host.take() == []
    host.wait(1.01)
    assert host.take() == []
    host.wait(1.01)
    assert host.take() == ["ok"]
    assert host.board.position[0] == pytest.approx(19, abs=0.1)


def test_arc_without_centre_is_refused() -> None:
    """Arc without centre is refused."""
    assert Host().send("G2 X10 Y10") == ["echo:G2/G3 bad parameters", "ok"]


def test_build_without_arcs_does_not_know_them() -> None:
    """Build without arcs does not know them."""
    assert Host("marlin_1").send("G2 X10 I5")[0] == 'echo:Unknown command: "G2 X10 I5"'


def test_probing_prints_its_grid() -> None:
    """Probing prints its grid."""
    host = Host("large")
    answer = host.ask("G29")
    assert "Bilinear Leveling Grid:" in answer
    assert answer[-2].startswith("X:380.00 Y:380.00")
    assert host.now > 40
    assert host.ask("M420 S1 V")[0] == "Bilinear Leveling Grid:"
    assert host.ask("M420 S1") == ["echo:Bed Leveling ON", "echo:Fade Height OFF", "ok"]


def test_tools() -> None:
    """Tools."""
    assert Host().send("T1") == ["ok"]
    host = Host("idex")
    assert host.send("T1")[0] == "Active Extruder: 1"
    assert host.send("T2")[0] == "echo:T2 Invalid extruder"
    assert host.board.motion.tool == 1


def test_feed_rate_percentage_is_told() -> None:
    """Feed rate percentage is told."""
    host = Host()
    host.ask("M220 S80")
    assert host.ask("M220") == ["FR:80%", "ok"]


@pytest.mark.parametrize(
    ("commands", "newer", "older"),
    [
        (["M83", "G90"], 7.0, 12.0),
        (["G91", "M82"], 7.0, 12.0),
        (["M82", "G91"], 12.0, 12.0),
        (["M83"], 12.0, 12.0),
        (["G91", "M83", "G90", "M82"], 7.0, 7.0),
    ],
)
def test_extruder_mode(commands: list[str], newer: float, older: float) -> None:
    """In Marlin 2 the last word decides; in Marlin 1 E is relative if either says so."""
    for model, extruded in (("marlin_2", newer), ("marlin_1", older)):
        host = Host(model)
        for command in ("M302 P1", "G92 E5", *commands, "G1 E7 F600"):
            host.ask(command)
        assert host.board.motion.position[3] == pytest.approx(extruded), model
