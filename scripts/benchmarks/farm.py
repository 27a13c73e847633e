"""A farm with a long history and a long queue, at work."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from custom_components.printfarm.fabricators.interface import FabricatorConfig
from custom_components.printfarm.farm.farm import Farm
from custom_components.printfarm.farm.model import (
    JobFilter,
    JobStatus,
    NewJob,
    StoredFile,
)
from custom_components.printfarm.farm.worker import CpuWorker
from custom_components.printfarm.store.repository import open_repository
from scripts.devhome import ROOT

from .measure import Figure, loop_lag, stopwatch

HISTORY = 10_000
QUEUE = 500
FABRICATORS = 10
SPEED = 20.0
WORK = 15.0
"""Seconds of watching the farm print."""
COIN = ROOT / "tests" / "fixtures" / "gcode" / "coin.gcode"


async def run(folder: Path) -> list[Figure]:
    """Fill a farm, open it, use it and watch it print."""
    file = await _fill(folder)
    async with loop_lag() as opening:
        with stopwatch() as opened:
            farm = await _open(folder)
    for number in range(FABRICATORS):
        await farm.add_fabricator(
            FabricatorConfig(
                key=str(number),
                name=f"Bench {number}",
                protocol="virtual",
                options={"model": "marlin_2", "speed": SPEED},
            ),
            auto_start=True,
        )
        farm.watch(str(number), lambda _: None)
    farm.watch_farm(lambda _: None)
    async with loop_lag() as using:
        with stopwatch() as queue:
            farm.queue()
        with stopwatch() as views:
            farm.views()
        with stopwatch() as adding:
            await farm.add_jobs(file_id=file.id)
        with stopwatch() as history:
            await farm.jobs(JobFilter(text="coin", offset=5000))
    farm.go()
    async with loop_lag() as printing:
        await asyncio.sleep(WORK)
    await farm.close()
    return [
        Figure(
            f"open with {HISTORY} jobs, {QUEUE} queued", opened.seconds * 1000, "ms"
        ),
        *opening.figures("while opening"),
        Figure("the whole queue with reasons", queue.seconds * 1000, "ms"),
        Figure(f"views of {FABRICATORS} fabricators", views.seconds * 1000, "ms"),
        Figure("add a job", adding.seconds * 1000, "ms"),
        Figure("a page of the history by text", history.seconds * 1000, "ms"),
        *using.figures("meanwhile"),
        *printing.figures(f"while {FABRICATORS} print"),
    ]


async def _open(folder: Path) -> Farm:
    worker = CpuWorker()
    return await Farm.open(
        storage=await open_repository(folder / "farm.db"),
        files=folder / "files",
        cache=folder / "cache",
        analyse=worker.analyse,
        replay=worker.replay,
    )


async def _fill(folder: Path) -> StoredFile:
    """Make the file, the history and the queue."""
    farm = await _open(folder)
    async with farm.library.new_upload(COIN.name) as upload:
        await upload.write(COIN.read_bytes())
        file = await upload.finish()
    file = await farm.library.analysed(file.id)
    now = datetime.now(UTC)
    new = NewJob(file_id=file.id, name=file.name)
    for _ in range(HISTORY // 1000):
        added = await farm.storage.add_jobs([new] * 1000, now)
        await farm.storage.commit(
            jobs=[
                replace(
                    job,
                    status=JobStatus.COMPLETED,
                    started_at=now,
                    ended_at=now,
                    duration=216.0,
                )
                for job in added.jobs
            ]
        )
    await farm.storage.add_jobs([new] * QUEUE, now)
    await farm.close()
    return file
