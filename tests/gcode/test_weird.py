"""No file breaks the analysis: it is refused with a reason, or read with a flag."""

from collections.abc import Iterator
from contextlib import suppress
import math
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, strategies as st
import pytest

from custom_components.printfarm.gcode import (
    Flag,
    LayerIndex,
    RefusedError,
    Report,
    analyse,
    quick,
)

from . import slicers
from .conftest import FIXTURES, Analyse

_REAL = {name: (FIXTURES / f"{name}.gcode").read_bytes() for name in ("coin", "limits")}
_REAL |= {
    name: getattr(slicers, name)().encode()
    for name in ("bambu", "orca", "superslicer", "cura", "ideamaker", "plain")
}


def read(content: bytes, name: str = "a.gcode") -> Report | None:
    """Analyse bytes; None where they are refused. Nothing else may happen."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a"
        path.write_bytes(content)
        with suppress(RefusedError):
            quick(path, name)
        try:
            report = analyse(path, name, Path(folder) / "work")
        except RefusedError:
            return None
        for plate in report.plates:
            assert sensible(plate.analysis.time)
            for filament in plate.analysis.filaments:
                assert sensible(filament.length)
            if plate.index:
                index = LayerIndex.load(plate.index)
                assert index.at(0).time == 0
                end = index.at(plate.analysis.size)
                assert end.progress == 1
                assert sensible(end.time)
                assert end.remaining == 0
        return report


def sensible(value: float | None) -> bool:
    """Say whether a number may be shown and reckoned with."""
    return value is None or (math.isfinite(value) and 0 <= value < 1e12)


@given(st.binary(max_size=2000))
@example(b"")
@example(b"\n")
@example(b"\0" * 100)
@example(b"G1")
@example(b"G1 X")
@example(b"PK\x03\x04")
@example(b"\x1f\x8b\x08\x00")
def test_random_bytes(content: bytes) -> None:
    """Noise is refused or read."""
    read(content)


_LINES = st.lists(
    st.one_of(
        st.text("GMTXYZEFIJRSPN0123456789.-+ ;()*", max_size=30),
        st.builds(
            "{}{} {}".format,
            st.sampled_from("GMT"),
            st.sampled_from([0, 1, 2, 3, 4, 20, 28, 82, 83, 90, 91, 92, 104, 109, 201,
                             203, 204, 205, 220, 400]),
            st.lists(
                st.builds(
                    "{}{}".format,
                    st.sampled_from("XYZEFIJRSPT"),
                    st.one_of(
                        st.integers(-(10**20), 10**20),
                        st.floats(-1e3, 1e3).map("{:.4f}".format),
                        st.sampled_from(["", "-", ".", "nan", "inf", "1e9", "0"]),
                    ),
                ),
                max_size=6,
            ).map(" ".join),
        ),
        st.sampled_from([";LAYER_CHANGE", ";Z:0.2", ";HEIGHT:-1", ";LAYER:1", ";TIME:5",
                         "; CHANGE_LAYER", "; thumbnail begin 1x1 4", "; thumbnail end",
                         ";Generated with Cura_SteamEngine 5", ";Print Time: -1"]),
    ),
    max_size=40,
)  # fmt: skip


@given(_LINES, st.sampled_from(["\n", "\r\n", "\r", "\n\n"]))
def test_random_commands(lines: list[str], newline: str) -> None:
    """Commands that no slicer writes, with numbers that no machine takes."""
    read(newline.join(lines).encode())


@given(st.sampled_from(sorted(_REAL)), st.floats(0, 1))
@example("superslicer", 0.75)
def test_truncated_files(name: str, part: float) -> None:
    """A real file may end anywhere; where moves are missing, that is said."""
    text = _REAL[name]
    end = int(len(text) * part)
    report = read(text[:end])
    if report is None:
        assert part < 0.5
    elif end < text.rindex(b"\nG1 ") and report.plates[0].analysis.slicer:
        assert Flag.TRUNCATED in report.plates[0].analysis.flags


@given(st.sampled_from(sorted(_REAL)), st.data())
def test_damaged_files(name: str, data: st.DataObject) -> None:
    """A real file with some bytes replaced."""
    text = bytearray(_REAL[name])
    for _ in range(data.draw(st.integers(1, 30))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + 1] = data.draw(st.binary(max_size=3))
    read(bytes(text))


@pytest.mark.parametrize(
    "dress",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: "; Grüße, Pièce №1\n".encode() + text,
        lambda text: "; Grüße, Pièce\n".encode("latin-1") + text,
        lambda text: text.rstrip(b"\n"),
        lambda text: b";" + b"x" * 1_000_000 + b"\n" + text,
        lambda text: text + b";" + b"y" * 5_000_000,
        lambda text: b"\n\n\t\n" + text,
    ],
)
def test_other_clothes(dress: object, analysed: Analyse) -> None:
    """Line ends, marks, remarks in any script: the print is the same."""
    assert callable(dress)
    plain = analysed(_REAL["plain"]).plates[0].analysis
    found = analysed(dress(_REAL["plain"])).plates[0].analysis
    assert found.time == pytest.approx(plain.time)
    assert found.layers == plain.layers
    assert found.filaments == plain.filaments
    assert found.flags == ()


def test_zeros_at_the_end_are_flagged(analysed: Analyse) -> None:
    """A copy that the power cut off: half of it are zeros."""
    text = _REAL["coin"]
    found = analysed(text[:69_000] + bytes(30_000)).plates[0].analysis
    assert Flag.TRUNCATED in found.flags
    found = analysed(_REAL["plain"].replace(b"G1 X120", b"G1 \x01X120"))
    assert Flag.BAD_LINES in found.plates[0].analysis.flags


def test_a_line_of_megabytes(analysed: Analyse) -> None:
    """One line longer than a chunk is cut, and the rest is read."""
    long = b"G1 " + b"X1 " * 2_000_000 + b"\n"
    found = analysed(_REAL["plain"] + long + b"G1 Z9\nG1 X7 E1\n").plates[0].analysis
    assert found.layers == slicers.LAYERS + 1


def test_nothing_moves(analysed: Analyse) -> None:
    """Heating alone is a file without moves: kept, without time and index."""
    report = analysed(b"M104 S200\nM109 S200\n")
    assert report.plates[0].index is None
    found = report.plates[0].analysis
    assert found.time is None
    assert set(found.flags) == {Flag.NO_MOVES, Flag.NO_EXTRUSION, Flag.NOT_INDEXED}


def test_nothing_is_laid_down(analysed: Analyse) -> None:
    """Moves without filament are kept and flagged."""
    found = analysed(b"G28\nG1 X10 F600\nG1 X0\n").plates[0].analysis
    assert found.flags == (Flag.NO_EXTRUSION,)
    assert found.layers is None or found.layers == 0
    assert found.box is None
    assert found.time == pytest.approx(2, abs=0.2)


def test_eternal_prints_are_not_believed(analysed: Analyse) -> None:
    """No clock has to reckon with more than some years."""
    text = b"G1 X9999999 F0.001\nG1 X-9999999\n" * 1000
    found = analysed(text).plates[0].analysis
    assert found.time == 3e8


def _sizes() -> Iterator[int]:
    yield from (1, 2, 3, 100)


@pytest.mark.parametrize("size", _sizes())
def test_tiny_files(size: int, analysed: Analyse) -> None:
    """The smallest file is a file."""
    with suppress(RefusedError):
        analysed((b"G28\n" * 30)[:size])
