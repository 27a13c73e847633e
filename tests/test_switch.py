"""What a fabricator may do by itself."""

from homeassistant.const import ATTR_ENTITY_ID, STATE_OFF, STATE_ON, Platform
from homeassistant.exceptions import ServiceValidationError
import pytest

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
