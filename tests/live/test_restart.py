"""A real Home Assistant is killed, stopped and started again under a running farm."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
import json
import os
from pathlib import Path
import signal
from typing import Any

import pytest

from scripts.devhome import (
    CONFIGURATION,
    ROOT,
    Home,
    RunningHome,
    boot,
    dismiss,
    free_port,
    write_home,
)
from scripts.homeclient import HomeClient

pytestmark = [
    pytest.mark.live,
    pytest.mark.usefixtures("socket_enabled", "unix_sockets"),
]

FILES = ROOT / "tests" / "fixtures" / "gcode"
PATIENCE = 60.0
_COUNTER = """
  {name}:
    min: 0
    max: 100
    step: 1"""
_AUTOMATION = """
  - alias: Count {name}
    mode: queued
    triggers:
      - trigger: event
        event_type: printfarm_event
        event_data:
          type: print_{name}
    actions:
      - action: input_number.increment
        target:
          entity_id: input_number.{name}"""
COUNTED = ("started", "complete", "failed")
COUNTING = "\n".join(
    (
        CONFIGURATION,
        "input_number:",
        *(_COUNTER.format(name=name) for name in COUNTED),
        "automation:",
        *(_AUTOMATION.format(name=name) for name in COUNTED),
    )
)
"""Automations as people write them; the numbers are restored over restarts."""


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Path]:
    """Give the folder of a home, of which no process is left afterwards."""
    folder = tmp_path / "home"
    yield folder
    await dismiss(Home(folder, 0, ""))


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[tuple[RunningHome, HomeClient]]:
    """Start, or start again, the Home Assistant in `folder`."""
    home = write_home(folder, free_port(), configuration=COUNTING)
    async with (
        await boot(home) as running,
        HomeClient.connect(running.session, running.token) as client,
    ):
        yield running, client


async def add_bench(client: HomeClient, speed: float) -> None:
    """Set up a farm with one virtual fabricator."""
    entry = await client.add_farm()
    await client.add_fabricator(
        entry, "virtual", {"name": "Bench", "model": "marlin_2", "speed": speed}
    )


async def bench(client: HomeClient) -> str:
    """Give the device id of the fabricator."""
    devices = await client.ask(type="config/device_registry/list")
    return str(next(item["id"] for item in devices if item["name"] == "Bench"))


async def jobs(client: HomeClient) -> dict[int, str]:
    """Give the status of every job by its id."""
    listed = (await client.act("get_jobs", {"limit": 100}))["jobs"]
    assert len(listed) == len({job["id"] for job in listed})
    return {job["id"]: job["status"] for job in listed}


async def until_written(folder: Path) -> None:
    """Wait until Home Assistant has written down the fabricator, which takes a second."""
    entries = folder / ".storage" / "core.config_entries"
    async with asyncio.timeout(PATIENCE):
        while not entries.exists() or '"Bench"' not in entries.read_text("utf-8"):
            await asyncio.sleep(0.1)


async def until_jobs(client: HomeClient, wanted: Iterable[str]) -> dict[int, str]:
    """Wait until the jobs, by rising id, have these statuses."""
    expected = list(wanted)
    async with asyncio.timeout(PATIENCE):
        while True:
            now = await jobs(client)
            if [now[job_id] for job_id in sorted(now)] == expected:
                return now
            await asyncio.sleep(0.1)


async def counted(running: RunningHome) -> dict[str, int]:
    """Give how often each automation ran."""
    numbers = {}
    for name in COUNTED:
        path = f"/api/states/input_number.{name}"
        async with running.session.get(path) as response:
            state: dict[str, Any] = await response.json()
        numbers[name] = int(float(state["state"]))
    return numbers


async def until_counted(running: RunningHome, **wanted: int) -> None:
    """Wait until the automations ran so often."""
    expected = dict.fromkeys(COUNTED, 0) | wanted
    async with asyncio.timeout(PATIENCE):
        while await counted(running) != expected:
            await asyncio.sleep(0.1)


def streamer(folder: Path) -> int:
    """Give the id of the process that drives the fabricator."""
    about = folder / "printfarm" / "streamer" / "virtual" / "about.json"
    return int(json.loads(about.read_text("utf-8"))["pid"])


async def until_end_is_stored(folder: Path) -> None:
    """Wait until that process has written down the end of its print."""
    (path,) = (folder / "printfarm" / "streamer" / "virtual").glob("run-*.json")
    async with asyncio.timeout(PATIENCE):
        while json.loads(path.read_text("utf-8"))["end"] is None:
            await asyncio.sleep(0.1)


async def until_gone(pid: int) -> None:
    """Wait until a process is no more."""
    async with asyncio.timeout(PATIENCE):
        with suppress(ProcessLookupError):
            while True:
                os.kill(pid, 0)
                await asyncio.sleep(0.1)


async def release(client: HomeClient, result: str) -> None:
    """Clear the bed."""
    await client.act("release", {"result": result}, device=await bench(client))


async def begin(folder: Path, speed: float, name: str, *, gently: bool) -> int:
    """Print two copies, end Home Assistant in the first, and give who prints on."""
    async with started(folder) as (running, client):
        await add_bench(client, speed=speed)
        await client.upload(FILES / name, queue="true", copies="2")
        await until_jobs(client, ["printing", "queued"])
        await until_counted(running, started=1)
        await until_written(folder)
        pid = streamer(folder)
        assert (await running.stop() == 0) if gently else (await running.kill() != 0)
    return pid


async def test_killed_in_mid_print(folder: Path) -> None:
    """The print goes on: the same job, begun once, ended once."""
    pid = await begin(folder, 20, "vase.gcode", gently=False)
    os.kill(pid, 0)
    async with started(folder) as (running, client):
        assert await jobs(client) == {1: "printing", 2: "queued"}
        assert streamer(folder) == pid
        await until_jobs(client, ["completed", "queued"])
        # What was counted before the kill is lost, as Home Assistant restores it.
        await until_counted(running, complete=1)
        await release(client, "good")
        await until_jobs(client, ["completed", "printing"])
        await until_counted(running, started=1, complete=1)


async def test_stopped_in_mid_print(folder: Path) -> None:
    """So it does when Home Assistant ends in order, and it still does what it is told."""
    pid = await begin(folder, 5, "vase.gcode", gently=True)
    async with started(folder) as (running, client):
        assert await jobs(client) == {1: "printing", 2: "queued"}
        assert streamer(folder) == pid
        device = await bench(client)
        await client.act("pause", {}, device=device)
        await until_jobs(client, ["paused", "queued"])
        assert await running.stop() == 0
    async with started(folder) as (running, client):
        assert await jobs(client) == {1: "paused", 2: "queued"}
        await client.act("resume", {}, device=device)
        await until_jobs(client, ["printing", "queued"])
        await client.act("cancel", {}, device=device)
        await until_jobs(client, ["cancelled", "queued"])
        await until_counted(running, started=1)


async def test_away_at_the_end(folder: Path) -> None:
    """Home Assistant learns of it when it comes back, and tells it once."""
    await begin(folder, 30, "coin.gcode", gently=True)
    await until_end_is_stored(folder)
    async with started(folder) as (running, client):
        await until_jobs(client, ["completed", "queued"])
        await until_counted(running, started=1, complete=1)
        assert await running.stop() == 0
    async with started(folder) as (running, client):
        assert await jobs(client) == {1: "completed", 2: "queued"}
        await release(client, "good")
        await until_jobs(client, ["completed", "completed"])
        await until_counted(running, started=2, complete=2)


async def test_everything_is_killed(folder: Path) -> None:
    """The print failed; nothing starts before a person looked."""
    pid = await begin(folder, 20, "vase.gcode", gently=False)
    os.kill(pid, signal.SIGKILL)
    await until_gone(pid)
    async with started(folder) as (running, client):
        await until_jobs(client, ["failed", "queued"])
        listed = (await client.act("get_jobs", {}))["jobs"]
        assert {job["id"]: job["reason"] for job in listed}[1] == "streamer_died"
        assert streamer(folder) != pid
        await until_counted(running, failed=1)
        await release(client, "bad")
        await until_jobs(client, ["failed", "printing"])
        await until_counted(running, started=1, failed=1)


async def test_an_automation_runs_once_per_print(folder: Path) -> None:
    """A restart with a part on the bed neither repeats nor forgets its end."""
    async with started(folder) as (running, client):
        await add_bench(client, speed=0)
        await client.upload(FILES / "coin.gcode", queue="true", copies="2")
        await until_jobs(client, ["completed", "queued"])
        await until_counted(running, started=1, complete=1)
        assert await running.stop() == 0
    async with started(folder) as (running, client):
        assert await jobs(client) == {1: "completed", 2: "queued"}
        await until_counted(running, started=1, complete=1)
        await release(client, "good")
        await until_jobs(client, ["completed", "completed"])
        await until_counted(running, started=2, complete=2)
