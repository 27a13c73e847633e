"""The truth about a G-code file, line by line: slow, plain, and written apart.

It knows what the sliced files need: straight moves, absolute or relative filament,
several tools, M201 to M205, PrusaSlicer's layer remarks.
"""

from dataclasses import dataclass, field
import math
import re
from typing import NamedTuple

_WORD = re.compile(r"([A-Z])(-?\d*\.?\d+)?")


class Line(NamedTuple):
    """What holds when a line begins."""

    offset: int
    layer: int
    z: float
    thickness: float
    time: float
    fed: float


@dataclass
class _Move:
    distance: float
    speed: float
    acceleration: float
    direction: tuple[float, ...]
    jerk: tuple[float, ...]
    stop: bool = False
    wait: float = 0.0
    entry: float = 0.0
    time: float = 0.0


@dataclass
class _Machine:
    place: dict[str, float] = field(default_factory=lambda: dict.fromkeys("XYZE", 0.0))
    feedrate: float = 25.0
    relative: bool = False
    relative_e: bool = False
    tool: int = 0
    filament: dict[int, float] = field(default_factory=dict)
    most: dict[int, float] = field(default_factory=dict)
    top: dict[str, float] = field(
        default_factory=lambda: {"X": 500, "Y": 500, "Z": 12, "E": 120}
    )
    steep: dict[str, float] = field(
        default_factory=lambda: {"X": 9000, "Y": 9000, "Z": 500, "E": 10000}
    )
    jerk: dict[str, float] = field(
        default_factory=lambda: {"X": 10, "Y": 10, "Z": 0.2, "E": 2.5}
    )
    printing: float = 1500.0
    travel: float = 1500.0
    retract: float = 1500.0

    def run(self, text: str) -> _Move | None:
        parts = [(k, float(v) if v else None) for k, v in _WORD.findall(text)]
        if not parts:
            return None
        (letter, number), *rest = parts
        values = {k: v for k, v in rest if v is not None}
        match f"{letter}{number:g}" if number is not None else letter:
            case "G0" | "G1":
                return self._move(values)
            case "G28":
                homed = [axis for axis in "XYZ" if axis in dict(rest)] or list("XYZ")
                by = {axis: -self.place[axis] for axis in homed}
                self.place |= dict.fromkeys(homed, 0.0)
                move = self._measure(dict.fromkeys("XYZE", 0.0) | by)
                return _stopped(move)
            case "G4":
                wait = values.get("P", 0) / 1000 if "P" in values else values["S"]
                return _stopped(self._measure(dict.fromkeys("XYZE", 0.0)), wait)
            case "M109" | "M190":
                return _stopped(self._measure(dict.fromkeys("XYZE", 0.0)))
            case "G90" | "G91":
                self.relative = number == 91
            case "M82" | "M83":
                self.relative_e = number == 83
            case "G92":
                self.place |= {k: v for k, v in values.items() if k in "XYZE"}
            case "M201":
                self.steep |= values
            case "M203":
                self.top |= values
            case "M205":
                self.jerk |= {k: v for k, v in values.items() if k in "XYZE"}
            case "M204":
                self.printing = values.get("P", values.get("S", self.printing))
                self.travel = values.get("T", values.get("S", self.travel))
                self.retract = values.get("R", self.retract)
            case "T0" | "T1":
                self.tool = int(number or 0)
        return None

    def _move(self, values: dict[str, float]) -> _Move | None:
        self.feedrate = values.get("F", self.feedrate * 60) / 60
        by = dict.fromkeys("XYZE", 0.0)
        for axis in "XYZE":
            if axis not in values:
                continue
            relative = self.relative or (axis == "E" and self.relative_e)
            by[axis] = values[axis] - (0.0 if relative else self.place[axis])
            self.place[axis] += by[axis]
        filament = self.filament.get(self.tool, 0.0) + by["E"]
        self.filament[self.tool] = filament
        self.most[self.tool] = max(self.most.get(self.tool, 0.0), filament)
        return self._measure(by) if any(by.values()) else None

    def _measure(self, by: dict[str, float]) -> _Move:
        path = math.hypot(by["X"], by["Y"], by["Z"])
        distance = path or abs(by["E"])
        acceleration = self.retract
        if path:
            acceleration = self.printing if by["E"] > 0 else self.travel
        speed = self.feedrate
        for axis, part in by.items():
            if part:
                share = abs(part) / distance
                speed = min(speed, self.top[axis] / share)
                acceleration = min(acceleration, self.steep[axis] / share)
        return _Move(
            distance,
            speed,
            acceleration,
            tuple(part / distance if distance else 0.0 for part in by.values()),
            tuple(self.jerk[axis] for axis in by),
        )


