"""The main job, to watch: a farm inside a real Home Assistant prints real files.

Everything goes the way that a person's clicks and a slicer's upload go: config flows,
the HTTP upload, actions, and the live states that a dashboard draws from.
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
import signal
import sys
import tempfile
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from .dashboard import lay_out
from .devhome import ROOT, boot, free_port, write_home
from .homeclient import HomeClient
from .portrait import portrayed

FILES = ROOT / "tests" / "fixtures" / "gcode"
QUEUE: Sequence[tuple[str, int]] = (("vase.gcode", 2), ("coin.gcode", 3))
"""What is printed: a file and its copies."""
FABRICATORS = ("Left", "Right")
SPEED = 40
"""Times as fast as real: a coin takes five seconds instead of three and a half minutes."""
PATIENCE = 300.0
"""Seconds for the whole queue; many times what it takes."""

_SHOWN = (
    "status",
    "progress",
    "job",
    "current_layer",
    "total_layers",
    "bed_temperature",
)
_END_EVENTS = frozenset({"print_complete", "print_failed", "print_cancelled"})


@dataclass(slots=True)
class Bed:
    """One fabricator as the demonstration sees it."""

    name: str
    device: str
    entities: dict[str, str]
    """Entity id by key."""
    bar: TaskID
    states: dict[str, str] = field(default_factory=dict)

    def draw(self, progress: Progress) -> None:
        """Show the last states."""
        status = self.states.get("status", "unknown")
        layer, layers = (
            self.states.get(key, "unknown") for key in ("current_layer", "total_layers")
        )
        where = f"layer {layer}/{layers}" if layer.isdigit() else ""
        try:
            done = float(self.states.get("progress", ""))
        except ValueError:
            done = 0.0
        progress.update(
            self.bar,
            completed=done,
            status=status,
            job=self.states.get("job", "").replace("unknown", ""),
            where=where,
        )


class Demonstration:
    """Adds the fabricators, queues the files, clears the beds, until all is printed."""

    def __init__(self, client: HomeClient, console: Console, folder: Path) -> None:
        """Work through `client`, say what happens on `console`, write to `folder`."""
        self._client = client
        self._folder = folder
        self._console = console
        self._beds: dict[str, Bed] = {}
        self._ends: list[dict[str, Any]] = []
        self._idle = asyncio.Event()
        self._live = Progress(
            TextColumn("[bold]{task.description:<6}"),
            TextColumn("{task.fields[status]:<10}"),
            BarColumn(bar_width=32),
            TextColumn("{task.percentage:>5.1f} %"),
            TextColumn("{task.fields[job]:<12}"),
            TextColumn("{task.fields[where]}"),
            console=console,
        )

    async def run(self) -> bool:
        """Print everything; tells whether every job ended well."""
        entry = await self._client.add_farm()
        for name in FABRICATORS:
            await self._client.add_fabricator(
                entry,
                "virtual",
                {"name": name, "model": "marlin_2", "speed": SPEED},
            )
        await lay_out(self._client)
        await self._find_beds()
        events = await self._client.listen(
            type="subscribe_events", event_type="printfarm_event"
        )
        states = await self._client.listen(
            type="subscribe_entities",
            entity_ids=[
                id_ for bed in self._beds.values() for id_ in bed.entities.values()
            ],
        )
        jobs = await self._queue()
        with self._live:
            follow = asyncio.create_task(self._follow(states))
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._work(events, jobs)
                    await self._idle.wait()
            finally:
                follow.cancel()
                await asyncio.gather(follow, return_exceptions=True)
        return await self._summary(jobs)

    async def _find_beds(self) -> None:
        devices = await self._client.ask(type="config/device_registry/list")
        entities = await self._client.ask(type="config/entity_registry/list")
        for device in devices:
            if device["name"] not in FABRICATORS:
                continue
            mine = [item for item in entities if item["device_id"] == device["id"]]
            found = {
                key: item["entity_id"]
                for item in mine
                for key in _SHOWN
                if item["unique_id"].endswith(f"_{key}") and not item["disabled_by"]
            }
            bar = self._live.add_task(
                device["name"], total=100, status="", job="", where=""
            )
            self._beds[device["id"]] = Bed(device["name"], device["id"], found, bar)

    async def _queue(self) -> set[int]:
        jobs: set[int] = set()
        for name, copies in QUEUE:
            path = portrayed(FILES / name, self._folder / name)
            answer = await self._client.upload(path, queue="true", copies=str(copies))
            jobs.update(answer["jobs"])
            self._console.print(
                f"uploaded [bold]{name}[/] ({answer['size']:,} bytes), "
                f"queued {copies} times"
            )
        return jobs

    async def _follow(self, states: asyncio.Queue[dict[str, Any]]) -> None:
        """Keep the bars in step with what a dashboard would show."""
        keys = {
            entity: (bed, key)
            for bed in self._beds.values()
            for key, entity in bed.entities.items()
        }
        while True:
            news = await states.get()
            changed = {
                entity: value["s"] for entity, value in news.get("a", {}).items()
            } | {
                entity: value["+"]["s"]
                for entity, value in news.get("c", {}).items()
                if "s" in value.get("+", {})
            }
            for entity, state in changed.items():
                bed, key = keys[entity]
                bed.states[key] = state
                bed.draw(self._live)
            quiet = all(
                bed.states.get("status") == "idle" for bed in self._beds.values()
            )
            (self._idle.set if quiet else self._idle.clear)()

    async def _work(
        self, events: asyncio.Queue[dict[str, Any]], jobs: set[int]
    ) -> None:
        """Clear each bed when its part is done, until every job has ended."""
        waiting, dirty = set(jobs), set[str]()
        while waiting or dirty:
            data = (await events.get())["data"]
            if data["type"] in _END_EVENTS:
                self._ends.append(data)
                waiting.discard(data["job_id"])
                dirty.add(data["device_id"])
                self._live.console.print(_told(data))
            elif data["type"] == "bed_clear_required":
                await self._client.act(
                    "release", {"result": "good"}, device=data["device_id"]
                )
                dirty.discard(data["device_id"])
            elif data["type"] == "job_unknown":
                raise RuntimeError(f"Nobody knows what became of job {data['job_id']}")

    async def _summary(self, jobs: set[int]) -> bool:
        listed = (await self._client.act("get_jobs", {"limit": 100}))["jobs"]
        table = Table(title="The farm printed")
        for column in ("job", "file", "fabricator", "result", "took", "filament"):
            table.add_column(column, justify="left")
        names = {data["job_id"]: data["device_name"] for data in self._ends}
        rows = sorted(
            (job for job in listed if job["id"] in jobs), key=lambda job: job["id"]
        )
        for job in rows:
            table.add_row(
                str(job["id"]),
                job["name"],
                names.get(job["id"], "?"),
                job["status"],
                f"{job['duration'] or 0:.1f} s",
                f"{(job['filament_weight'] or 0):.2f} g",
            )
        self._console.print(table)
        good = {job["id"] for job in rows if job["status"] == "completed"}
        told = [data["job_id"] for data in self._ends]
        return good == jobs and len(told) == len(set(told)) == len(jobs)


def _told(data: Mapping[str, Any]) -> str:
    what = data["type"].replace("_", " ")
    return f"{what}: job {data['job_id']} {data['file_name']} on {data['device_name']}"


async def main(arguments: argparse.Namespace) -> int:
    """Show everything, and take Home Assistant along when told to end."""
    task = asyncio.ensure_future(show(arguments))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return 130


async def show(arguments: argparse.Namespace) -> int:
    """Boot, print, sum up; with `--keep`, stay until Ctrl-C."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="printfarm-demo-") as folder:
        home = write_home(Path(folder), arguments.port or free_port())
        console.print("starting Home Assistant …")
        async with await boot(home) as running:
            console.print(f"Home Assistant is up at {running.url}")
            async with HomeClient.connect(running.session, running.token) as client:
                well = await Demonstration(client, console, Path(folder)).run()
            if arguments.keep:
                console.print(
                    f"\nLook around: [bold]{running.url}[/]  (Ctrl-C ends it)"
                )
                with suppress(asyncio.CancelledError):
                    await running.process.wait()
    console.print("[green]All printed.[/]" if well else "[red]Not all went well.[/]")
    return 0 if well else 1


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Watch the farm print.")
    parser.add_argument(
        "--keep", action="store_true", help="leave Home Assistant running at the end"
    )
    parser.add_argument(
        "--port", type=int, help="port on loopback (default: a free one)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(parse())))
