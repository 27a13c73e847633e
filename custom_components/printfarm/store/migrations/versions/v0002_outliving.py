"""What is known of a print that was cut off, and who wants its lines written down."""

from alembic import op
import sqlalchemy as sa

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns; every database does so without touching the rows."""
    op.add_column(
        "fabricator",
        sa.Column("gcode_log", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column("job", sa.Column("start_offset", sa.BigInteger(), nullable=True))
    op.add_column("job", sa.Column("end_offset", sa.BigInteger(), nullable=True))
    op.add_column("job", sa.Column("checkpoint", sa.JSON(), nullable=True))
