"""How long a print still takes: the file's own times, set right by this machine."""

from dataclasses import dataclass

_TRUST_AFTER = 0.05
"""Share of the print after which the observed pace counts in full."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A moment of the print: wall clock (s, monotonic) and time in the file (s)."""

    wall: float
    file: float


def remaining(anchor: Anchor | None, wall: float, elapsed: float, left: float) -> float:
    """Give the seconds left.

    `elapsed` and `left` are the file's own seconds before and after this point. The
    pace since `anchor` (taken at the first move, so heating does not count) stretches
    what is left, the more the further the print has come: machines differ from their
    slicer's model of them, and each does so steadily.
    """
    if anchor is None or elapsed <= anchor.file or wall <= anchor.wall:
        return left
    pace = (wall - anchor.wall) / (elapsed - anchor.file)
    total = elapsed + left
    trust = min(1.0, (elapsed - anchor.file) / (total * _TRUST_AFTER)) if total else 1.0
    return left * (1.0 + trust * (pace - 1.0))
