"""What goes wrong with a disk or a database is said plainly and changes nothing."""

import errno
from pathlib import Path
import sqlite3
import traceback

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidRequestError

from custom_components.printfarm.farm.errors import StorageError
from custom_components.printfarm.farm.events import BedCleared
from custom_components.printfarm.store import migrations
from custom_components.printfarm.store.database import (
    Database,
    _prepare_sqlite,
    database_url,
)
from custom_components.printfarm.store.failures import storage_error
from custom_components.printfarm.store.repository import Repository, open_repository

from .content import NOW, add_fabricator

SECRET = "hunter2"


async def test_full_disk(database: Database, repository: Repository) -> None:
    """The commit that finds no room is taken back whole; the next one with room works."""
    await add_fabricator(repository, "first")

    def limit(pages: str) -> None:
        with database._sqlite() as raw:
            raw.execute(f"PRAGMA max_page_count={pages}")

    await database._call(lambda: limit("1"))
    before = await repository.load()
    long = "x" * 500
    with pytest.raises(StorageError) as refused:
        await repository.commit(
            fabricators=before.fabricators,
            events=[BedCleared(at=NOW, text=long)] * 1000,
        )
    assert refused.value.key == "storage_full"
    assert await repository.load() == before
    await database._call(lambda: limit("1000000"))
    await repository.commit(fabricators=before.fabricators, events=[BedCleared(at=NOW)])
    assert len((await repository.load()).unannounced) == 1


async def test_disk_that_turns_read_only(
    database: Database, repository: Repository
) -> None:
    """Reading goes on, writing says why not."""
    record = await add_fabricator(repository, "first")
    await database.run(lambda session: session.execute(text("PRAGMA query_only=ON")))
    with pytest.raises(StorageError) as refused:
        await add_fabricator(repository, "second")
    assert refused.value.key == "storage_unwritable"
    assert (await repository.load()).fabricators == (record,)


async def test_database_that_may_only_be_read(path: Path) -> None:
    """Is refused at once, not at the first commit."""
    await (await open_repository(path)).close()
    with pytest.raises(StorageError) as refused:
        await open_repository(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert refused.value.key == "storage_unwritable"


async def test_folder_that_cannot_be(tmp_path: Path) -> None:
    """A file lies where the folder should be."""
    (tmp_path / "printfarm").write_text("a file")
    with pytest.raises(StorageError) as refused:
        await open_repository(tmp_path / "printfarm" / "farm.db")
    assert refused.value.key == "storage_unwritable"


async def test_database_that_is_a_folder(path: Path) -> None:
    """A folder lies where the database should be."""
    path.mkdir()
    with pytest.raises(StorageError) as refused:
        await open_repository(path)
    assert refused.value.key == "storage_unwritable"


@pytest.mark.parametrize("where", [0, 100])
async def test_corrupt_file_is_left_alone(path: Path, where: int) -> None:
    """A header or a first page of nonsense; nothing is written over it."""
    await (await open_repository(path)).close()
    broken = bytearray(path.read_bytes())
    broken[where : where + 200] = b"\xa5" * 200
    path.write_bytes(broken)
    with pytest.raises(StorageError) as refused:
        await open_repository(path)
    assert refused.value.key == "storage_corrupt"
    assert path.read_bytes() == broken


def test_connection_that_fails_at_once_is_closed(path: Path) -> None:
    """Nothing keeps hold of a file that is no database."""
    path.write_bytes(b"\xa5" * 8192)
    raw = sqlite3.connect(path)
    with pytest.raises(sqlite3.DatabaseError):
        _prepare_sqlite(raw, None)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        raw.execute("SELECT 1")


async def test_folder_without_locks(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network share that knows no locks is refused, and left to itself."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr("fcntl.flock", no_locks)
        with pytest.raises(StorageError) as refused:
            await open_repository(path)
    assert refused.value.key == "storage_failed"
    assert not path.exists()
    await (await open_repository(path)).close()


async def test_what_a_server_says_is_not_repeated() -> None:
    """A driver's own error may quote the address, so the chain ends at ours."""
    database = Database(database_url("sqlite://"))
    await database.open()
    with pytest.raises(StorageError) as refused:
        await database.run(lambda session: session.execute(text("SELECT hunter2")))
    await database.close()
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


async def test_page_that_rots_later(path: Path) -> None:
    """A table that cannot be read says so, and so does one that cannot be written."""
    repository = await open_repository(path)
    for _ in range(50):
        await repository.commit(events=[BedCleared(at=NOW, text="x" * 500)])
    await repository.close()
    with sqlite3.connect(path) as raw:
        (page,) = raw.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'event_log'"
        ).fetchone()
        (size,) = raw.execute("PRAGMA page_size").fetchone()
    raw.close()
    content = bytearray(path.read_bytes())
    content[(page - 1) * size : page * size] = b"\xa5" * size
    path.write_bytes(content)
    repository = await open_repository(path)
    for attempt in (
        repository.events(),
        repository.commit(events=[BedCleared(at=NOW)]),
    ):
        with pytest.raises(StorageError) as refused:
            await attempt
        assert refused.value.key == "storage_corrupt"
    await repository.close()


async def test_database_that_somebody_else_locks(
    path: Path, database: Database, repository: Repository
) -> None:
    """A program that ignores our lock and writes."""
    await database._call(lambda: _hurry(database))
    with sqlite3.connect(path, isolation_level=None) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError) as refused:
            await add_fabricator(repository, "first")
        assert refused.value.key == "storage_in_use"
        stranger.execute("ROLLBACK")
    stranger.close()
    await add_fabricator(repository, "first")


