"""Heaters and fans."""

from math import inf
from typing import TYPE_CHECKING

from ..gcode import Command
from ..heater import Heater
from ..profile import BoardProfile
from .handler import Handler, Wait

if TYPE_CHECKING:
    from ..board import Board

_REPORT_INTERVAL = 1.0
_WINDOW = 1.0
"""Nearer than this to its target a heater counts as there, in °C."""
_RESIDENCY = 10.0
"""So long it must stay there, in s."""
_SLOPE_PERIOD = 60.0
_SLOPE_MIN = 1.5
"""A heater that cools less than this in the period is not waited for any longer."""


def handlers(profile: BoardProfile) -> dict[str, Handler]:
    """Table of this module's commands."""
    table: dict[str, Handler] = {
        "M104": _nozzle_target,
        "M105": _temperatures,
        "M106": _fan_on,
        "M107": _fan_off,
        "M108": _let_go,
        "M109": _nozzle_wait,
        "M140": _bed_target,
        "M190": _bed_wait,
        "M302": _cold_extrusion,
    }
    if profile.auto_report:
        table["M155"] = _auto_report
    return table


def _nozzle(board: Board, command: Command) -> Heater | None:
    """The nozzle meant by T, or the active one; None, and said so, if there is none."""
    tool = command.value("T")
    index = board.motion.tool if tool is None else int(tool)
    if 0 <= index < len(board.thermal.nozzles):
        return board.thermal.nozzles[index]
    board.console.write(f"echo:{command.code} Invalid extruder {index}")
    return None


def _nozzle_target(board: Board, command: Command) -> None:
    nozzle = _nozzle(board, command)
    target = command.value("S")
    if nozzle is not None and target is not None:
        nozzle.set_target(target, board.now)


def _bed_target(board: Board, command: Command) -> None:
    target = command.value("S")
    if target is not None:
        _set_bed(board, target)


def _set_bed(board: Board, target: float) -> None:
    bed = board.thermal.bed
    bed.set_target(target, board.now)
    heating = bed.target > bed.temperature(board.now)
    board.console.action(f"notification Bed {'Heating' if heating else 'Cooling'}...")


def _nozzle_wait(board: Board, command: Command) -> Wait | None:
    nozzle = _nozzle(board, command)
    if nozzle is None:
        return None
    target, cools = _wanted(command)
    if target is None:
        return None
    nozzle.set_target(target, board.now)
    return _unless_cooler(board, nozzle, cools=cools)


def _bed_wait(board: Board, command: Command) -> Wait | None:
    target, cools = _wanted(command)
    if target is None:
        return None
    _set_bed(board, target)
    return _unless_cooler(board, board.thermal.bed, cools=cools)


def _wanted(command: Command) -> tuple[float | None, bool]:
    """Target of M109 or M190, and whether cooling down to it is waited for (R)."""
    target = command.value("S")
    if target is None:
        return command.value("R"), True
    return target, False


def _unless_cooler(board: Board, heater: Heater, *, cools: bool) -> Wait | None:
    """With S a heater that is already hotter is not waited for."""
    if not cools and heater.target < heater.temperature(board.now):
        return None
    return wait_for_heater(board, heater)


def wait_for_heater(board: Board, heater: Heater) -> Wait:
    """Report once a second until the heater has been at its target for a while."""
    board.waiting_for_heat = True
    board.reports.paused = True
    next_report = board.now
    steady_since = inf
    slope_from, slope_at = heater.temperature(board.now), board.now + _SLOPE_PERIOD
    while board.waiting_for_heat:
        now = board.now
        level = heater.temperature(now)
        reach = heater.within_at(_WINDOW)
        if steady_since == inf and now >= reach:
            steady_since = now
        if now >= next_report:
            left = steady_since + _RESIDENCY - now
            rest = "?" if left == inf else f"{max(0.0, left):.0f}"
            line = board.thermal.report(board.motion.tool, now)
            board.console.write(f" {line} W:{rest}")
            next_report = now + _REPORT_INTERVAL
        if now >= steady_since + _RESIDENCY:
            break
        if now >= slope_at:
            if level > heater.target and slope_from - level < _SLOPE_MIN:
                break
            slope_from, slope_at = level, now + _SLOPE_PERIOD
        coming = reach if steady_since == inf else steady_since + _RESIDENCY
        yield min(next_report, coming, slope_at)
    board.waiting_for_heat = False
    board.reports.paused = False


def _temperatures(board: Board, command: Command) -> None:
    board.ok_text = f"ok {board.thermal.report(board.motion.tool, board.now)}"


def _auto_report(board: Board, command: Command) -> None:
    seconds = command.value("S")
    if seconds is not None:
        board.reports.set_interval("temperature", min(max(seconds, 0.0), 60.0))


def _fan_on(board: Board, command: Command) -> None:
    speed = command.value("S")
    _set_fan(board, 255 if speed is None else int(speed))


def _fan_off(board: Board, command: Command) -> None:
    _set_fan(board, 0)


def _set_fan(board: Board, speed: int) -> None:
    board.fan = min(max(speed, 0), 255)
    if board.profile.report_fan_change:
        board.console.write(f"M106 P0 S{board.fan}")


def _let_go(board: Board, command: Command) -> None:
    if not board.profile.emergency_parser:
        board.let_go()


def _cold_extrusion(board: Board, command: Command) -> None:
    allow, limit = command.value("P"), command.value("S")
    if limit is not None:
        board.min_extrude = limit
        board.cold_extrusion = limit == 0
    if allow is not None:
        board.cold_extrusion = allow != 0
    if allow is None and limit is None:
        state = "en" if board.cold_extrusion else "dis"
        board.console.write(
            f"echo:Cold extrudes are {state}abled (min temp {board.min_extrude:.0f}C)"
        )
