"""A file that says: this database is taken."""

import fcntl
import os
from pathlib import Path

from ..farm.errors import StorageError


class FileLock:
    """An advisory lock that the system lets go of when its process dies.

    The file stays behind, because removing it could take it from under a second
    process that is just about to lock it.
    """

    def __init__(self, path: Path) -> None:
        """Name the file; nothing is touched yet."""
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, or raise `StorageError` when somebody has it.

        Raises `OSError` where the file cannot be made.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StorageError("storage_in_use", error=self._path.name) from None
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go. Safe to call twice."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
