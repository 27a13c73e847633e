"""Prints that were cut off and taken up lay down what they would have laid down."""

from collections.abc import Iterator
from dataclasses import replace
from math import cos, sin
from pathlib import Path

import pytest

from custom_components.printfarm.fabricators.interface import Checkpoint, MachineState
from custom_components.printfarm.fabricators.marlin import view
from custom_components.printfarm.fabricators.marlin.events import Ending, RunEnded
from custom_components.printfarm.fabricators.marlin.parking import Standby
from custom_components.printfarm.fabricators.marlin.session import Phase

from .cutting import Cutter, Move, whole
from .test_printing import GCODE

HEAT = ["M140 S60", "M104 S200", "G28", "M190 S60", "M109 S200"]
END = ["M104 S0", "M140 S0", "M107", "M84"]


def _square(step: int) -> tuple[float, float]:
    side, along = divmod(step % 80, 20)
    return [(along, 0), (20, along), (20 - along, 20), (0, 20 - along)][side]


def _absolute() -> Iterator[str]:
    """Absolute E that is set to nought at each layer, with retracts and hops."""
    yield from ("G21", "G90", "M82", "G92 E0", "M220 S90", "M221 S95")
    for layer in range(4):
        yield f"G1 Z{0.2 + layer * 0.2:.2f} F600"
        yield f"M106 S{layer * 60}"
        e = 0.0
        for step in range(80):
            x, y = _square(step)
            e += 0.05
            yield f"G1 X{80 + x:.3f} Y{90 + y:.3f} E{e:.5f} F{1800 + step}"
        yield f"G1 E{e - 1.5:.5f} F2400"
        yield f"G1 Z{0.6 + layer * 0.2:.2f} F600"
        yield "G1 X60 Y70 F6000"
        yield f"G1 E{e:.5f} F2400"
        yield "G92 E0"


def _relative() -> Iterator[str]:
    """Everything relative."""
    yield from ("G90", "M83", "G1 X80 Y90 Z0.3 F3000", "G91")
    for step in range(300):
        yield f"G1 X{cos(step / 9):.3f} Y{sin(step / 9):.3f} E0.04 F1500"
        if step % 60 == 59:
            yield "G1 Z0.2 F600"


def _vase() -> Iterator[str]:
    """One long spiral."""
    yield from ("G90", "M83")
    for step in range(300):
        x, y = 100 + 15 * cos(step / 10), 100 + 15 * sin(step / 10)
        yield f"G1 X{x:.3f} Y{y:.3f} Z{0.2 + step * 0.004:.3f} E0.05 F1800"


def _inches() -> Iterator[str]:
    """In inches."""
    yield from ("G20", "G90", "M82", "G92 E0", "G1 Z0.01 F20")
    for step in range(300):
        x, y = _square(step)
        height = 0.01 + step // 80 * 0.008
        yield f"G1 X{3 + x / 25:.4f} Y{3 + y / 25:.4f} Z{height:.3f} E{step / 500:.4f} F70"


def _arcs() -> Iterator[str]:
    """Half circles there and back."""
    yield from ("G90", "M83", "G1 X80 Y90 Z0.2 F3000")
    for step in range(120):
        yield f"G1 Z{0.2 + step // 30 * 0.2:.2f} F600"
        yield f"G2 X{90 + step % 30} Y90 I5 J0 E0.5 F1800"
        yield f"G3 X{80 + step % 30} Y90 I-5 J0 E0.5"
        yield "G0 X80 Y90"


FILES = {
    "absolute": _absolute,
    "relative": _relative,
    "vase": _vase,
    "inches": _inches,
    "arcs": _arcs,
}
NAMES = [*FILES, "coin", "two_tools"]


