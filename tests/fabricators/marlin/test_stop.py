"""A print that is stopped so that it can be taken up again: parked, and standing by."""

import pytest

from custom_components.printfarm.fabricators.marlin import parking
from custom_components.printfarm.fabricators.marlin.events import (
    Ending,
    RunEnded,
    RunPaused,
)
from custom_components.printfarm.fabricators.marlin.parking import Standby
from custom_components.printfarm.fabricators.marlin.session import Phase
from custom_components.printfarm.fabricators.virtual.board import Faults

from .bench import Bench
from .test_course import FILE, START, WALL

STOPPED = RunEnded(Ending.FAILED, "stopped")


def _bench(profile: str = "marlin_2", standby: Standby = Standby.OFF) -> Bench:
    bench = Bench(profile, standby=standby)
    bench.ready()
    return bench


def _printing(bench: Bench, moves: int = 60) -> None:
    bench.until(
        lambda: sum(line.startswith("G1 X") for line in bench.executed) >= moves
    )


def _stop(bench: Bench) -> dict:
    bench.write(bench.engine.stop(bench.now, STOPPED))
    bench.until(lambda: bench.ending)
    assert bench.ending == STOPPED
    assert bench.engine.phase is Phase.READY
    assert bench.ending.mark is not None
    return dict(bench.ending.mark.data)


@pytest.mark.parametrize(
    ("standby", "targets"),
    [
        (Standby.OFF, {"E0": 0, "bed": 0}),
        (Standby.BED, {"E0": 0, "bed": 60}),
        (Standby.WARM, {"E0": 150, "bed": 60}),
    ],
)
def test_parks_and_stands_by(standby: Standby, targets: dict[str, float]) -> None:
    """Aside and pulled back, motors on, and as warm as was chosen."""
    bench = _bench(standby=standby)
    bench.begin(FILE)
    _printing(bench)
    data = _stop(bench)
    found = {name: target for name, (_, target) in bench.board.temperatures.items()}
    assert found == targets
    assert bench.board.fan == 0
    assert bench.board.position[:3] == pytest.approx(
        (parking.MARGIN, 220 - parking.MARGIN, 0.2 + parking.LIFT), abs=0.01
    )
    assert "M84" not in bench.executed
    assert "M84 S0" in bench.executed
    assert data["targets"] == {"T0": 200.0, "B": 60.0}
    assert data["modal"]["fans"] == {"0": "128"}
    assert data["z"] == 0.2
    assert data["parked"]["retracted"] == parking.RETRACT
    assert data["parked"]["move"][2] == parking.LIFT
    assert bench.ending.mark.position == sum(
        len(line) + 1 for line in FILE[: FILE.index(_last_of(bench)) + 1]
    )


def test_stopped_with_nobody_to_take_it_up() -> None:
    """Then nothing stays warm, whatever was chosen."""
    bench = _bench(standby=Standby.WARM)
    bench.begin(FILE)
    _printing(bench)
    bench.engine.give_up()
    _stop(bench)
    assert [target for _, target in bench.board.temperatures.values()] == [0, 0]


def _last_of(bench: Bench) -> str:
    """Last line of the file that was executed."""
    return [line for line in bench.executed if line in FILE and line[:2] == "G1"][-1]


def test_stopped_in_a_heat_up() -> None:
    """A heat-up is cut short, and the head stays where it is: it does not know where."""
    bench = _bench()
    bench.begin(START)
    bench.until(lambda: "M190 S60" in bench.executed)
    bench.wait(5.0)
    began = bench.now
    data = _stop(bench)
    assert bench.now - began < 20
    assert [target for _, target in bench.board.temperatures.values()] == [0, 0]
    assert data["targets"]["B"] == 60.0


def test_stopped_while_paused() -> None:
    """The head stands aside already: it does not move again."""
    bench = _bench(standby=Standby.BED)
    bench.begin(FILE)
    _printing(bench)
    bench.write(bench.engine.pause(bench.now))
    bench.until(lambda: bench.engine.phase is Phase.PAUSED)
    place = bench.board.position
    moves = [line for line in bench.executed if line.startswith("G1")]
    data = _stop(bench)
    assert bench.board.position == place
    assert moves == [line for line in bench.executed if line.startswith("G1")]
    assert data["parked"]["targets"] == {"T0": 200.0, "B": 60.0}
    assert bench.board.temperatures["bed"][1] == 60
    assert bench.board.temperatures["E0"][1] == 0


def test_stopped_while_pausing() -> None:
    """It parks once."""
    bench = _bench()
    bench.begin(FILE)
    _printing(bench)
    bench.write(bench.engine.pause(bench.now))
    assert bench.engine.phase is Phase.PAUSING
    _stop(bench)
    assert not bench.of_type(RunPaused)
    assert bench.board.position[2] == pytest.approx(0.2 + parking.LIFT)
    assert sum(line.startswith("G1 Z10") for line in bench.executed) == 1


@pytest.mark.parametrize("late", [False, True])
def test_stopped_while_resuming(late: bool) -> None:
    """On its way back it comes back first, then parks again; else it stays parked."""
    bench = _bench()
    bench.begin(FILE)
    _printing(bench)
    bench.write(bench.engine.pause(bench.now))
    bench.until(lambda: bench.engine.phase is Phase.PAUSED)
    bench.write(bench.engine.send(1, b"M104 S0", bench.now))
    bench.wait(60.0)
    bench.write(bench.engine.resume(bench.now))
    bench.until(lambda: "M109 T0 S200" in bench.executed)
    if late:
        bench.until(lambda: "G1 Z-10.00 F600" in bench.executed)
    data = _stop(bench)
    assert bench.board.position[2] == pytest.approx(0.2 + parking.LIFT)
    assert data["parked"]["targets"]["T0"] == 200.0
    assert bench.board.temperatures["E0"][1] == 0
    assert ("G1 Z-10.00 F600" in bench.executed) is late


