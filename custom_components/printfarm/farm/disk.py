"""Blocking work on files: done in a thread, to its end, with errors of our own."""

import asyncio
from collections.abc import Callable
import errno
import os
from pathlib import Path

from .errors import StorageError
from .whole import whole

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What systems say where no room is left."""


async def on_disk[**P, T](work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do blocking work in a thread, and wait for it also when cancelled.

    A thread cannot be stopped: whoever tidied up behind one that still writes would
    leave something lying about. Raises `StorageError` for `OSError`.
    """
    try:
        return await whole(asyncio.to_thread(work, *args, **kwargs))
    except OSError as err:
        raise _storage_error(err) from err


def move(path: Path, target: Path) -> None:
    """Put a synced file in its place so that a power cut cannot undo it."""
    path.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _storage_error(err: OSError) -> StorageError:
    """Name what the disk has against it."""
    if err.errno in FULL:
        return StorageError("storage_full")
    if err.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR):
        return StorageError("storage_unwritable")
    return StorageError("storage_failed")
