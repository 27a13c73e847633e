"""What tests put into a database."""

from dataclasses import replace
from datetime import UTC, datetime
import hashlib

from custom_components.printfarm.farm.events import JobAdded
from custom_components.printfarm.farm.model import (
    FabricatorRecord,
    Job,
    JobStatus,
    NewJob,
    StoredFile,
)
from custom_components.printfarm.gcode.model import (
    Analysis,
    Box,
    Filament,
    FileKind,
    Flag,
    TimeSource,
)
from custom_components.printfarm.store.repository import Repository

NOW = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)

PLATE = Analysis(
    plate=2,
    name="Lid",
    slicer="PrusaSlicer",
    time=3600.5,
    time_source=TimeSource.SLICER,
    filaments=(
        Filament(tool=0, length=1234.5, weight=3.7, type="PLA", colour="#FF8000"),
    ),
    layers=120,
    box=Box(0.0, 1.0, 0.2, 100.0, 90.0, 24.0),
    nozzle_temperatures=(215.0, 210.0),
    flags=(Flag.BAD_LINES,),
)


async def add_fabricator(repository: Repository, key: str) -> FabricatorRecord:
    """Make a fabricator."""
    return await repository.add_fabricator(
        key=key, name=key.title(), protocol="virtual", auto_start=False
    )


async def add_file(repository: Repository, name: str) -> StoredFile:
    """Make a file that differs from those of other names."""
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    return await repository.add_file(
        sha256=sha256, name=name, kind=FileKind.GCODE, size=1000, at=NOW
    )


async def add_job(
    repository: Repository,
    file: StoredFile,
    *,
    name: str | None = None,
    at: datetime = NOW,
) -> Job:
    """Queue a job."""
    name = name or file.name
    committed = await repository.add_jobs(
        [NewJob(file_id=file.id, name=name)], at, [JobAdded(at=at, file_name=name)]
    )
    return committed.jobs[0]


def claimed(job: Job, fabricator: FabricatorRecord) -> Job:
    """Give the job as it is when the fabricator has claimed it."""
    return replace(
        job, status=JobStatus.STARTING, fabricator_id=fabricator.id, claimed_at=NOW
    )
