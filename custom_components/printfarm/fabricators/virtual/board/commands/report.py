"""Questions that the firmware answers, and texts that it passes on."""

from typing import TYPE_CHECKING

from ..gcode import Command
from ..profile import BoardProfile
from ..reports import position_report
from ..texts import firmware_info, settings
from .handler import Handler

if TYPE_CHECKING:
    from ..board import Board

_STORED_BYTES = 606


def handlers(profile: BoardProfile) -> dict[str, Handler]:
    """Table of this module's commands."""
    table: dict[str, Handler] = {
        "M114": _position,
        "M115": _firmware,
        "M118": _to_host,
        "M119": _endstops,
        "M503": _settings,
    }
    if profile.auto_report:
        table["M154"] = _position_reports
    if profile.busy_interval:
        table["M113"] = _keepalive
    if profile.eeprom:
        table |= {"M500": _store, "M501": _load, "M502": _defaults}
    return table


def _position(board: Board, command: Command) -> None:
    board.console.write(position_report(board))


def _position_reports(board: Board, command: Command) -> None:
    seconds = command.value("S")
    if seconds is not None:
        board.reports.set_interval("position", min(max(seconds, 0.0), 60.0))


def _firmware(board: Board, command: Command) -> None:
    for line in firmware_info(board.profile):
        board.console.write(line)


def _to_host(board: Board, command: Command) -> None:
    """M118: `E1` sends it as an echo, `A1` as an action."""
    text = command.text
    prefix = ""
    while len(text) > 1 and text[0] in "AEP" and text[1].isdigit():
        option, _, text = text.partition(" ")
        if option == "E1":
            prefix = "echo:"
        elif option == "A1":
            prefix = "//"
    board.console.write(f"{prefix}{text}")


def _keepalive(board: Board, command: Command) -> None:
    seconds = command.value("S")
    if seconds is None:
        board.console.write(f"echo:M113 S{board.reports.busy_interval:.0f}")
    else:
        board.reports.busy_interval = min(max(seconds, 0.0), 60.0)


def _endstops(board: Board, command: Command) -> None:
    board.console.write("Reporting endstop status")
    for axis, letter in enumerate("xyz"):
        state = "TRIGGERED" if board.position[axis] <= 0 else "open"
        board.console.write(f"{letter}_min: {state}")
    if board.profile.runout_sensor:
        board.console.write("filament: open")


def _settings(board: Board, command: Command) -> None:
    for line in settings(board.profile, board.motion.acceleration):
        board.console.write(line)


def _store(board: Board, command: Command) -> None:
    board.console.write(f"echo:Settings Stored ({_STORED_BYTES} bytes; crc 15286)")
    # The firmware really says it twice.
    board.console.action("notification Settings Stored")
    board.console.action("notification Settings Stored")


def _load(board: Board, command: Command) -> None:
    board.console.write(
        f"echo:Stored settings retrieved ({_STORED_BYTES} bytes; crc 15286)"
    )


def _defaults(board: Board, command: Command) -> None:
    board.motion.acceleration = board.profile.acceleration
    board.motion.max_feedrate = list(board.profile.max_feedrate)
    board.console.write("echo:Hardcoded Default Settings Loaded")
