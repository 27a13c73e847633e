"""A farm for each test, on a database of its own."""

import asyncio
from collections.abc import AsyncIterator
import logging
from pathlib import Path

import pytest

from custom_components.printfarm.store.repository import open_repository

from .machine import FakeFabricator
from .rig import Rig


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database of the current version: making one takes longer than copying."""
    path = tmp_path_factory.mktemp("template") / "farm.db"

    async def make() -> None:
        repository = await open_repository(path)
        await repository.close()

    with asyncio.Runner() as runner:
        runner.run(make())
    return path


@pytest.fixture(autouse=True)
def _quiet_store() -> None:
    """Home Assistant's test plugin has every statement logged; these tests make many."""
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)


@pytest.fixture
async def rig(tmp_path: Path, template: Path) -> AsyncIterator[Rig]:
    """An open, running farm without fabricators."""
    rig = Rig(tmp_path, template)
    rig.clock.rule(asyncio.get_running_loop())
    await rig.open()
    yield rig
    await rig.farm.close()


@pytest.fixture
async def machine(rig: Rig) -> FakeFabricator:
    """One idle fabricator `a` that starts nothing by itself."""
    return await rig.add("a")
