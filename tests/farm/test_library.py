"""Files: streamed in, stored once, read once, and nothing left lying about."""

import asyncio
import errno
import gzip
import io
from pathlib import Path
import zipfile

import pytest

from custom_components.printfarm.farm import library as library_module
from custom_components.printfarm.farm.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    StorageError,
)
from custom_components.printfarm.farm.model import AnalysisState, JobStatus, StoredFile
from custom_components.printfarm.gcode import FileKind, Report

from .gcode import png, sliced, with_picture
from .machine import FakeFabricator
from .rig import Rig, read_in_thread

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "gcode"


def _left(rig: Rig) -> list[str]:
    """Give what lies in the folder of the library, besides its inner folder."""
    return sorted(
        path.name for path in (rig.folder / "files").rglob("*") if path.is_file()
    )


def _packed() -> bytes:
    """Give a 3MF with two plates."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("Metadata/plate_1.gcode", sliced(layers=3))
        archive.writestr("Metadata/plate_2.gcode", sliced(layers=7))
    return buffer.getvalue()


async def test_what_turns_out_to_be_no_print(rig: Rig) -> None:
    """Text, but no commands: kept, flagged, and no job takes it."""
    file = await rig.file("poem.gcode", b"; roses are red\n" * 30)
    assert (file.state, file.error) == (AnalysisState.FAILED, "file_without_gcode")
    with pytest.raises(ConflictError, match="file_unusable"):
        await rig.job(file=file)
    assert await rig.farm.library.thumbnail(file.id) is None


@pytest.mark.parametrize(
    ("name", "content", "kind", "plates"),
    [
        ("a.gcode", sliced(), FileKind.GCODE, 1),
        ("a.gcode.gz", gzip.compress(sliced()), FileKind.GCODE_GZ, 1),
        ("a.gcode.3mf", _packed(), FileKind.THREEMF, 2),
    ],
    ids=["plain", "gzip", "3mf"],
)
async def test_kinds(
    rig: Rig,
    machine: FakeFabricator,
    name: str,
    content: bytes,
    kind: FileKind,
    plates: int,
) -> None:
    """Packed or plain, the machine gets the plain G-code of the plate."""
    file = await rig.file(name, content)
    assert (file.kind, len(file.plates)) == (kind, plates)
    job = await rig.job(file=file, plate=plates)
    await rig.farm.start("a", job.id)
    await rig.quiet()
    (task,) = machine.tasks
    assert task.source == rig.farm.library.path(file)
    assert task.plate == plates
    assert task.gcode is not None
    assert task.gcode.read_bytes() == sliced(layers=7 if plates == 2 else 4)


@pytest.mark.parametrize("how", ["all", "contents", "index", "old", "nonsense"])
async def test_a_cache_that_was_wiped_or_damaged(
    rig: Rig, machine: FakeFabricator, how: str
) -> None:
    """It is made again when it is needed."""
    file = await rig.file("a.gcode.gz", gzip.compress(sliced()))
    room = rig.folder / "cache" / file.sha256
    contents = room / "contents.json"
    if how == "all":
        rig.farm.library._cache.forget(file.sha256)
        assert not room.exists()
    elif how == "contents":
        contents.write_text('{"format": 0}')
    elif how == "old":
        contents.write_text("[]")
    elif how == "nonsense":
        contents.write_text("{")
    else:
        for path in room.glob("*.npz"):
            path.write_bytes(b"no index")
    job = await rig.job(file=file)
    await rig.farm.start("a", job.id)
    await rig.quiet()
    assert machine.starts == [job.id]
    assert machine.tasks[0].gcode is not None
    assert machine.tasks[0].gcode.read_bytes() == sliced()
    assert rig.bay().progress.index is not None


async def test_a_plate_that_is_not_in_the_cache_nor_in_the_file(rig: Rig) -> None:
    """It is looked for, once, and not found."""
    file = await rig.file()
    with pytest.raises(InvalidError, match="plate_not_found"):
        await rig.farm.library.ready(file, 9)


async def test_thumbnails(rig: Rig) -> None:
    """A PNG, or None; also after the cache was wiped, and where the file is gone."""
    library = rig.farm.library
    file = await rig.file(content=with_picture(png()))
    picture = await library.thumbnail(file.id)
    assert picture is not None
    assert picture.startswith(b"\x89PNG")
    library._cache.forget(file.sha256)
    assert await library.thumbnail(file.id) == picture
    plain = await rig.file()
    assert await library.thumbnail(plain.id) is None
    library._cache.forget(file.sha256)
    library.path(file).unlink()
    assert await library.thumbnail(file.id) is None
    with pytest.raises(NotFoundError, match="file_not_found"):
        await library.thumbnail(4711)


async def test_deleting(rig: Rig, machine: FakeFabricator) -> None:
    """Not while a job needs it; then all of it, and the history keeps its name."""
    job = await rig.job(name="Bracket")
    file_id = job.file_id or 0
    with pytest.raises(ConflictError, match="file_in_use"):
        await rig.farm.library.delete(file_id)
    assert len(_left(rig)) == 1
    await rig.farm.remove_job(job.id)
    await rig.farm.library.delete(file_id)
    assert _left(rig) == []
    assert list((rig.folder / "cache").iterdir()) == []
    kept = await rig.stored(job.id)
    assert (kept.file_id, kept.name, kept.status) == (
        None,
        "Bracket",
        JobStatus.CANCELLED,
    )
    with pytest.raises(NotFoundError, match="file_not_found"):
        await rig.farm.library.delete(file_id)
    assert file_id not in rig.farm._ledger.book.files


async def test_deleting_while_it_is_read(rig: Rig) -> None:
    """The reading ends, and whoever waits for it hears that the file is gone."""
    stop = asyncio.Event()

    async def slow(*_: object) -> Report:
        await stop.wait()
        raise AssertionError

    rig.analyse = slow
    async with rig.farm.library.new_upload("a.gcode") as upload:
        await upload.write(sliced())
        file = await upload.finish()
    waiting = asyncio.create_task(rig.farm.library.analysed(file.id))
    await asyncio.sleep(0)
    await rig.farm.library.delete(file.id)
    with pytest.raises(NotFoundError):
        await waiting
    await rig.quiet()


async def test_a_store_that_fails_to_delete(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the file stays."""
    file = await rig.file()

    async def fail(_: int) -> None:
        raise StorageError("storage_full")

    monkeypatch.setattr(rig.storage, "delete_file", fail)
    with pytest.raises(StorageError, match="storage_full"):
        await rig.farm.library.delete(file.id)
    assert _left(rig) == [file.sha256]


