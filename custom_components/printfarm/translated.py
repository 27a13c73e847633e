"""The one place where the farm's errors become Home Assistant's, with a text."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .const import DOMAIN
from .fabricators.interface import FabricatorError
from .farm.errors import ConflictError, FarmError, InvalidError, NotFoundError
from .gcode.model import RefusedError

type KnownError = FarmError | FabricatorError | RefusedError

# These say nothing about us, only about what was asked, so they carry no traceback
# into the log.
_CALLERS_FAULT = (ConflictError, InvalidError, NotFoundError, RefusedError)

# A code inside a sentence cannot be translated, so these keys have one text per code.
_TEXT_PER_CODE = {"not_startable": "reason"}


def text_of(error: KnownError) -> tuple[str, dict[str, str]]:
    """Give the translation key of an error and the values that its text names."""
    match error:
        case RefusedError():
            return error.reason.value, {}
        case FabricatorError():
            return error.key, {}
    values: Mapping[str, str] = error.placeholders
    if (code := _TEXT_PER_CODE.get(error.key)) is None:
        return error.key, dict(values)
    return f"{error.key}_{values[code]}", {}


def translated(error: KnownError) -> HomeAssistantError:
    """Give the Home Assistant error that says the same."""
    kind = (
        ServiceValidationError
        if isinstance(error, _CALLERS_FAULT)
        else HomeAssistantError
    )
    key, values = text_of(error)
    return kind(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders=values or None,
    )


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn whatever the farm raises within into a translated error."""
    try:
        yield
    except (FarmError, FabricatorError, RefusedError) as error:
        raise translated(error) from error
