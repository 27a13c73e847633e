"""Pausing, resuming, cancelling and everything that ends a print early."""

import pytest

from custom_components.printfarm.fabricators.marlin import parking
from custom_components.printfarm.fabricators.marlin.events import (
    Ending,
    Fault,
    Prompt,
    Reply,
    RunEnded,
    Runout,
    RunPaused,
    RunResumed,
    RunStarted,
    Silent,
)
from custom_components.printfarm.fabricators.marlin.session import Phase
from custom_components.printfarm.fabricators.virtual.board import Faults

from .bench import Bench

START = ["M140 S60", "M104 S200", "G28", "M190 S60", "M109 S200"]
WALL = [
    "G90",
    "M82",
    "G92 E0",
    "G1 Z0.2 F600",
    "M106 S128",
    *(
        f"G1 X{20 + step % 50} Y{20 + step // 50} E{step / 20} F1800"
        for step in range(300)
    ),
]
END = ["M107", "M104 S0", "M140 S0", "M84"]
FILE = [*START, *WALL, *END]


def _printing(bench: Bench, moves: int) -> None:
    """Let a print run until that many of its moves were executed."""
    bench.until(
        lambda: sum(line.startswith("G1 X") for line in bench.executed) >= moves
    )


@pytest.fixture
def bench() -> Bench:
    """A board that has said hello."""
    bench = Bench()
    bench.ready()
    return bench


def _paused(bench: Bench) -> bool:
    return bench.engine.phase is Phase.PAUSED


@pytest.mark.parametrize(
    "modes",
    [
        ["G90", "M82"],
        ["G90", "M83"],
        ["M83", "G90"],
        ["G91", "M83"],
        ["G91", "M82"],
        ["M82", "G91"],
        ["M83", "G91"],
        ["G20", "G90", "M82"],
        ["G20", "G91", "M83"],
    ],
)
@pytest.mark.parametrize("profile", ["marlin_2", "marlin_1", "idex"])
def test_resumes_exactly(profile: str, modes: list[str]) -> None:
    """Position, modes, feed rate, fan and filament are as if nothing had been."""
    file = [*START, "G1 Z5 F600", *modes, "M106 S128"]
    file += [f"G1 X{1 + step % 3 / 7:.3f} Y0.{step:03} E0.01 F90" for step in range(60)]
    undisturbed = Bench(profile)
    undisturbed.ready()
    undisturbed.print(file)

    bench = Bench(profile)
    bench.ready()
    bench.begin(file)
    _printing(bench, 20)
    bench.write(bench.engine.pause(bench.now))
    bench.until(lambda: _paused(bench))
    aside = bench.board.position
    bench.wait(300.0)
    bench.write(bench.engine.resume(bench.now))
    bench.until(lambda: bench.ending)

    assert bench.ending == RunEnded(Ending.COMPLETED)
    assert len(bench.of_type(RunPaused)) == len(bench.of_type(RunResumed)) == 1
    parked = [line for line in bench.from_file if line not in file]
    assert [
        line for line in bench.from_file if line.startswith("G1 X") and line in file
    ] == [line for line in file if line.startswith("G1 X")]
    assert "G1 F90" in parked
    assert aside != undisturbed.board.position
    end, expected = bench.board.position, undisturbed.board.position
    assert tuple(end) == pytest.approx(tuple(expected), abs=1e-6)
    assert bench.board.motion.feedrate == undisturbed.board.motion.feedrate
    assert bench.board.fan == undisturbed.board.fan == 128


@pytest.mark.parametrize("profile", ["marlin_2", "marlin_1"])
def test_modes_of_the_print_before(profile: str) -> None:
    """A file that sets no modes has those that the last one left, also after a pause."""
    ends: list[tuple[object, ...]] = []
    for pause in (False, True):
        bench = Bench(profile)
        bench.ready()
        bench.print([*START, "G1 Z5 F600", "M83", "G1 X1 E1 F1200"])
        bench.events.clear()
        bench.begin([f"G1 X{1 + step} E0.5" for step in range(40)])
        if pause:
            _printing(bench, 10)
            bench.write(bench.engine.pause(bench.now))
            bench.until(lambda bench=bench: _paused(bench))
            bench.write(bench.engine.resume(bench.now))
        bench.until(lambda bench=bench: bench.ending)
        ends.append((*bench.board.position, bench.board.motion.feedrate))
    assert ends[0] == pytest.approx(ends[1])
    assert ends[0][3] == pytest.approx(21.0)


def _tall(z: float) -> list[str]:
    walls = [f"G1 X{20 + step % 50} Y{20 + step % 7} F1800" for step in range(100)]
    return ["G28", "G90", f"G1 Z{z} F3000", *walls]


