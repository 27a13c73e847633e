"""Prints that were cut off, and what it takes to go on with one of them.

Nothing here starts anything: a person asks, and what is found out becomes a new job
that takes up the print of the old one where it stopped.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import fields
import logging
from pathlib import Path

from ..fabricators.interface import Checkpoint, Resume
from ..fabricators.streamer.messages import checkpoint_from_json
from ..gcode.moment import Moment, ReplayError
from .bay import Bay
from .disk import on_disk
from .errors import ConflictError, NotFoundError
from .ledger import Ledger
from .library import Library, Ready
from .model import Job, JobStatus, NewJob, StoredFile
from .progress import milestone

_LOGGER = logging.getLogger(__name__)

LOCATE_WITHIN = 60.0
"""Seconds that a machine gets to say how far a print really came."""

type Replay = Callable[[Path, int], Awaitable[Moment]]
"""Tells what a file has set up to a byte; costs time like an analysis."""


def offered(bay: Bay) -> Job | None:
    """Give the job that was cut off here, while its part still lies on the bed."""
    job, record = bay.last_job, bay.record
    if (
        job is None
        or bay.held is not None
        or record.bed_clear
        or record.last_job_id != job.id
        or job.status is not JobStatus.FAILED
        or job.checkpoint is None
        or job.file_id is None
    ):
        return None
    return job


class Salvage:
    """Finds out where a print stopped and what holds there."""

    def __init__(self, ledger: Ledger, library: Library, replay: Replay) -> None:
        """Everything is the farm's own."""
        self._ledger = ledger
        self._library = library
        self._replay = replay

    def find(self, bay: Bay) -> Job:
        """Give the job that can be taken up here, or raise `ConflictError`."""
        if (job := offered(bay)) is None:
            raise ConflictError("nothing_to_recover", name=bay.config.name)
        return job

    async def survey(self, bay: Bay, job: Job) -> tuple[NewJob, Resume]:
        """Ask the machine how far this print came, and read its file up to there.

        Raises `ConflictError`, or what the machine or the reading of the file raises.
        """
        file = await self._file(job)
        ready = await self._ready(file, job)
        known = checkpoint_from_json(job.checkpoint or {})
        try:
            async with asyncio.timeout(LOCATE_WITHIN):
                found = await bay.driver.locate(known)
        except TimeoutError:
            raise ConflictError("no_answer", name=bay.config.name) from None
        await self._check_length(ready, file, found)
        try:
            moment = await self._replay(ready.gcode, found.position)
        except ReplayError as err:
            raise ConflictError("position_unknown", command=err.command) from err
        except OSError as err:
            _LOGGER.warning("Cannot read %s: %s", file.name, err)
            raise ConflictError("file_unreadable", file=file.name) from err
        told = {item.name: getattr(moment, item.name) for item in fields(Moment)}
        done = ready.index.at(found.position).progress if ready.index else 0.0
        new = NewJob(
            file_id=file.id,
            name=job.name,
            plate=job.plate,
            target=job.target,
            priority=job.priority,
            origin_id=job.id,
            start_offset=found.position,
            milestone=milestone(done),
        )
        return new, Resume(checkpoint=found, **told)

    async def _file(self, job: Job) -> StoredFile:
        file = None
        if job.file_id is not None:
            file = await self._ledger.storage.file(job.file_id)
        if file is None:
            raise ConflictError("file_gone", job=str(job.id))
        self._ledger.book.put_file(file)
        return file

    async def _ready(self, file: StoredFile, job: Job) -> Ready:
        try:
            return await self._library.ready(file, job.plate)
        except NotFoundError as err:
            raise ConflictError("file_gone", job=str(job.id)) from err
        except OSError as err:
            _LOGGER.warning("Cannot read %s: %s", file.name, err)
            raise ConflictError("file_unreadable", file=file.name) from err

    async def _check_length(
        self, ready: Ready, file: StoredFile, found: Checkpoint
    ) -> None:
        """Go on only in the very file in which the print stopped."""
        source = await on_disk(ready.source.stat)
        gcode = await on_disk(ready.gcode.stat)
        if source.st_size != file.size or not 0 <= found.position <= gcode.st_size:
            raise ConflictError("file_changed", file=file.name)
