"""What a file has set up at any of its bytes."""

from dataclasses import fields
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.printfarm.fabricators.interface import Resume
from custom_components.printfarm.fabricators.marlin.source import Source
from custom_components.printfarm.gcode import Moment, ReplayError, replay
from custom_components.printfarm.gcode.serial import moment_from_json, moment_to_json
from tests.fabricators.virtual.host import Host

from .conftest import FIXTURES


def at_end(text: str, **options: int) -> Moment:
    """Replay all of a file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "part.gcode"
        path.write_bytes(text.encode())
        return replay(path, path.stat().st_size, **options)


def some(moment: Moment, *names: str) -> tuple[Any, ...]:
    """Return a few of its fields."""
    return tuple(getattr(moment, name) for name in names)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", (None, None, None, 0)),
        ("G1 X1 Y2 Z3 E4", (1, 2, 3, 4)),
        ("G1 X1\nG0 Y2", (1, 2, None, 0)),
        ("G91\nG1 X1 E2", (None, None, None, 2)),
        ("G1 X1\nG91\nG1 X2\nG1 X-0.5\nG90\nG0 Y7", (2.5, 7, None, 0)),
        ("G92 X1 Y2 Z3 E4\nG91\nG1 X1 Y1 Z1 E1", (2, 3, 4, 5)),
        ("G1 X1 Y2 Z3 E4\nG92 E0\nG1 X5 E1", (5, 2, 3, 1)),
        ("G1 X1 Y2 Z3 E4\nG92", (1, 2, 3, 4)),
        ("G1 X1 Y2 Z3\nG28", (None, None, None, 0)),
        ("G1 X1 Y2 Z3 E4\nG28 X Y0", (None, None, 3, 4)),
        ("G1 X1 Y2 Z3 E4\nG28 W", (None, None, None, 4)),
        ("G1 X1 Y2 Z3\nG28\nG1 X4\nG91\nG1 Y1\nG90", (4, None, None, 0)),
        ("G1 X1 Y2 Z3\nG29\nG1 Z5", (None, None, 5, 0)),
        ("G1 X1 Y2 Z3 E4\nG27", (None, None, None, 4)),
        ("M83\nG1 E2\nG1 E-0.5", (None, None, None, 1.5)),
        ("M83\nG1 E2\nM82\nG1 E3", (None, None, None, 3)),
        ("M83\nG90\nG1 E2\nG1 E3", (None, None, None, 3)),
        ("G91\nM82\nG1 E2\nG1 E3", (None, None, None, 3)),
        ("G20\nG1 X1 E2\nG91\nG1 X1", (50.8, None, None, 50.8)),
        ("G20\nG92 X1\nG21\nG1 Y1", (25.4, 1, None, 0)),
        ("G1 X10\nG2 X0 Y10 I-10 E1", (0, 10, None, 1)),
        ("G1 X10 Y0\nG3 X0 Y10 R10\nG91\nG2 I5\nG3 X1 Y1 J5", (1, 11, None, 0)),
        ("G1 X10\nG2 X5 Y5", (10, None, None, 0)),
        ("G5 X3 Y4 I0 J1 P0 Q1 E1", (3, 4, None, 1)),
        ("N7 G1 X1 Y2*33 ; Y9\nG1 Z3 (Z8)\n;G1 X9\nG1 X\nM117 X9", (1, 2, 3, 0)),
        ("\ufeffG1 X1 Y2", (1, 2, None, 0)),
        ("G1 X99999999 Y1", (None, 1, None, 0)),
    ],
)
def test_place(text: str, place: tuple[float | None, ...]) -> None:
    """Where the next line believes to be; None where only the machine knows."""
    assert some(at_end(text), "x", "y", "z", "e") == place


@pytest.mark.parametrize(
    ("text", "highest"),
    [
        ("G1 Z9\nG1 X1", None),
        ("M83\nG1 Z9\nG1 E5", None),
        ("M83\nG1 Z1\nG1 X1 E1\nG1 Z9\nG1 X2\nG1 E-1\nG1 E1", 1),
        ("M83\nG1 Z5\nG1 X1 E1\nG1 Z2\nG1 X2 E1", 5),
        ("M83\nG1 Z5\nG1 X1 Z3 E1", 5),
        ("M83\nG1 Z1\nG2 I4 Z2 E1", 2),
        ("M83\nG1 Z5\nG1 X1 E1\nG92 Z1\nG1 Z2", 1),
        ("M83\nG1 Z5\nG92 Z0\nG1 X1 Z1 E1\nG92 Z5.5", 5.5),
        ("M83\nG28\nG1 Z5\nG92 Z7\nG28\nG1 Z3\nG1 X1 E1", 3),
        ("M83\nG28\nG92 Z0\nG1 Z3\nG1 X1 E1", 3),
        ("G20\nM83\nG1 Z1\nG1 Y1 E1", 25.4),
    ],
)
def test_highest(text: str, highest: float | None) -> None:
    """Only where filament is laid down, in the coordinates that now hold."""
    assert at_end(text).highest == highest
    assert at_end(text, chunk_size=10).highest == highest


@pytest.mark.parametrize(
    ("text", "extruded", "retracted"),
    [
        ("G1 X1", False, 0),
        ("G1 E-2", False, 2),
        ("G1 E5\nG1 E3", True, 2),
        ("G1 E5\nG1 E3\nG92 E0\nG1 E1.5", True, 0.5),
        ("G1 E5\nG1 E3\nG92 E0\nG1 E2.5", True, 0),
        ("M83\nG1 E5\nG1 X1 E-2\nT1\nG1 E1\nG1 E-4", True, 4),
        ("M83\nG1 E5\nG1 X1 E-2\nT1\nG1 E1\nG1 E-4\nT0", True, 2),
        ("M83\nG1 E5\nG10", True, 0),
        ("G92 E5", False, 0),
    ],
)
def test_filament(text: str, extruded: bool, retracted: float) -> None:
    """How much of the tool in use is pulled back."""
    assert some(at_end(text), "extruded", "retracted") == (extruded, retracted)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("G90", "M82")),
        ("M83", ("G90", "M83")),
        ("M83\nG90", ("M83", "G90")),
        ("G91\nM83\nM82\nG90", ("M82", "G90")),
        ("G91\nG90\nM83\nG1 X1\nG91\nG90", ("M83", "G90")),
    ],
)
def test_positioning(text: str, expected: tuple[str, ...]) -> None:
    """Firmwares differ over who decides, so the order is kept."""
    assert at_end(text).positioning == expected
    assert at_end(text, chunk_size=2).positioning == expected


def test_feed_rate_and_units() -> None:
    """As the file wrote it, or as it would write it in the unit in force."""
    assert some(at_end("G1 X1 F1800\nG1 F0\nM204 F5"), "feedrate", "inches") == (
        1800,
        False,
    )
    assert some(at_end("G20\nG1 X1 F60"), "feedrate", "inches") == (60, True)
    assert at_end("G20\nG1 X1 F60\nG21").feedrate == 1524
    assert at_end("G1 X1").feedrate is None


def test_heat() -> None:
    """The last target of each heater, also nought; R where there is no S."""
    moment = at_end(
        "M104 S200\nM109 R210\nT1\nM104 S180\nM109 T0 S215\nM104 T1 S0\nM104\n"
        "M140 S60\nM190 R65\nM140\nM141 S40\nM191 S45\nT255\nM104 T99 S170"
    )
    assert moment.nozzles == {"T0": 215, "T1": 170}
    assert some(moment, "bed", "chamber", "tool") == (65, 45, "T1")
    assert some(at_end("G1 X1"), "bed", "chamber", "tool") == (None, None, None)


def test_fans() -> None:
    """By number; without a speed all out."""
    assert at_end("M106\nM106 P1 S300\nM106 P2 S99.5\nM107 P1\nM106 P3\nM107 P3").fans
    assert at_end("M106\nM106 P1 S300\nM106 P2 S99.5\nM107 P3").fans == {
        "0": 255,
        "1": 255,
        "2": 99.5,
        "3": 0,
    }
    assert at_end("M106 S80\nM107").fans == {"0": 0}


def test_factors() -> None:
    """Speed with what was put aside; flow of the tool in use, others to be set up."""
    assert at_end("M220 S80").speed_factor == 80
    assert at_end("M220 S80\nM220 B\nM220 S50\nM220 R").speed_factor == 80
    assert at_end("M220 B\nM220 S50\nM220 R").speed_factor == 100
    assert at_end("M220").speed_factor is None
    moment = at_end("M221 S95\nM221 T1 S90\nM221\nT1")
    assert some(moment, "flow_factor", "setup") == (90, ("M221 T0 S95",))


def test_leveling() -> None:
    """Probed or switched on, until switched off."""
    assert not at_end("G28").leveling
    assert at_end("G28\nG29").leveling
    moment = at_end("M420 S1 Z10\nM420 V")
    assert some(moment, "leveling", "setup") == (True, ("M420 Z10",))
    assert not at_end("G29\nM420 S0").leveling


@pytest.mark.parametrize(
    ("text", "setup"),
    [
        ("M204 P1000\nM204 P1000\nM204 T500", ("M204 P1000", "M204 T500")),
        ("M204 P1000 T9\nM204 P800", ("M204 P1000 T9", "M204 P800")),
        ("M204 P1000\nM204 S800\nM204 P1000 S5", ("M204 P1000 S5",)),
        ("M204 P1000\nM204 S800", ("M204 P1000", "M204 S800")),
        ("M201 X1 Y2\nM203 X3\nM205 X4 J0.01", ("M201 X1 Y2", "M203 X3", "M205 X4 J0.01")),
        ("M900 K0.1\nT1\nM900 K0.2\nM900 T0 K.3", ("M900 K0.2 T1", "M900 T0 K.3")),
        ("M593 X F40\nM593 Y F50\nM593 X F45", ("M593 Y F50", "M593 X F45")),
        ("M572 D0 S0.1\nM572 D1 S0.2\nM572 D0 S0.3", ("M572 D1 S0.2", "M572 D0 S0.3")),
        ("G18\nG19\nM204\nM900\nM302 S0", ("G19", "M302 S0")),
        ("N5M0204 p 10 (M) ; P3\nN M204 T2*12", ("M204 P10", "M204 T2")),
        ("G20\nM201 X1\nG21\nM203 X2", ("G20", "M201 X1", "G21", "M203 X2")),
        ("M207 S2\nG10", ("M207 S2", "G11")),
        ("M207 S2\nG10\nG11", ("M207 S2",)),
        ("G10\nT1", ()),
        ("M92 E400\nM92 T1 E500\nM218 T1 X20", ("M92 E400", "M92 T1 E500", "M218 T1 X20")),
    ],
)  # fmt: skip
def test_setup(text: str, setup: tuple[str, ...]) -> None:
    """Settings that still hold, in the order they were made."""
    assert at_end(text).setup == setup
    assert at_end(text, chunk_size=8).setup == setup


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("G54 ; other place", "G54"),
        ("G59.3", "G59.3"),
        ("G53", "G53"),
        ("G92.1", "G92.1"),
        ("G6 X1", "G6 X1"),
        ("M149 F", "M149 F"),
        ("M32 other.gco", "M32 other.gco"),
    ],
)
def test_what_nobody_can_tell(line: str, command: str) -> None:
    """Such a file is refused by name, where it comes to that line."""
    with pytest.raises(ReplayError) as refused:
        at_end(f"G28\nM149 C\n{line}\nG1 X1", chunk_size=12)
    assert (refused.value.command, refused.value.offset) == (command, 11)


def test_a_line_counts_where_it_has_ended(tmp_path: Path) -> None:
    """At every byte, with and without a last line end, and across chunks."""
    path = tmp_path / "part.gcode"
    text = "G1 X1\n\nG1 X22 ; 2\r\nG1 X3"
    path.write_bytes(text.encode())
    ends = {6: 1.0, 19: 22.0, 24: 3.0}
    expected: float | None = None
    for position in range(-1, 40):
        expected = ends.get(position, expected)
        for chunk_size in (7, 9, 1000):
            assert replay(path, position, chunk_size).x == expected


@pytest.mark.parametrize(
    ("name", "model"),
    [("coin", "marlin_2"), ("fine", "marlin_1"), ("two_tools", "idex")],
)
def test_the_board_agrees(name: str, model: str) -> None:
    """A sliced file, run on a board: it reports the same place on the way."""
    host = Host(model)
    path = FIXTURES / f"{name}.gcode"
    source, looks = Source(path), 0
    done = 0
    while source.ready or source.fetch():
        for position, command in source.take():
            host.ask(command.decode())
            done += 1
            if done % 97 == 0:
                agree(host, replay(path, position))
                looks += 1
    source.close()
    assert looks > 3


def agree(host: Host, moment: Moment) -> None:
    """Compare with what the board reports by M114."""
    report = host.ask("M114")[0].split(" Count")[0].split()
    place = {part[0]: float(part[2:]) for part in report}
    relative_e = moment.positioning[-1] == "M83"
    for letter in "XYZ" if relative_e else "XYZE":
        known = getattr(moment, letter.lower())
        assert known is None or known == pytest.approx(place[letter], abs=0.006)
    assert place["E"] == pytest.approx(moment.e, abs=0.006)


_number = st.integers(-40, 40).map(lambda tenths: tenths / 4)
_words = st.dictionaries(st.sampled_from("XYZE"), _number, min_size=1, max_size=4)
_line = st.one_of(
    _words.map(lambda words: ("G1", words)),
    _words.map(lambda words: ("G92", words)),
    _words.map(lambda words: ("G3", words | {"I": 4.0})),
    st.sampled_from(["G90", "G91", "M82", "M83", "G20", "G21", "T0", "T1", "G28"]).map(
        lambda name: (name, {})
    ),
    st.sampled_from("XYZ").map(lambda letter: ("G28", {letter: 0.0})),
)


class _Plain:
    """The same, one line after another."""

    def __init__(self) -> None:
        self.place: dict[str, float | None] = dict.fromkeys("XYZ") | {"E": 0.0}
        self.relative: dict[str, bool] = dict.fromkeys("XYZE", False)
        self.unit, self.tool = 1.0, 0
        self.reached, self.peak = {0: 0.0, 1: 0.0}, {0: 0.0, 1: 0.0}

    def run(self, name: str, words: dict[str, float]) -> None:
        """Do one command."""
        if name in {"G90", "G91"}:
            self.relative = dict.fromkeys("XYZE", name == "G91")
        elif name in {"M82", "M83"}:
            self.relative["E"] = name == "M83"
        elif name in {"G20", "G21"}:
            self.unit = 25.4 if name == "G20" else 1.0
        elif name in {"T0", "T1"}:
            self.tool = int(name[1])
        elif name == "G28":
            self.place |= dict.fromkeys(words or "XYZ")
        else:
            for letter, value in words.items():
                if letter in self.place:
                    self._set(letter, value * self.unit, name == "G92")

    def _set(self, letter: str, value: float, rename: bool) -> None:
        old = self.place[letter]
        if self.relative[letter] and not rename:
            value = None if old is None else old + value  # type: ignore[assignment]
        self.place[letter] = value
        if letter == "E" and not rename and old is not None:
            self.reached[self.tool] += value - old
            self.peak[self.tool] = max(self.peak[self.tool], self.reached[self.tool])


@settings(max_examples=200)
@given(st.lists(_line, max_size=40), st.integers(40, 200))
def test_any_modes(lines: list[tuple[str, dict[str, float]]], chunk_size: int) -> None:
    """Whatever comes after what, a plain reading of it says the same."""
    plain = _Plain()
    text = ""
    for name, words in lines:
        plain.run(name, words)
        text += " ".join([name, *(f"{k}{v}" for k, v in words.items())]) + "\n"
    moment = at_end(text, chunk_size=chunk_size)
    for letter, place in plain.place.items():
        found = getattr(moment, letter.lower())
        assert (found is None) == (place is None)
        assert place is None or found == pytest.approx(place, abs=1e-5)
    pulled = plain.peak[plain.tool] - plain.reached[plain.tool]
    assert moment.retracted == pytest.approx(pulled, abs=1e-5)


def test_it_is_what_a_print_resumes_with() -> None:
    """The fields of one are the fields of the other."""
    names = [each.name for each in fields(Resume) if each.name != "checkpoint"]
    assert [each.name for each in fields(Moment)] == names


def test_json() -> None:
    """It comes whole out of another process, also out of one that knows more."""
    moment = at_end(
        "T1\nG28\nM104 S200\nM106 S9\nM204 P1\nG91\nM83\nG1 E2 F300\nG1 E-1"
    )
    told = json.loads(json.dumps(moment_to_json(moment)))
    assert moment_from_json(told | {"novelty": 1}) == moment
    assert moment_from_json({}) == Moment()