async def test_naive_time_is_not_kept(repository: Repository) -> None:
    """Nobody could tell what it means."""
    with pytest.raises(StorageError) as refused:
        await repository.commit(events=[BedCleared(at=NOW.replace(tzinfo=None))])
    assert refused.value.key == "storage_failed"
    assert await repository.events() == ()


@pytest.mark.parametrize("left_log", [False, True])
async def test_newer_database_is_left_exactly_as_it_is(
    path: Path, left_log: bool
) -> None:
    """Also when its last owner died and left a log that is not yet in the file."""
    repository = await open_repository(path)
    await add_fabricator(repository, "first")
    await repository.close()
    raw = sqlite3.connect(path, isolation_level=None)
    raw.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, left_log)
    raw.execute("UPDATE printfarm_version SET version_num = '9999'")
    raw.close()
    before = path.read_bytes()
    log = Path(f"{path}-wal")
    before_log = log.read_bytes() if left_log else None
    with pytest.raises(StorageError) as refused:
        await open_repository(path)
    assert refused.value.key == "database_newer"
    assert refused.value.placeholders == {
        "found": "9999",
        "known": migrations.revisions()[-1],
    }
    assert path.read_bytes() == before
    assert (log.read_bytes() if left_log else None) == before_log


@pytest.mark.parametrize(
    ("address", "key"),
    [
        (f"postgresql://user:{SECRET}@host:{SECRET}/db", "database_url_invalid"),
        (f"{SECRET}://user@host/db", "database_url_invalid"),
        (f"://user:{SECRET}@host/db", "database_url_invalid"),
        (f"oracle+oracledb://user:{SECRET}@host/db", "database_driver_missing"),
    ],
)
async def test_bad_address_is_not_repeated(
    address: str,
    key: str,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may hold a password, so neither the error nor a log shows it."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StorageError) as refused:
        await open_repository(address)
    assert refused.value.key == key
    assert SECRET not in "".join(traceback.format_exception(refused.value))
    assert SECRET not in caplog.text


class _DriverError(Exception):
    sqlstate: str | None = None


def _postgresql(state: str) -> Exception:
    raised = _DriverError("something\nDETAIL: more")
    raised.sqlstate = state
    return DBAPIError(f"INSERT {SECRET}", {"a": SECRET}, raised)


@pytest.mark.parametrize(
    ("failure", "key", "error"),
    [
        (OSError(errno.ENOSPC, "No space"), "storage_full", "No space"),
        (OSError(errno.EROFS, "Read-only"), "storage_unwritable", "Read-only"),
        (OSError(errno.EIO, "Input/output"), "storage_failed", "Input/output"),
        (OSError("odd"), "storage_failed", "OSError"),
        (_postgresql("53100"), "storage_full", "something"),
        (_postgresql("25006"), "storage_unwritable", "something"),
        (_postgresql("08006"), "storage_failed", "something"),
        (
            DBAPIError(SECRET, SECRET, _DriverError(1021, "Disk full")),
            "storage_full",
            "(1021, 'Disk full')",
        ),
        (DBAPIError(SECRET, SECRET, _DriverError()), "storage_failed", ""),
        (
            IntegrityError(SECRET, SECRET, _DriverError("CHECK constraint failed")),
            "storage_failed",
            "CHECK constraint failed",
        ),
        (InvalidRequestError(SECRET), "storage_failed", "InvalidRequestError"),
    ],
)
def test_failures_have_names(failure: Exception, key: str, error: str) -> None:
    """Also those of databases and disks that are not at hand here."""
    named = storage_error(failure)
    assert named.key == key
    assert named.placeholders == {"error": error}
    assert SECRET not in str(named)


def _hurry(database: Database) -> None:
    with database._sqlite() as raw:
        raw.execute("PRAGMA busy_timeout=0")
