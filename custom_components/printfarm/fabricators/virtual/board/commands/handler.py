"""What a command's handler looks like, and the waits that several share."""

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from ..gcode import Command

if TYPE_CHECKING:
    from ..board import Board

type Wait = Generator[float]
"""A command under way: yields the firmware time at which it wants to go on.

It is also woken early by M108, M410 and M876, and so checks its condition again.
"""

type Handler = Callable[["Board", Command], Wait | None]
"""Does a command; gives back a `Wait` where it cannot be done at once."""


def until(board: Board, time: float) -> Wait:
    """Wait for a firmware time."""
    while board.now < time:
        yield time


def standstill(board: Board) -> Wait:
    """Wait for all planned moves to end."""
    planner = board.motion.planner
    while board.now < planner.idle_at():
        yield planner.idle_at()
