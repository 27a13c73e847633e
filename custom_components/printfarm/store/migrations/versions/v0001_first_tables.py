"""Fabricators, files, jobs and the event log."""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects.mysql import DATETIME

revision = "0001"
down_revision = None

_TIME = sa.DateTime().with_variant(DATETIME(fsp=6), "mysql", "mariadb")
_HOLDING = "('paused', 'printing', 'starting', 'unknown')"
_HELD = (
    f"(status IN {_HOLDING} AND held_fabricator_id IS NOT NULL"
    " AND held_fabricator_id = fabricator_id)"
    f" OR (status NOT IN {_HOLDING} AND held_fabricator_id IS NULL)"
)


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "fabricator",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("live_key", sa.String(length=64), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("protocol", sa.String(length=32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("bed_clear", sa.Boolean(), nullable=False),
        sa.Column("auto_start", sa.Boolean(), nullable=False),
        sa.Column("maintenance", sa.Boolean(), nullable=False),
        sa.Column("halted", sa.Text(), nullable=True),
        sa.Column("last_job_id", sa.Integer(), nullable=True),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("cancelled", sa.Integer(), nullable=False),
        sa.Column("print_time", sa.Double(), nullable=False),
        sa.Column("filament_length", sa.Double(), nullable=False),
        sa.Column("filament_weight", sa.Double(), nullable=False),
        sa.Column("removed_at", _TIME, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_fabricator"),
        sa.UniqueConstraint("live_key", name="uq_fabricator_live_key"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("search_name", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("added_at", _TIME, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("plates", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_file"),
        sa.UniqueConstraint("sha256", name="uq_file_sha256"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_file_state", "file", ["state", "id"])
    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("file_id", sa.Integer(), nullable=True),
        sa.Column("plate", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("search_name", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("target", sa.Integer(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("hold", sa.Boolean(), nullable=False),
        sa.Column("not_before", _TIME, nullable=True),
        sa.Column("origin_id", sa.Integer(), nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("fabricator_id", sa.Integer(), nullable=True),
        sa.Column("held_fabricator_id", sa.Integer(), nullable=True),
        sa.Column("claimed_at", _TIME, nullable=True),
        sa.Column("start_sent_at", _TIME, nullable=True),
        sa.Column("started_at", _TIME, nullable=True),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.Column("milestone", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reason_text", sa.Text(), nullable=True),
        sa.Column("rating", sa.String(length=16), nullable=True),
        sa.Column("duration", sa.Double(), nullable=True),
        sa.Column("filament_length", sa.Double(), nullable=True),
        sa.Column("filament_weight", sa.Double(), nullable=True),
        sa.CheckConstraint(_HELD, name=op.f("ck_job_held")),
        sa.ForeignKeyConstraint(
            ["fabricator_id"], ["fabricator.id"], name="fk_job_fabricator_id"
        ),
        sa.ForeignKeyConstraint(["file_id"], ["file.id"], name="fk_job_file_id"),
        sa.ForeignKeyConstraint(
            ["held_fabricator_id"], ["fabricator.id"], name="fk_job_held_fabricator_id"
        ),
        sa.ForeignKeyConstraint(["origin_id"], ["job.id"], name="fk_job_origin_id"),
        sa.ForeignKeyConstraint(["target"], ["fabricator.id"], name="fk_job_target"),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("held_fabricator_id", name="uq_job_held_fabricator_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_job_created",
        "job",
        ["created_at", "id", "status", "fabricator_id", "file_id", "search_name"],
    )
    op.create_index("ix_job_ended", "job", ["ended_at", "id"])
    op.create_index("ix_job_fabricator", "job", ["fabricator_id", "created_at", "id"])
    op.create_index("ix_job_file", "job", ["file_id", "created_at", "id"])
    op.create_index("ix_job_status", "job", ["status", "created_at", "id"])
    op.create_table(
        "event_log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("fabricator_id", sa.Integer(), nullable=True),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("announced", sa.Boolean(), nullable=False),
        sa.Column("once_key", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["fabricator_id"], ["fabricator.id"], name="fk_event_log_fabricator_id"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_event_log_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_event_log"),
        sa.UniqueConstraint("once_key", name="uq_event_log_once_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_log_announced", "event_log", ["announced", "id"])
    op.create_index("ix_event_log_fabricator", "event_log", ["fabricator_id", "id"])
    op.create_index("ix_event_log_job", "event_log", ["job_id", "id"])
