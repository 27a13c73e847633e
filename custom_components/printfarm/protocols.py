"""What is asked for each protocol, and how the answers are tried."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
import os
from typing import Any

from homeassistant.const import CONF_MODEL, CONF_NAME, CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    SerialPortSelector,
    TextSelector,
)
from homeassistant.helpers.typing import VolDictType
import probatio

from .const import CONF_BAUDRATE, CONF_SPEED, CONF_STANDBY, CONF_USB
from .fabricators.interface import FabricatorError
from .fabricators.marlin import usb
from .fabricators.marlin.probe import probe
from .fabricators.marlin.usb import UsbIdentity
from .fabricators.virtual.board import DEFAULT_MODEL, PROFILES
from .fields import whole

# Faster ones first: they are what printers use today.
BAUDRATES = ("250000", "115200", "500000", "1000000", "230400", "57600")
# No serial port counts faster than 32 bits.
_BAUDRATE = whole(1, 2**32 - 1)

_STANDBY_OFF = "off"
_STANDBY: VolDictType = {
    probatio.Required(CONF_STANDBY, default=_STANDBY_OFF): SelectSelector(
        SelectSelectorConfig(
            options=[_STANDBY_OFF, "bed", "warm"],
            translation_key="standby",
            mode=SelectSelectorMode.DROPDOWN,
        )
    )
}
"""What stays warm where a print that was cut off waits for somebody to go on with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolForm:
    """One protocol's form."""

    schema: probatio.Schema
    options: Callable[[Mapping[str, Any]], dict[str, Any]]
    """Makes the driver's options out of what was filled in."""
    probe: Callable[[Mapping[str, Any]], Awaitable[None]]
    """Tries to connect with these options; raises `FabricatorError`."""
    field_of: Mapping[str, str] = field(default_factory=dict)
    """The field that an error is about; else it is about the form as a whole."""


async def _nothing_to_try(options: Mapping[str, Any]) -> None:
    """A machine that exists only here is always there."""


def _standby(given: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what is not the default: who never chose has chosen that."""
    chosen = given[CONF_STANDBY]
    return {} if chosen == _STANDBY_OFF else {CONF_STANDBY: chosen}


def _marlin_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Read port and baud rate, which may have been typed in."""
    port = given[CONF_PORT].strip()
    if not port.isprintable():
        raise FabricatorError("port_not_found")
    try:
        baudrate = _BAUDRATE(str(given[CONF_BAUDRATE]))
    except probatio.Invalid as error:
        raise FabricatorError("baudrate_invalid") from error
    return {CONF_PORT: port, CONF_BAUDRATE: baudrate} | _standby(given)


async def _try_marlin(options: Mapping[str, Any]) -> None:
    await probe(options[CONF_PORT], options[CONF_BAUDRATE])


PROTOCOLS: Mapping[str, ProtocolForm] = {
    "virtual": ProtocolForm(
        schema=probatio.Schema(
            {
                probatio.Required(CONF_NAME): TextSelector(),
                probatio.Required(CONF_MODEL, default=DEFAULT_MODEL): SelectSelector(
                    SelectSelectorConfig(
                        options=[
                            SelectOptionDict(value=model, label=profile.title)
                            for model, profile in PROFILES.items()
                        ],
                        mode=SelectSelectorMode.DROPDOWN,
                    )
                ),
                probatio.Required(CONF_SPEED, default=1): NumberSelector(
                    NumberSelectorConfig(
                        min=0, max=1000, step=1, mode=NumberSelectorMode.BOX
                    )
                ),
                **_STANDBY,
            }
        ),
        options=lambda given: (
            {
                CONF_MODEL: given[CONF_MODEL],
                CONF_SPEED: given[CONF_SPEED],
            }
            | _standby(given)
        ),
        probe=_nothing_to_try,
        field_of={"name_missing": CONF_NAME},
    ),
    "marlin": ProtocolForm(
        schema=probatio.Schema(
            {
                probatio.Required(CONF_NAME): TextSelector(),
                probatio.Required(CONF_PORT): SerialPortSelector(),
                probatio.Required(CONF_BAUDRATE, default="115200"): SelectSelector(
                    SelectSelectorConfig(
                        options=list(BAUDRATES),
                        custom_value=True,
                        mode=SelectSelectorMode.DROPDOWN,
                    )
                ),
                **_STANDBY,
            }
        ),
        options=_marlin_options,
        probe=_try_marlin,
        field_of={
            "baudrate_invalid": CONF_BAUDRATE,
            "name_missing": CONF_NAME,
            "no_answer": CONF_BAUDRATE,
            "permission_denied": CONF_PORT,
            "port_busy": CONF_PORT,
            "port_not_found": CONF_PORT,
            "port_taken": CONF_PORT,
        },
    ),
}


async def async_usb(hass: HomeAssistant, port: str) -> dict[str, Any] | None:
    """Give what is plugged in at a port, to know it again; None where nobody can tell."""
    if "://" in port:
        return None
    found = await hass.async_add_executor_job(usb.identity, port)
    if found is None:
        return None
    return {name: value for name, value in asdict(found).items() if value is not None}


async def async_port_taken(
    hass: HomeAssistant,
    options: Mapping[str, Any],
    others: Iterable[Mapping[str, Any]],
) -> bool:
    """Say whether another fabricator has the same port, under whatever name."""
    if (port := options.get(CONF_PORT)) is None:
        return False
    taken = [other for other in others if CONF_PORT in other]
    device = UsbIdentity.read(options.get(CONF_USB))
    if device is not None and device.unique:
        for other in taken:
            known = UsbIdentity.read(other.get(CONF_USB))
            if known is not None and known.fits(device):
                return True
    ports = [other[CONF_PORT] for other in taken]
    return await hass.async_add_executor_job(_same_device, port, ports)


def _same_device(port: str, others: list[str]) -> bool:
    """Follow links: /dev/serial/by-id leads to the very device it names."""
    return os.path.realpath(port) in map(os.path.realpath, others)
