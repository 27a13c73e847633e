"""Faults on request, the same ones each time for the same settings."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What goes wrong, and when. Zero and None are off.

    `*_every` count what they spoil, from 1; `*_at` count accepted commands since the
    board was built, also across resets, so each of them strikes once.
    """

    random_state: int = 0
    """Starts the choice of spoiled bytes."""
    corrupt_every: int = 0
    """Flip one bit in every n-th numbered line as it comes in."""
    merge_every: int = 0
    """Lose the line end of every n-th numbered line: it runs into the next one."""
    lose_ok_every: int = 0
    double_ok_every: int = 0
    ok_delay: float = 0.0
    """Seconds of firmware time by which every `ok` is late."""
    reset_at: int | None = None
    kill_at: int | None = None
    """Halt with the texts of a thermal runaway."""
    silence_at: int | None = None
    """Hang: no word and no deed until the next reset."""
    runout_at: int | None = None
    """The runout sensor fires."""
    cold_heater: str | None = None
    """Heater that takes power and stays cold: `E0`, `E1` or `bed`."""


class FaultCounter:
    """Counts lines, commands and answers, and says when a fault is due."""

    def __init__(self, faults: Faults) -> None:
        """Start all counts at zero."""
        self.faults = faults
        self.commands = 0
        self._lines = 0
        self._oks = 0
        self._random = Random(faults.random_state)

    def corrupt(self, line: bytes) -> bytes:
        """Count a numbered line and give it back, spoiled when its turn has come."""
        self._lines += 1
        every = self.faults.corrupt_every
        if not every or self._lines % every:
            return line
        spoiled = bytearray(line)
        # The first byte stays: without its N the line would count as unnumbered.
        spoiled[self._random.randrange(1, len(spoiled))] ^= 1 << self._random.randrange(
            7
        )
        return bytes(spoiled)

    def loses_line_end(self) -> bool:
        """Tell whether the line counted last loses its line end."""
        every = self.faults.merge_every
        return bool(every) and self._lines % every == 0

    def acknowledgements(self) -> int:
        """Count an `ok` and say how often it is really sent: 0, 1 or 2 times."""
        self._oks += 1
        if self.faults.lose_ok_every and self._oks % self.faults.lose_ok_every == 0:
            return 0
        if self.faults.double_ok_every and self._oks % self.faults.double_ok_every == 0:
            return 2
        return 1
