"""Values come back from their columns as they went in."""

from datetime import UTC, datetime, timedelta, timezone
import json

from hypothesis import given, strategies as st
import pytest
from sqlalchemy.dialects import mysql, postgresql, sqlite

from custom_components.printfarm.gcode.model import Analysis, Flag
from custom_components.printfarm.gcode.serial import plate_from_json, plate_to_json
from custom_components.printfarm.store.types import UtcDateTime

from .content import PLATE

# On Python 3.14 Hypothesis takes its own random generator for one that nobody holds.
pytestmark = pytest.mark.filterwarnings("ignore:It looks like `register_random`")

ZONES = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=ZONES))
def test_any_zone_becomes_utc(moment: datetime) -> None:
    """The instant stays the same to the microsecond."""
    column, dialect = UtcDateTime(), sqlite.dialect()
    stored = column.process_bind_param(moment, dialect)
    assert stored is not None
    assert stored.tzinfo is None
    read = column.process_result_value(stored, dialect)
    assert read == moment
    assert read is not None
    assert read.tzinfo is UTC


def test_no_time_is_no_time() -> None:
    """NULL both ways."""
    column, dialect = UtcDateTime(), sqlite.dialect()
    assert column.process_bind_param(None, dialect) is None
    assert column.process_result_value(None, dialect) is None


def test_naive_time_is_refused() -> None:
    """It could mean any of two dozen instants."""
    with pytest.raises(ValueError, match="without time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 3, 1), sqlite.dialect())


def test_time_column_of_each_database() -> None:
    """MariaDB would drop the microseconds; PostgreSQL must not shift by a zone."""
    made = [
        UtcDateTime().compile(dialect)
        for dialect in (sqlite.dialect(), postgresql.dialect(), mysql.dialect())
    ]
    assert made == ["DATETIME", "TIMESTAMP WITHOUT TIME ZONE", "DATETIME(6)"]


@given(st.from_type(Analysis))
def test_analysis_survives_json(plate: Analysis) -> None:
    """Whatever was read out of a file."""
    text = json.dumps(plate_to_json(plate))
    assert repr(plate_from_json(json.loads(text))) == repr(plate)


def test_analysis_of_another_version() -> None:
    """What this version does not know is left out, what is missing is not known."""
    stored = plate_to_json(PLATE)
    stored["mood"] = "good"
    stored["filaments"][0]["smell"] = "sweet"
    stored["flags"] = ["haunted", "bad_lines"]
    stored["time_source"] = "oracle"
    read = plate_from_json(stored)
    assert read.flags == (Flag.BAD_LINES,)
    assert read.time_source is None
    assert read.filaments == PLATE.filaments
    assert plate_from_json({"plate": 3}) == Analysis(plate=3)
