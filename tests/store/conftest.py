"""A repository on a database file of its own, and what tests put into it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from custom_components.printfarm.farm.model import FabricatorRecord, StoredFile
from custom_components.printfarm.store.database import Database, database_url
from custom_components.printfarm.store.repository import Repository

from . import content


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database of this test lies."""
    return tmp_path / "farm.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    """An open database, empty."""
    database = Database(database_url(path))
    await database.open()
    yield database
    await database.close()


@pytest.fixture
def repository(database: Database) -> Repository:
    """The repository over `database`."""
    return Repository(database)


@pytest.fixture
async def fabricator(repository: Repository) -> FabricatorRecord:
    """A fabricator."""
    return await content.add_fabricator(repository, "first")


@pytest.fixture
async def other(
    repository: Repository, fabricator: FabricatorRecord
) -> FabricatorRecord:
    """A second fabricator."""
    return await content.add_fabricator(repository, "second")


@pytest.fixture
async def file(repository: Repository) -> StoredFile:
    """A file."""
    return await content.add_file(repository, "Vase.gcode")
