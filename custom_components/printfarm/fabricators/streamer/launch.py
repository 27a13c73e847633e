"""Finding the streaming process of a farm, and starting it where there is none."""

import asyncio
import json
import os
from pathlib import Path
import subprocess
import sys

from .client import Client, UnprovenError
from .program import BROKEN, TAKEN, command

START_WITHIN = 20.0
"""Seconds in which a process that was started answers."""
_LOOK = 0.05
"""Seconds between two looks whether it does."""
_ONCE_MORE = 0.5
"""Seconds before another one is started where the folder was taken."""

_children: list[subprocess.Popen[bytes]] = []
"""Children of ours. They are not waited for: they outlive us. Those that do not are
reaped when somebody looks."""


class LaunchError(Exception):
    """There is no process to speak to. `code` says why, the text says more."""

    def __init__(self, code: str, text: str) -> None:
        """Keep both."""
        super().__init__(text)
        self.code = code


def folder_of(farm: Path, kind: str) -> Path:
    """Give the folder of a process of the farm in this folder."""
    return farm / "streamer" / kind


async def find(farm: Path, kind: str) -> Client | None:
    """Connect to the process of this kind; None where nobody answers.

    Raises `LaunchError` where somebody does who is not ours, or does not say so.
    """
    loop = asyncio.get_running_loop()
    known = await loop.run_in_executor(None, _known, folder_of(farm, kind))
    if known is None:
        return None
    try:
        return await Client.connect(*known)
    except UnprovenError as error:
        raise LaunchError("streamer_unproven", str(error)) from error
    except TimeoutError as error:
        raise LaunchError("streamer_failed", "it does not answer") from error
    except OSError:
        # A socket without a process behind it, or one that is just going.
        return None


async def launch(farm: Path, kind: str, release: str) -> Client:
    """Start the process of this kind, and connect to it.

    Of two that are started at once one stays, whoever started it. Raises `LaunchError`.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + START_WITHIN
    child = await _started(farm, kind, release)
    while (client := await find(farm, kind)) is None:
        reap()
        if child.returncode not in {None, TAKEN} or loop.time() > until:
            raise LaunchError("streamer_failed", _state(child))
        await asyncio.sleep(_LOOK)
        if child.returncode == TAKEN:
            # Whoever holds the folder answers soon, or is on its way out.
            await asyncio.sleep(_ONCE_MORE)
            child = await _started(farm, kind, release)
    return client


async def _started(farm: Path, kind: str, release: str) -> subprocess.Popen[bytes]:
    try:
        return await asyncio.get_running_loop().run_in_executor(
            None, _spawn, farm, kind, release
        )
    except OSError as error:
        raise LaunchError("streamer_failed", str(error)) from error


def reap() -> None:
    """Let go of children that have ended."""
    _children[:] = [child for child in _children if child.poll() is None]


def _known(folder: Path) -> tuple[str, bytes] | None:
    """Give where the process of this folder listens, and what it must know."""
    try:
        about = json.loads((folder / "about.json").read_bytes())
        return str(about["socket"]), (folder / "secret").read_bytes()
    except OSError, ValueError, KeyError, TypeError:
        return None


def _state(child: subprocess.Popen[bytes]) -> str:
    code = child.returncode
    if code == BROKEN:
        return "its folder cannot be used"
    return f"process {child.pid} " + (
        "does not answer" if code is None else f"ended with code {code}"
    )


def _spawn(farm: Path, kind: str, release: str) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, so that no signal of ours reaches it.

    Not through the event loop, which kills its children when it is closed.
    """
    child = subprocess.Popen(
        command(farm, kind, release),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    _children.append(child)
    return child
