"""Files of the streaming process: whole or not at all, and their owner's alone."""

import errno
import os
from pathlib import Path
import stat

import pytest

from custom_components.printfarm.fabricators.marlin.tape import Tape
from custom_components.printfarm.fabricators.streamer import shelf
from custom_components.printfarm.fabricators.streamer.shelf import Keeper, Shelf
from custom_components.printfarm.fabricators.streamer.story import Story


def test_reads_what_it_has_written(tmp_path: Path) -> None:
    """Every machine has a story of its own, whatever its key."""
    files = Shelf(tmp_path)
    stories = {"a": Story(run=1), "b/../c": Story(run=2), "ä": Story()}
    for key, story in stories.items():
        files.write(key, story)
    assert Shelf(tmp_path).read_all() == stories
    files.delete("a")
    assert set(files.read_all()) == {"b/../c", "ä"}


@pytest.mark.parametrize("content", ["", "{", "[]", "7", "{}", '{"format": "x"}'])
def test_a_story_that_cannot_be_read_is_said_and_left(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are read all the same."""
    files = Shelf(tmp_path)
    files.write("b", Story(run=2))
    (tmp_path / "run-a.json").write_text(content)
    assert files.read_all() == {"b": Story(run=2)}
    assert "run-a.json" in caplog.text


def test_a_write_that_fails_leaves_the_old_story(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one at any instant."""
    files = Shelf(tmp_path)
    files.write("a", Story(run=1))

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input"):
        files.write("a", Story(run=2))
    assert files.read_all() == {"a": Story(run=1)}


@pytest.mark.parametrize(("code", "fails"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_folder_need_not_be_synced_where_nobody_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, fails: bool
) -> None:
    """A disk that fails is another thing."""
    sync = os.fsync

    def only_files(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(code, os.strerror(code))
        sync(file)

    monkeypatch.setattr(os, "fsync", only_files)
    files = Shelf(tmp_path)
    if fails:
        with pytest.raises(OSError, match="Input"):
            files.write("a", Story(run=1))
    else:
        files.write("a", Story(run=1))
        assert files.read_all() == {"a": Story(run=1)}


def test_a_tape_outlives_whoever_wrote_it(tmp_path: Path) -> None:
    """It lies in the file as soon as it is noted."""
    files = Shelf(tmp_path)
    tape = files.tape("a")
    tape.note(4, 40)
    assert files.tape("a").entries() == ((4, 40),)
    assert (tmp_path / "tape-a").stat().st_size == Tape.SIZE
    assert files.tape("b").entries() == ()


def test_a_tape_that_was_cut_short_is_made_whole(tmp_path: Path) -> None:
    """What is still on it counts as far as it can be trusted."""
    (tmp_path / "tape-a").write_bytes(b"\1" * 30)
    tape = Shelf(tmp_path).tape("a")
    assert tape.entries() == ()
    tape.note(1, 10)
    assert tape.entries() == ((1, 10),)


def test_prints_without_a_tape_where_there_can_be_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A print is worth more than its tape."""
    tape = Shelf(tmp_path / "missing").tape("a")
    tape.note(1, 10)
    assert tape.entries() == ((1, 10),)
    assert "tape-a" in caplog.text


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    """256 bits that only its owner can read."""
    made = shelf.secret(tmp_path)
    assert len(made) == 32
    assert shelf.secret(tmp_path) == made
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert shelf.secret(tmp_path) != b""


def test_half_a_secret_is_none(tmp_path: Path) -> None:
    """A cut off file is replaced."""
    (tmp_path / "secret").write_bytes(b"short")
    assert len(shelf.secret(tmp_path)) == 32


async def test_saves_only_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk is spared what it knows already."""
    files = Shelf(tmp_path)
    keeper = Keeper(files, "a")
    written: list[Story] = []
    monkeypatch.setattr(files, "write", lambda _, story: written.append(story))
    await keeper.save()
    await keeper.save()
    keeper.change(run=1)
    assert not keeper.writing
    await keeper.save()
    assert written == [Story(), Story(run=1)]
    known = Keeper(files, "a", Story(run=1))
    await known.save()
    assert len(written) == 2
    files.close()
