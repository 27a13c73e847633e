"""The streaming process: how it comes, what it is made of, and how it goes."""

import argparse
import asyncio
import codecs
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
import gc
import json
import logging
import os
from pathlib import Path
import signal
import sys
import tempfile
import threading

# Not ours to use, and heavy to have: serialx brings it along where it finds it.
sys.modules.setdefault("aioesphomeapi", None)  # type: ignore[arg-type]

from ..marlin.driver import MarlinFabricator  # noqa: E402
from ..virtual.driver import VirtualFabricator  # noqa: E402
from . import messages  # noqa: E402
from .host import Host  # noqa: E402
from .hot import new_event_loop  # noqa: E402
from .linger import Linger  # noqa: E402
from .lock import Lock, TakenError  # noqa: E402
from .machine import Factory  # noqa: E402
from .output import log_to  # noqa: E402
from .program import BROKEN, KINDS, LINGER, TAKEN  # noqa: E402
from .server import Server, discard  # noqa: E402
from .shelf import Shelf, secret, write_json  # noqa: E402

_LOGGER = logging.getLogger(__name__)

FACTORIES: Mapping[str, Factory] = {
    "marlin": MarlinFabricator,
    "virtual": VirtualFabricator,
}
"""The drivers that run here, by protocol."""
SWITCH_INTERVAL = 0.0005
"""Seconds that a thread which reads a file may keep the interpreter from a nozzle."""
NICENESS = -5
AUTOGROUP = Path("/proc/self/autogroup")
"""Linux may share processors out among sessions first, and only then within one."""
LOOK_EVERY = 10.0
"""Seconds between two looks whether we can still be found."""
END_WITHIN = 12.0
"""Seconds after which the process ends, whatever is left to be done."""


class Child:
    """One process: its socket and its machines."""

    def __init__(
        self, folder: Path, kind: str, release: str, linger: float, lock: Lock
    ) -> None:
        """Keep what it was started with. Raises `OSError`."""
        self._folder = folder
        self._about = folder / "about.json"
        self._release = release
        self._lock = lock
        self._stopping = asyncio.Event()
        self._replaced = False
        """Whoever told us to stop takes care of the machines."""
        self._server = Server(secret(folder), release, on_client=self._look)
        self._shelf = Shelf(folder)
        self._host = Host(
            self._shelf,
            {key: FACTORIES[key] for key, own in KINDS.items() if own == kind},
            release,
            self._server.tell,
            on_busy=self._look,
            on_quit=self._make_room,
        )
        self._linger = Linger(linger, self._needed, self._stopping.set)

    def _make_room(self) -> None:
        self._replaced = True
        self._stopping.set()

    def _needed(self) -> bool:
        return self._server.connected or self._host.busy

    def _look(self) -> None:
        self._linger.look()

    async def serve(self) -> None:
        """Serve until told to stop, or until nobody needs it any more."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        self._tidy()
        await self._host.load()
        await self._listen()
        gc.collect()
        gc.freeze()
        self._linger.look()
        staying = asyncio.create_task(self._stay_within_reach())
        await self._stopping.wait()
        staying.cancel()
        await asyncio.wait([staying])

    async def _listen(self) -> None:
        path = await self._server.listen(self._folder, self._host)
        about = {
            "pid": os.getpid(),
            "release": self._release,
            "speaks": [messages.OLDEST, messages.NEWEST],
            "socket": str(path),
        }
        await self._shelf.on_disk(partial(write_json, self._about, about))
        _LOGGER.info("Release %s listens on %s", self._release, path)

    async def _stay_within_reach(self) -> None:
        """Be found again where somebody has tidied up: else no print can be stopped."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if await self._shelf.on_disk(self._out_of_reach):
                _LOGGER.warning("The socket was removed")
                self._server.stop_listening()
                with suppress(OSError):
                    await self._listen()

    def _out_of_reach(self) -> bool:
        """Whether nobody finds us, nor takes our place: that needs the lock."""
        path = self._server.path
        found = path is not None and path.exists() and self._about.exists()
        return not found and self._lock.valid

    async def leave(self) -> None:
        """Have prints end safely, and make room for the next process."""
        _LOGGER.info("Ending")
        self._linger.stop()
        self._server.stop_listening()
        await self._host.close(unattended=not self._replaced)
        self._about.unlink(missing_ok=True)
        # What we still write must not land on top of what the next one has written.
        self._shelf.close()
        # Whoever waits for our end may start that one as soon as we hang up.
        self._lock.release()
        await self._server.close()

    def _tidy(self) -> None:
        """Remove the socket of a process that was killed."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            discard(Path(json.loads(self._about.read_bytes())["socket"]))
        self._about.unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Be the streaming process, and give its exit code."""
    options = _options(arguments)
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    folder = options.folder / "streamer" / options.kind
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        for path in folder.iterdir():
            path.chmod(0o600)
        lock = Lock(folder / "lock")
    except TakenError:
        return TAKEN
    except OSError as error:
        print(f"{folder}: {error}", file=sys.stderr)  # noqa: T201 - no log yet
        return BROKEN
    try:
        log = log_to(folder / "log")
    except OSError as error:
        print(f"{folder}: {error}", file=sys.stderr)  # noqa: T201 - no log yet
        return BROKEN
    try:
        return _run(folder, options, lock)
    finally:
        log.stop()


def precede(autogroup: Path) -> None:
    """Be served before others, where the system lets us: a nozzle must not wait."""
    with suppress(OSError):
        os.nice(NICENESS)
    with suppress(OSError):
        autogroup.write_text(str(NICENESS), "ascii")


def _run(folder: Path, options: argparse.Namespace, lock: Lock) -> int:
    if options.kind == KINDS["marlin"]:
        precede(AUTOGROUP)
    sys.setswitchinterval(SWITCH_INTERVAL)
    # What a thread asks for later is looked up now: the code on disk may be replaced.
    tempfile.gettempdir()
    for codec in ("ascii", "latin-1", "utf-8", "idna"):
        codecs.lookup(codec)

    async def live() -> None:
        child = Child(folder, options.kind, options.release, options.linger, lock)
        try:
            await child.serve()
        finally:
            # A thread may hang on a disk that does not answer.
            goodbye = threading.Timer(END_WITHIN, os._exit, (0,))
            goodbye.daemon = True
            goodbye.start()
            await child.leave()

    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(live())
    except OSError:
        _LOGGER.exception("The folder cannot be used")
        return BROKEN
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("printfarm-streamer")
    parser.add_argument("--folder", type=Path, required=True, help="of the farm")
    parser.add_argument("--kind", choices=sorted(set(KINDS.values())), required=True)
    parser.add_argument("--release", required=True)
    parser.add_argument("--linger", type=float, default=LINGER, metavar="SECONDS")
    return parser.parse_args(arguments)
