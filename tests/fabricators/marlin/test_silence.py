"""A silent board is told from a slow one, in simulated time."""

import pytest

from custom_components.printfarm.fabricators.marlin.events import Silent
from custom_components.printfarm.fabricators.marlin.session import Phase
from custom_components.printfarm.fabricators.marlin.silence import allowance

from .test_scripted import TEMPERATURES, Talk


def _talk(*commands: str, busy: bool) -> Talk:
    talk = Talk()
    talk.ready()
    talk.begin(*commands, "G1 X0")
    if busy:
        talk.say("echo:busy: processing")
    return talk


def _alive(talk: Talk) -> bool:
    return talk.engine.phase is Phase.PRINTING


@pytest.mark.parametrize(
    ("command", "busy", "patient", "noticed"),
    [
        ("M106 S255", True, 29.0, 40.0),
        ("M106 S255", False, 149.0, 185.0),
        ("G28", True, 119.0, 130.0),
        ("G29", False, 1799.0, 1835.0),
        ("M109 S200", False, 1799.0, 1835.0),
        ("M400", False, 1799.0, 1835.0),
        ("M600", True, 119.0, 130.0),
        ("G4 S120", False, 1799.0, 1835.0),
        ("G4 S3600", False, 10_940.0, 11_000.0),
        ("G1 X300 F60", False, 1049.0, 1085.0),
        ("G1 X300 F6000", False, 149.0, 200.0),
    ],
)
def test_dead_boards_are_noticed(
    command: str, busy: bool, patient: float, noticed: float
) -> None:
    """No sooner than a slow one would have answered, and in bounded time."""
    talk = _talk(command, busy=busy)
    talk.wait(patient)
    assert _alive(talk)
    talk.wait(noticed - patient)
    assert talk.of_silence == [Silent("no_answer")]


@pytest.mark.parametrize("command", ["M600", "M125", "M226 P1"])
def test_nobody_knows_how_long_a_person_takes(command: str) -> None:
    """Without busy lines nothing tells a dead board from one that waits for somebody."""
    talk = _talk("G28", command, busy=False)
    talk.say("ok")
    talk.wait(100_000.0)
    assert _alive(talk)


def test_busy_lines_are_life() -> None:
    """As long as the firmware says so, it works; nobody asks it anything."""
    talk = _talk("G29", busy=True)
    for _ in range(2000):
        assert talk.wait(2.0) == b""
        talk.say("echo:busy: processing")
    assert _alive(talk)


def test_temperature_reports_are_life() -> None:
    """A board that reports by itself is there, whatever became of the answer."""
    talk = _talk("M106 S1", busy=False)
    for _ in range(300):
        talk.wait(2.0)
        talk.say(f" {TEMPERATURES}")
    assert _alive(talk)


def test_slow_moves_are_asked_about_only_a_few_times() -> None:
    """A full planner: questions wait in the firmware's buffer, which is small."""
    talk = _talk("G1 X300 F60", "G1 X0 F60", busy=False)
    asked = talk.wait(600.0)
    assert asked.count(b"M105") == 4
    assert talk.say("ok") == b""
    for _ in range(3):
        assert talk.say(f"ok {TEMPERATURES}") == b""
    assert b"G1 X0 F60" in talk.say(f"ok {TEMPERATURES}")


def test_long_commands_are_hardly_asked_about() -> None:
    """Room is left for M108, which must be heard while something is waited for."""
    talk = _talk("M190 S100", busy=False)
    assert talk.wait(1700.0).count(b"M105") == 2


def test_questions_that_were_lost() -> None:
    """Where nothing has to be heard in between, it is asked again after some minutes."""
    talk = _talk("G4 S1", busy=False)
    assert talk.wait(150.0).count(b"M105") == 2
    assert talk.wait(150.0).count(b"M105") == 1


def test_line_end_that_was_lost() -> None:
    """An open line is closed soon, also that of a long command."""
    talk = _talk("G28", busy=False)
    assert talk.wait(2.0) == b"\n"


def test_allowance() -> None:
    """Length by feed rate, with a margin; the newest command comes first."""
    assert allowance([]) == 0
    assert allowance([b"M106 S1"]) == 0
    assert allowance([b"G4 P500", b"G4 S2"]) == pytest.approx(3 * 2.5)
    assert allowance([b"G1 X100 F600"]) == pytest.approx(3 * 10)
    assert allowance([b"G1 X100", b"G1 X10 F6000"]) == pytest.approx(3 * 1.1)
    assert allowance([b"G1 X-100", b"G1 X100 F6000"]) == pytest.approx(3 * 3)
