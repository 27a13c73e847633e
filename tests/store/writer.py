"""A program that keeps committing until somebody kills it.

Usage: writer.py PACKAGE DATABASE. After each commit it prints the id, revision and
status that are now on disk. It loads the domain without Home Assistant around it.
"""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
import sys
from types import ModuleType

package = ModuleType("printfarm")
package.__path__ = [sys.argv[1]]
sys.modules["printfarm"] = package

from printfarm.farm.events import JobAdded, PrintComplete, PrintStarted  # type: ignore[import-not-found]  # noqa: E402
from printfarm.farm.model import JobStatus, NewJob  # type: ignore[import-not-found]  # noqa: E402
from printfarm.gcode.model import FileKind  # type: ignore[import-not-found]  # noqa: E402
from printfarm.store.repository import open_repository  # type: ignore[import-not-found]  # noqa: E402


async def write(path: Path) -> None:
    """Take job after job through its life."""
    repository = await open_repository(path)
    fabricator = await repository.add_fabricator(
        key="a", name="A", protocol="virtual", auto_start=True
    )
    now = datetime.now(UTC)
    file = await repository.add_file(
        sha256="ab", name="a.gcode", kind=FileKind.GCODE, size=1, at=now
    )
    for job in (await repository.load()).jobs:
        ended = replace(job, status=JobStatus.FAILED)
        report((await repository.commit(jobs=[ended])).jobs[0])
    while True:
        new = NewJob(file_id=file.id, name="a")
        (job,) = (await repository.add_jobs([new], now, [JobAdded(at=now)])).jobs
        report(job)
        for status, kind in (
            (JobStatus.PRINTING, PrintStarted),
            (JobStatus.COMPLETED, PrintComplete),
        ):
            committed = await repository.commit(
                jobs=[replace(job, status=status, fabricator_id=fabricator.id)],
                events=[kind(at=now, job_id=job.id)],
            )
            job = committed.jobs[0]
            report(job)


def report(job) -> None:
    """Say what is on disk."""
    sys.stdout.write(f"{job.id} {job.revision} {job.status}\n")
    sys.stdout.flush()


asyncio.run(write(Path(sys.argv[2])))
