"""Errors that are told in more than one line."""

import pytest

from custom_components.printfarm.fabricators.marlin.answers import ErrorReport, parse
from custom_components.printfarm.fabricators.marlin.complaint import (
    FAULT_GRACE,
    Complaint,
)


def _error(line: str) -> ErrorReport:
    (answer,) = parse(line.encode())
    assert isinstance(answer, ErrorReport)
    return answer


HALTED = "Error:Printer halted. kill() called!"


@pytest.mark.parametrize(
    ("first", "then", "rest", "reason", "text"),
    [
        (
            "Error:Thermal Runaway, system stopped! Heater_ID: E0",
            HALTED,
            None,
            "heater_fault",
            "Thermal Runaway, system stopped! Heater_ID: E0 / Printer halted."
            " kill() called!",
        ),
        ("Error:Something odd", HALTED, None, "killed", None),
        ("Error:Something odd", None, None, "firmware_error", "Something odd"),
        (
            "Error:0",
            None,
            ": Extruder switched off. MAXTEMP triggered !",
            "heater_fault",
            "0: Extruder switched off. MAXTEMP triggered !",
        ),
        ("Error:0", None, ": nobody knows", "firmware_error", "0: nobody knows"),
        ("Error:0", None, "echo:busy with it", "firmware_error", "0"),
    ],
)
def test_complaint(
    first: str, then: str | None, rest: str | None, reason: str, text: str | None
) -> None:
    """The gravest reason counts, and nothing that was said is lost."""
    complaint = Complaint.begin(_error(first), 5.0)
    assert complaint.due == 5.0 + FAULT_GRACE
    if then is not None:
        complaint.add(_error(then))
    if rest is not None:
        complaint.complete(rest)
    assert complaint.reason == reason
    assert text is None or complaint.text == text
