"""The planner's queue of moves: when each begins and ends, and where the nozzle is."""

from collections import deque
from math import sqrt
from typing import NamedTuple

type Position = tuple[float, float, float, float]
"""X, Y, Z and E in mm, in machine coordinates."""

FIRST_MOVE_DELAY = 0.1
"""Marlin lets a first block wait this long for others to join it."""
_CLEANING_TIME = 1.0
"""After a quick stop the planner refuses moves for this long."""


class Block(NamedTuple):
    """One planned move in firmware time."""

    begin: float
    end: float
    origin: Position
    goal: Position


class Planner:
    """A bounded queue of blocks.

    Durations come from length, feed rate and acceleration. In place of Marlin's
    look-ahead a corner costs time in proportion to how much it turns the motion:
    nothing straight on, a full stop and start on reversal.
    """

    def __init__(self, blocks: int) -> None:
        """Take `blocks` ring entries, one of which always stays empty."""
        self.capacity = blocks - 1
        self.cleaning_until = 0.0
        self._blocks: deque[Block] = deque()
        self._direction = (0.0, 0.0, 0.0)

    def free(self, now: float) -> int:
        """How many more blocks fit at this time."""
        blocks = self._blocks
        while blocks and blocks[0].end <= now:
            blocks.popleft()
        return self.capacity - len(blocks)

    def next_free(self) -> float:
        """When the block under way ends. Asked only while there is one."""
        return self._blocks[0].end

    def idle_at(self) -> float:
        """When all motion is over; a past time if it is already."""
        end = self._blocks[-1].end if self._blocks else 0.0
        return max(end, self.cleaning_until)

    def add(
        self,
        now: float,
        origin: Position,
        goal: Position,
        *,
        feedrate: float,
        acceleration: float,
        length: float = 0.0,
    ) -> None:
        """Plan a move; `length` in mm where it is not the straight line (arcs)."""
        if now < self.cleaning_until:
            return
        dx, dy, dz = goal[0] - origin[0], goal[1] - origin[1], goal[2] - origin[2]
        straight = sqrt(dx * dx + dy * dy + dz * dz)
        distance = length or straight or abs(goal[3] - origin[3])
        if distance == 0:
            return
        blocks = self._blocks
        moving = bool(blocks) and blocks[-1].end > now
        if straight:
            direction = (dx / straight, dy / straight, dz / straight)
        else:
            direction = (0.0, 0.0, 0.0)
        turn = 0.5
        if moving:
            last = self._direction
            turn = 0.5 - 0.5 * (
                last[0] * direction[0] + last[1] * direction[1] + last[2] * direction[2]
            )
        self._direction = direction
        ramp = turn * feedrate / acceleration
        if ramp * feedrate > distance:
            duration = 2 * sqrt(turn * distance / acceleration)
        else:
            duration = distance / feedrate + ramp
        begin = blocks[-1].end if moving else now + FIRST_MOVE_DELAY
        blocks.append(Block(begin, begin + duration, origin, goal))

    def where(self, now: float, planned: Position) -> Position:
        """Where the nozzle is now, on its way to the planned position."""
        self.free(now)
        if not self._blocks:
            return planned
        block = self._blocks[0]
        span = block.end - block.begin
        part = max(0.0, (now - block.begin) / span)
        x, y, z, e = (
            a + (b - a) * part for a, b in zip(block.origin, block.goal, strict=True)
        )
        return (x, y, z, e)

    def quick_stop(self, now: float) -> None:
        """Throw all blocks away and refuse moves for a second."""
        self._blocks.clear()
        self.cleaning_until = now + _CLEANING_TIME

    def clear(self) -> None:
        """Forget everything, as a reset does."""
        self._blocks.clear()
        self.cleaning_until = 0.0
