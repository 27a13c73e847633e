"""What a machine can do: the limits a print's time is reckoned with."""

from collections.abc import Mapping
from dataclasses import dataclass
import re

AXES = ("x", "y", "z", "e")

type PerAxis = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the axes X, Y, Z and E, in mm and seconds.

    The defaults are those of a middling bed-slinger, as PrusaSlicer assumes them for a
    printer it knows nothing about.
    """

    feedrate: PerAxis = (500.0, 500.0, 12.0, 120.0)
    acceleration: PerAxis = (9000.0, 9000.0, 500.0, 10000.0)
    jerk: PerAxis = (10.0, 10.0, 0.2, 2.5)
    printing: float = 1500.0
    """Acceleration of moves that extrude."""
    travel: float = 1500.0
    retract: float = 1500.0
    """Acceleration of moves of the filament alone."""


def _number(text: str) -> float | None:
    """Read the first of `9000,1000`: the normal mode, before the silent one."""
    found = re.match(r"\s*(\d+(?:\.\d*)?|\.\d+)", text)
    value = float(found[1]) if found else 0.0
    return value if value > 0 else None


def from_settings(settings: Mapping[str, str], default: Limits | None = None) -> Limits:
    """Take the machine limits that PrusaSlicer and its kin write into a file."""
    limits = default or Limits()

    def axes(names: tuple[str, ...], before: PerAxis) -> PerAxis:
        x, y, z, e = (
            next(
                (
                    value
                    for name in names
                    if (value := _number(settings.get(f"{name}_{axis}", "")))
                ),
                old,
            )
            for axis, old in zip(AXES, before, strict=True)
        )
        return x, y, z, e

    def single(name: str, before: float) -> float:
        return _number(settings.get(f"machine_max_acceleration_{name}", "")) or before

    return Limits(
        feedrate=axes(("machine_max_feedrate", "machine_max_speed"), limits.feedrate),
        acceleration=axes(("machine_max_acceleration",), limits.acceleration),
        jerk=axes(("machine_max_jerk",), limits.jerk),
        printing=single("extruding", limits.printing),
        travel=single(
            "travel",
            _number(settings.get("machine_max_acceleration_extruding", ""))
            or limits.travel,
        ),
        retract=single("retracting", limits.retract),
    )
