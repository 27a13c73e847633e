"""Back in a file to what was surely made."""

from pathlib import Path

import pytest

from custom_components.printfarm.fabricators.marlin import rewind
from custom_components.printfarm.fabricators.marlin.rewind import earlier, lowest


def _write(tmp_path: Path, lines: list[str]) -> tuple[Path, list[int]]:
    """Write a file; give where each of its lines begins, and its end."""
    path = tmp_path / "a.gcode"
    path.write_text("".join(f"{line}\n" for line in lines))
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    return path, starts


@pytest.mark.parametrize("block", [16, 64, 8192])
def test_counts_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    """Only what moves is counted, however little of the file is read at once."""
    monkeypatch.setattr(rewind, "BLOCK", block)
    lines = ["G90", *(f"G1 X{step}" for step in range(50)), "; done", "M106 S9"]
    path, starts = _write(tmp_path, lines)
    assert earlier(path, starts[-1], 15) == starts[1 + 35]
    assert earlier(path, starts[41], 15) == starts[26]
    assert earlier(path, starts[5], 15) == 0
    assert earlier(path, 0, 15) == 0


def test_moves_that_lead_nowhere(tmp_path: Path) -> None:
    """A feed rate, and a place where the head stands already, are no moves."""
    lines = ["G1 X1", "G1 X2", "G1 X3", "G1 F900", "G1 X3", "G1 X3 F200", "G2 X3 I4"]
    path, starts = _write(tmp_path, lines)
    assert earlier(path, starts[-1], 1) == starts[6]
    assert earlier(path, starts[-1], 2) == starts[2]


def test_after_a_place_was_renamed(tmp_path: Path) -> None:
    """The first place named after it may be where the head is."""
    path, starts = _write(tmp_path, ["G1 E1", "G1 E2", "G92 E0", "G1 E0", "G1 E1"])
    assert earlier(path, starts[-1], 2) == starts[1]


def test_relative(tmp_path: Path) -> None:
    """Equal steps are moves as well, if the file counts that way all along."""
    lines = ["G1 X1", "G1 X1", "G1 X0", "G1 X1"]
    path, starts = _write(tmp_path, lines)
    assert earlier(path, starts[-1], 2, relative=True) == starts[1]
    path, starts = _write(tmp_path, ["G1 X1", "G90", *lines, "G91"])
    assert earlier(path, starts[-1], 2, relative=True) == starts[4]


@pytest.mark.parametrize(
    ("lines", "relative", "inches", "height"),
    [
        ([], False, False, 2.0),
        (["G1 Z2.4", "G1 X1", "G1 Z1.8 F600", "G1 Z2"], False, False, 1.8),
        (["G1 Z.4", "G1 Z-.7", "G1 Z9"], True, False, 1.7),
        (["G1 Z0.05"], False, True, 1.27),
        (["G20", "G91", "G1 Z-0.01", "G21", "G1 Z-1"], False, False, 0.746),
        (["G92 Z0.5", "G90", "G1 Z0.7"], True, False, 0.5),
    ],
)
def test_lowest(
    tmp_path: Path, lines: list[str], relative: bool, inches: bool, height: float
) -> None:
    """The least height that is named, in mm."""
    path, starts = _write(tmp_path, ["G1 Z0.1", *lines, "G1 Z0.1"])
    found = lowest(path, starts[1], starts[-2], 2.0, relative=relative, inches=inches)
    assert found == pytest.approx(height)
