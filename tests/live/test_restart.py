"""A real Home Assistant is killed, stopped and started again under a running farm."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.devhome import (
    CONFIGURATION,
    ROOT,
    RunningHome,
    boot,
    free_port,
    write_home,
)
from scripts.homeclient import HomeClient

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("socket_enabled")]

FILES = ROOT / "tests" / "fixtures" / "gcode"
PATIENCE = 60.0
COUNTING = f"""{CONFIGURATION}
input_number:
  completed:
    min: 0
    max: 100
    step: 1
automation:
  - alias: Count completed prints
    mode: queued
    triggers:
      - trigger: event
        event_type: printfarm_event
        event_data:
          type: print_complete
    actions:
      - action: input_number.increment
        target:
          entity_id: input_number.completed
"""
"""An automation as people write it; the number is restored over restarts."""


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


async def counted(running: RunningHome) -> float:
    """Give how often the automation ran."""
    path = "/api/states/input_number.completed"
    async with running.session.get(path) as response:
        state: dict[str, Any] = await response.json()
    return float(state["state"])


async def release(client: HomeClient, result: str) -> None:
    """Clear the bed."""
    await client.act("release", {"result": result}, device=await bench(client))


async def test_killed_in_mid_print(tmp_path: Path) -> None:
    """Nothing is lost or started twice, and nothing starts before a person looked."""
    folder = tmp_path / "home"
    async with started(folder) as (running, client):
        await add_bench(client, speed=20)
        await client.upload(FILES / "vase.gcode", queue="true", copies="2")
        await until_jobs(client, ["printing", "queued"])
        await until_written(folder)
        assert await running.kill() != 0
    async with started(folder) as (running, client):
        await until_jobs(client, ["unknown", "queued"])
        await release(client, "bad")
        await until_jobs(client, ["failed", "printing"])
        assert await counted(running) == 0


async def test_stopped_in_mid_print(tmp_path: Path) -> None:
    """An orderly stop ends the print in order, and says so afterwards."""
    folder = tmp_path / "home"
    async with started(folder) as (running, client):
        await add_bench(client, speed=20)
        await client.upload(FILES / "vase.gcode", queue="true", copies="2")
        await until_jobs(client, ["printing", "queued"])
        assert await running.stop() == 0
    async with started(folder) as (running, client):
        assert await jobs(client) == {1: "failed", 2: "queued"}
        listed = (await client.act("get_jobs", {}))["jobs"]
        assert {job["id"]: job["reason"] for job in listed}[1] == "stopped"


async def test_an_automation_runs_once_per_print(tmp_path: Path) -> None:
    """A restart with a part on the bed neither repeats nor forgets its end."""
    folder = tmp_path / "home"
    async with started(folder) as (running, client):
        await add_bench(client, speed=0)
        await client.upload(FILES / "coin.gcode", queue="true", copies="2")
        await until_jobs(client, ["completed", "queued"])
        async with asyncio.timeout(PATIENCE):
            while await counted(running) != 1:
                await asyncio.sleep(0.1)
        assert await running.stop() == 0
    async with started(folder) as (running, client):
        assert await jobs(client) == {1: "completed", 2: "queued"}
        assert await counted(running) == 1
        await release(client, "good")
        await until_jobs(client, ["completed", "completed"])
        async with asyncio.timeout(PATIENCE):
            while await counted(running) != 2:
                await asyncio.sleep(0.1)
