"""Buttons press what the farm can do, and are there only while it can."""

from unittest.mock import MagicMock, patch

from homeassistant.const import ATTR_ENTITY_ID, STATE_UNAVAILABLE, Platform
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
import pytest

from custom_components.printfarm.button import DESCRIPTIONS
from custom_components.printfarm.fabricators.interface import (
    Capabilities,
    FabricatorError,
)
from custom_components.printfarm.fabricators.marlin.driver import MarlinFabricator
from custom_components.printfarm.farm.model import FabricatorStatus, JobStatus

from .edge_fixtures import OFFER, Home, until

BUTTON = Platform.BUTTON
COMMANDS = {"start", "pause", "resume", "cancel", "release", "recover"}


def _there(home: Home, name: str) -> set[str]:
    """Give the buttons that can be pressed."""
    return {
        key
        for key in COMMANDS
        if home.state(BUTTON, key, name).state != STATE_UNAVAILABLE
    }


async def _press(home: Home, key: str, name: str) -> None:
    await home.hass.services.async_call(
        BUTTON,
        "press",
        {ATTR_ENTITY_ID: home.entity(BUTTON, key, name)},
        blocking=True,
    )


async def test_a_print_by_hand(home: Home) -> None:
    """Start, pause, resume, cancel and release, each when it makes sense."""
    await home.farm.set_auto_start(home.key("Ada"), False)
    await until(lambda: _there(home, "Ada") == set())
    (job,) = await home.queue(
        b"G28\n" + b"G1 X90 F600\nG1 X1 F600\n" * 2000, target=home.key("Ada")
    )
    await until(lambda: _there(home, "Ada") == {"start"})
    await _press(home, "start", "Ada")
    await until(lambda: _there(home, "Ada") == {"pause", "cancel"})
    await _press(home, "pause", "Ada")
    await until(lambda: _there(home, "Ada") == {"resume", "cancel"})
    await _press(home, "resume", "Ada")
    await until(lambda: _there(home, "Ada") == {"pause", "cancel"})
    await _press(home, "cancel", "Ada")
    await until(lambda: _there(home, "Ada") == {"release"})
    assert (await home.job(job.id)).status is JobStatus.CANCELLED
    await _press(home, "release", "Ada")
    await until(lambda: _there(home, "Ada") == set())
    assert home.view("Ada").status is FabricatorStatus.IDLE


async def test_machine_does_not_answer(home: Home) -> None:
    """What goes wrong is said in words."""
    await home.print_on("Ada")
    await until(lambda: "pause" in _there(home, "Ada"))
    with (
        patch.object(
            MarlinFabricator, "pause", side_effect=FabricatorError("no_answer")
        ),
        pytest.raises(HomeAssistantError, match="nothing answers") as error,
    ):
        await home.entity_object(BUTTON, "pause", "Ada").async_press()
    assert type(error.value) is HomeAssistantError


async def test_recover(home: Home) -> None:
    """It can be pressed only while a print is offered and the machine is ready for it."""
    assert "recover" not in _there(home, "Ada")
    await home.show("Ada", offer=OFFER)
    assert "recover" not in _there(home, "Ada")
    await home.show("Ada", offer=OFFER, recoverable=True)
    assert "recover" in _there(home, "Ada")
    with pytest.raises(ServiceValidationError, match="no print to recover on Ada"):
        await _press(home, "recover", "Ada")


async def test_too_late(home: Home) -> None:
    """Who presses a button that is about to go is told so, without a traceback."""
    with pytest.raises(ServiceValidationError, match="nothing to pause on Ada"):
        await home.entity_object(BUTTON, "pause", "Ada").async_press()


def test_machine_without_pause() -> None:
    """A machine that cannot pause gets no buttons for it."""
    view = MagicMock(capabilities=Capabilities(pause=False))
    supported = {item.key for item in DESCRIPTIONS if item.supported(view)}
    assert supported == {"start", "cancel", "release", "recover"}
