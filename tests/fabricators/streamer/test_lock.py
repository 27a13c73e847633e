"""One process in a folder, however the one before it ended."""

from pathlib import Path
import stat

import pytest

from custom_components.printfarm.fabricators.streamer.lock import Lock, TakenError


def test_is_held_once(tmp_path: Path) -> None:
    """Until it is released."""
    path = tmp_path / "lock"
    lock = Lock(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(TakenError):
        Lock(path)
    lock.release()
    lock.release()
    Lock(path).release()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Is said, not made."""
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path / "missing" / "lock")


def test_a_file_system_that_knows_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes could be there unseen, so there is none."""

    def fail(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr("fcntl.flock", fail)
    with pytest.raises(OSError, match="no locks"):
        Lock(tmp_path / "lock")


def test_keeps_nobody_out_once_its_file_is_gone(tmp_path: Path) -> None:
    """Nor does it once there is another one in its place."""
    path = tmp_path / "lock"
    lock = Lock(path)
    assert lock.valid
    path.unlink()
    assert not lock.valid
    other = Lock(path)
    assert other.valid
    assert not lock.valid
    lock.release()
    other.release()
