"""A large upload into a real Home Assistant."""

from pathlib import Path

from scripts.devhome import boot, free_port, write_home
from scripts.homeclient import HomeClient

from .gcode import VASE
from .measure import Figure, memory, repeated, stopwatch

SIZE = 300 * 1000**2


async def run(folder: Path) -> list[Figure]:
    """Upload 300 MB and see what it takes of time and of Home Assistant's memory."""
    path = repeated(VASE, folder / "large.gcode", SIZE)
    home = write_home(folder / "home", free_port())
    async with (
        await boot(home) as running,
        HomeClient.connect(running.session, running.token) as client,
    ):
        await client.add_farm()
        before = memory(running.process.pid)
        with stopwatch() as watch:
            await client.upload(path)
        after = memory(running.process.pid, most=True)
    return [
        Figure("300 MB upload, on disk and answered", watch.seconds, "s"),
        Figure("Home Assistant's memory before", before, "MB"),
        Figure("growth at most", after - before, "MB"),
    ]
