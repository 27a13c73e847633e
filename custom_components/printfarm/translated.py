"""The one place where the farm's errors become Home Assistant's, with a text."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from homeassistant.exceptions import (
    ConfigEntryError,
    ConfigEntryNotReady,
    HomeAssistantError,
    ServiceValidationError,
)

from .const import DOMAIN
from .fabricators.interface import FabricatorError
from .farm.errors import ConflictError, FarmError, InvalidError, NotFoundError
from .farm.model import WaitingReason
from .gcode.model import RefusedError

type KnownError = FarmError | FabricatorError | RefusedError

# These say nothing about us, only about what was asked, so they carry no traceback
# into the log.
_CALLERS_FAULT = (ConflictError, InvalidError, NotFoundError, RefusedError)

# A code inside a sentence cannot be translated, so each reason has a text of its own.
_NOT_STARTABLE: Mapping[str, str] = {
    WaitingReason.BED_NOT_CLEAR: "not_startable_bed_not_clear",
    WaitingReason.BUSY: "not_startable_busy",
    WaitingReason.CONNECTING: "not_startable_connecting",
    WaitingReason.DOES_NOT_FIT: "not_startable_does_not_fit",
    WaitingReason.EXTERNAL_PRINT: "not_startable_external_print",
    WaitingReason.FABRICATOR_ERROR: "not_startable_fabricator_error",
    WaitingReason.FILE_NOT_READY: "not_startable_file_not_ready",
    WaitingReason.FILE_UNUSABLE: "not_startable_file_unusable",
    WaitingReason.MAINTENANCE: "not_startable_maintenance",
    WaitingReason.OFFLINE: "not_startable_offline",
    WaitingReason.OUTCOME_UNKNOWN: "not_startable_outcome_unknown",
    WaitingReason.STATE_STALE: "not_startable_state_stale",
    WaitingReason.STORAGE_FAILED: "not_startable_storage_failed",
}

# Somebody has to do something before these go away; trying again does not help.
_FOR_GOOD = frozenset(
    {"database_driver_missing", "database_newer", "database_url_invalid"}
)


def text_of(error: KnownError) -> tuple[str, dict[str, str]]:
    """Give the translation key of an error and the values that its text names."""
    match error:
        case RefusedError():
            return error.reason.value, {}
        case FabricatorError():
            return error.key, {}
    key = error.key
    if key == "not_startable":
        key = _NOT_STARTABLE.get(error.placeholders["reason"], key)
    return key, dict(error.placeholders)


def not_ready(error: FarmError) -> ConfigEntryError | ConfigEntryNotReady:
    """Say what keeps the farm from being set up, and whether time may heal it."""
    key, values = text_of(error)
    kind = ConfigEntryError if key in _FOR_GOOD else ConfigEntryNotReady
    return kind(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders=values or None,
    )


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
