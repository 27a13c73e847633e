"""Every error of the farm has a text, and is blamed on the right one."""

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.setup import async_setup_component
import pytest

from custom_components.printfarm.const import DOMAIN
from custom_components.printfarm.fabricators.interface import FabricatorError
from custom_components.printfarm.farm.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    StaleError,
    StorageError,
)
from custom_components.printfarm.farm.model import WaitingReason
from custom_components.printfarm.gcode.model import Refusal, RefusedError
from custom_components.printfarm.translated import (
    KnownError,
    text_of,
    translated,
    translated_errors,
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConflictError("nothing_queued"), ServiceValidationError),
        (InvalidError("gcode_invalid"), ServiceValidationError),
        (NotFoundError("job_not_found", job="3"), ServiceValidationError),
        (RefusedError(Refusal.EMPTY), ServiceValidationError),
        (StorageError("storage_full"), HomeAssistantError),
        (StaleError("row_changed"), HomeAssistantError),
        (FabricatorError("no_answer", "???"), HomeAssistantError),
    ],
)
async def test_kinds(
    hass: HomeAssistant, error: KnownError, kind: type[HomeAssistantError]
) -> None:
    """Whoever is not at fault gets a traceback, the caller a word."""
    assert await async_setup_component(hass, DOMAIN, {})
    with pytest.raises(HomeAssistantError) as raised, translated_errors():
        raise error
    assert type(raised.value) is kind
    assert raised.value.__cause__ is error
    key, values = text_of(error)
    assert raised.value.translation_key == key
    assert str(raised.value) not in ("", key)
    for value in values.values():
        assert value in str(raised.value)


@pytest.mark.parametrize("reason", [*WaitingReason, "anything else"])
async def test_not_startable(hass: HomeAssistant, reason: str) -> None:
    """Each reason that keeps a job from starting makes a sentence of its own."""
    assert await async_setup_component(hass, DOMAIN, {})
    text = str(translated(ConflictError("not_startable", reason=reason)))
    assert text.startswith("The job cannot start")


@pytest.mark.parametrize("refusal", Refusal)
async def test_refusals(hass: HomeAssistant, refusal: Refusal) -> None:
    """Each reason to refuse a file has a text."""
    assert await async_setup_component(hass, DOMAIN, {})
    assert str(translated(RefusedError(refusal))) != refusal.value


def test_others_pass() -> None:
    """A mistake of ours is not dressed up as anything else."""
    with pytest.raises(KeyError), translated_errors():
        raise KeyError
