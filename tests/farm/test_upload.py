"""Uploads: whole files or nothing, whatever fails."""

import asyncio
import errno
from pathlib import Path
import threading

import pytest

from custom_components.printfarm.farm import library as library_module
from custom_components.printfarm.farm.errors import InvalidError, StorageError
from custom_components.printfarm.farm.model import AnalysisState
from custom_components.printfarm.farm.upload import Upload, clean_name
from custom_components.printfarm.gcode import FileKind, RefusedError

from .gcode import sliced
from .rig import Rig

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "gcode"


def _left(rig: Rig) -> list[str]:
    """Give what lies in the folder of the library, besides its inner folder."""
    return sorted(
        path.name for path in (rig.folder / "files").rglob("*") if path.is_file()
    )


async def _write_slowly(upload: Upload, content: bytes) -> None:
    for begin in range(0, len(content), 999):
        await upload.write(content[begin : begin + 999])


async def test_an_upload_in_pieces(rig: Rig) -> None:
    """Whole on disk under its hash, read, and without anything beside it."""
    content = (FIXTURES / "coin.gcode").read_bytes()
    async with rig.farm.library.new_upload("coin.gcode") as upload:
        await _write_slowly(upload, content)
        file = await upload.finish()
    assert file.state is AnalysisState.PENDING
    assert rig.farm.library.path(file).read_bytes() == content
    assert (file.name, file.size, file.kind) == (
        "coin.gcode",
        len(content),
        FileKind.GCODE,
    )
    file = await rig.farm.library.analysed(file.id)
    assert file.state is AnalysisState.DONE
    assert file.plates[0].layers
    assert _left(rig) == [file.sha256]
    assert await rig.farm.library.file(file.id) == file


