"""Old databases become new ones with all that is in them."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
import shutil

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    DateTime,
    Engine,
    Float,
    MetaData,
    Numeric,
    Table,
    inspect,
    select,
)
from sqlalchemy.exc import OperationalError

from custom_components.printfarm.store import migrations
from custom_components.printfarm.store.database import _engine, database_url
from custom_components.printfarm.store.tables import Base

REVISIONS = migrations.revisions()

BREAKS = """
from alembic import op
import sqlalchemy as sa

revision = "9000"
down_revision = "LAST"


def upgrade():
    op.create_table("half", sa.Column("id", sa.Integer()))
    op.execute("SELECT * FROM nowhere")
"""


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    """The engine that the farm uses, on a file without tables."""
    engine = _engine(database_url(path))
    yield engine
    engine.dispose()


def test_revisions_are_one_line() -> None:
    """One after the other, from the first."""
    assert REVISIONS[0] == "0001"
    assert list(REVISIONS) == sorted(set(REVISIONS))


def test_migrated_tables_are_the_tables_of_the_code(engine: Engine) -> None:
    """Columns, types, keys and indexes; what is compared by text includes the rest."""
    with engine.begin() as connection:
        migrations.upgrade(connection)
        context = MigrationContext.configure(
            connection,
            opts={"version_table": migrations.VERSION_TABLE, "compare_type": True},
        )
        assert compare_metadata(context, Base.metadata) == []
        migrated = _statements(connection)
        migrated.pop(migrations.VERSION_TABLE)
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
        made = _statements(connection)
        made.pop(migrations.VERSION_TABLE)
    assert migrated == made


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_old_database_upgrades_and_keeps_its_rows(
    engine: Engine, revision: str
) -> None:
    """From each revision on, with a row in every table of its time."""
    with engine.begin() as connection:
        migrations.upgrade(connection, revision)
        assert migrations.current_revisions(connection) == {revision}
        old = _fill(connection)
    assert old
    with engine.begin() as connection:
        migrations.upgrade(connection)
        assert migrations.current_revisions(connection) == {REVISIONS[-1]}
        tables = set(inspect(connection).get_table_names())
        for name, row in old.items():
            assert name in tables
            table = Table(name, MetaData(), autoload_with=connection)
            (kept,) = connection.execute(select(table)).mappings()
            shared = row.keys() & kept.keys()
            assert {key: kept[key] for key in shared} == {
                key: row[key] for key in shared
            }


def test_upgrade_of_a_current_database_changes_nothing(
    engine: Engine, path: Path
) -> None:
    """It is done at every start."""
    with engine.begin() as connection:
        migrations.upgrade(connection)
    before = path.read_bytes()
    with engine.begin() as connection:
        migrations.upgrade(connection)
    assert path.read_bytes() == before


def test_failed_migration_leaves_the_database_as_it_was(
    engine: Engine, tmp_path: Path
) -> None:
    """Also when its first half was done already."""
    location = tmp_path / "100% migrations"
    shutil.copytree(migrations.LOCATION, location)
    (location / "versions" / "v9000_breaks.py").write_text(
        BREAKS.replace("LAST", REVISIONS[-1])
    )
    with engine.begin() as connection:
        migrations.upgrade(connection)
        before = _statements(connection)
    with pytest.raises(OperationalError, match="nowhere"), engine.begin() as connection:
        migrations.upgrade(connection, location=location)
    with engine.begin() as connection:
        assert _statements(connection) == before
        assert migrations.current_revisions(connection) == {REVISIONS[-1]}


def test_tables_of_others_are_left_alone(engine: Engine) -> None:
    """A database may hold more than the farm, with Alembic's usual version table."""
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num TEXT)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('theirs')")
        migrations.upgrade(connection)
        theirs = connection.exec_driver_sql("SELECT * FROM alembic_version").scalar()
        assert theirs == "theirs"


def _statements(connection: Connection) -> dict[str, list[str]]:
    """Give what each table and index is made of, in whatever order it says so."""
    found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master")
    return {
        name: sorted(part.strip(" )\n\t") for part in (sql or "").split(", "))
        for name, sql in found
    }


def _fill(connection: Connection) -> dict[str, dict[str, object]]:
    """Put one row into each table, every column filled as its type allows."""
    metadata = MetaData()
    metadata.reflect(connection)
    rows: dict[str, dict[str, object]] = {}
    for table in metadata.sorted_tables:
        if table.name == migrations.VERSION_TABLE:
            continue
        row = {column.name: _value(column.type) for column in table.columns}
        if table.name == "job":
            row["status"] = "printing"
        connection.execute(table.insert().values(row))
        (stored,) = connection.execute(select(table)).mappings()
        rows[table.name] = dict(stored)
    return rows


def _value(kind: object) -> object:
    match kind:
        case DateTime():
            return datetime(2026, 3, 1, 12, 30)
        case Boolean():
            return True
        case JSON():
            return [{"plate": 1}]
        case Float() | Numeric():
            return 1.5
        case _:
            return 1 if "INT" in str(kind) else "text"