def _heights(bench: Bench) -> list[float]:
    """Every height that is asked for from now on, in machine coordinates."""
    asked: list[float] = []
    at = bench.board.motion.position[2]

    def note(_number: int | None, command: str) -> None:
        nonlocal at
        if command.startswith("G1 Z"):
            at += float(command.split()[1][1:])
            asked.append(at)
        bench.executed.append(command)

    bench.board.executed = note
    return asked


@pytest.mark.parametrize(
    ("profile", "z", "highest"),
    [
        ("marlin_2", 100.0, 110.0),
        ("marlin_2", 246.0, 250.0),
        ("marlin_2", 250.0, 250.0),
        ("marlin_1", 100.0, 102.0),
    ],
)
@pytest.mark.parametrize("paused", [False, True])
def test_keeps_off_the_frame(
    profile: str, z: float, highest: float, paused: bool
) -> None:
    """Neither parking nor cancelling asks for more height than there is, nor twice."""
    bench = Bench(profile)
    bench.ready()
    bench.begin(_tall(z))
    _printing(bench, 20)
    asked = _heights(bench)
    if paused:
        bench.write(bench.engine.pause(bench.now))
        bench.until(lambda: _paused(bench))
    bench.write(bench.engine.cancel(bench.now))
    bench.until(lambda: bench.ending)
    assert max(asked, default=z) == pytest.approx(highest)
    assert bench.board.position[2] == pytest.approx(highest)
    assert len(asked) == (highest > z)


def test_cancel_after_somebody_lowered_the_head(bench: Bench) -> None:
    """What is missing to a safe distance is made up for, no more."""
    bench.begin(_tall(100.0))
    _printing(bench, 20)
    bench.write(bench.engine.pause(bench.now))
    bench.until(lambda: _paused(bench))
    for command in (b"G91", b"G1 Z-6 F600", b"G90"):
        bench.write(bench.engine.send(command, command, bench.now))
    bench.wait(20.0)
    bench.write(bench.engine.cancel(bench.now))
    bench.until(lambda: bench.ending)
    assert bench.board.position[2] == pytest.approx(110.0)


def test_parks_aside(bench: Bench) -> None:
    """The head lifts, pulls filament back and stands still away from the print."""
    bench.begin(FILE)
    _printing(bench, 100)
    bench.write(bench.engine.pause(bench.now))
    bench.until(lambda: _paused(bench))
    assert bench.board.position[2] == pytest.approx(0.2 + parking.LIFT)
    assert bench.board.position[0] == pytest.approx(parking.MARGIN, abs=0.01)
    assert bench.board.position[1] == pytest.approx(220 - parking.MARGIN, abs=0.01)
    count = len(bench.from_file)
    bench.wait(60.0)
    assert len(bench.from_file) == count


def test_user_moves_and_cools_while_paused(bench: Bench) -> None:
    """Whatever somebody did in the pause is put right before the next line."""
    bench.begin(FILE)
    _printing(bench, 100)
    bench.write(bench.engine.pause(bench.now))
    bench.until(lambda: _paused(bench))
    for command in ("M104 S0", "G91", "G1 X7.5 E1 F600", "G90"):
        bench.write(bench.engine.send(command, command.encode(), bench.now))
    bench.wait(30.0)
    bench.write(bench.engine.resume(bench.now))
    bench.until(lambda: bench.of_type(RunResumed))
    assert bench.board.temperatures["E0"] == (pytest.approx(200, abs=3), 200)
    assert bench.executed.index("M109 T0 S200") > bench.executed.index(
        "G1 X7.5 E1 F600"
    )
    bench.until(lambda: bench.ending)
    assert [
        line for line in bench.executed if line.startswith("G1 X") and line in FILE
    ] == [line for line in FILE if line.startswith("G1 X")]


def test_pause_before_homing_stays(bench: Bench) -> None:
    """A head that does not know where it is does not move aside."""
    bench.begin(
        ["M104 S200", *(f"G4 P{delay}" for delay in range(500, 540)), "M104 S0"]
    )
    bench.until(lambda: "G4 P505" in bench.executed)
    bench.write(bench.engine.pause(bench.now))
    bench.until(lambda: _paused(bench))
    assert not [line for line in bench.executed if line.startswith("G1")]
    bench.write(bench.engine.resume(bench.now))
    bench.until(lambda: bench.ending)
    assert bench.ending == RunEnded(Ending.COMPLETED)


