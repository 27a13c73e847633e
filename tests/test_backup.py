"""A backup gets a database that holds still, and the farm goes on meanwhile."""

from pathlib import Path
import shutil
import sqlite3
from unittest.mock import patch

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
import pytest

from custom_components.printfarm.backup import async_post_backup, async_pre_backup
from custom_components.printfarm.farm.errors import StorageError
from custom_components.printfarm.store.repository import Repository

from .edge_fixtures import Home


async def test_backup(home: Home, tmp_path: Path) -> None:
    """What is queued meanwhile is kept, and the copied file is whole."""
    await home.queue(hold=True)
    await async_pre_backup(home.hass)
    file = Path(home.hass.config.path("printfarm", "farm.db"))
    before = file.read_bytes()
    await home.queue(hold=True)
    assert file.read_bytes() == before
    copy = tmp_path / "copy.db"
    shutil.copy(file, copy)
    await async_post_backup(home.hass)
    await home.queue(hold=True)
    assert len(await home.jobs()) == 3
    with sqlite3.connect(copy) as database:
        assert database.execute("SELECT count(*) FROM job").fetchone() == (1,)
    database.close()


async def test_nothing_loaded(hass: HomeAssistant) -> None:
    """Without a farm there is nothing to hold still."""
    await async_pre_backup(hass)
    await async_post_backup(hass)


async def test_fails(home: Home) -> None:
    """A backup that could not be sound is stopped, in words."""
    with (
        patch.object(
            Repository, "begin_backup", side_effect=StorageError("storage_full")
        ),
        pytest.raises(HomeAssistantError, match="The disk is full"),
    ):
        await async_pre_backup(home.hass)
