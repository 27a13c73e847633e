"""What people may say where a number or a time is asked for."""

from datetime import UTC, datetime
from typing import Any

from homeassistant.core import HomeAssistant
import probatio
import pytest

from custom_components.printfarm.fields import NUMBER, moment, whole


@pytest.mark.parametrize("said", [7, 7.0, "7", " 7 "])
def test_whole(said: Any) -> None:
    """A number is a number, in the shapes in which forms and templates give it."""
    assert NUMBER(said) == 7


@pytest.mark.parametrize(
    "said",
    [0, -1, 2**53 + 1, 10**25, "9" * 5000, 1.5, float("nan"), True, None, "", "two"],
)
def test_not_whole(said: Any) -> None:
    """Nothing is rounded, and nothing is larger than a database can count."""
    with pytest.raises(probatio.Invalid):
        NUMBER(said)


def test_bounds() -> None:
    """Both ends belong to what is allowed."""
    check = whole(2, 4)
    assert [check(2), check(4)] == [2, 4]
    for beyond in (1, 5):
        with pytest.raises(probatio.Invalid):
            check(beyond)


async def test_moment(hass: HomeAssistant) -> None:
    """A time without a zone is one on the clock of this Home Assistant."""
    await hass.config.async_set_time_zone("Europe/Amsterdam")
    assert moment("2026-12-01 23:30:00") == datetime(2026, 12, 1, 22, 30, tzinfo=UTC)
    assert moment("2026-12-01T23:30:00Z") == datetime(2026, 12, 1, 23, 30, tzinfo=UTC)
    for said in ("soon", "0001-01-01 00:00:00"):
        with pytest.raises(probatio.Invalid):
            moment(said)
