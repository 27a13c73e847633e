"""Where the machine is and how it moves: modes, tools, offsets and the planner."""

from math import atan2, hypot, pi

from .gcode import Command
from .planner import Planner, Position
from .profile import BoardProfile

_ORIGIN: Position = (0.0, 0.0, 0.0, 0.0)
_MM_PER_INCH = 25.4
_DEFAULT_FEEDRATE = 25.0
"""mm/s, before the first F."""


class Motion:
    """Interpreter state of the motion commands.

    `position` is the end of the last planned move in machine coordinates; `shift` is
    what G92 has added to them.
    """

    def __init__(self, profile: BoardProfile) -> None:
        """Start like a board just powered up."""
        self._profile = profile
        self.planner = Planner(profile.planner_blocks)
        self.reset()

    def reset(self) -> None:
        """Forget position, modes and moves."""
        self.planner.clear()
        self.position = _ORIGIN
        self.shift = _ORIGIN
        self.relative = False
        self.relative_e = False
        """What M82, M83 and, on Marlin 2, G90 and G91 have set last."""
        self.unit = 1.0
        self.feedrate = _DEFAULT_FEEDRATE
        self.feedrate_percent = 100.0
        self.acceleration = self._profile.acceleration
        self.max_feedrate = list(self._profile.max_feedrate)
        self.homed: set[int] = set()
        self.tool = 0

    @property
    def logical(self) -> Position:
        """The position as the host sees it."""
        x, y, z, e = (a + b for a, b in zip(self.position, self.shift, strict=True))
        return (x, y, z, e)

    @property
    def extrudes_relative(self) -> bool:
        """Whether E is read as a length to add."""
        apart = self._profile.separate_extruder_mode
        return self.relative_e or (apart and self.relative)

    def set_relative(self, relative: bool) -> None:
        """Read coordinates as G90 or G91 asks."""
        self.relative = relative
        if not self._profile.separate_extruder_mode:
            self.relative_e = relative

    def goal(self, command: Command) -> Position:
        """Where a move command leads, in machine coordinates, inside the volume."""
        words = command.words
        unit = self.unit
        goal = list(self.position)
        for axis, letter in enumerate("XYZE"):
            value = words.get(letter)
            if value is None:
                continue
            relative = self.extrudes_relative if axis == 3 else self.relative
            if relative:
                goal[axis] += value * unit
            else:
                goal[axis] = value * unit - self.shift[axis]
            if axis in self.homed:
                limit = self._profile.build_volume[axis]
                goal[axis] = min(max(goal[axis], 0.0), limit)
        feed = words.get("F")
        if feed:
            self.feedrate = feed * unit / 60
        return (goal[0], goal[1], goal[2], goal[3])

    def move(self, goal: Position, now: float, *, length: float = 0.0) -> None:
        """Plan a move to `goal` at the present feed rate. The planner must have room."""
        self.planner.add(
            now,
            self.position,
            goal,
            feedrate=self._limited(goal),
            acceleration=self.acceleration,
            length=length,
        )
        self.position = goal

    def arc_length(self, command: Command, goal: Position) -> float:
        """Length in mm of a G2 or G3 to `goal`; 0 where centre and radius are missing."""
        unit = self.unit
        i = (command.value("I") or 0.0) * unit
        j = (command.value("J") or 0.0) * unit
        chord = hypot(goal[0] - self.position[0], goal[1] - self.position[1])
        if i or j:
            radius = hypot(i, j)
            end = (goal[0] - self.position[0] - i, goal[1] - self.position[1] - j)
            sweep = (atan2(end[1], end[0]) - atan2(-j, -i)) % (2 * pi)
            if command.code == "G2":
                sweep = 2 * pi - sweep
            if chord < 1e-6 or sweep == 0:
                sweep = 2 * pi
        elif (radius := abs(command.value("R") or 0.0) * unit) and chord:
            # Half the angle at the centre has the sine chord / diameter.
            half = min(1.0, chord / (2 * radius))
            sweep = 2 * atan2(half, (1 - half * half) ** 0.5)
        else:
            return 0.0
        return hypot(radius * sweep, goal[2] - self.position[2])

    def set_logical(self, axis: int, value: float) -> None:
        """Call the present place `value` on this axis, as G92 does. E really moves."""
        if axis == 3:
            self.position = (*self.position[:3], value)
            return
        shift = list(self.shift)
        shift[axis] = value - self.position[axis]
        self.shift = (shift[0], shift[1], shift[2], 0.0)

    def jump(self, goal: Position) -> None:
        """Be somewhere else without planning: homing, parking, a quick stop."""
        self.position = goal

    def quick_stop(self, now: float) -> None:
        """Stop where the nozzle is now and forget all planned moves."""
        where = self.planner.where(now, self.position)
        self.planner.quick_stop(now)
        self.position = where

    def use_inches(self) -> None:
        """Read lengths in inches from now on."""
        self.unit = _MM_PER_INCH

    def _limited(self, goal: Position) -> float:
        """Feed rate in mm/s with the axes' own limits kept."""
        position = self.position
        feedrate = self.feedrate * self.feedrate_percent / 100
        limits = self.max_feedrate
        if goal[2] != position[2] and feedrate > limits[2]:
            dz = abs(goal[2] - position[2])
            whole = hypot(goal[0] - position[0], goal[1] - position[1], dz)
            return min(feedrate, limits[2] * whole / dz)
        if feedrate > limits[3] and goal[:3] == position[:3]:
            return limits[3]
        return min(feedrate, limits[0])
