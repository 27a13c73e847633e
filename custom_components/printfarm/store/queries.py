"""What is asked of the tables. Only builds statements; nothing is run here."""

from sqlalchemy import ColumnElement, Select, asc, desc, func, select
from sqlalchemy.orm import InstrumentedAttribute

from ..farm.model import OPEN, AnalysisState, JobFilter
from .tables import EventRow, FabricatorRow, FileRow, JobRow

_OPEN = sorted(status.value for status in OPEN)


def open_jobs() -> Select[tuple[JobRow]]:
    """All jobs that wait, run or need a person, in the order of the queue."""
    return (
        select(JobRow)
        .where(JobRow.status.in_(_OPEN))
        .order_by(JobRow.priority.desc(), JobRow.position, JobRow.id)
    )


def files_of_open_jobs() -> Select[tuple[FileRow]]:
    """The files that open jobs print."""
    needed = select(JobRow.file_id).where(JobRow.status.in_(_OPEN))
    return select(FileRow).where(FileRow.id.in_(needed)).order_by(FileRow.id)


def last_position() -> Select[tuple[int]]:
    """The position at the end of the queue, 0 when it is empty."""
    last = func.coalesce(func.max(JobRow.position), 0)
    return select(last).where(JobRow.status.in_(_OPEN))


def fabricators() -> Select[tuple[FabricatorRow]]:
    """All fabricators that were not removed, in their order."""
    return (
        select(FabricatorRow)
        .where(FabricatorRow.live_key.is_not(None))
        .order_by(FabricatorRow.position, FabricatorRow.id)
    )


def unannounced() -> Select[tuple[EventRow]]:
    """All events that nobody was told of, oldest first."""
    return select(EventRow).where(EventRow.announced.is_(False)).order_by(EventRow.id)


def job_conditions(wanted: JobFilter) -> list[ColumnElement[bool]]:
    """What a job must be like to be found."""
    conditions: list[ColumnElement[bool]] = []
    if wanted.text:
        conditions.append(_holds(JobRow.search_name, wanted.text))
    if wanted.statuses:
        names = sorted(status.value for status in wanted.statuses)
        # A search reads a whole index, and only `ix_job_created` holds all that it
        # looks at. As an expression, the status cannot lure it to another.
        status = JobRow.status.concat("") if wanted.text else JobRow.status
        conditions.append(status.in_(names))
    if wanted.fabricator_id is not None:
        conditions.append(JobRow.fabricator_id == wanted.fabricator_id)
    if wanted.file_id is not None:
        conditions.append(JobRow.file_id == wanted.file_id)
    if wanted.since is not None:
        conditions.append(JobRow.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(JobRow.created_at < wanted.until)
    return conditions


def jobs(wanted: JobFilter) -> Select[tuple[JobRow]]:
    """One page of jobs."""
    turn = asc if wanted.oldest_first else desc
    order = (turn(JobRow.created_at), turn(JobRow.id))
    # The ids alone come out of an index; only the page's own rows are then read.
    page = (
        select(JobRow.id)
        .where(*job_conditions(wanted))
        .order_by(*order)
        .limit(wanted.limit)
        .offset(wanted.offset)
        .subquery()
    )
    return select(JobRow).join(page, JobRow.id == page.c.id).order_by(*order)


def job_count(wanted: JobFilter) -> Select[tuple[int]]:
    """The length of the whole list that a page is cut from."""
    return select(func.count(JobRow.id)).where(*job_conditions(wanted))


def file_conditions(
    text: str | None, state: AnalysisState | None
) -> list[ColumnElement[bool]]:
    """What a file must be like to be found."""
    conditions: list[ColumnElement[bool]] = []
    if text:
        conditions.append(_holds(FileRow.search_name, text))
    if state is not None:
        conditions.append(FileRow.state == state.value)
    return conditions


def events(
    job_id: int | None, fabricator_id: int | None, limit: int
) -> Select[tuple[EventRow]]:
    """The event log, newest first."""
    wanted = select(EventRow).order_by(EventRow.id.desc()).limit(limit)
    if job_id is not None:
        wanted = wanted.where(EventRow.job_id == job_id)
    if fabricator_id is not None:
        wanted = wanted.where(EventRow.fabricator_id == fabricator_id)
    return wanted


def _holds(column: InstrumentedAttribute[str], text: str) -> ColumnElement[bool]:
    """Whether a folded name holds `text`, in any case, wildcards meaning themselves."""
    return column.contains(text.casefold(), autoescape=True)