@pytest.mark.parametrize("command", ["M0", "M1 Turn the plate", "M25"])
def test_pause_in_file(bench: Bench, command: str) -> None:
    """A pause in the file is ours: the firmware would wait for its own button."""
    file = [*START, *WALL[:50], command, *WALL[50:], *END]
    bench.begin(file)
    bench.until(lambda: _paused(bench))
    assert bench.of_type(RunPaused) == [RunPaused("file", command)]
    bench.write(bench.engine.resume(bench.now))
    bench.until(lambda: bench.ending)
    assert command not in bench.executed
    assert [
        line for line in bench.executed if line.startswith("G1 X") and line in file
    ] == [line for line in file if line.startswith("G1 X")]
    assert bench.engine.position == sum(len(line) + 1 for line in file)


@pytest.mark.parametrize("profile", ["marlin_2", "marlin_2_plain", "marlin_1"])
def test_cancel_while_heating(profile: str) -> None:
    """A heat-up is cut short, with and without an emergency parser."""
    bench = Bench(profile)
    bench.ready()
    bench.begin(FILE)
    bench.until(lambda: "M190 S60" in bench.executed)
    bench.wait(3.0)
    began = bench.now
    bench.write(bench.engine.cancel(bench.now))
    bench.until(lambda: bench.ending)
    assert bench.ending == RunEnded(Ending.CANCELLED)
    assert bench.now - began < 20
    assert [target for _, target in bench.board.temperatures.values()] == [0, 0]
    assert bench.engine.phase is Phase.READY


@pytest.mark.parametrize("paused", [False, True])
def test_cancel_ends_safely(bench: Bench, paused: bool) -> None:
    """A cancelled print leaves the machine cold, still and away from the part."""
    bench.begin(FILE)
    _printing(bench, 60)
    if paused:
        bench.write(bench.engine.pause(bench.now))
        bench.until(lambda: _paused(bench))
    bench.write(bench.engine.cancel(bench.now))
    bench.write(bench.engine.cancel(bench.now))
    bench.until(lambda: bench.ending)
    assert bench.ending == RunEnded(Ending.CANCELLED)
    assert [target for _, target in bench.board.temperatures.values()] == [0, 0]
    assert bench.board.fan == 0
    assert bench.board.position[2] >= 0.2 + parking.LIFT
    assert "M84" in bench.executed
    bench.print(FILE[:20])


def test_reset_in_mid_print() -> None:
    """A board that starts anew has forgotten the print; it is usable again at once."""
    bench = Bench(faults=Faults(reset_at=100))
    bench.ready()
    bench.begin(FILE)
    bench.until(lambda: bench.ending)
    assert bench.ending == RunEnded(Ending.FAILED, "reset")
    bench.until(lambda: bench.engine.phase is Phase.READY, 60)
    bench.events.clear()
    bench.print(FILE)
    assert bench.ending == RunEnded(Ending.COMPLETED)


def test_heater_fault() -> None:
    """The firmware's last words are kept whole, over both lines."""
    bench = Bench(faults=Faults(kill_at=100))
    bench.ready()
    bench.begin(FILE)
    bench.until(lambda: bench.ending)
    assert bench.ending.ending is Ending.FAILED
    assert bench.ending.reason == "heater_fault"
    assert "Thermal Runaway, system stopped! Heater_ID: E0" in bench.ending.text
    assert bench.engine.phase is Phase.HALTED
    assert [event.reason for event in bench.of_type(Fault)] == ["heater_fault"]
    bench.wait(60.0)
    assert bench.engine.phase is Phase.HALTED
    bench.board.reset(bench.now)
    bench.until(lambda: bench.engine.phase is Phase.READY, 60)
    assert bench.engine.fault is None


def test_emergency_stop(bench: Bench) -> None:
    """M112 goes out at once, and the board says that it is dead."""
    bench.begin(FILE)
    _printing(bench, 10)
    bench.write(bench.engine.send("stop", b"M112", bench.now))
    bench.until(lambda: bench.ending)
    assert bench.board.killed
    assert bench.ending.reason == "killed"
    assert Reply("stop", ()) in bench.events


def test_silence() -> None:
    """A board that hangs ends the print, and is greeted until it answers again."""
    bench = Bench(faults=Faults(silence_at=100))
    bench.ready()
    bench.begin(FILE)
    bench.until(lambda: bench.ending, 1000)
    assert bench.ending == RunEnded(Ending.FAILED, "no_answer")
    assert bench.of_type(Silent) == [Silent("no_answer")]
    bench.board.reset(bench.now)
    bench.until(lambda: bench.engine.phase is Phase.READY, 60)


