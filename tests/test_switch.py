"""What a fabricator may do by itself."""

from pathlib import Path
from unittest.mock import MagicMock

from homeassistant.const import ATTR_ENTITY_ID, STATE_OFF, STATE_ON, Platform
from homeassistant.exceptions import ServiceValidationError
import pytest

from custom_components.printfarm.fabricators.interface import Capabilities
from custom_components.printfarm.switch import DESCRIPTIONS

from .edge_fixtures import Home, until

SWITCH = Platform.SWITCH


async def _turn(home: Home, key: str, state: str) -> None:
    await home.hass.services.async_call(
        SWITCH,
        f"turn_{state}",
        {ATTR_ENTITY_ID: home.entity(SWITCH, key, "Ada")},
        blocking=True,
    )
    await until(lambda: home.state(SWITCH, key, "Ada").state == state)


async def test_auto_start(home: Home) -> None:
    """A virtual fabricator starts by itself until it is told not to."""
    assert home.state(SWITCH, "auto_start", "Ada").state == STATE_ON
    await _turn(home, "auto_start", STATE_OFF)
    assert home.view("Ada").auto_start is False
    await _turn(home, "auto_start", STATE_ON)
    assert home.view("Ada").auto_start is True
    assert home.view("Bob").auto_start is True


async def test_maintenance(home: Home) -> None:
    """Maintenance is for machines that do not print."""
    await home.enable(SWITCH, "maintenance", "Ada")
    await _turn(home, "maintenance", STATE_ON)
    await until(
        lambda: home.state(Platform.SENSOR, "status", "Ada").state == "maintenance"
    )
    await _turn(home, "maintenance", STATE_OFF)
    await home.print_on("Ada")
    with pytest.raises(ServiceValidationError, match="Ada is busy with a print"):
        await _turn(home, "maintenance", STATE_ON)


@pytest.mark.usefixtures("unix_sockets")
async def test_gcode_log(home: Home) -> None:
    """It is off until it is wanted, stays as it was set, and writes down every line."""
    await home.enable(SWITCH, "gcode_log", "Ada")
    assert home.state(SWITCH, "gcode_log", "Ada").state == STATE_OFF
    await _turn(home, "gcode_log", STATE_ON)
    assert home.view("Ada").gcode_log is True
    assert home.view("Bob").gcode_log is False
    await home.reload()
    assert home.state(SWITCH, "gcode_log", "Ada").state == STATE_ON
    await home.farm.send_gcode(home.key("Ada"), ["M117 written down"])
    await _turn(home, "gcode_log", STATE_OFF)
    folder = Path(home.hass.config.path("printfarm", "streamer", "virtual"))
    log = folder / f"gcode-{home.key('Ada')}.log"
    assert "M117 written down" in log.read_text("utf-8")
    await home.runtime.streamers.dismiss()


def test_machine_without_a_wire() -> None:
    """A machine whose lines nobody sees gets no switch for them."""
    view = MagicMock(capabilities=Capabilities(gcode_log=False))
    supported = {item.key for item in DESCRIPTIONS if item.supported(view)}
    assert supported == {"auto_start", "maintenance"}
