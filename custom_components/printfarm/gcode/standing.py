"""What commands other than moves have set and still holds: heat, fans, factors, limits."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from .settings import SETTINGS, Setup
from .words import Floats, Ints, Words, code

MOST_TOOLS: Final = 64
"""Bambu's T255 and T1000 are commands to its changer and no tools."""


class _Command(NamedTuple):
    given: dict[str, float]
    """Parameters with a value, of those that matter here."""
    bare: str
    """Letters that stand there, with or without a value."""
    used: int
    """The tool in use."""
    raw: bytes
    unit: float
    """mm per unit of length."""

    @property
    def tool(self) -> int:
        """The tool that is meant."""
        named = self.given.get("T", -1.0)
        return int(named) if 0 <= named < MOST_TOOLS else self.used

    def number(self, letter: str) -> str:
        """Return a whole number as it is written; nought where there is none."""
        return f"{self.given.get(letter, 0.0):g}"

    def first(self, letters: str) -> float | None:
        """Return the first of these parameters that has a value."""
        return next((self.given[each] for each in letters if each in self.given), None)


@dataclass(slots=True)
class Standing:
    """What is in force after the commands that were heard."""

    fans: dict[str, float] = field(default_factory=dict)
    nozzles: dict[int, float] = field(default_factory=dict)
    bed: float | None = None
    chamber: float | None = None
    speed: float | None = None
    flows: dict[int, float] = field(default_factory=dict)
    withdrawn: set[int] = field(default_factory=set)
    """Tools that the firmware holds retracted (G10)."""
    leveling: bool = False
    fade: float | None = None
    """Height in mm at which the mesh of the bed has faded out."""
    speed_aside: float = 100.0
    """What `M220 B` has put aside."""
    settings: Setup = field(default_factory=Setup)

    def hear(self, chunk: bytes, words: Words, tool: Ints, unit: Floats) -> None:
        """Take in a chunk's commands; `tool` and `unit` hold in each of its rows."""
        rows = np.flatnonzero(np.isin(words.codes, _HEARD))
        if not rows.size:
            return
        columns = {each: words.column(each)[rows].tolist() for each in "PRSTZ"}
        bare = {each: words.named(each)[rows].tolist() for each in "BR"}
        for index, row in enumerate(rows.tolist()):
            _HANDLERS[int(words.codes[row])](
                self,
                _Command(
                    given={
                        letter: column[index]
                        for letter, column in columns.items()
                        if column[index] == column[index]
                    },
                    bare="".join(letter for letter in bare if bare[letter][index]),
                    used=int(tool[row]),
                    raw=chunk[int(words.starts[row]) : int(words.ends[row])],
                    unit=float(unit[row]),
                ),
            )

    def setup(self, tool: int) -> tuple[str, ...]:
        """Return the commands that lead to all that has no field of its own."""
        others = sorted((each, flow) for each, flow in self.flows.items())
        return (
            *self.settings.commands(),
            *(f"M221 T{each} S{flow:g}" for each, flow in others if each != tool),
            *(() if self.fade is None else (f"M420 Z{self.fade:g}",)),
            # The nozzle is filled anew before a print goes on, so the firmware is to
            # have nothing left to push out at the file's next G11.
            *(("G11",) if tool in self.withdrawn else ()),
        )


type _Handler = Callable[[Standing, _Command], None]


def _nozzle(letters: str) -> _Handler:
    """Return a handler that takes a nozzle's target from the first of some letters."""

    def heat(standing: Standing, command: _Command) -> None:
        target = command.first(letters)
        if target is not None:
            standing.nozzles[command.tool] = target

    return heat


def _bed(standing: Standing, command: _Command) -> None:
    target = command.first("SR")
    standing.bed = standing.bed if target is None else target


def _chamber(standing: Standing, command: _Command) -> None:
    target = command.first("SR")
    standing.chamber = standing.chamber if target is None else target


def _fan_on(standing: Standing, command: _Command) -> None:
    speed = command.given.get("S", 255.0)
    standing.fans[command.number("P")] = min(max(speed, 0.0), 255.0)


def _fan_off(standing: Standing, command: _Command) -> None:
    standing.fans[command.number("P")] = 0.0


def _speed(standing: Standing, command: _Command) -> None:
    now = standing.speed
    if "R" in command.bare:
        standing.speed = standing.speed_aside
    if "B" in command.bare:
        standing.speed_aside = 100.0 if now is None else now
    standing.speed = command.given.get("S", standing.speed)


def _flow(standing: Standing, command: _Command) -> None:
    if "S" in command.given:
        standing.flows[command.tool] = command.given["S"]


def _probe(standing: Standing, command: _Command) -> None:
    standing.leveling = True


def _level(standing: Standing, command: _Command) -> None:
    standing.leveling = bool(command.given.get("S", standing.leveling))
    if "Z" in command.given:
        standing.fade = command.given["Z"] * command.unit


def _withdraw(standing: Standing, command: _Command) -> None:
    standing.withdrawn.add(command.used)


def _push(standing: Standing, command: _Command) -> None:
    standing.withdrawn.discard(command.used)


def _set(standing: Standing, command: _Command) -> None:
    standing.settings.add(command.raw, command.used, command.unit != 1.0)


_HANDLERS: Final[dict[int, _Handler]] = dict.fromkeys(SETTINGS, _set) | {
    code("M104"): _nozzle("S"),
    code("M109"): _nozzle("SR"),
    code("M140"): _bed,
    code("M190"): _bed,
    code("M141"): _chamber,
    code("M191"): _chamber,
    code("M106"): _fan_on,
    code("M107"): _fan_off,
    code("M220"): _speed,
    code("M221"): _flow,
    code("G29"): _probe,
    code("M420"): _level,
    code("G10"): _withdraw,
    code("G11"): _push,
}
_HEARD: Final[Ints] = np.array(sorted(_HANDLERS))