def test_filament_change(bench: Bench) -> None:
    """M600 holds the print with the machine's own dialogue; resuming answers it."""
    file = [*START, *WALL[:60], "M600", *WALL[60:], *END]
    bench.begin(file)
    bench.until(lambda: _paused(bench))
    assert bench.of_type(RunPaused)[0].reason == "firmware"
    bench.until(
        lambda: (
            bench.engine.dialog.prompt and "Parked" in bench.engine.dialog.prompt.text
        )
    )
    bench.wait(10.0)
    bench.write(bench.engine.resume(bench.now))
    bench.until(lambda: bench.ending)
    assert bench.ending == RunEnded(Ending.COMPLETED)
    assert len(bench.of_type(RunResumed)) == 1
    assert [line for line in bench.from_file if line in file and line != "M600"] == [
        line for line in file if line != "M600"
    ]


def test_cancel_in_filament_change(bench: Bench) -> None:
    """A print that waits for a person can be cancelled."""
    bench.begin([*START, *WALL[:60], "M600", *WALL[60:]])
    bench.until(lambda: _paused(bench))
    bench.wait(20.0)
    bench.write(bench.engine.cancel(bench.now))
    bench.until(lambda: bench.ending, 600)
    assert bench.ending == RunEnded(Ending.CANCELLED)


def test_runout() -> None:
    """A runout is told, and the print goes on after the dialogue."""
    bench = Bench(faults=Faults(runout_at=150))
    bench.ready()
    bench.begin(FILE)
    bench.until(lambda: bench.of_type(Runout))
    bench.until(lambda: _paused(bench))
    bench.until(lambda: bench.engine.dialog.prompt)
    bench.wait(20.0)
    bench.write(bench.engine.resume(bench.now))
    bench.until(lambda: bench.ending)
    assert bench.ending == RunEnded(Ending.COMPLETED)
    assert bench.of_type(Prompt)


def test_host_actions(bench: Bench) -> None:
    """The machine's own menu pauses, resumes and cancels through us."""
    bench.begin(FILE)
    _printing(bench, 10)
    bench.board.console.action("pause")
    bench.until(lambda: _paused(bench))
    assert bench.of_type(RunPaused)[0].reason == "host_action"
    bench.board.console.action("resume")
    bench.until(lambda: bench.of_type(RunResumed))
    bench.board.console.action("paused")
    bench.until(lambda: _paused(bench))
    bench.board.console.action("resumed")
    bench.until(lambda: bench.engine.phase is Phase.PRINTING)
    bench.board.console.action("cancel")
    bench.until(lambda: bench.ending)
    assert bench.ending == RunEnded(Ending.CANCELLED, "host_action")


def test_commands_between_lines(bench: Bench) -> None:
    """Commands slip in between file lines and give back their own answer only."""
    file = bench.begin(FILE)
    _printing(bench, 50)
    bench.write(bench.engine.send(1, b"M105", bench.now))
    bench.write(bench.engine.send(2, b"M117 hello", bench.now))
    bench.write(bench.engine.send(3, b"M555", bench.now))
    bench.until(lambda: bench.ending)
    replies = {event.token: event for event in bench.of_type(Reply)}
    assert replies[1].lines[0].startswith("T:")
    assert replies[2].error is None
    assert replies[3].lines == ('echo:Unknown command: "M555"',)
    assert [line for line in bench.from_file if line in file] == file


def test_started_when_the_board_reacts(bench: Bench) -> None:
    """A print that begins with minutes of heating has begun all the same."""
    bench.begin(["M190 S100", "G28"])
    bench.until(lambda: bench.of_type(RunStarted))
    assert bench.now < 60
    assert not bench.engine.moved


def test_connection_lost(bench: Bench) -> None:
    """A pulled plug ends the run; whoever waits for an answer is told."""
    bench.begin(FILE)
    _printing(bench, 5)
    bench.engine.send("late", b"M503", bench.now)
    bench.engine.lost()
    bench.events += bench.engine.take_events()
    assert bench.ending == RunEnded(Ending.FAILED, "connection_lost")
    assert Reply("late", (), "not_connected") in bench.events
    assert bench.engine.phase is Phase.CLOSED


def test_empty_file(bench: Bench) -> None:
    """A file without commands is done at once."""
    bench.print([])
    assert bench.ending == RunEnded(Ending.COMPLETED)


def test_hello_after_boot() -> None:
    """A board that greets is answered at once, not at the next try."""
    bench = Bench()
    bench.until(lambda: bench.engine.phase is Phase.READY, 0.5)
    slow = Bench("marlin_1")
    slow.until(lambda: slow.engine.phase is Phase.READY, 3.0)
