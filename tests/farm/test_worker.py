"""The worker in its process: real answers, real refusals, and a child that dies."""

import asyncio
from collections.abc import Awaitable, Callable
import os
from pathlib import Path
import signal

import pytest

from custom_components.printfarm.farm import worker as worker_module
from custom_components.printfarm.farm.model import AnalysisState
from custom_components.printfarm.farm.worker import AnalysisError, CpuWorker
from custom_components.printfarm.gcode import (
    FileKind,
    RefusedError,
    ReplayError,
    analyse,
    replay,
)

from .gcode import sliced
from .rig import Rig

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "gcode"


async def test_it_says_what_the_analysis_says(tmp_path: Path) -> None:
    """The same report as in this process, and a tidy end."""
    path = FIXTURES / "coin.gcode"
    report = await CpuWorker().analyse(path, path.name, tmp_path / "there")
    here = analyse(path, path.name, tmp_path / "here")
    assert report.kind is FileKind.GCODE
    assert [plate.analysis for plate in report.plates] == [
        plate.analysis for plate in here.plates
    ]
    assert report.thumbnails == here.thumbnails
    assert report.plates[0].index is not None
    assert report.plates[0].index.is_file()


async def test_it_serves_a_whole_farm(rig: Rig) -> None:
    """From the upload to the finished analysis."""
    rig.analyse = CpuWorker().analyse
    file = await rig.file()
    assert file.state is AnalysisState.DONE
    assert file.plates[0].layers == 4


async def test_refusals_and_errors_come_through(tmp_path: Path) -> None:
    """As what they are."""
    worker = CpuWorker()
    poem = tmp_path / "poem.gcode"
    poem.write_text("; roses are red\n")
    with pytest.raises(RefusedError) as caught:
        await worker.analyse(poem, poem.name, tmp_path / "work")
    assert caught.value.reason.value == "file_without_gcode"
    with pytest.raises(FileNotFoundError):
        await worker.analyse(tmp_path / "none", "none.gcode", tmp_path / "work")


async def test_it_follows_a_file_to_a_byte(tmp_path: Path) -> None:
    """The same as in this process."""
    path = tmp_path / "tower.gcode"
    path.write_bytes(sliced())
    half = path.stat().st_size // 2
    told = await CpuWorker().replay(path, half)
    assert told == replay(path, half)
    assert told.nozzles == {"T0": 210.0}


async def test_it_says_what_only_the_machine_could_tell(tmp_path: Path) -> None:
    """And what cannot be read."""
    worker = CpuWorker()
    path = tmp_path / "raw.gcode"
    path.write_bytes(b"G28\nG6 X100\nG1 X1 E1\n")
    with pytest.raises(ReplayError) as caught:
        await worker.replay(path, path.stat().st_size)
    assert (caught.value.command, caught.value.offset) == ("G6 X100", 4)
    with pytest.raises(FileNotFoundError):
        await worker.replay(tmp_path / "none", 0)


def _slow_child(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[], Awaitable[int]]:
    """Have the child write its id and then wait; gives a way to learn the id."""
    note = tmp_path / "pid"
    program = (
        "import os, sys, time, pathlib; "
        f"pathlib.Path({str(note)!r}).write_text(str(os.getpid())); time.sleep(60)"
    )
    monkeypatch.setattr(worker_module, "_PROGRAM", program)

    async def pid() -> int:
        async with asyncio.timeout(20):
            while not note.exists() or not note.read_text():
                await asyncio.sleep(0.002)
        return int(note.read_text())

    return pid


def _is_gone(pid: int) -> bool:
    """Tell whether a process is gone, and not even a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_a_killed_child_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory ran out, say: no hang, no zombie, and the next one works."""
    worker = CpuWorker()
    path = tmp_path / "a.gcode"
    path.write_bytes(sliced())
    with monkeypatch.context() as patch:
        pid = _slow_child(patch, tmp_path)
        working = asyncio.create_task(worker.analyse(path, path.name, tmp_path / "w"))
        child = await pid()
        os.kill(child, signal.SIGKILL)
        with pytest.raises(AnalysisError, match="-9"):
            await working
    assert _is_gone(child)
    report = await worker.analyse(path, path.name, tmp_path / "w")
    assert report.plates[0].analysis.layers == 4


async def test_a_cancelled_analysis_leaves_no_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing the farm ends it at once."""
    pid = _slow_child(monkeypatch, tmp_path)
    working = asyncio.create_task(CpuWorker().analyse(tmp_path, "a", tmp_path))
    child = await pid()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert _is_gone(child)


async def test_a_child_that_takes_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ended, so that other files are read."""
    monkeypatch.setattr(worker_module, "LONGEST", 0.5)
    pid = _slow_child(monkeypatch, tmp_path)
    with pytest.raises(AnalysisError, match="took too long"):
        await CpuWorker().analyse(tmp_path, "a", tmp_path)
    if (tmp_path / "pid").exists():
        assert _is_gone(await pid())


async def test_a_child_that_talks_nonsense(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is marked, the farm goes on."""
    monkeypatch.setattr(worker_module, "_PROGRAM", "print('hello')")
    rig.analyse = CpuWorker().analyse
    file = await rig.file()
    assert (file.state, file.error) == (AnalysisState.FAILED, "analysis_failed")
