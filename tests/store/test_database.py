"""One thread, one process, one transaction per call."""

import asyncio
from pathlib import Path
import random
import shutil
import sqlite3
import sys
import threading

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from custom_components.printfarm.farm.errors import StorageError
from custom_components.printfarm.farm.events import BedCleared
from custom_components.printfarm.farm.model import FabricatorRecord
from custom_components.printfarm.store.database import Database, database_url
from custom_components.printfarm.store.repository import Repository, open_repository
from custom_components.printfarm.store.tables import FabricatorRow

from .content import NOW, add_fabricator

LOCKER = """
import fcntl, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


async def test_session_belongs_to_the_database_thread(database: Database) -> None:
    """Using the database from the event loop raises instead of blocking it."""
    with pytest.raises(RuntimeError, match="outside its own thread"):
        database.session()
    with pytest.raises(RuntimeError, match="outside its own thread"):
        await asyncio.to_thread(database.session)
    name = await database.run(lambda _: threading.current_thread().name)
    assert name.startswith("printfarm_db")


async def test_commits_are_on_disk(database: Database) -> None:
    """The settings that make them so, and foreign keys are looked at."""

    def settings(session: Session) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [session.scalar(text(f"PRAGMA {name}")) for name in names]

    full = 2
    assert await database.run(settings) == ["wal", full, 1, 5000]


async def test_mistake_of_ours_stays_what_it_is(
    database: Database, repository: Repository
) -> None:
    """Only the database's failures are storage errors; either way nothing is kept."""

    def work(session: Session) -> None:
        _insert_fabricator(session)
        raise KeyError("mistake")

    with pytest.raises(KeyError, match="mistake"):
        await database.run(work)
    assert (await repository.load()).fabricators == ()


async def test_cancelled_waiter_loses_no_commit(
    database: Database, repository: Repository
) -> None:
    """Whether the commit is under way or still waits for its turn."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        begun.set()
        go_on.wait()
        _insert_fabricator(session)

    running = asyncio.create_task(database.run(slow))
    await asyncio.to_thread(begun.wait)
    waiting = asyncio.create_task(add_fabricator(repository, "waiting"))
    await asyncio.sleep(0)
    for task in (running, waiting):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    go_on.set()
    loaded = await repository.load()
    assert {record.key for record in loaded.fabricators} == {"inserted", "waiting"}


async def test_close_finishes_what_is_under_way(path: Path) -> None:
    """And may be called as often as one likes, also at once."""
    repository = await open_repository(path)
    writing = asyncio.create_task(add_fabricator(repository, "last"))
    await asyncio.sleep(0)
    await asyncio.gather(repository.close(), repository.close())
    await repository.close()
    record = await writing
    with pytest.raises(StorageError) as refused:
        await repository.load()
    assert refused.value.key == "storage_closed"
    assert not [t for t in threading.enumerate() if t.name.startswith("printfarm_db")]
    assert {each.name for each in path.parent.iterdir()} == {"farm.db", "farm.db.lock"}
    again = await open_repository(str(path))
    assert (await again.load()).fabricators == (record,)
    await again.close()


async def test_folder_is_made(tmp_path: Path) -> None:
    """The farm's folder need not be there."""
    path = tmp_path / "new folder" / "50%" / "farm.db"
    repository = await open_repository(path)
    await repository.close()
    assert path.exists()


async def test_second_opening_is_refused(path: Path, database: Database) -> None:
    """The first goes on as if nothing had been, and the next may come when it is gone."""
    with pytest.raises(StorageError) as refused:
        await open_repository(path)
    assert refused.value.key == "storage_in_use"
    await add_fabricator(Repository(database), "still here")
    await database.close()
    again = await open_repository(path)
    assert len((await again.load()).fabricators) == 1
    await again.close()


async def test_other_process_is_refused_until_it_dies(path: Path) -> None:
    """The lock goes with its process, so a crash leaves nothing to clean up."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        LOCKER,
        f"{path}.lock",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"locked\n"
    with pytest.raises(StorageError) as refused:
        await open_repository(path)
    assert refused.value.key == "storage_in_use"
    assert not path.exists()
    child.kill()
    await child.communicate()
    await (await open_repository(path)).close()


async def test_copy_made_while_the_farm_goes_on(
    path: Path, tmp_path: Path, repository: Repository
) -> None:
    """File and log, copied one after the other amid commits, are a sound database."""
    await _tell(repository, 50)
    await repository.begin_backup()
    before = path.read_bytes()
    await _tell(repository, 50)
    copy = tmp_path / "copy" / "farm.db"
    copy.parent.mkdir()
    shutil.copyfile(path, copy)
    # More than the log usually holds before it flows back into the file.
    await _tell(repository, 3000, at_once=100)
    log = Path(f"{path}-wal").read_bytes()
    await _tell(repository, 50)
    assert path.read_bytes() == before
    choose = random.Random(5)
    for size in (0, len(log), *(choose.randrange(len(log)) for _ in range(10))):
        Path(f"{copy}-wal").write_bytes(log[:size])
        Path(f"{copy}-shm").unlink(missing_ok=True)
        shutil.copyfile(path, copy)
        with sqlite3.connect(copy) as restored:
            assert restored.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            (count,) = restored.execute("SELECT count(*) FROM event_log").fetchone()
        restored.close()
        assert 50 <= count <= 3100
        assert (count == 50) <= (size < 100_000)
        assert (count == 3100) == (size == len(log))
    await repository.end_backup()
    await repository.end_backup()
    assert path.read_bytes() != before
    assert len(await repository.events(limit=10_000)) == 3150


async def test_closing_in_a_backup_leaves_the_file_alone(path: Path) -> None:
    """The log keeps what came after; the next opening finds all of it."""
    repository = await open_repository(path)
    await repository.begin_backup()
    before = path.read_bytes()
    await _tell(repository, 10)
    await repository.close()
    assert path.read_bytes() == before
    again = await open_repository(path)
    assert len(await again.events()) == 10
    await again.close()


async def test_memory_database() -> None:
    """An address without a file works, and has nothing to lock or to back up."""
    repository = await open_repository("sqlite://")
    await repository.begin_backup()
    await add_fabricator(repository, "a")
    await repository.end_backup()
    assert [record.key for record in (await repository.load()).fabricators] == ["a"]
    await repository.close()


async def test_database_is_used_by_nobody_before_it_is_open(path: Path) -> None:
    """There is no session without an engine."""
    database = Database(database_url(path))
    with pytest.raises(RuntimeError):
        await database.run(lambda session: session.scalar(select(FabricatorRow)))
    await database.close()


def _insert_fabricator(session: Session) -> None:
    record = FabricatorRecord(id=1, key="inserted", name="", protocol="virtual")
    columns = {name: getattr(record, name) for name in FabricatorRecord.__slots__}
    session.execute(insert(FabricatorRow).values(columns | {"live_key": record.key}))


async def _tell(repository: Repository, count: int, at_once: int = 1) -> None:
    for _ in range(count // at_once):
        await repository.commit(events=[BedCleared(at=NOW)] * at_once)
