"""One database, one thread, one transaction per call."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
import sqlite3
import threading
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from ..farm.errors import FarmError, StorageError
from . import migrations
from .failures import storage_error
from .lock import FileLock

# FULL, not NORMAL: in WAL mode only FULL has a commit on disk when it returns, and a
# job that was claimed before the power went must still be claimed after.
_PRAGMAS = ("busy_timeout=5000", "synchronous=FULL", "foreign_keys=ON")
_AUTO_CHECKPOINT_PAGES = 1000


class Database:
    """A database that is only ever touched by its own thread.

    All methods but `session` belong to the event loop. Failures of the database
    become `StorageError`, with everything of that call rolled back.
    """

    def __init__(self, url: URL) -> None:
        """Name the database; `open` reaches for it."""
        self._url = url
        self._path = _sqlite_path(url)
        self._lock = FileLock(Path(f"{self._path}.lock")) if self._path else None
        self._executor = ThreadPoolExecutor(1, "printfarm_db")
        self._thread: int | None = None
        self._engine: Engine | None = None
        self._in_backup = False
        self._closing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Make or migrate the database, and take it for this process alone."""
        try:
            await self._call(self._open)
        except StorageError:
            await self.close()
            raise

    async def run[T](self, work: Callable[[Session], T]) -> T:
        """Do `work` in one transaction on the database thread.

        Whoever waits may be cancelled: the transaction still ends, whole.
        """
        return await self._call(lambda: self._transaction(work))

    async def begin_backup(self) -> None:
        """Leave the file as it is from now on, so that it can be copied.

        Commits go on: they reach the write-ahead log, of which any beginning is
        sound, while the file itself rests until `end_backup`.
        """
        await self._call(self._begin_backup)

    async def end_backup(self) -> None:
        """Let the write-ahead log flow into the file again."""
        await self._call(self._end_backup)

    async def close(self) -> None:
        """Finish what is under way and let go. Safe to call twice."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    def session(self) -> Session:
        """Open a session; raises `RuntimeError` outside the database thread."""
        if threading.get_ident() != self._thread or self._engine is None:
            raise RuntimeError("The database was used outside its own thread")
        return Session(self._engine, expire_on_commit=False, autoflush=False)

    async def _call[T](self, work: Callable[[], T]) -> T:
        if self._closing is not None:
            raise StorageError("storage_closed")
        loop = asyncio.get_running_loop()
        # Shielded: a cancelled request must neither stop a commit half-way nor take
        # one back that still waits for the thread.
        return await asyncio.shield(
            loop.run_in_executor(self._executor, self._translated, work)
        )

    async def _close(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._executor, self._dispose)
        # The queue is empty now, so the thread is gone before anybody could notice.
        self._executor.shutdown()

    def _translated[T](self, work: Callable[[], T]) -> T:
        try:
            return work()
        except FarmError:
            raise
        except (SQLAlchemyError, sqlite3.Error, OSError) as failure:
            error = storage_error(failure)
            if self._path is None:
                # What a driver or SQLAlchemy says on the way may quote the address
                # with its password, so the chain ends here.
                raise error from None
            raise error from failure

    def _transaction[T](self, work: Callable[[Session], T]) -> T:
        with self.session() as session, session.begin():
            return work(session)

    def _open(self) -> None:
        self._thread = threading.get_ident()
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._lock is not None:
            self._lock.acquire()
        self._engine = _engine(self._url)
        with self._engine.begin() as connection:
            migrations.upgrade(connection)
        if self._path is not None:
            with self._sqlite() as raw:
                raw.execute("PRAGMA journal_mode=WAL")
                # Tries to write, so that set-up and not the first print says what is
                # wrong. Beginning alone would do as if all were well.
                raw.execute("BEGIN IMMEDIATE")
                raw.execute("CREATE TABLE printfarm_trial (id INTEGER)")
                raw.execute("ROLLBACK")
                raw.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, False)

    def _begin_backup(self) -> None:
        if self._path is None:
            return
        with self._sqlite() as raw:
            raw.execute("PRAGMA wal_autocheckpoint=0")
            raw.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
            self._in_backup = True
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _end_backup(self) -> None:
        if not self._in_backup:
            return
        with self._sqlite() as raw:
            raw.execute(f"PRAGMA wal_autocheckpoint={_AUTO_CHECKPOINT_PAGES}")
            raw.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, False)
            self._in_backup = False
            raw.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _dispose(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
        if self._lock is not None:
            self._lock.release()

    @contextmanager
    def _sqlite(self) -> Iterator[sqlite3.Connection]:
        """Lend the one connection itself, for what cannot run in a transaction."""
        assert self._engine is not None
        borrowed = self._engine.raw_connection()
        try:
            raw = borrowed.driver_connection
            assert isinstance(raw, sqlite3.Connection)
            yield raw
        finally:
            borrowed.close()


def database_url(path_or_url: str | Path) -> URL:
    """Read what a person gave: the path of a SQLite file, or an address.

    Raises `StorageError`, without repeating what was given: it may hold a password.
    """
    text = str(path_or_url)
    if isinstance(path_or_url, Path) or "://" not in text:
        return URL.create("sqlite", database=text)
    try:
        return make_url(text)
    except ArgumentError, ValueError:
        raise StorageError("database_url_invalid") from None


def _sqlite_path(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    if url.database.startswith("file:"):
        return Path(unquote(urlsplit(url.database).path))
    return Path(url.database)


def _engine(url: URL) -> Engine:
    # One connection for the one thread. Values stay out of errors and logs.
    try:
        engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=url.get_backend_name() != "sqlite",
            hide_parameters=True,
        )
    except ArgumentError, NoSuchModuleError, TypeError:
        raise StorageError("database_url_invalid") from None
    except ModuleNotFoundError as missing:
        raise StorageError(
            "database_driver_missing", driver=missing.name or ""
        ) from None
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(raw: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # Python's sqlite3 begins transactions by itself, but not before statements that
    # make tables: half a migration could stay. So we begin them.
    raw.isolation_level = None
    # A database that turns out to be newer than this code is left exactly as it was,
    # also by the closing of this connection.
    raw.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)
    try:
        for pragma in _PRAGMAS:
            raw.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        # The pool lets go of a connection that fails here, but does not close it.
        raw.close()
        raise


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")
