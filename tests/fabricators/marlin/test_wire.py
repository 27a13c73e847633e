"""Numbers, checksums and line ends."""

from functools import reduce
import itertools
from operator import xor

from hypothesis import given, strategies as st
import pytest

from custom_components.printfarm.fabricators.marlin.wire import (
    MAX_COMMAND,
    MAX_PARTIAL,
    LineBuffer,
    checksum,
    encode,
)


@pytest.mark.parametrize(
    ("number", "command", "wire"),
    [
        (1, b"M110 N0", b"N1 M110 N0*124\n"),
        (3, b"G90", b"N3 G90*19\n"),
        (0, b"M110 N0", b"N0 M110 N0*125\n"),
    ],
)
def test_encode(number: int, command: bytes, wire: bytes) -> None:
    """Lines look as the real firmware accepted them."""
    assert encode(number, command) == wire


@given(st.binary(max_size=128))
def test_checksum(data: bytes) -> None:
    """The folded sum is the XOR of all bytes."""
    assert checksum(data) == reduce(xor, data, 0)


def test_longest_line_fits() -> None:
    """The longest command fits Marlin's 96 bytes in the longest print."""
    assert len(encode(9_999_999, b"M" * MAX_COMMAND)) <= 96


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_chunks(data: bytes, cuts: list[int]) -> None:
    """However the bytes are chopped up, the lines are the same."""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    buffer = LineBuffer()
    lines = [
        line
        for low, high in itertools.pairwise(edges)
        for line in buffer.add(data[low:high])
    ]
    assert lines == [line.rstrip(b"\r") for line in data.split(b"\n")[:-1]]


def test_noise_without_end_is_dropped() -> None:
    """A stream without line ends does not fill the memory."""
    buffer = LineBuffer()
    assert buffer.add(b"\xff" * (MAX_PARTIAL + 1)) == []
    assert buffer.add(b"ok\n") == [b"ok"]
