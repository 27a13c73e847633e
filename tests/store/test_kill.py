"""What was said to be on disk is there after SIGKILL, and nothing is there by half."""

from pathlib import Path
import random
import sqlite3
import subprocess
import sys

import pytest

from custom_components.printfarm.farm.model import JobFilter, JobStatus
from custom_components.printfarm.store import repository as module
from custom_components.printfarm.store.repository import open_repository

PACKAGE = Path(module.__file__).parents[1]
WRITER = Path(__file__).with_name("writer.py")
EVENTS = {
    (0, JobStatus.QUEUED): ["job_added"],
    (1, JobStatus.PRINTING): ["print_started", "job_added"],
    (2, JobStatus.COMPLETED): ["print_complete", "print_started", "job_added"],
    (1, JobStatus.FAILED): ["job_added"],
    (2, JobStatus.FAILED): ["print_started", "job_added"],
}


@pytest.mark.parametrize("salt", range(3))
async def test_killed_in_the_middle_of_commits(path: Path, salt: int) -> None:
    """Eight lives of a program on one database, each ended at a random moment."""
    choose = random.Random(salt)
    said: dict[int, tuple[int, str]] = {}
    for _ in range(8):
        for line in _life(path, choose.randrange(1, 40)):
            job, revision, status = line.split()
            said[int(job)] = (int(revision), status)
        with sqlite3.connect(path) as raw:
            assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        raw.close()
    repository = await open_repository(path)
    page = await repository.jobs(JobFilter(limit=10_000, oldest_first=True))
    found = {job.id: job for job in page.items}
    assert page.total == len(found)
    assert said.keys() <= found.keys()
    for job_id, (revision, status) in said.items():
        job = found[job_id]
        assert job.revision >= revision
        assert job.revision > revision or job.status == status
    for job in found.values():
        told = [event.type for event in await repository.events(job_id=job.id)]
        assert told == EVENTS[job.revision, job.status]
    assert len((await repository.load()).jobs) <= 1
    await repository.close()


def _life(path: Path, lines: int) -> list[str]:
    """Let the writer say so many lines, kill it, and give all that it had said."""
    with subprocess.Popen(
        [sys.executable, str(WRITER), str(PACKAGE), str(path)],
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        said += writer.stdout.readlines()
    # The last line may have been cut short by the kill.
    return [line for line in said if line.endswith("\n")]
