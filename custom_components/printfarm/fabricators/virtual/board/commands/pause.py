"""Waiting for a person: M0, M1, M125, M600 and the dialogs that go with them."""

from collections.abc import Generator
from math import inf
from typing import TYPE_CHECKING

from ..gcode import Command
from ..planner import Position
from ..profile import BoardProfile
from ..reports import position_report
from .handler import Handler, Wait, standstill, until
from .heat import wait_for_heater
from .move import park_time

if TYPE_CHECKING:
    from ..board import Board

_PARK_MARGIN = (10.0, 30.0)
"""Parking place: from the left and from the back, in mm."""
_PARK_LIFT = 10.0
_RETRACT = 2.0
_UNLOAD_TIME = 17.0
_LOAD_TIME = 17.5
_PURGE_TIME = 17.0
_HEATER_TIMEOUT = 45.0
_PURGE_MORE = 0
"""First button of the purge dialog; the second goes on."""


def handlers(profile: BoardProfile) -> dict[str, Handler]:
    """Table of this module's commands."""
    table: dict[str, Handler] = {"M0": _stop, "M1": _stop}
    if profile.advanced_pause:
        table |= {"M125": _park_and_wait, "M600": _change_filament}
    if profile.host_prompts:
        table["M876"] = _answer
    return table


def _answer(board: Board, command: Command) -> None:
    button = command.value("S")
    if button is not None and not board.profile.emergency_parser:
        board.answer(int(button))


def _stop(board: Board, command: Command) -> Wait:
    """M0 and M1: wait for a person, or for a time."""
    seconds = command.value("S")
    if seconds is None:
        seconds = (command.value("P") or 0.0) / 1000
    timed = bool(command.text[:1] in {"S", "P"} and seconds)
    text = "" if timed else command.text.strip()
    yield from standstill(board)
    if text:
        board.console.write(f"echo:{text}")
    board.console.prompt(text or f"{command.code} Stop", "Continue")
    yield from _for_user(board, seconds if timed else inf)


def _for_user(board: Board, seconds: float = inf) -> Generator[float, None, bool]:
    """Wait for M108, M876 or the end of a time. False: the time was over first."""
    deadline = board.now + seconds
    board.console.waiting_for_user = True
    board.console.paused_for_user = True
    while board.console.waiting_for_user and board.now < deadline:
        yield deadline
    answered = not board.console.waiting_for_user
    board.console.paused_for_user = False
    board.console.waiting_for_user = False
    return answered


def _park(board: Board) -> Wait:
    """Lift the nozzle and bring it to the back left corner."""
    yield from standstill(board)
    motion = board.motion
    x, y, z, e = motion.position
    _, depth, height = board.profile.build_volume
    goal: Position = (
        _PARK_MARGIN[0],
        depth - _PARK_MARGIN[1],
        min(z + _PARK_LIFT, height),
        e,
    )
    yield from until(board, board.now + park_time((x, y, z, e), goal))
    motion.jump(goal)
    board.console.write(position_report(board))


def _return(board: Board, place: Position) -> Wait:
    """Bring the nozzle back to where the print stands."""
    yield from until(board, board.now + park_time(board.motion.position, place))
    board.motion.jump(place)
    board.console.action("resumed")
    board.console.prompt("Resuming", "Dismiss")


def _park_and_wait(board: Board, command: Command) -> Wait:
    """M125: park, wait, come back."""
    board.console.action("paused")
    yield from standstill(board)
    place = board.motion.position
    yield from _park(board)
    board.console.write("echo:Send M108 to resume")
    board.console.prompt("Nozzle Parked", "Continue")
    target = _nozzle_target(board)
    yield from _for_user_with_timeout(board, target)
    yield from _load(board, max(target, board.min_extrude), runout=False)
    yield from _return(board, place)


def _change_filament(board: Board, command: Command) -> Wait:
    """M600, by command or (R1, from the runout sensor) by itself."""
    runout = command.has("R")
    if not runout:
        board.console.action("paused")
        board.console.prompt("Pause", "Dismiss")
    target = _nozzle_target(board)
    yield from standstill(board)
    x, y, z, e = place = board.motion.position
    board.motion.jump((x, y, z, e - _RETRACT))
    yield from _park(board)
    yield from until(board, board.now + _UNLOAD_TIME)
    board.console.write("echo:Insert filament and send M108")
    board.console.prompt("Nozzle Parked", "Continue")
    yield from _for_user_with_timeout(board, target)
    yield from _load(board, max(target, board.min_extrude), runout=runout)
    yield from _return(board, place)


def _nozzle_target(board: Board) -> float:
    """Target of the active nozzle in °C."""
    return board.thermal.nozzles[board.motion.tool].target


def _for_user_with_timeout(board: Board, target: float) -> Wait:
    """Wait for a person; after a while with a cold nozzle, heated again on return."""
    answered = yield from _for_user(board, _HEATER_TIMEOUT if target else inf)
    if answered:
        return
    nozzle = board.thermal.nozzles[board.motion.tool]
    nozzle.set_target(0.0, board.now)
    board.console.write("echo:Press button (or M108) to heat nozzle")
    board.console.prompt("HeaterTimeout", "Reheat")
    yield from _for_user(board)
    nozzle.set_target(target, board.now)
    yield from wait_for_heater(board, nozzle)
    board.console.write("echo:Insert filament and send M108")
    board.console.prompt("Reheat Done", "Continue")
    yield from _for_user(board)


def _load(board: Board, target: float, *, runout: bool) -> Wait:
    """Heat if need be, load, and purge until the host says that it is enough."""
    nozzle = board.thermal.nozzles[board.motion.tool]
    if nozzle.target < target:
        nozzle.set_target(target, board.now)
        yield from wait_for_heater(board, nozzle)
    yield from until(board, board.now + _LOAD_TIME)
    go_on = "DisableRunout" if runout else "Continue"
    while board.profile.host_prompts:
        board.console.prompt("Paused", "PurgeMore", go_on)
        if (yield from _choice(board)) != _PURGE_MORE:
            board.console.action("prompt_end")
            break
        yield from until(board, board.now + _PURGE_TIME)
    yield from wait_for_heater(board, nozzle)


def _choice(board: Board) -> Generator[float, None, int]:
    """Wait for the host to press a button. Only M876 ends this: M108 does not."""
    board.console.take_answer()
    board.console.paused_for_user = True
    while (button := board.console.take_answer()) is None:
        yield inf
    board.console.paused_for_user = False
    return button
