"""Reading commands out of files."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from hypothesis import given, strategies as st
import pytest

from custom_components.printfarm.fabricators.marlin import source as module
from custom_components.printfarm.fabricators.marlin.source import (
    Source,
    SourceError,
    clean,
)
from custom_components.printfarm.fabricators.marlin.wire import MAX_COMMAND


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"G1 X1 ; move", b"G1 X1"),
        (b"  G28\t\r", b"G28"),
        (b"; only a comment", b""),
        (b"", b""),
        (b"M117 semi\\;colon ; gone", b"M117 semi\\;colon"),
        (b"N12 G1 X5*33", b"G1 X5"),
        (b"M110 N0", b""),
        (b"N0 M110 N0*125", b""),
        ("M117 Käse".encode(), b"M117 K?se"),
        (b"M117 " + b"x" * 200, b"M117 " + b"x" * (MAX_COMMAND - 5)),
        (
            b"G1  X1.000000   Y1.000000   Z1.000000   E1.000000   F1200.000000"
            b"     I0.0000000000",
            b"G1X1.000000Y1.000000Z1.000000E1.000000F1200.000000I0.0000000000",
        ),
    ],
)
def test_clean(line: bytes, command: bytes) -> None:
    """Comments, numbers and blanks go; the command stays."""
    assert clean(line) == command


def test_too_long() -> None:
    """A move that does not fit the firmware's buffer is not sent in part."""
    with pytest.raises(SourceError):
        clean(b"G1 " + b"X1.23456789 " * 20)


def _read(path: Path) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    with closing(Source(path)) as source:
        while source.ready or source.fetch():
            found += source.take()
        assert not source.fetch()
        assert source.take() == []
    return found


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    """Writes a file."""

    def write(content: bytes) -> Path:
        path = tmp_path / "file.gcode"
        path.write_bytes(content)
        return path

    return write


def test_offsets(write: Callable[[bytes], Path]) -> None:
    """Each command comes with the offset behind its line."""
    assert _read(write(b"\xef\xbb\xbfG28\r\n;x\nG1 X1\n\n  G1 X2")) == [
        (8, b"G28"),
        (17, b"G1 X1"),
        (25, b"G1 X2"),
    ]


@pytest.mark.parametrize("content", [b"", b"\n\n", b";nothing\n" * 20000])
def test_nothing_to_print(write: Callable[[bytes], Path], content: bytes) -> None:
    """A file without commands gives none, however long it is."""
    assert _read(write(content)) == []


def test_endless_line(write: Callable[[bytes], Path]) -> None:
    """A file without line ends is refused before it fills the memory."""
    with pytest.raises(SourceError):
        _read(write(b"G" * (module.MAX_LINE + module.BLOCK)))


@given(lines=st.lists(st.sampled_from([b"G1 X1", b";c", b"", b"M104 S5 ;h"])))
def test_blocks_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    """Wherever a block ends, commands and offsets are the same."""
    path = tmp_path_factory.mktemp("source") / "file.gcode"
    path.write_bytes(b"\n".join(lines))
    whole = _read(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", 3)
        patch.setattr(module, "PORTION", 2)
        assert _read(path) == whole
    content = path.read_bytes()
    for offset, command in whole:
        assert clean(content[:offset].splitlines()[-1]) == command
