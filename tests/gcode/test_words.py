"""Words are split as a printer reads them, whole chunks at a time."""

from io import BytesIO
import math

from hypothesis import given, strategies as st
import numpy as np
import pytest

from custom_components.printfarm.gcode.words import chunks, code, split


def values(text: bytes, letter: str) -> list[float | None]:
    """Return one column, None for what is missing."""
    return [
        None if math.isnan(value) else value
        for value in split(text).column(letter).tolist()
    ]


@given(
    st.lists(
        st.decimals(-(10**6), 10**6, places=4, allow_nan=False), min_size=1, max_size=30
    )
)
def test_numbers_are_those_of_float(numbers: list[object]) -> None:
    """Every number is the very float that Python reads."""
    text = "".join(f"G1 X{number} F{number}\n" for number in numbers).encode()
    assert values(text, "X") == [float(str(number)) for number in numbers]
    assert values(text, "F") == values(text, "X")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("X1", 1.0),
        ("X.5", 0.5),
        ("X-.5", -0.5),
        ("X+2.", 2.0),
        ("X 3", 3.0),
        ("x4", 4.0),
        ("X1.2.3", 1.2),
        ("X1.23456789012345678901", 1.23456789012345678),
        ("X123456789.5", 123456789.5),
        ("X", None),
        ("X-", None),
        ("X.", None),
        ("X--1", None),
        ("X0000000000000000000000000000000000001", None),
    ],
)
def test_numbers_have_many_faces(word: str, value: float | None) -> None:
    """What firmwares accept is read; the rest is no number."""
    assert values(f"G1 {word} Y1\n".encode(), "X") == [value]


def test_commands_and_arguments() -> None:
    """A row is a line with a command, whatever stands around it."""
    words = split(
        b"\xff; nothing\n\nG1 X1 ; X9\n;G1 X2\nN12 G0 X3*57\n  M104S210\nT1\n"
        b"G29.1 Z0.1\nSTART_PRINT BED=60\nm83\r\nG1 (X7) Y2\n"
    )
    assert words.codes[[0, 1, 2, 3, 4]].tolist() == [
        code("G1"), code("G0"), code("M104"), code("T1"), code("G29.1"),
    ]  # fmt: skip
    assert words.codes[6:].tolist() == [code("M83"), code("G1")]
    assert words.codes[5] not in {code("G1"), code("T1")}
    assert np.nan_to_num(words.column("X"), nan=-1).tolist()[:3] == [1.0, 3.0, -1]
    assert words.column("S").tolist()[2] == 210
    assert np.isnan(words.column("X")[7])
    assert words.column("Y")[7] == 2
    assert words.numbers[3] == 1
    assert words.lines == 11
    assert words.remarks.size == 1
    assert words.odd.tolist() == [0]


def test_macros_are_no_tools() -> None:
    """A word that only begins with T, G or M is no command."""
    words = split(b"TIMELAPSE_TAKE_FRAME\nG\nMOVE X1\n")
    assert words.codes.tolist() == [0, 0, 0]


def test_a_name_without_number_is_named() -> None:
    """`G28 X Y` says which axes to home."""
    words = split(b"G28 X Y\nG28\n")
    assert words.named("X").tolist() == [True, False]
    assert words.named("Z").tolist() == [False, False]
    assert np.isnan(words.column("X")).all()


def test_offsets_are_bytes() -> None:
    """Rows know where their lines begin and end, also the last without a newline."""
    words = split(b";x\nG1 X1\r\nG1 X2")
    assert words.starts.tolist() == [3, 10]
    assert words.ends.tolist() == [10, 15]


@given(
    st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b""))),
    st.integers(1, 50),
)
def test_chunks_lose_nothing(lines: list[bytes], size: int) -> None:
    """Chunks are the file, and split at lines unless a line is too long."""
    text = b"\n".join(lines)
    found = list(chunks(BytesIO(text), size))
    assert b"".join(found) == text
    for chunk in found[:-1]:
        assert chunk.endswith(b"\n") or len(chunk) >= size


@given(st.binary(max_size=300))
def test_nothing_breaks_it(text: bytes) -> None:
    """Any bytes are split into some rows, each inside the text."""
    words = split(text + b"\n")
    assert words.lines == text.count(b"\n") + 1
    assert (words.starts < words.ends).all()
    assert np.isfinite(words.numbers).all()
    for letter in "XSF":
        assert words.column(letter).size == words.codes.size