def _stopped(move: _Move, wait: float = 0.0) -> _Move:
    move.stop, move.wait = True, wait
    return move


def _corner(before: _Move | None, move: _Move) -> float:
    """Return the speed at which a move may begin at most."""
    if move.stop:
        return 0.0
    if before is None or before.stop:
        steepest = max(
            abs(part) * move.speed / jerk
            for part, jerk in zip(move.direction, move.jerk, strict=True)
        )
        return move.speed / max(steepest, 1.0)
    common = min(before.speed, move.speed)
    worst = 1.0
    for out, in_, jerk in zip(before.direction, move.direction, move.jerk, strict=True):
        leave, enter = out * common, in_ * common
        step = abs(leave - enter)
        if leave * enter <= 0:
            step = max(abs(leave), abs(enter))
        worst = max(worst, step / jerk)
    return common / worst


def _time(moves: list[_Move]) -> None:
    for before, move in zip([None, *moves[:-1]], moves, strict=True):
        move.entry = _corner(before, move)
    after = 0.0
    for move in reversed(moves):
        reach = math.sqrt(after**2 + 2 * move.acceleration * move.distance)
        move.entry = after = min(move.entry, reach)
    for move, next_ in zip(moves, [*moves[1:], None], strict=True):
        reach = math.sqrt(move.entry**2 + 2 * move.acceleration * move.distance)
        leave = 0.0
        if next_:
            next_.entry = leave = min(next_.entry, reach)
        gain = 2 * move.acceleration * move.distance
        peak = math.sqrt(
            max(
                min(move.speed**2, (move.entry**2 + leave**2 + gain) / 2),
                move.entry**2,
                leave**2,
            )
        )
        ramps = (2 * peak**2 - move.entry**2 - leave**2) / (2 * move.acceleration)
        move.time = (2 * peak - move.entry - leave) / move.acceleration + move.wait
        if peak:
            move.time += max(move.distance - ramps, 0.0) / peak


def lines(text: bytes) -> tuple[list[Line], float]:
    """Return what holds at the begin of each line, and the time (s) of all of it."""
    machine = _Machine()
    moves: list[_Move] = []
    begun: list[tuple[int, int, float, float, int, float]] = []
    layer, z, thickness = 0, 0.0, 0.0
    offset = 0
    split = text.splitlines(keepends=True)
    for number, raw in enumerate(split):
        line = raw.decode()
        if line.startswith(";LAYER_CHANGE"):
            layer += 1
            z = float(split[number + 1].decode().removeprefix(";Z:"))
            thickness = float(split[number + 2].decode().removeprefix(";HEIGHT:"))
        fed = sum(machine.most.values())
        begun.append((offset, layer, z, thickness, len(moves), fed))
        offset += len(raw)
        if move := machine.run(line.split(";")[0].strip()):
            moves.append(move)
    _time(moves)
    passed = [0.0]
    for move in moves:
        passed.append(passed[-1] + move.time)
    return [
        Line(offset, layer, z, thickness, passed[count], fed)
        for offset, layer, z, thickness, count, fed in begun
    ], passed[-1]
