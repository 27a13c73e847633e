"""Lets Home Assistant's backup copy the database while the farm goes on."""

from typing import cast

from homeassistant.core import HomeAssistant

from .const import DOMAIN
from .coordinator import FarmConfigEntry
from .store.repository import Repository
from .translated import translated_errors


def _repositories(hass: HomeAssistant) -> list[Repository]:
    loaded: list[FarmConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    return [cast(Repository, entry.runtime_data.farm.storage) for entry in loaded]


async def async_pre_backup(hass: HomeAssistant) -> None:
    """Let the database file rest; what is written meanwhile goes beside it."""
    with translated_errors():
        for repository in _repositories(hass):
            await repository.begin_backup()


async def async_post_backup(hass: HomeAssistant) -> None:
    """Let the database file be written again."""
    with translated_errors():
        for repository in _repositories(hass):
            await repository.end_backup()
