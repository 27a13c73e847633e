"""Where the farm keeps its data, and how it is opened there."""

from collections.abc import Mapping
from dataclasses import dataclass
import errno
from pathlib import Path
import tempfile
from typing import Any

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.hassio import is_hassio
from homeassistant.loader import async_get_integration

from .const import CONF_DB_URL, CONF_FOLDER, DOMAIN
from .fabricators.streamer.process import Streamers
from .farm.errors import StorageError
from .farm.farm import Farm
from .farm.worker import CpuWorker
from .store.database import database_url
from .store.repository import open_repository


def folder_of(hass: HomeAssistant, data: Mapping[str, Any]) -> Path:
    """Give the folder of the farm; a relative one lies in the configuration folder."""
    return Path(hass.config.path(data.get(CONF_FOLDER) or DOMAIN))


type Place = tuple[Path, Path | str]
"""Folder and database of a farm: with another one of either it is another farm."""


def place_of(hass: HomeAssistant, data: Mapping[str, Any]) -> Place:
    """Give where the farm has its data."""
    return folder_of(hass, data), database_of(hass, data)


def database_of(hass: HomeAssistant, data: Mapping[str, Any]) -> Path | str:
    """Give the database: an address of its own, or a file in the folder."""
    return data.get(CONF_DB_URL) or folder_of(hass, data) / "farm.db"


@dataclass(frozen=True, slots=True)
class OpenFarm:
    """A farm, and the processes that drive its machines."""

    farm: Farm
    streamers: Streamers
    place: Place

    async def close(self, *, park: bool = False) -> None:
        """Close the farm; prints that need no host go on. Safe to call twice.

        `park`: nothing will outlive us, so they are brought to a safe end as well.
        """
        try:
            if park:
                await self.farm.see_off(self.streamers.park)
        finally:
            await self.farm.close()
            await self.streamers.close()


@callback
def all_end_with(hass: HomeAssistant) -> bool:
    """Tell whether every process of ours ends when Home Assistant does.

    The Supervisor restarts it with its whole container: whatever else runs there is
    told to end, and killed three seconds later.
    """
    return is_hassio(hass)


async def async_streamers(hass: HomeAssistant, data: Mapping[str, Any]) -> Streamers:
    """Give the processes of the farm; none is started before a machine needs it."""
    integration = await async_get_integration(hass, DOMAIN)
    return Streamers(folder_of(hass, data), str(integration.version))


async def async_open_farm(hass: HomeAssistant, data: Mapping[str, Any]) -> OpenFarm:
    """Open the farm on its data. Raises `StorageError`."""
    folder = folder_of(hass, data)
    await hass.async_add_executor_job(_check_folder, folder)
    streamers = await async_streamers(hass, data)
    storage = await open_repository(database_of(hass, data))
    worker = CpuWorker()
    try:
        farm = await Farm.open(
            storage=storage,
            files=folder / "files",
            cache=Path(hass.config.cache_path(DOMAIN)),
            analyse=worker.analyse,
            replay=worker.replay,
            make=streamers.make,
        )
    except BaseException:
        await storage.close()
        raise
    return OpenFarm(farm, streamers, place_of(hass, data))


async def async_check(
    hass: HomeAssistant, data: Mapping[str, Any], *, in_use: Mapping[str, Any] | None
) -> None:
    """Try whether a farm could be kept there. Raises `StorageError`.

    `in_use` is where the loaded farm has its data: that database is open already.
    """
    await hass.async_add_executor_job(_check_folder, folder_of(hass, data))
    if address := data.get(CONF_DB_URL):
        _check_address(address)
    database = database_of(hass, data)
    if in_use is None or database != database_of(hass, in_use):
        storage = await open_repository(database)
        await storage.close()


def _check_folder(folder: Path) -> None:
    """Make the folder and write into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0")
    except ValueError as error:
        # What can be no path, such as one with a zero byte in it.
        raise StorageError("storage_unwritable") from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        key = "storage_full" if full else "storage_unwritable"
        raise StorageError(key) from error


def _check_address(address: str) -> None:
    """Refuse what is no address, or one whose data would be somewhere else tomorrow.

    A relative path of an SQLite file begins where Home Assistant happened to be
    started, and one without any path is a database in memory.
    """
    if "://" not in address:
        raise StorageError("database_url_invalid")
    url = database_url(address)
    is_file = url.get_backend_name() == "sqlite"
    if is_file and not Path(url.database or "").is_absolute():
        raise StorageError("database_url_invalid")
