"""What the binary sensors say."""

from typing import Any

from homeassistant.const import STATE_OFF, STATE_ON, Platform
import pytest

from .edge_fixtures import Home


@pytest.mark.parametrize(
    ("key", "changes", "state"),
    [
        ("connected", {"connected": True}, STATE_ON),
        ("connected", {"connected": False}, STATE_OFF),
        ("bed_clear", {"bed_clear": True}, STATE_ON),
        ("bed_clear", {"bed_clear": False}, STATE_OFF),
        ("problem", {"problem": None}, STATE_OFF),
        ("problem", {"problem": "Heating failed"}, STATE_ON),
    ],
)
async def test_value(home: Home, key: str, changes: dict[str, Any], state: str) -> None:
    """Each says its part of what the farm shows, and none is ever unavailable."""
    await home.show("Ada", **changes)
    assert home.state(Platform.BINARY_SENSOR, key, "Ada").state == state


async def test_problem_says_what(home: Home) -> None:
    """The machine's own words stand beside the problem."""
    await home.show("Ada", problem="Heating failed, system stopped!")
    state = home.state(Platform.BINARY_SENSOR, "problem", "Ada")
    assert state.attributes["text"] == "Heating failed, system stopped!"
    assert (
        "text" not in home.state(Platform.BINARY_SENSOR, "connected", "Ada").attributes
    )
