"""Single commands of somebody outside, checked before they are slipped in."""

from ..interface import FabricatorError
from .commands import NUMBERING, code
from .source import SourceError, clean

_HEATERS = {"nozzle": b"M104 S%g", "bed": b"M140 S%g", "chamber": b"M141 S%g"}


def checked(line: str) -> bytes:
    """One command as it is sent.

    Raises:
        FabricatorError: `invalid_command` for nothing, several lines, a command longer
            than the firmware takes, and line numbers, which are the link's own affair.
    """
    try:
        command = clean(line.encode())
    except SourceError as error:
        raise FabricatorError("invalid_command", str(error)) from error
    if (
        not command
        or b"\n" in command
        or b"\r" in command
        or code(command) in NUMBERING
    ):
        raise FabricatorError("invalid_command", line)
    return command


def heating(heater: str, celsius: float) -> str:
    """Command that sets the target of `nozzle`, `nozzle1`, `bed` or `chamber`.

    Raises:
        FabricatorError: `unknown_heater`.
    """
    form = _HEATERS.get(heater)
    if form is not None:
        return (form % celsius).decode()
    tool = heater.removeprefix("nozzle")
    if not tool.isdecimal() or tool == heater:
        raise FabricatorError("unknown_heater", heater)
    return f"M104 T{int(tool)} S{celsius:g}"
