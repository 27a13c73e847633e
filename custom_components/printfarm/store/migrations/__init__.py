"""Brings a database of any earlier version up to the tables of today.

The revisions lie in `versions/` and are loaded by Alembic from their files, so all
of this belongs into the database thread. Tables of ours may live beside those of
others in one database: hence a version table of our own name.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from ...farm.errors import StorageError

VERSION_TABLE = "printfarm_version"
LOCATION = Path(__file__).parent


def upgrade(
    connection: Connection, revision: str = "head", location: Path = LOCATION
) -> None:
    """Run what is missing up to `revision`, in the transaction of `connection`.

    Raises `StorageError` with key `database_newer` and touches nothing where the
    database knows a revision that the code does not.
    """
    scripts = ScriptDirectory(location)
    known = {script.revision for script in scripts.walk_revisions()}
    found = current_revisions(connection)
    if unknown := sorted(found - known):
        raise StorageError(
            "database_newer",
            found=", ".join(unknown),
            known=scripts.get_current_head() or "",
        )
    if found == {scripts.get_current_head()}:
        return
    config = Config()
    # A percent sign would be read as a reference to another option.
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=VERSION_TABLE)
    command.upgrade(config, revision)


def current_revisions(connection: Connection) -> set[str]:
    """Say which revision a database has; empty for a new one."""
    context = MigrationContext.configure(
        connection, opts={"version_table": VERSION_TABLE}
    )
    return set(context.get_current_heads())


def revisions(location: Path = LOCATION) -> tuple[str, ...]:
    """List all revisions that the code knows, oldest first."""
    scripts = ScriptDirectory(location)
    return tuple(script.revision for script in scripts.walk_revisions())[::-1]