async def test_memory_stays_flat(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits to be written never grows past a block."""
    largest = 0
    async with rig.farm.library.new_upload("big.gcode") as upload:
        for _ in range(200):
            await upload.write(b"G1 X1 E1\n" * 2000)
            largest = max(largest, len(upload._pending))
        await upload.abort()
    assert largest < 1024 * 1024


async def test_the_same_content_is_one_file(rig: Rig) -> None:
    """Under its first name, also when both come at once."""
    first, second = await asyncio.gather(
        rig.file("a.gcode", sliced()), rig.file("b.gcode", sliced())
    )
    third = await rig.file("c.gcode", sliced())
    assert first.id == second.id == third.id
    assert len(_left(rig)) == 1
    page = await rig.farm.library.files()
    assert (page.total, page.items[0].id) == (1, first.id)


@pytest.mark.parametrize("when", ["before", "between", "error", "finished"])
async def test_an_upload_that_is_given_up(rig: Rig, when: str) -> None:
    """It leaves nothing, whenever it ends."""

    async def send() -> None:
        async with rig.farm.library.new_upload("a.gcode") as upload:
            if when != "before":
                await upload.write(sliced(layers=20_000))
            if when == "between":
                await upload.abort()
                await upload.abort()
            if when == "finished":
                await upload.finish()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await send()
    await rig.quiet()
    assert len(_left(rig)) == (1 if when == "finished" else 0)


async def test_a_client_that_hangs_up(rig: Rig) -> None:
    """Cancelled at any moment, an upload is a whole file or nothing at all."""
    content = sliced(layers=9000)

    async def send() -> None:
        async with rig.farm.library.new_upload("a.gcode") as upload:
            await upload.write(content[:1_200_000])
            await upload.write(content[1_200_000:])
            await upload.finish()

    for pause in range(0, 60, 4):
        sending = asyncio.create_task(send())
        for _ in range(pause):
            await asyncio.sleep(0.0003)
        sending.cancel()
        await asyncio.wait([sending])
        page = await rig.farm.library.files()
        assert _left(rig) == [file.sha256 for file in page.items]
        for file in page.items:
            assert rig.farm.library.path(file).read_bytes() == content
            await rig.farm.library.analysed(file.id)
            await rig.farm.library.delete(file.id)


FULL = {
    errno.ENOSPC: "storage_full",
    errno.EDQUOT: "storage_full",
    errno.EACCES: "storage_unwritable",
    errno.EROFS: "storage_unwritable",
    errno.EIO: "storage_failed",
}


@pytest.mark.parametrize("step", ["_append", "_sync"])
@pytest.mark.parametrize("code", FULL)
async def test_a_disk_that_fails(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, code: int, step: str
) -> None:
    """It is said what is wrong, and nothing is left."""

    def fail(*_: object) -> None:
        raise OSError(code, "no")

    monkeypatch.setattr(Upload, step, fail)
    with pytest.raises(StorageError) as caught:
        await rig.file()
    assert caught.value.key == FULL[code]
    assert _left(rig) == []
    assert (await rig.farm.library.files()).total == 0


async def test_a_disk_that_fails_at_the_last_step(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the file is moved to its place."""

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no")

    monkeypatch.setattr(library_module, "move", fail)
    with pytest.raises(StorageError, match="storage_full"):
        await rig.file()
    assert _left(rig) == []


async def test_a_row_that_cannot_be_written(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file goes again, unless it was there before and has a row."""

    async def fail(**_: object) -> None:
        raise StorageError("storage_full")

    monkeypatch.setattr(rig.storage, "add_file", fail)
    with pytest.raises(StorageError, match="storage_full"):
        await rig.file()
    assert _left(rig) == []
    monkeypatch.undo()
    file = await rig.file()
    monkeypatch.setattr(rig.storage, "add_file", fail)
    with pytest.raises(StorageError, match="storage_full"):
        await rig.file()
    assert _left(rig) == [file.sha256]


async def test_an_unwritable_folder(rig: Rig) -> None:
    """A file lies where the folder should be."""
    await rig.farm.close()
    (rig.folder / "files" / "incoming").rmdir()
    (rig.folder / "files").rmdir()
    (rig.folder / "files").write_text("in the way")
    with pytest.raises(StorageError):
        await rig.open()
    await rig.storage.close()


async def test_a_crash_between_file_and_row(rig: Rig) -> None:
    """The file has no row; the next upload of it finds its place, and has one."""
    content = sliced()
    async with rig.farm.library.new_upload("a.gcode") as upload:
        await upload.write(content)
        add, rig.storage.add_file = rig.storage.add_file, None  # type: ignore[method-assign, assignment]
        with pytest.raises(TypeError):
            await upload.finish()
    rig.storage.add_file = add  # type: ignore[method-assign]
    assert len(_left(rig)) == 1
    assert (await rig.farm.library.files()).total == 0
    await rig.restart()
    file = await rig.file(content=content)
    assert _left(rig) == [file.sha256]
    assert file.state is AnalysisState.DONE


async def test_half_uploads_of_a_crash_are_cleared(rig: Rig) -> None:
    """Nobody will ever finish them."""
    upload = rig.farm.library.new_upload("a.gcode")
    await upload.write(b"x" * 2_000_000)
    assert len(_left(rig)) == 1
    await rig.crash()
    assert _left(rig) == []
    await upload.abort()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("part.gcode", "part.gcode"),
        ("../../etc/passwd.gcode", "passwd.gcode"),
        ("C:\\Users\\me\\part.gcode", "part.gcode"),
        ("/abs/part.gcode", "part.gcode"),
        ("pa\x00rt\n\r\x1b[31m.gcode", "part[31m.gcode"),
        ("Würfel ✓ 立方体.gcode", "Würfel ✓ 立方体.gcode"),
        ("right\u202eedocg.gcode", "rightedocg.gcode"),
        ("  spaces.gcode  ", "spaces.gcode"),
        (".gcode", ".gcode"),
        ("a" * 194 + ".gcode", "a" * 194 + ".gcode"),
        ("half\udc80.gcode", "half.gcode"),
    ],
)
def test_names_are_cleaned(given: str, kept: str) -> None:
    """Only the name stays: no folders, nothing invisible."""
    assert clean_name(given) == kept


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "...", "a/", "\x00", "\n", "../", "x" * 201]
)
def test_names_that_are_none(rig: Rig, name: str) -> None:
    """Nothing useful is left."""
    with pytest.raises(InvalidError, match="name_invalid"):
        rig.farm.library.new_upload(name)


async def test_too_large(rig: Rig) -> None:
    """Refused as soon as it is, not when all of it has come."""
    rig.farm.library.max_size = 2_000_000
    with pytest.raises(InvalidError, match="file_too_large"):
        await rig.file(content=b"G1 X1\n" * 500_000)
    assert _left(rig) == []


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("a.gcode", b"", "file_empty"),
        ("a.gcode", bytes(range(256)) * 50, "file_binary"),
        ("a.stl", b"solid cube\nfacet normal 0 0 1\n", "file_kind_unknown"),
    ],
    ids=["empty", "binary", "model"],
)
async def test_what_is_no_print_is_refused(
    rig: Rig, name: str, content: bytes, key: str
) -> None:
    """At once, with its reason, and without a trace."""
    with pytest.raises(RefusedError) as caught:
        await rig.file(name, content)
    assert caught.value.reason.value == key
    assert _left(rig) == []
    assert (await rig.farm.library.files()).total == 0


async def test_a_client_that_hangs_up_while_the_disk_is_slow(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that still writes is waited for before anything is cleared away."""
    append, entered, go_on = Upload._append, threading.Event(), threading.Event()

    def slow(upload: Upload, block: bytes) -> None:
        entered.set()
        assert go_on.wait(20)
        append(upload, block)

    async def send() -> None:
        async with rig.farm.library.new_upload("a.gcode") as upload:
            await upload.write(b"G1 X1\n" * 500_000)

    monkeypatch.setattr(Upload, "_append", slow)
    sending = asyncio.create_task(send())
    await rig.until(entered.is_set)
    sending.cancel()
    await asyncio.wait([sending], timeout=0.05)
    done = sending.done()
    go_on.set()
    await asyncio.wait([sending])
    assert not done
    assert _left(rig) == []
