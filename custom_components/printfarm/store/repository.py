"""The farm's `Storage`, kept in a database."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import batched
from pathlib import Path
from typing import override

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.orm import Session

from ..farm.errors import NotFoundError, StaleError, StorageError
from ..farm.events import FarmEvent
from ..farm.model import (
    HOLDING,
    AnalysisState,
    FabricatorRecord,
    Job,
    JobFilter,
    NewJob,
    Page,
    StoredEvent,
    StoredFile,
)
from ..farm.storage import Committed, Loaded, Storage
from ..gcode.model import Analysis, FileKind
from ..gcode.serial import plate_to_json
from . import queries, rows
from .database import Database, database_url
from .tables import EventRow, FabricatorRow, FileRow, JobRow

# Every database has a limit of values per statement; this is below all of them.
_BATCH = 500


async def open_repository(db_path_or_url: str | Path) -> Repository:
    """Open the database, made or migrated as needed.

    `db_path_or_url` is the path of a SQLite file or an address as SQLAlchemy reads
    it. Raises `StorageError`: `database_newer` when it was written by a later
    version, `storage_in_use` when another process has it, and whatever else keeps
    it from being read or written.
    """
    database = Database(database_url(db_path_or_url))
    await database.open()
    return Repository(database)


class Repository(Storage):
    """The one door to the tables; see `Storage` for what each method promises.

    A change that the database itself forbids raises `StorageError` with key
    `fabricator_taken`, `event_repeated` or `row_missing`.
    """

    def __init__(self, database: Database) -> None:
        """Take an open database."""
        self._database = database

    @override
    async def load(self) -> Loaded:
        return await self._database.run(_load)

    @override
    async def close(self) -> None:
        await self._database.close()

    async def begin_backup(self) -> None:
        """Leave the database file as it is, so that it can be copied; see `Database`."""
        await self._database.begin_backup()

    async def end_backup(self) -> None:
        """Undo `begin_backup`."""
        await self._database.end_backup()

    @override
    async def add_fabricator(
        self, *, key: str, name: str, protocol: str, auto_start: bool
    ) -> FabricatorRecord:
        def work(session: Session) -> FabricatorRecord:
            row = session.scalar(
                select(FabricatorRow).where(FabricatorRow.live_key == key)
            )
            if row is not None:
                return rows.fabricator_from_row(row)
            last = session.scalar(select(func.max(FabricatorRow.position)))
            record = FabricatorRecord(
                id=0,
                key=key,
                name=name,
                protocol=protocol,
                auto_start=auto_start,
                position=(last or 0) + 1,
            )
            row = FabricatorRow(**rows.fabricator_values(record) | {"id": None})
            session.add(row)
            session.flush()
            return replace(record, id=row.id)

        return await self._database.run(work)

    @override
    async def add_jobs(
        self, jobs: Sequence[NewJob], at: datetime, events: Sequence[FarmEvent] = ()
    ) -> Committed:
        if events and len(events) != len(jobs):
            raise ValueError("As many events as jobs, or none")

        def work(session: Session) -> Committed:
            last = session.scalar(queries.last_position()) or 0
            added = [
                rows.new_job_row(job, position, at)
                for position, job in enumerate(jobs, last + 1)
            ]
            session.add_all(added)
            session.flush()
            told = [
                replace(event, job_id=row.id)
                for event, row in zip(events, added, strict=False)
            ]
            return Committed(
                jobs=tuple(rows.job_from_row(row) for row in added),
                events=_write_events(session, told),
            )

        return await self._database.run(work)

    @override
    async def add_claimed(
        self,
        job: NewJob,
        fabricator: FabricatorRecord,
        at: datetime,
        events: Sequence[FarmEvent],
    ) -> Committed:
        def work(session: Session) -> Committed:
            last = session.scalar(queries.last_position()) or 0
            row = rows.new_job_row(job, last + 1, at)
            rows.claim(row, fabricator, at)
            session.add(row)
            session.flush()
            values = rows.fabricator_values(fabricator)
            _write(session, FabricatorRow, fabricator, values)
            told = [replace(event, job_id=row.id) for event in events]
            return Committed(
                jobs=(rows.job_from_row(row),),
                fabricators=(replace(fabricator, revision=fabricator.revision + 1),),
                events=_write_events(session, told),
            )

        return await self._database.run(work)

    @override
    async def commit(
        self,
        *,
        jobs: Sequence[Job] = (),
        fabricators: Sequence[FabricatorRecord] = (),
        events: Sequence[FarmEvent] = (),
    ) -> Committed:
        def work(session: Session) -> Committed:
            # Those that let go of a fabricator first: another of these may take it.
            for job in sorted(jobs, key=lambda job: job.status in HOLDING):
                _write(session, JobRow, job, rows.job_values(job))
            for record in fabricators:
                values = rows.fabricator_values(record)
                _write(session, FabricatorRow, record, values)
            return Committed(
                jobs=tuple(replace(job, revision=job.revision + 1) for job in jobs),
                fabricators=tuple(
                    replace(record, revision=record.revision + 1)
                    for record in fabricators
                ),
                events=_write_events(session, events),
            )

        return await self._database.run(work)

    @override
    async def mark_announced(self, event_ids: Sequence[int]) -> None:
        def work(session: Session) -> None:
            for some in batched(event_ids, _BATCH, strict=False):
                session.execute(
                    update(EventRow).where(EventRow.id.in_(some)).values(announced=True)
                )

        await self._database.run(work)

    @override
    async def job(self, job_id: int) -> Job | None:
        def work(session: Session) -> Job | None:
            row = session.get(JobRow, job_id)
            return None if row is None else rows.job_from_row(row)

        return await self._database.run(work)

    @override
    async def jobs(self, wanted: JobFilter) -> Page[Job]:
        def work(session: Session) -> Page[Job]:
            return Page(
                tuple(map(rows.job_from_row, session.scalars(queries.jobs(wanted)))),
                session.scalar(queries.job_count(wanted)) or 0,
            )

        return await self._database.run(work)

    @override
    async def events(
        self,
        *,
        job_id: int | None = None,
        fabricator_id: int | None = None,
        limit: int = 100,
    ) -> tuple[StoredEvent, ...]:
        wanted = queries.events(job_id, fabricator_id, limit)
        return await self._database.run(
            lambda session: tuple(map(rows.stored_event, session.scalars(wanted)))
        )

    @override
    async def add_file(
        self, *, sha256: str, name: str, kind: FileKind, size: int, at: datetime
    ) -> StoredFile:
        def work(session: Session) -> StoredFile:
            row = session.scalar(select(FileRow).where(FileRow.sha256 == sha256))
            if row is None:
                row = FileRow(
                    sha256=sha256,
                    name=name,
                    search_name=rows.search_name(name),
                    kind=kind.value,
                    size=size,
                    added_at=at,
                    state=AnalysisState.PENDING.value,
                    plates=[],
                )
                session.add(row)
                session.flush()
            return rows.file_from_row(row)

        return await self._database.run(work)

    @override
    async def save_analysis(
        self,
        file_id: int,
        *,
        state: AnalysisState,
        plates: Sequence[Analysis] = (),
        error: str | None = None,
    ) -> StoredFile:
        def work(session: Session) -> StoredFile:
            row = _file_row(session, file_id)
            row.state = state.value
            row.plates = [plate_to_json(plate) for plate in plates]
            row.error = error
            session.flush()
            return rows.file_from_row(row)

        return await self._database.run(work)

    @override
    async def file(self, file_id: int) -> StoredFile | None:
        def work(session: Session) -> StoredFile | None:
            row = session.get(FileRow, file_id)
            return None if row is None else rows.file_from_row(row)

        return await self._database.run(work)

    @override
    async def files(
        self,
        *,
        text: str | None = None,
        state: AnalysisState | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> Page[StoredFile]:
        conditions = queries.file_conditions(text, state)
        page = select(FileRow).order_by(FileRow.id.desc()).limit(limit).offset(offset)
        total = select(func.count(FileRow.id))

        def work(session: Session) -> Page[StoredFile]:
            return Page(
                tuple(
                    map(rows.file_from_row, session.scalars(page.where(*conditions)))
                ),
                session.scalar(total.where(*conditions)) or 0,
            )

        return await self._database.run(work)

    @override
    async def delete_file(self, file_id: int) -> None:
        def work(session: Session) -> None:
            row = _file_row(session, file_id)
            if session.scalar(
                queries.open_jobs().where(JobRow.file_id == file_id).limit(1)
            ):
                raise StorageError("file_in_use", file=row.name)
            session.execute(
                update(JobRow)
                .where(JobRow.file_id == file_id)
                .values(file_id=None, revision=JobRow.revision + 1)
            )
            session.delete(row)

        await self._database.run(work)


def _load(session: Session) -> Loaded:
    return Loaded(
        fabricators=tuple(
            map(rows.fabricator_from_row, session.scalars(queries.fabricators()))
        ),
        jobs=tuple(map(rows.job_from_row, session.scalars(queries.open_jobs()))),
        files=tuple(
            map(rows.file_from_row, session.scalars(queries.files_of_open_jobs()))
        ),
        unannounced=rows.events_from_rows(session.scalars(queries.unannounced()).all()),
    )


def _write(
    session: Session,
    table: type[JobRow | FabricatorRow],
    item: Job | FabricatorRecord,
    values: dict[str, object],
) -> None:
    """Write one row if it still has the revision that it was read with."""
    result = session.execute(
        update(table)
        .where(table.id == item.id, table.revision == item.revision)
        .values(values | {"revision": item.revision + 1})
    )
    assert isinstance(result, CursorResult)
    if result.rowcount != 1:
        raise StaleError("row_changed", table=table.__tablename__, id=str(item.id))


def _write_events(
    session: Session, events: Sequence[FarmEvent]
) -> tuple[FarmEvent, ...]:
    added = [rows.event_row(event) for event in events]
    session.add_all(added)
    session.flush()
    return tuple(
        replace(event, id=row.id) for event, row in zip(events, added, strict=True)
    )


def _file_row(session: Session, file_id: int) -> FileRow:
    row = session.get(FileRow, file_id)
    if row is None:
        raise NotFoundError("file_not_found", file_id=str(file_id))
    return row
