"""The tables. Portable to SQLite, PostgreSQL and MariaDB.

Where a rule of the farm says "at most one", a nullable unique column holds it:
every database lets NULL occur often in a unique column, while only some know
indexes over part of a table.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ..farm.model import HOLDING
from .types import UtcDateTime

SEARCH_LENGTH = 255
"""Characters of a name that a search sees; MariaDB's indexes take no more than 768."""

_HOLDING = ", ".join(f"'{status.value}'" for status in sorted(HOLDING))


class Base(DeclarativeBase):
    """What all tables share."""

    # Migrations name constraints, so each needs the same name everywhere.
    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {
        datetime: UtcDateTime,
        float: Double,
        list[dict[str, Any]]: JSON,
        dict[str, Any]: JSON,
    }


class FabricatorRow(Base):
    """A printer that the farm has or once had."""

    __tablename__ = "fabricator"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int]
    key: Mapped[str] = mapped_column(String(64))
    live_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    """`key` until the fabricator is removed: at most one of a key is there."""
    name: Mapped[str] = mapped_column(Text)
    protocol: Mapped[str] = mapped_column(String(32))
    position: Mapped[int]
    bed_clear: Mapped[bool]
    auto_start: Mapped[bool]
    maintenance: Mapped[bool]
    gcode_log: Mapped[bool] = mapped_column(server_default=false())
    halted: Mapped[str | None] = mapped_column(Text)
    last_job_id: Mapped[int | None]
    """No foreign key: jobs point here already, and a ring cannot be made everywhere."""
    completed: Mapped[int]
    failed: Mapped[int]
    cancelled: Mapped[int]
    print_time: Mapped[float]
    filament_length: Mapped[float]
    filament_weight: Mapped[float]
    removed_at: Mapped[datetime | None]


class FileRow(Base):
    """A file of the library."""

    __tablename__ = "file"
    __table_args__ = (
        Index("ix_file_state", "state", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(Text)
    search_name: Mapped[str] = mapped_column(String(SEARCH_LENGTH))
    """The beginning of `name` in folded case: databases fold each in their own way."""
    kind: Mapped[str] = mapped_column(String(16))
    size: Mapped[int] = mapped_column(BigInteger)
    added_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16))
    error: Mapped[str | None] = mapped_column(Text)
    plates: Mapped[list[dict[str, Any]]]


class JobRow(Base):
    """One intended print, open or over."""

    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint(
            f"(status IN ({_HOLDING}) AND held_fabricator_id IS NOT NULL"
            " AND held_fabricator_id = fabricator_id)"
            f" OR (status NOT IN ({_HOLDING}) AND held_fabricator_id IS NULL)",
            name="held",
        ),
        # Holds all that a search looks at, so that it never has to touch the rows.
        Index(
            "ix_job_created",
            "created_at",
            "id",
            "status",
            "fabricator_id",
            "file_id",
            "search_name",
        ),
        Index("ix_job_ended", "ended_at", "id"),
        Index("ix_job_status", "status", "created_at", "id"),
        Index("ix_job_fabricator", "fabricator_id", "created_at", "id"),
        Index("ix_job_file", "file_id", "created_at", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    revision: Mapped[int]
    file_id: Mapped[int | None] = mapped_column(ForeignKey("file.id"))
    plate: Mapped[int]
    name: Mapped[str] = mapped_column(Text)
    search_name: Mapped[str] = mapped_column(String(SEARCH_LENGTH))
    """The beginning of `name` in folded case."""
    status: Mapped[str] = mapped_column(String(16))
    target: Mapped[int | None] = mapped_column(ForeignKey("fabricator.id"))
    priority: Mapped[int]
    position: Mapped[int]
    hold: Mapped[bool]
    not_before: Mapped[datetime | None]
    origin_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"))
    created_at: Mapped[datetime]
    fabricator_id: Mapped[int | None] = mapped_column(ForeignKey("fabricator.id"))
    held_fabricator_id: Mapped[int | None] = mapped_column(
        ForeignKey("fabricator.id"), unique=True
    )
    """`fabricator_id` exactly while the job holds it: one job per fabricator."""
    claimed_at: Mapped[datetime | None]
    start_sent_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    milestone: Mapped[int]
    reason: Mapped[str | None] = mapped_column(Text)
    reason_text: Mapped[str | None] = mapped_column(Text)
    rating: Mapped[str | None] = mapped_column(String(16))
    duration: Mapped[float | None]
    filament_length: Mapped[float | None]
    filament_weight: Mapped[float | None]
    start_offset: Mapped[int | None] = mapped_column(BigInteger)
    end_offset: Mapped[int | None] = mapped_column(BigInteger)
    checkpoint: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class EventRow(Base):
    """Something that happened, and whether the world was told."""

    __tablename__ = "event_log"
    __table_args__ = (
        Index("ix_event_log_job", "job_id", "id"),
        Index("ix_event_log_fabricator", "fabricator_id", "id"),
        Index("ix_event_log_announced", "announced", "id"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime]
    fabricator_id: Mapped[int | None] = mapped_column(ForeignKey("fabricator.id"))
    job_id: Mapped[int | None] = mapped_column(ForeignKey("job.id"))
    data: Mapped[dict[str, Any]]
    announced: Mapped[bool]
    once_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Job and type of an event that may occur once per job, else NULL."""
