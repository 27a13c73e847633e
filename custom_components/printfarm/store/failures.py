"""Errors of databases and the file system, said in the farm's words."""

import errno
import sqlite3

from sqlalchemy.exc import DBAPIError, IntegrityError

from ..farm.errors import StorageError

_SQLITE = {
    sqlite3.SQLITE_FULL: "storage_full",
    sqlite3.SQLITE_READONLY: "storage_unwritable",
    sqlite3.SQLITE_CANTOPEN: "storage_unwritable",
    sqlite3.SQLITE_PERM: "storage_unwritable",
    sqlite3.SQLITE_CORRUPT: "storage_corrupt",
    sqlite3.SQLITE_NOTADB: "storage_corrupt",
    sqlite3.SQLITE_BUSY: "storage_in_use",
    sqlite3.SQLITE_LOCKED: "storage_in_use",
}
_POSTGRESQL = {
    "53100": "storage_full",
    "25006": "storage_unwritable",
    "42501": "storage_unwritable",
    "XX001": "storage_corrupt",
    "XX002": "storage_corrupt",
    "55P03": "storage_in_use",
}
_MARIADB: dict[object, str] = {
    1021: "storage_full",
    1114: "storage_full",
    1036: "storage_unwritable",
    1142: "storage_unwritable",
    1290: "storage_unwritable",
    1792: "storage_unwritable",
    1034: "storage_corrupt",
    1194: "storage_corrupt",
    1205: "storage_in_use",
}
_OS = {
    errno.ENOSPC: "storage_full",
    errno.EDQUOT: "storage_full",
    errno.EACCES: "storage_unwritable",
    errno.EPERM: "storage_unwritable",
    errno.EROFS: "storage_unwritable",
    errno.ENOENT: "storage_unwritable",
    errno.ENOTDIR: "storage_unwritable",
    errno.EISDIR: "storage_unwritable",
    errno.EEXIST: "storage_unwritable",
}
# Databases name a broken rule by its constraint or its column; both hold this word.
_RULES = {
    "held_fabricator_id": "fabricator_taken",
    "once_key": "event_repeated",
    "foreign key": "row_missing",
}


def storage_error(failure: Exception) -> StorageError:
    """Give the `StorageError` for what SQLAlchemy, a driver or the system raised.

    Its text holds no statement, no values and no address of a database: those may
    carry secrets.
    """
    raised = failure.orig if isinstance(failure, DBAPIError) else failure
    if isinstance(failure, IntegrityError):
        return StorageError(_broken_rule(failure), error=_first_line(raised))
    if isinstance(failure, (DBAPIError, sqlite3.Error)):
        return StorageError(_driver_key(raised), error=_first_line(raised))
    if isinstance(failure, OSError):
        return StorageError(
            _OS.get(failure.errno or 0, "storage_failed"),
            error=failure.strerror or type(failure).__name__,
        )
    return StorageError("storage_failed", error=type(failure).__name__)


def _broken_rule(failure: IntegrityError) -> str:
    text = str(failure.orig).lower()
    return next((key for word, key in _RULES.items() if word in text), "storage_failed")


def _driver_key(raised: BaseException | None) -> str:
    if isinstance(raised, sqlite3.Error):
        # The low byte is the error, the others say more about it.
        code = getattr(raised, "sqlite_errorcode", 0) & 0xFF
        return _SQLITE.get(code, "storage_failed")
    if state := getattr(raised, "sqlstate", None):
        return _POSTGRESQL.get(state, "storage_failed")
    # MariaDB's drivers give the number first.
    number = next(iter(getattr(raised, "args", ())), None)
    return _MARIADB.get(number, "storage_failed")


def _first_line(raised: BaseException | None) -> str:
    return str(raised).partition("\n")[0]
