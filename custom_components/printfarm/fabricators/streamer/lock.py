"""Never two processes in one folder."""

import fcntl
import os
from pathlib import Path


class TakenError(Exception):
    """Another process holds the folder."""


class Lock:
    """Held as long as this process lives, however it ends."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises `TakenError` and `OSError`."""
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise TakenError(str(path)) from error
        except BaseException:
            os.close(self._file)
            raise

    @property
    def valid(self) -> bool:
        """Whether it keeps others out: not where the file was removed. Blocks."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file))
        except OSError:
            return False

    def release(self) -> None:
        """Let the next one in. Safe to call twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
