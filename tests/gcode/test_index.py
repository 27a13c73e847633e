"""The index tells the truth at every line, and is small, quick and hard to fool."""

import contextlib
from itertools import pairwise
from pathlib import Path

from hypothesis import given, strategies as st
import numpy as np
import pytest

from custom_components.printfarm.gcode import LayerIndex, StaleIndexError, analyse
from custom_components.printfarm.gcode.index import (
    FED_STEP,
    MOST_ROWS,
    TIME_STEP,
    IndexBuilder,
)
from custom_components.printfarm.gcode.layers import Layers
from custom_components.printfarm.gcode.remarks import ends, said
from custom_components.printfarm.gcode.walk import walk

from . import reference
from .conftest import SLICED

NO_LAYERS = Layers(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


@pytest.mark.parametrize("chunk_size", [4 << 20, 5000])
@pytest.mark.parametrize("name", [name for name in SLICED if name != "vase"])
def test_it_is_true_at_every_line(name: str, chunk_size: int, fixtures: Path) -> None:
    """Layer and height are exact; time and filament within one step of the index."""
    path = fixtures / f"{name}.gcode"
    spoken = said(*ends(path))
    walked = walk(path, spoken.slicer, {}, chunk_size)
    truth, total = reference.lines(path.read_bytes())
    index = walked.index.build(walked.size, walked.layers, None)

    assert walked.time == pytest.approx(total, abs=0.01)
    assert walked.lines == len(truth)
    for line in truth:
        place = index.at(line.offset)
        assert (place.layer, place.height, place.layer_height) == (
            line.layer,
            line.z,
            line.thickness,
        )
        assert place.time == pytest.approx(line.time, abs=TIME_STEP + 0.01)
        assert place.extruded == pytest.approx(line.fed, abs=FED_STEP + 1e-6)
        assert place.remaining == pytest.approx(total - place.time, abs=0.02)


def test_it_is_true_in_a_larger_file(fixtures: Path, tmp_path: Path) -> None:
    """Times are scaled to what the slicer says."""
    path = fixtures / "vase.gcode"
    plate = analyse(path, path.name, tmp_path).plates[0]
    assert plate.index
    index = LayerIndex.load(plate.index)
    truth, total = reference.lines(path.read_bytes())
    scale = 836 / total
    assert index.at(path.stat().st_size).time == pytest.approx(836)
    for line in truth[::7]:
        place = index.at(line.offset)
        assert (place.layer, place.height) == (line.layer, line.z)
        assert place.time == pytest.approx(line.time * scale, abs=TIME_STEP + 0.02)
        assert place.progress == pytest.approx(place.time / 836)
        assert place.extruded == pytest.approx(line.fed, abs=FED_STEP)


@pytest.mark.parametrize("name", SLICED)
def test_it_never_goes_back(name: str, fixtures: Path) -> None:
    """Whatever is asked in order rises."""
    path = fixtures / f"{name}.gcode"
    walked = walk(path, None, {})
    index = walked.index.build(walked.size, walked.layers, 100.0)
    places = [index.at(offset) for offset in range(0, walked.size + 50, 37)]
    for before, after in pairwise(places):
        assert after.layer >= before.layer
        assert after.time >= before.time
        assert after.extruded >= before.extruded
        assert after.remaining <= before.remaining
        assert 0 <= before.progress <= after.progress <= 1


def test_the_ends_are_safe(fixtures: Path) -> None:
    """Offsets outside the file are those of its ends."""
    walked = walk(fixtures / "coin.gcode", None, {})
    index = walked.index.build(walked.size, walked.layers, None)
    assert index.at(-5) == index.at(0)
    assert index.at(0).time == 0
    assert index.at(0).layer == 0
    assert index.at(0).height == 0
    assert index.at(10**12) == index.at(walked.size)
    assert index.at(walked.size).remaining == 0


def test_it_is_stored_and_read(fixtures: Path, tmp_path: Path) -> None:
    """What is loaded answers as what was saved; nothing else is left behind."""
    walked = walk(fixtures / "coin.gcode", None, {})
    index = walked.index.build(walked.size, walked.layers, None)
    path = tmp_path / "new" / "coin.npz"
    index.save(path)
    loaded = LayerIndex.load(path)
    assert [loaded.at(n) for n in range(0, 70_000, 999)] == [
        index.at(n) for n in range(0, 70_000, 999)
    ]
    assert [entry.name for entry in path.parent.iterdir()] == ["coin.npz"]


def test_a_save_that_fails_keeps_the_old_one(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk leaves neither half an index nor a part of one."""
    walked = walk(fixtures / "coin.gcode", None, {})
    index = walked.index.build(walked.size, walked.layers, None)
    path = tmp_path / "coin.npz"
    index.save(path)
    before = path.read_bytes()

    def full(*_args: object, **_columns: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space"):
        index.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_one_is_missing(tmp_path: Path) -> None:
    """A cache that vanished is told apart from one that is damaged."""
    with pytest.raises(FileNotFoundError):
        LayerIndex.load(tmp_path / "gone.npz")


def test_another_version_is_stale(
    fixtures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index of a later or earlier format is not misread."""
    walked = walk(fixtures / "coin.gcode", None, {})
    path = tmp_path / "coin.npz"
    monkeypatch.setattr("custom_components.printfarm.gcode.index.VERSION", 99)
    walked.index.build(walked.size, walked.layers, None).save(path)
    monkeypatch.undo()
    with pytest.raises(StaleIndexError, match="99"):
        LayerIndex.load(path)


@given(st.data())
def test_a_damaged_one_is_stale(data: st.DataObject) -> None:
    """No damage makes loading raise anything else."""
    raw = bytearray(_SAVED)
    for _ in range(data.draw(st.integers(1, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = _FOLDER / "damaged.npz"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    with contextlib.suppress(StaleIndexError, OSError):
        LayerIndex.load(path).at(5)


@pytest.fixture(autouse=True, scope="module")
def _saved(tmp_path_factory: pytest.TempPathFactory) -> None:
    global _SAVED, _FOLDER  # noqa: PLW0603
    _FOLDER = tmp_path_factory.mktemp("index")
    builder = IndexBuilder()
    ends_ = np.arange(1, 50) * 10
    builder.add(ends_ - 10, ends_, ends_ / 10.0, ends_ / 5.0)
    path = _FOLDER / "saved.npz"
    builder.build(600, NO_LAYERS, None).save(path)
    _SAVED = path.read_bytes()


_SAVED: bytes
_FOLDER: Path


def test_it_stays_small() -> None:
    """A print of days has coarser steps, not more rows; still within a step."""
    builder = IndexBuilder()
    rng = np.random.default_rng(1)
    at = 0
    truth = []
    for _ in range(10):
        starts = at + np.arange(50_000) * 30
        spent = rng.exponential(0.5, 50_000)
        times = (truth[-1][1][-1] if truth else 0.0) + np.cumsum(spent)
        builder.add(starts, starts + 30, times, times * 2)
        truth.append((starts + 30, times))
        at = int(starts[-1]) + 30
    index = builder.build(at, NO_LAYERS, None)
    assert index.offsets.size <= MOST_ROWS + 2
    assert index.total == pytest.approx(truth[-1][1][-1])
    for ends_, times in truth:
        for row in range(0, 50_000, 501):
            assert index.at(int(ends_[row])).time == pytest.approx(
                times[row], abs=builder.time_step
            )
    assert builder.time_step <= index.total / 10_000


def test_remarks_between_lines_take_no_time() -> None:
    """A long dwell after a long remark is not smeared over the remark."""
    builder = IndexBuilder()
    builder.add(
        np.array([0, 10_000]), np.array([10, 10_010]), np.array([1.0, 61.0]),
        np.zeros(2),
    )  # fmt: skip
    index = builder.build(20_000, NO_LAYERS, None)
    assert index.at(9_999).time == pytest.approx(1, abs=0.1)
    assert index.at(10_010).time == 61


def test_a_file_without_time_goes_by_bytes() -> None:
    """Progress is still one at the end where nothing takes time."""
    builder = IndexBuilder()
    builder.add(np.array([0]), np.array([10]), np.array([0.0]), np.array([0.0]))
    index = builder.build(100, NO_LAYERS, 0.0)
    assert index.at(100).progress == 1
    assert index.at(0).remaining == 0