@pytest.fixture
def gcode(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file by its name."""
    name = request.param
    if name not in FILES:
        return GCODE / f"{name}.gcode"
    path = tmp_path / f"{name}.gcode"
    path.write_text("\n".join([*HEAT, *FILES[name](), *END]) + "\n")
    return path


def _profile(path: Path) -> str:
    return "idex" if path.stem == "two_tools" else "marlin_2"


def _homed(bench: Cutter) -> list[str]:
    """Homing that the file does not ask for."""
    asked = bench.path.read_text()
    return [line for line in bench.executed if line[:3] == "G28" and line not in asked]


def _flat(move: tuple[float, ...]) -> tuple[float, ...]:
    """A move without its heights; from where it comes may differ at a seam."""
    return (*move[:2], *move[3:5], move[6], round(move[5] - move[2], 2))


def _check_end(bench: Cutter) -> None:
    assert bench.ending == RunEnded(Ending.COMPLETED)


@pytest.mark.parametrize("gcode", NAMES, indirect=True)
@pytest.mark.parametrize("cut", ["unplug", "die", "stop"])
@pytest.mark.parametrize("after", [25, 170])
def test_board_alive(gcode: Path, cut: str, after: int) -> None:
    """What the board took it has made: not a move is missing, and none is there twice."""
    expected = whole(gcode, _profile(gcode))
    bench = Cutter(gcode, _profile(gcode))
    bench.stream()
    bench.until_moves(after)
    if cut == "unplug":
        checkpoint = bench.unplug()
    elif cut == "die":
        saved = bench.checkpoint()
        bench.until_moves(after + 30)
        checkpoint = bench.die(saved)
    else:
        stopped = RunEnded(Ending.FAILED, "stopped")
        bench.write(bench.engine.stop(bench.now, stopped))
        bench.until(lambda: bench.ending)
        checkpoint = bench.die(bench.of_the_end())
    before = len(bench.moves)
    bench.take_up(checkpoint)
    _check_end(bench)
    assert bench.moves[before:]
    assert bench.extruded == expected
    assert _homed(bench) == []


@pytest.mark.parametrize("gcode", NAMES, indirect=True)
@pytest.mark.parametrize("cut", ["power", "die", "stop", "paused"])
@pytest.mark.parametrize("after", [40, 170])
def test_board_reset(gcode: Path, cut: str, after: int) -> None:
    """The last moves may be made twice, never not at all, and nothing is scratched."""
    expected = whole(gcode, _profile(gcode))
    bench = Cutter(gcode, _profile(gcode))
    bench.stream()
    bench.until_moves(after)
    stopped = RunEnded(Ending.FAILED, "stopped")
    if cut == "power":
        checkpoint = bench.cut_power()
    elif cut == "die":
        checkpoint = bench.die(bench.checkpoint(), reset=True)
    elif cut == "stop":
        bench.write(bench.engine.stop(bench.now, stopped))
        bench.until(lambda: bench.ending)
        checkpoint = bench.die(bench.of_the_end(), reset=True)
    else:
        bench.write(bench.engine.pause(bench.now))
        bench.wait(30.0)
        checkpoint = bench.cut_power()
    laid, before = bench.extruded, len(bench.moves)
    resume = bench.take_up(checkpoint)
    _check_end(bench)
    again = bench.extruded[len(laid) :]
    overlap = len(laid) + len(again) - len(expected)
    assert 0 <= overlap <= 16
    assert laid == expected[: len(laid)]
    rest = expected[len(expected) - len(again) :]
    assert [_flat(move) for move in again] == [_flat(move) for move in rest]
    # Nobody knows which move was the last: a hair too high is allowed, never too low.
    off = {round(a[2] - b[2], 2) for a, b in zip(again, rest, strict=True)}
    assert len(off) == 1
    assert 0 <= off.pop() <= 0.61
    if cut in {"stop", "paused"}:
        assert again == rest
        assert overlap == 0

    assert _homed(bench) == ["G28 X Y"]
    back = bench.moves[before : before + 12]
    for move in back:
        if move.e > 0 and move.across:
            break
        if move.across:
            assert min(move.origin[2], move.goal[2]) >= (resume.highest or 0) - 1e-3


def _file(tmp_path: Path) -> Path:
    path = tmp_path / "a.gcode"
    path.write_text("\n".join([*HEAT, "G29", *_absolute(), *END]) + "\n")
    return path


def _begin_again(bench: Cutter, checkpoint: Checkpoint) -> None:
    """Take a print up, and come back before it goes on."""
    resume = bench.resume(bench.locate(checkpoint))
    bench.executed.clear()
    bench.stream(resume)


@pytest.mark.parametrize(
    "at", ["M190 S60", "G92 X", "G28 X Y", "G1 E12", "G1 X", "G1 Z"]
)
@pytest.mark.parametrize("kind", ["cancel", "power", "stop"])
def test_cut_off_again(tmp_path: Path, at: str, kind: str) -> None:
    """Whatever happens on the way back, the place is not lost; or it is let go at once."""
    path = _file(tmp_path)
    expected = whole(path, "marlin_2")
    bench = Cutter(path)
    bench.stream()
    bench.until_moves(170)
    checkpoint = bench.cut_power()
    laid = bench.extruded
    _begin_again(bench, checkpoint)
    bench.until(lambda: any(line.startswith(at) for line in bench.executed))
    assert view.state(bench.engine) is MachineState.PREPARING
    began = bench.now
    if kind == "cancel":
        bench.write(bench.engine.cancel(bench.now))
        bench.until(lambda: bench.ending)
        assert bench.ending == RunEnded(Ending.CANCELLED)
        assert bench.now - began < 60
        assert [target for _, target in bench.board.temperatures.values()] == [0, 0]
        return
    if kind == "power":
        checkpoint = bench.cut_power()
    else:
        stopped = RunEnded(Ending.FAILED, "stopped")
        bench.write(bench.engine.stop(bench.now, stopped))
        bench.until(lambda: bench.ending)
        assert [target for _, target in bench.board.temperatures.values()] == [0, 0]
        checkpoint = bench.of_the_end()
    assert bench.extruded == laid
    assert checkpoint.data["astray"] is True
    located = bench.locate(checkpoint)
    assert located.position == checkpoint.position
    assert located.data["reset"] is True
    bench.take_up(checkpoint)
    _check_end(bench)
    again = bench.extruded[len(laid) :]
    rest = expected[len(expected) - len(again) :]
    assert [_flat(move) for move in again] == [_flat(move) for move in rest]
    assert 0 <= len(laid) + len(again) - len(expected) <= 16
    # It may have been on its way up or down: never lower than it was taken for.
    assert all(a[2] - b[2] >= -1e-6 for a, b in zip(again, rest, strict=True))
    assert _homed(bench) == ["G28 X Y"]


def test_heaters_are_not_left_on(tmp_path: Path) -> None:
    """A board that went on alone stands by as soon as it is heard of again."""
    bench = Cutter(_file(tmp_path), standby=Standby.WARM)
    bench.stream()
    bench.until_moves(170)
    checkpoint = bench.unplug()
    assert bench.board.temperatures["E0"][1] == 200
    located = bench.locate(checkpoint)
    assert located.data["reset"] is False
    assert bench.board.temperatures["E0"][1] == 150
    assert bench.board.temperatures["bed"][1] == 60
    assert bench.board.fan == 0
    assert "M84 S0" in bench.executed


def test_pushed_meanwhile(tmp_path: Path) -> None:
    """A head that is not where it was left goes there from above."""
    path = _file(tmp_path)
    expected = whole(path, "marlin_2")
    bench = Cutter(path)
    bench.stream()
    bench.until_moves(170)
    checkpoint = bench.unplug()
    bench.locate(checkpoint)
    for command in (b"G91", b"G1 X-30 Y10 Z-0.1 F3000", b"G92 E77", b"G90"):
        bench.write(bench.engine.send(command, command, bench.now))
    bench.wait(20.0)
    before = len(bench.moves)
    resume = bench.take_up(checkpoint)
    _check_end(bench)
    assert bench.extruded == expected
    back = next(move for move in bench.moves[before:] if move.across)
    assert min(back.origin[2], back.goal[2]) > resume.highest


@pytest.mark.parametrize("hold", [False, True])
def test_motors_were_off(tmp_path: Path, hold: bool) -> None:
    """X and Y are homed again, above the part; parked or not."""
    path = _file(tmp_path)
    expected = whole(path, "marlin_2")
    bench = Cutter(path)
    bench.stream()
    bench.until_moves(170)
    if hold:
        bench.write(bench.engine.pause(bench.now))
        bench.wait(30.0)
    checkpoint = bench.unplug()
    located = bench.locate(checkpoint)
    located = replace(located, data={**located.data, "adrift": True})
    before = len(bench.moves)
    bench.executed.clear()
    resume = bench.resume(located)
    bench.stream(resume)
    bench.until(lambda: bench.ending)
    _check_end(bench)
    assert _homed(bench) == ["G28 X Y"]
    for made, wanted in zip(bench.extruded, expected, strict=True):
        # The way back from homing is measured, and M114 rounds.
        assert made == pytest.approx(wanted, abs=0.011)
    back = next(move for move in bench.moves[before:] if move.across)
    assert min(back.origin[2], back.goal[2]) >= resume.highest


def test_died_between_parking_and_telling(tmp_path: Path) -> None:
    """The head stands aside and nobody knows: what the board says brings it back."""
    path = _file(tmp_path)
    expected = whole(path, "marlin_2")
    bench = Cutter(path)
    bench.stream()
    bench.until_moves(170)
    saved = bench.checkpoint()
    bench.write(bench.engine.pause(bench.now))
    bench.until(lambda: bench.engine.phase is Phase.PAUSED)
    checkpoint = bench.die(saved)
    located = bench.locate(checkpoint)
    assert located.data["reset"] is False
    bench.take_up(checkpoint)
    _check_end(bench)
    assert bench.extruded == expected
    assert sum(move.e for move in bench.moves) == pytest.approx(
        sum(move.e for move in _moves_of(path))
    )


def _moves_of(path: Path) -> list[Move]:
    bench = Cutter(path)
    bench.stream()
    bench.until(lambda: bench.ending)
    return bench.moves


def test_nothing_printed_yet(tmp_path: Path) -> None:
    """With nothing in the way everything is homed."""
    path = tmp_path / "a.gcode"
    path.write_text("\n".join([*HEAT, "G1 X5 Y5 Z3 F3000", "G4 S9", *_absolute()]))
    expected = whole(path, "marlin_2")
    bench = Cutter(path)
    bench.stream()
    bench.until(lambda: "G4 S9" in bench.executed)
    checkpoint = bench.cut_power()
    bench.take_up(checkpoint)
    _check_end(bench)
    assert bench.extruded == expected
    assert "G28" in bench.executed
    assert "G28 X Y" not in bench.executed


@pytest.mark.parametrize("profile", ["large", "marlin_1", "idex"])
def test_other_boards(tmp_path: Path, profile: str) -> None:
    """The mesh comes back where there is one; who says no area is not sent far up."""
    path = _file(tmp_path)
    expected = whole(path, profile)
    bench = Cutter(path, profile)
    bench.stream()
    bench.until_moves(170)
    checkpoint = bench.cut_power()
    laid = bench.extruded
    bench.take_up(checkpoint)
    _check_end(bench)
    again = bench.extruded[len(laid) :]
    rest = expected[len(expected) - len(again) :]
    assert [_flat(move) for move in again] == [_flat(move) for move in rest]
    overlap = len(laid) + len(again) - len(expected)
    assert 0 <= overlap <= (32 if profile == "large" else 16)
    assert bench.executed.count("M420 S1") == 2
    before, after = bench.executed.index("M420 S1"), bench.executed.index("G28 X Y")
    assert before < after


def test_setup_comes_back(tmp_path: Path) -> None:
    """Limits, factors set by hand, temperatures changed by hand."""
    path = tmp_path / "a.gcode"
    lines = [*HEAT, "M204 P700", "M900 K0.05", *_absolute(), *END]
    path.write_text("\n".join(lines) + "\n")
    bench = Cutter(path)
    bench.stream()
    bench.until_moves(100)
    for command in (b"M220 S70", b"M221 S105", b"M104 S215"):
        bench.write(bench.engine.send(command, command, bench.now))
    bench.until_moves(170)
    checkpoint = bench.cut_power()
    bench.take_up(checkpoint)
    _check_end(bench)
    executed = bench.executed
    sent = executed[: executed.index("G92 E0", executed.index("G28 X Y") + 9) + 1]
    assert any(line.startswith("M204 P700") for line in executed)
    assert {"M220 S70", "M221 S105", "M109 T0 S215", "M190 S60"} <= set(executed)
    assert sent.index("M190 S60") < sent.index("M109 T0 S215")
    assert bench.board.motion.feedrate_percent == 70
