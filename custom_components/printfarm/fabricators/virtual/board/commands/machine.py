"""Line numbers, dwell, stops and settings that change nothing on this board."""

from typing import TYPE_CHECKING

from ..gcode import Command
from ..profile import BoardProfile
from .handler import Handler, Wait, standstill, until

if TYPE_CHECKING:
    from ..board import Board

_ACCEPTED = [
    "G10",
    "G11",
    "G17",
    "M17",
    "M18",
    "M31",
    "M42",
    "M73",
    "M75",
    "M76",
    "M77",
    "M84",
    "M85",
    "M92",
    "M117",
    "M121",
    "M120",
    "M149",
    "M200",
    "M201",
    "M205",
    "M206",
    "M207",
    "M208",
    "M211",
    "M218",
    "M221",
    "M280",
    "M300",
    "M301",
    "M304",
    "M404",
    "M405",
    "M406",
    "M486",
    "M851",
    "M900",
    "M907",
]
"""Taken with a plain `ok`: display, motors, counters and tuning without effect here."""


def handlers(profile: BoardProfile) -> dict[str, Handler]:
    """Table of this module's commands."""
    table: dict[str, Handler] = dict.fromkeys(_ACCEPTED, _nothing)
    table |= {
        "G4": _dwell,
        "M110": _line_number,
        "M112": _emergency_stop,
        "M999": _restart,
    }
    if profile.runout_sensor:
        table["M412"] = _runout_sensor
    return table


def _nothing(board: Board, command: Command) -> None:
    """Accept a command that has no effect on this board."""


def _dwell(board: Board, command: Command) -> Wait:
    seconds = command.value("S")
    if seconds is None:
        seconds = (command.value("P") or 0.0) / 1000
    yield from standstill(board)
    board.console.action("notification Sleep...")
    yield from until(board, board.now + seconds)


def _line_number(board: Board, command: Command) -> None:
    number = command.value("N")
    if number is not None:
        board.set_line_number(int(number))


def _emergency_stop(board: Board, command: Command) -> None:
    board.kill("M112 Shutdown")


def _restart(board: Board, command: Command) -> None:
    if not command.value("S"):
        board.request_resend()


def _runout_sensor(board: Board, command: Command) -> None:
    if not command.words:
        board.console.write("echo:Filament runout ON")
