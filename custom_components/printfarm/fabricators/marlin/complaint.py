"""Last words of a firmware, put together before they are acted upon."""

from dataclasses import dataclass

from .answers import ErrorReport, Severity, parse

FAULT_GRACE = 0.5
"""Seconds: an error may take two lines; the second says whether the board was killed."""

_REASONS = {Severity.HEATER: "heater_fault", Severity.KILLED: "killed"}


@dataclass(slots=True)
class Complaint:
    """A fatal error that may not have been told to its end."""

    severity: Severity
    texts: list[str]
    due: float
    """When nothing more is to be expected."""

    @classmethod
    def begin(cls, error: ErrorReport, now: float) -> Complaint:
        """Take the first line of an error."""
        return cls(error.severity, [error.text], now + FAULT_GRACE)

    def add(self, error: ErrorReport) -> None:
        """Take another line; it may say more exactly what has happened."""
        if self.severity is Severity.OTHER:
            self.severity = error.severity
        self.texts.append(error.text)

    def complete(self, text: str) -> None:
        """Second half of an error that was broken in two (`Error:0`, `: MAXTEMP`)."""
        if not text.startswith(":"):
            return
        whole = self.texts[-1] + text
        match parse(b"Error:" + whole.encode()):
            case (ErrorReport(severity=better),) if self.severity is Severity.OTHER:
                self.severity = better
        self.texts[-1] = whole

    @property
    def reason(self) -> str:
        """What has happened, in one word."""
        return _REASONS.get(self.severity, "firmware_error")

    @property
    def text(self) -> str:
        """What the firmware said, whole."""
        return " / ".join(self.texts)
