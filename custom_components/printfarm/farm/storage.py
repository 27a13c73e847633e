"""The store as the farm needs it. `store/` implements this; the farm knows no SQL.

Every method is one transaction, on disk when it returns. What cannot be kept raises
`errors.StorageError` and changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ..gcode.model import Analysis, FileKind
from .events import FarmEvent
from .model import (
    AnalysisState,
    FabricatorRecord,
    Job,
    JobFilter,
    NewJob,
    Page,
    StoredEvent,
    StoredFile,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What the farm needs in memory: what is open, and what was not yet told."""

    fabricators: tuple[FabricatorRecord, ...]
    """All that were not removed."""
    jobs: tuple[Job, ...]
    """All in a status of `model.OPEN`."""
    files: tuple[StoredFile, ...]
    """The files of these jobs."""
    unannounced: tuple[FarmEvent, ...]
    """Committed, but perhaps never handed to a subscriber; oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What a commit made of what it was given: revisions raised, ids filled in."""

    jobs: tuple[Job, ...] = ()
    fabricators: tuple[FabricatorRecord, ...] = ()
    events: tuple[FarmEvent, ...] = ()


class Storage(Protocol):
    """The one door to the farm's data."""

    async def load(self) -> Loaded:
        """Read what the farm holds in memory."""

    async def close(self) -> None:
        """Finish what is under way and let go of the database. Safe to call twice."""

    async def add_fabricator(
        self, *, key: str, name: str, protocol: str, auto_start: bool
    ) -> FabricatorRecord:
        """Make the record for `key`, or give back the one that is there (not removed)."""

    async def add_jobs(
        self, jobs: Sequence[NewJob], at: datetime, events: Sequence[FarmEvent] = ()
    ) -> Committed:
        """Append jobs at the end of the queue, each with a `JobAdded` event.

        `events` holds one event per job, without job id; the store fills it in.
        """

    async def add_claimed(
        self,
        job: NewJob,
        fabricator: FabricatorRecord,
        at: datetime,
        events: Sequence[FarmEvent],
    ) -> Committed:
        """Make a job that this fabricator claims in the same moment, and keep its record.

        At no instant could it be taken for one that waits in the queue. The store
        fills its id into the events. Raises as `commit` does.
        """

    async def commit(
        self,
        *,
        jobs: Sequence[Job] = (),
        fabricators: Sequence[FabricatorRecord] = (),
        events: Sequence[FarmEvent] = (),
    ) -> Committed:
        """Write these rows and events together, or none of them.

        A row whose `revision` is not the stored one raises `StaleError`. A second
        holding job (`model.HOLDING`) on one fabricator, or a second event that may
        occur once per job, raises `StorageError`.
        """

    async def mark_announced(self, event_ids: Sequence[int]) -> None:
        """Remember that these events were handed out."""

    async def job(self, job_id: int) -> Job | None:
        """Look up one job, open or ended."""

    async def jobs(self, wanted: JobFilter) -> Page[Job]:
        """Look up jobs, newest first unless asked otherwise."""

    async def events(
        self,
        *,
        job_id: int | None = None,
        fabricator_id: int | None = None,
        limit: int = 100,
    ) -> tuple[StoredEvent, ...]:
        """Read the event log, newest first."""

    async def add_file(
        self, *, sha256: str, name: str, kind: FileKind, size: int, at: datetime
    ) -> StoredFile:
        """Make the row of a file, or give back the one with this SHA-256."""

    async def save_analysis(
        self,
        file_id: int,
        *,
        state: AnalysisState,
        plates: Sequence[Analysis] = (),
        error: str | None = None,
    ) -> StoredFile:
        """Keep what was read out of a file."""

    async def file(self, file_id: int) -> StoredFile | None:
        """Look up one file."""

    async def files(
        self,
        *,
        text: str | None = None,
        state: AnalysisState | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Page[StoredFile]:
        """Look up files, newest first."""

    async def delete_file(self, file_id: int) -> None:
        """Remove a file's row; raises `StorageError` while an open job needs it.

        Jobs that are over keep their name and lose the link to their file.
        """