def test_stopped_in_a_filament_change() -> None:
    """What waits for a person is answered, so that the machine can be parked."""
    bench = _bench()
    bench.begin([*START, *WALL[:60], "M600", *WALL[60:]])
    bench.until(lambda: bench.engine.phase is Phase.PAUSED)
    bench.wait(20.0)
    _stop(bench)
    assert bench.board.position[2] == pytest.approx(0.2 + parking.LIFT)


def test_all_but_done_goes_on() -> None:
    """Nothing is left to be taken up once the last line was accepted."""
    bench = _bench()
    bench.begin(FILE)
    bench.until(lambda: bench.engine.phase is Phase.FINISHING)
    bench.write(bench.engine.stop(bench.now, STOPPED))
    bench.until(lambda: bench.ending)
    assert bench.ending == RunEnded(Ending.COMPLETED)
    assert bench.ending.mark is None
    bench.write(bench.engine.stop(bench.now, STOPPED))
    assert bench.engine.phase is Phase.READY


def test_a_cancelled_print_goes_aside() -> None:
    """A cancelled print leaves no checkpoint, and the head not above the part."""
    bench = _bench()
    bench.begin(FILE)
    _printing(bench)
    bench.write(bench.engine.cancel(bench.now))
    bench.until(lambda: bench.ending)
    assert bench.ending == RunEnded(Ending.CANCELLED)
    assert bench.ending.mark is None
    assert bench.board.position[:3] == pytest.approx(
        (parking.MARGIN, 220 - parking.MARGIN, 0.2 + parking.LIFT), abs=0.01
    )


def test_cancelled_after_homing() -> None:
    """A head that knows where it is goes aside also before the first move."""
    bench = _bench()
    bench.begin(["G28", "M109 S200"])
    bench.until(lambda: "M109 S200" in bench.executed)
    bench.wait(5.0)
    bench.write(bench.engine.cancel(bench.now))
    bench.until(lambda: bench.ending)
    assert bench.board.position[:3] == pytest.approx(
        (parking.MARGIN, 220 - parking.MARGIN, 15.0), abs=0.01
    )


SLOW = [*START, "M83", *(f"G1 X{20 + step % 2 * 150} E2 F600" for step in range(60))]
"""Moves of fifteen seconds each."""
COLD = b"M104 S0\nM140 S0\nM107\n"


def _targets(bench: Bench) -> list[float]:
    return [target for _, target in bench.board.temperatures.values()]


@pytest.mark.parametrize("phase", [Phase.PRINTING, Phase.PAUSING])
def test_heaters_do_not_wait_for_moves(phase: Phase) -> None:
    """They are told at once, and the board obeys with minutes of moves to come."""
    bench = _bench()
    bench.begin(SLOW)
    _printing(bench, 30)
    if phase is Phase.PAUSING:
        bench.write(bench.engine.pause(bench.now))
    assert bench.engine.phase is phase
    said = bench.engine.stop(bench.now, STOPPED)
    assert said == COLD
    bench.write(said)
    stopped = bench.now
    # Whoever feeds it may be killed now.
    while any(_targets(bench)):
        bench.now = bench.board.next_time() or bench.now
        bench.board.advance(bench.now)
    assert bench.now - stopped < 16
    assert bench.board.motion.planner.idle_at() > bench.now + 60


@pytest.mark.parametrize("doing", [Phase.FINISHING, Phase.CANCELLING])
def test_heaters_of_a_print_that_ends_anyway(doing: Phase) -> None:
    """Nothing is taken up, so nothing stays warm; how it ends stays as it was."""
    bench = _bench(standby=Standby.WARM)
    bench.begin(SLOW)
    if doing is Phase.CANCELLING:
        _printing(bench, 30)
        bench.write(bench.engine.cancel(bench.now))
    bench.until(lambda: bench.engine.phase is doing)
    said = bench.engine.stop(bench.now, STOPPED)
    assert said == COLD
    bench.write(said)
    bench.until(lambda: bench.ending)
    assert _targets(bench) == [0, 0]
    expected = Ending.COMPLETED if doing is Phase.FINISHING else Ending.CANCELLED
    assert bench.ending == RunEnded(expected)


@pytest.mark.parametrize(
    "faults",
    [
        Faults(corrupt_every=7),
        Faults(merge_every=7),
        Faults(lose_ok_every=7),
        Faults(double_ok_every=7),
        Faults(ok_delay=0.2),
    ],
)
@pytest.mark.parametrize("moves", range(40, 47))
@pytest.mark.parametrize(
    ("profile", "lift"),
    [("marlin_2", parking.LIFT), ("marlin_1", parking.SMALL_LIFT)],
)
def test_stopped_over_a_bad_wire(
    faults: Faults, moves: int, profile: str, lift: float
) -> None:
    """What goes out of turn confuses no count: parked, cold, and the place is known."""
    bench = Bench(profile, faults=faults)
    bench.ready()
    bench.begin(FILE)
    _printing(bench, moves)
    data = _stop(bench)
    assert _targets(bench) == [0, 0]
    assert data["still"] is True
    assert bench.board.position[2] == pytest.approx(0.2 + lift)
    assert bench.ending is not None
    assert bench.ending.mark is not None
    assert bench.ending.mark.position == sum(
        len(line) + 1 for line in FILE[: FILE.index(_last_of(bench)) + 1]
    )
