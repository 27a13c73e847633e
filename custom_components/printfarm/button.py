"""Buttons for what a person can tell a fabricator."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import FarmConfigEntry
from .entity import FabricatorDescription, FabricatorEntity, add_fabricator_entities
from .farm.farm import Farm
from .farm.view import Command, FabricatorView
from .translated import translated_errors

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class FabricatorButtonDescription(FabricatorDescription, ButtonEntityDescription):
    """Describes a button of a fabricator."""

    command: Command
    press: Callable[[Farm, str], Awaitable[object]]


def _can_pause(view: FabricatorView) -> bool:
    return view.capabilities.pause


DESCRIPTIONS = (
    FabricatorButtonDescription(
        key="start",
        translation_key="start",
        command=Command.START,
        press=Farm.start,
    ),
    FabricatorButtonDescription(
        key="pause",
        translation_key="pause",
        supported=_can_pause,
        command=Command.PAUSE,
        press=Farm.pause,
    ),
    FabricatorButtonDescription(
        key="resume",
        translation_key="resume",
        supported=_can_pause,
        command=Command.RESUME,
        press=Farm.resume,
    ),
    FabricatorButtonDescription(
        key="cancel",
        translation_key="cancel",
        command=Command.CANCEL,
        press=Farm.cancel,
    ),
    FabricatorButtonDescription(
        key="release",
        translation_key="release",
        command=Command.RELEASE,
        press=Farm.release,
    ),
    FabricatorButtonDescription(
        key="recover",
        translation_key="recover",
        command=Command.RECOVER,
        press=Farm.recover,
    ),
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FarmConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Make the buttons."""
    add_fabricator_entities(entry, async_add_entities, DESCRIPTIONS, FabricatorButton)


class FabricatorButton(FabricatorEntity, ButtonEntity):
    """Tells a fabricator something; there only while that makes sense."""

    entity_description: FabricatorButtonDescription

    @property
    @override
    def available(self) -> bool:
        """Say whether the command makes sense now."""
        return super().available and (
            self.entity_description.command in self.view.available
        )

    @override
    async def async_press(self) -> None:
        """Tell the fabricator."""
        coordinator = self.coordinator
        with translated_errors():
            await self.entity_description.press(coordinator.farm, coordinator.key)
