"""Checks of what people may say in an action, a form field or a query."""

from datetime import datetime
from typing import Any

from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util
import probatio

from .farm.jobs import HIGHEST_PRIORITY, MOST_COPIES

_LARGEST = 2**53
"""No id or count comes near; beyond it databases and JavaScript lose count."""


def _whole(value: Any) -> int:
    """Read a whole number; the digits of a text, but no fraction and no yes or no."""
    if isinstance(value, str) and len(value) <= 20:
        try:
            return int(value)
        except ValueError:
            raise probatio.Invalid("expected a whole number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise probatio.Invalid("expected a whole number")
    # The frontend's number field says 2.0 where somebody typed that.
    if value != value // 1:
        raise probatio.Invalid("expected a whole number")
    return int(value)


def whole(least: int, most: int = _LARGEST) -> probatio.All[Any]:
    """Give a check for whole numbers within these bounds."""
    return probatio.All(_whole, probatio.Range(min=least, max=most))


def moment(value: Any) -> datetime:
    """Read a time as UTC; without a zone it is one on Home Assistant's clock."""
    try:
        return dt_util.as_utc(cv.datetime(value))
    except OverflowError:
        raise probatio.Invalid(f"There is no such time: {value}") from None


COPIES = whole(1, MOST_COPIES)
COUNT = whole(0)
NUMBER = whole(1)
PRIORITY = whole(-HIGHEST_PRIORITY, HIGHEST_PRIORITY)
