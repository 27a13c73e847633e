"""Motion: moves, arcs, homing, leveling, modes, limits, tools."""

from math import hypot
from typing import TYPE_CHECKING

from ..gcode import Command
from ..planner import Position
from ..profile import BoardProfile
from ..reports import position_report
from .handler import Handler, Wait, standstill, until

if TYPE_CHECKING:
    from ..board import Board

_LONGEST_EXTRUSION = 200.0
_HOMING_SPEED = (50.0, 50.0, 4.0)
_HOMING_OVERHEAD = 1.0
"""Second, slow touch of each endstop, in s."""
_PROBE_TIME = 5.0
_GRID = (
    "Bilinear Leveling Grid:",
    "      0      1      2",
    " 0 -0.045 +0.045 +0.135",
    " 1 -0.090 +0.000 +0.090",
    " 2 -0.135 -0.045 +0.045",
    "",
)


def handlers(profile: BoardProfile) -> dict[str, Handler]:
    """Table of this module's commands."""
    table: dict[str, Handler] = {
        "G0": _line,
        "G1": _line,
        "G20": _inches,
        "G21": _millimetres,
        "G28": _home,
        "G90": _absolute,
        "G91": _relative,
        "G92": _set_position,
        "M82": _absolute_e,
        "M83": _relative_e,
        "M203": _max_feedrate,
        "M204": _acceleration,
        "M220": _feedrate_percent,
        "M400": _finish_moves,
        "M410": _quick_stop,
    }
    table |= {f"T{tool}": _tool for tool in range(8)}
    if profile.arcs:
        table |= {"G2": _arc, "G3": _arc}
    if profile.leveling:
        table |= {"G29": _probe_bed, "M420": _show_grid}
    return table


def _line(board: Board, command: Command) -> Wait | None:
    goal = board.motion.goal(command)
    if goal[3] != board.motion.position[3]:
        goal = _allowed(board, goal)
    return _plan(board, goal, 0.0)


def _arc(board: Board, command: Command) -> Wait | None:
    goal = _allowed(board, board.motion.goal(command))
    length = board.motion.arc_length(command, goal)
    if not length:
        board.console.write("echo:G2/G3 bad parameters")
        return None
    return _plan(board, goal, length)


def _allowed(board: Board, goal: Position) -> Position:
    """Leave out an extrusion that the firmware refuses; E is counted all the same."""
    motion = board.motion
    extrusion = goal[3] - motion.position[3]
    if extrusion == 0 or board.cold_extrusion:
        return goal
    nozzle = board.thermal.nozzles[motion.tool]
    if nozzle.temperature(board.now) < board.min_extrude:
        board.console.write("echo: cold extrusion prevented")
    elif abs(extrusion) > _LONGEST_EXTRUSION:
        board.console.write("echo: too long extrusion prevented")
    else:
        return goal
    motion.jump((*motion.position[:3], goal[3]))
    return goal


def _plan(board: Board, goal: Position, length: float) -> Wait | None:
    """Plan a move, at once if a block is free."""
    if board.motion.planner.free(board.now) > 0:
        board.motion.move(goal, board.now, length=length)
        return None
    return _plan_when_free(board, goal, length)


def _plan_when_free(board: Board, goal: Position, length: float) -> Wait:
    planner = board.motion.planner
    while planner.free(board.now) <= 0:
        yield planner.next_free()
    board.motion.move(goal, board.now, length=length)


def _inches(board: Board, command: Command) -> None:
    board.motion.use_inches()


def _millimetres(board: Board, command: Command) -> None:
    board.motion.unit = 1.0


def _absolute(board: Board, command: Command) -> None:
    board.motion.set_relative(False)


def _relative(board: Board, command: Command) -> None:
    board.motion.set_relative(True)


def _absolute_e(board: Board, command: Command) -> None:
    board.motion.relative_e = False


def _relative_e(board: Board, command: Command) -> None:
    board.motion.relative_e = True


def _set_position(board: Board, command: Command) -> None:
    given = [letter for letter in "XYZE" if command.has(letter)]
    for letter in given or "XYZE":
        value = (command.value(letter) or 0.0) * board.motion.unit
        board.motion.set_logical("XYZE".index(letter), value)
    board.console.write(position_report(board))


def _max_feedrate(board: Board, command: Command) -> None:
    for axis, letter in enumerate("XYZE"):
        if value := command.value(letter):
            board.motion.max_feedrate[axis] = value


def _acceleration(board: Board, command: Command) -> None:
    for letter in "SP":
        if value := command.value(letter):
            board.motion.acceleration = value


def _feedrate_percent(board: Board, command: Command) -> None:
    value = command.value("S")
    if value:
        board.motion.feedrate_percent = value
    elif value is None:
        board.console.write(f"FR:{board.motion.feedrate_percent:.0f}%")


def _finish_moves(board: Board, command: Command) -> Wait | None:
    if board.now >= board.motion.planner.idle_at():
        return None
    return standstill(board)


def _quick_stop(board: Board, command: Command) -> Wait | None:
    # With an emergency parser the stop came with the bytes; this is only its ok.
    if board.profile.emergency_parser:
        return None
    board.quick_stop()
    return standstill(board)


def _home(board: Board, command: Command) -> Wait:
    yield from standstill(board)
    motion = board.motion
    letters = [letter for letter in "XYZ" if command.has(letter)] or ["X", "Y", "Z"]
    goal = list(motion.position)
    duration = 0.0
    for letter in letters:
        axis = "XYZ".index(letter)
        way = abs(motion.position[axis] - board.profile.home[axis])
        duration += way / _HOMING_SPEED[axis] + _HOMING_OVERHEAD
        goal[axis] = board.profile.home[axis]
    yield from until(board, board.now + duration)
    motion.jump((goal[0], goal[1], goal[2], goal[3]))
    for letter in letters:
        axis = "XYZ".index(letter)
        motion.homed.add(axis)
        motion.set_logical(axis, goal[axis])
    board.console.write(position_report(board))


def _probe_bed(board: Board, command: Command) -> Wait:
    yield from standstill(board)
    yield from until(board, board.now + _PROBE_TIME * 9)
    width, depth, _ = board.profile.build_volume
    motion = board.motion
    motion.jump((width - 20, depth - 20, motion.position[2], motion.position[3]))
    for line in _GRID:
        board.console.write(line)
    board.console.write(position_report(board))


def _show_grid(board: Board, command: Command) -> None:
    if command.has("V"):
        for line in _GRID:
            board.console.write(line)
    board.console.write("echo:Bed Leveling ON")
    board.console.write("echo:Fade Height OFF")


def _tool(board: Board, command: Command) -> None:
    extruders = board.profile.extruders
    if extruders == 1:
        return
    tool = int(command.code[1:])
    if tool >= extruders:
        board.console.write(f"echo:T{tool} Invalid extruder")
        return
    board.motion.tool = tool
    board.console.write(f"Active Extruder: {tool}")


def park_time(origin: Position, goal: Position) -> float:
    """Seconds from one place to another when parking: lift first, then across."""
    lift = abs(goal[2] - origin[2]) / _HOMING_SPEED[2]
    return lift + hypot(goal[0] - origin[0], goal[1] - origin[1]) / 100
