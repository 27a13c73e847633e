"""Modes: what one command sets holds until the next one that sets it again.

A mode over a whole chunk is therefore the list of its changes, repeated over the rows
between them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .words import Floats, Ints, Mask, code


@dataclass(slots=True)
class Modes:
    """What is in force, by name, from one chunk to the next."""

    _held: dict[str, float] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        """Tell whether a mode was ever set."""
        return name in self._held

    def value(self, name: str, first: float) -> float:
        """Return what is in force after the last chunk; `first` if it was never set."""
        return self._held.get(name, first)

    def hold(self, name: str, at: Mask, values: Floats, first: float) -> Floats:
        """Set a mode to each value `at` its row; return what is in force in every row."""
        held = spread(at, values, self._held.get(name, first))
        if at.any():
            self._held[name] = float(held[-1])
        return held

    def switch(
        self, name: str, codes: Ints, commands: Mapping[str, float], first: float
    ) -> Floats:
        """Set a mode by commands that each mean one value."""
        values = np.zeros(codes.size)
        at = np.zeros(codes.size, bool)
        for command, value in commands.items():
            here = codes == code(command)
            at |= here
            values[here] = value
        return self.hold(name, at, values, first)


def spread(at: Mask, values: Floats, before: float) -> Floats:
    """Repeat each value over its row and all rows until the next one."""
    rows = np.flatnonzero(at)
    spans = np.diff(np.concatenate(([0], rows, [at.size])))
    held: Floats = np.repeat(np.concatenate(([before], values[rows])), spans)
    return held