async def _fails_once(rig: Rig, error: Exception) -> StoredFile:
    tries = 0

    async def fail(path: Path, name: str, work: Path) -> Report:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise error
        return await read_in_thread(path, name, work)

    rig.analyse = fail
    async with rig.farm.library.new_upload("a.gcode") as upload:
        await upload.write(sliced())
        return await upload.finish()


async def test_an_analysis_waits_for_a_full_disk(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk is no reason to call a file unusable."""
    file = await _fails_once(rig, OSError(errno.ENOSPC, "no"))
    await rig.until(lambda: "Cannot keep the analysis" in caplog.text)
    assert (await rig.farm.library.file(file.id)).state is AnalysisState.PENDING
    rig.clock.pass_(library_module.RETRY_AFTER + 1)
    assert (await rig.farm.library.analysed(file.id)).state is AnalysisState.DONE


async def test_an_analysis_that_the_store_refuses_at_first(
    rig: Rig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept when there is room."""

    async def fail(*_: object, **__: object) -> None:
        raise StorageError("storage_full")

    monkeypatch.setattr(rig.storage, "save_analysis", fail)
    async with rig.farm.library.new_upload("a.gcode") as upload:
        await upload.write(sliced())
        file = await upload.finish()
    await rig.until(lambda: "Cannot keep the analysis" in caplog.text)
    monkeypatch.undo()
    rig.clock.pass_(library_module.RETRY_AFTER + 1)
    assert (await rig.farm.library.analysed(file.id)).state is AnalysisState.DONE


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (OSError(errno.EIO, "no"), "file_unreadable"),
        (ZeroDivisionError(), "analysis_failed"),
    ],
)
async def test_a_failed_analysis_is_tried_again_with_the_next_upload(
    rig: Rig, error: Exception, key: str
) -> None:
    """The person's way out: send it once more."""
    file = await _fails_once(rig, error)
    file = await rig.farm.library.analysed(file.id)
    assert (file.state, file.error) == (AnalysisState.FAILED, key)
    again = await rig.file("a.gcode", sliced())
    assert (again.id, again.state) == (file.id, AnalysisState.DONE)


async def test_an_analysis_that_a_restart_interrupted(rig: Rig) -> None:
    """It is taken up again."""

    async def never(*_: object) -> Report:
        await asyncio.Event().wait()
        raise AssertionError

    rig.analyse = never
    async with rig.farm.library.new_upload("a.gcode") as upload:
        await upload.write(sliced())
        file = await upload.finish()
    rig.analyse = read_in_thread
    await rig.restart()
    assert (await rig.farm.library.analysed(file.id)).state is AnalysisState.DONE


async def test_the_file_of_a_broken_picture(rig: Rig) -> None:
    """A picture that cannot be turned into PNG is left out."""
    file = await rig.file(content=with_picture(b"not a picture"))
    assert file.state is AnalysisState.DONE
    assert await rig.farm.library.thumbnail(file.id) is None
