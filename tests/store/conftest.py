"""A repository on a database file of its own, and what tests put into it."""

from collections.abc import AsyncIterator
import os
from pathlib import Path

import pytest
from sqlalchemy import URL, MetaData, create_engine

from custom_components.printfarm.farm.model import FabricatorRecord, StoredFile
from custom_components.printfarm.store.database import Database, database_url
from custom_components.printfarm.store.repository import Repository

from . import content


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the database of this test lies."""
    return tmp_path / "farm.db"


@pytest.fixture
async def database(
    path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Database]:
    """An open database, empty.

    The tests of the repository itself (test_repository, test_commit, test_search) run on
    any other database too when PRINTFARM_TEST_DB_URL names one; it is emptied each time.
    """
    url = database_url(os.environ.get("PRINTFARM_TEST_DB_URL") or path)
    if url.get_backend_name() != "sqlite":
        request.getfixturevalue("socket_enabled")
        _empty(url)
    database = Database(url)
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


def _empty(url: URL) -> None:
    engine = create_engine(url)
    metadata = MetaData()
    metadata.reflect(engine)
    metadata.drop_all(engine)
    engine.dispose()
