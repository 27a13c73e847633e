"""Run Home Assistant for development until it is stopped; see `scripts/develop`."""

import argparse
import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
import signal
import sys

from homeassistant.const import RESTART_EXIT_CODE

from .dashboard import lay_out
from .devhome import ROOT, HomeError, RunningHome, boot, write_home
from .homeclient import HomeClient

FABRICATORS = ("Left", "Right")
SPEED = 20
"""Times as fast as real: quick to watch, slow enough to press buttons meanwhile."""


def arguments(line: Sequence[str]) -> argparse.Namespace:
    """Read the command line; what stands after `--` is Home Assistant's."""
    parser = argparse.ArgumentParser(prog="scripts/develop")
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--config", type=Path, default=ROOT / ".develop")
    parser.add_argument("rest", nargs="*", metavar="argument of Home Assistant")
    return parser.parse_args(line)


async def furnish(running: RunningHome) -> None:
    """Set a farm up, unless there is one: a first look should not begin with forms."""
    async with HomeClient.connect(running.session, running.token) as client:
        entries = await client.ask(type="config_entries/get", domain="printfarm")
        if entries:
            return
        entry = await client.add_farm()
        for name in FABRICATORS:
            await client.add_fabricator(
                entry, "virtual", {"name": name, "model": "marlin_2", "speed": SPEED}
            )
        await lay_out(client)


async def run(options: argparse.Namespace) -> int:
    """Run until Home Assistant ends by itself, and again where it asks for that."""
    while True:
        home = write_home(options.config, options.port)
        async with await boot(
            home, arguments=options.rest, to_terminal=True
        ) as running:
            await furnish(running)
            print(f"\n  Home Assistant is up: {running.url}\n  Ctrl-C stops it.\n")
            code = await running.process.wait()
        if code != RESTART_EXIT_CODE:
            return code


async def main() -> int:
    """Run until somebody or something ends it."""
    task = asyncio.ensure_future(run(arguments(sys.argv[1:])))
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(name, task.cancel)
    with suppress(asyncio.CancelledError):
        try:
            return await task
        except HomeError as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
