"""Going on with a print that was cut off, as tables of commands. Pure functions.

A board that was not started anew knows where its head is: it is made warm and brought
back, as after a pause. One that was has forgotten everything. Z is never homed then,
because the part stands in the way: the height at which the nozzle was left is taken for
granted, and what is above the part is safe. Everything is done in mm; the file's own
units and modes come last.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..interface import Resume
from . import parking
from .answers import PositionReport
from .checkpoint import rest_from_json
from .events import Firmware
from .modal import Modal

PLANNED = 15
"""Moves that a firmware has planned and not made yet, at most: Marlin has 16 blocks as
it comes, one of which stays empty. ADVANCED_OK tells of more."""
IDLE_LIMIT = 100.0
"""Seconds after which motors may have gone off (120 in Marlin as it comes)."""
PRIME = 12.0
"""mm of filament that fill a nozzle which was cold."""
PRIME_FEEDRATE = 180
ABSOLUTE = (b"G21", b"G90", b"M82")

type Commands = Callable[[PositionReport | None], list[bytes]]
"""Commands, by what M114 has answered at the end of the stage before."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Commands that belong together. If they are cut off, this is what holds."""

    commands: Commands
    height: float | None = None
    """mm above the bed at which the nozzle is at least, where the board does not know."""
    homed: bool = False
    """Whether the board knows X and Y while it works on them."""


def modal(resume: Resume) -> Modal:
    """Modes that the file's next line takes for granted."""
    data = resume.checkpoint.data.get("modal")
    seen = data if isinstance(data, dict) else {}
    return Modal(
        positioning=tuple(mode.encode() for mode in resume.positioning),
        inches=resume.inches,
        feedrate=None if resume.feedrate is None else b"%g" % resume.feedrate,
        tool=None if resume.tool is None else resume.tool.encode(),
        fans={fan.encode(): b"%g" % speed for fan, speed in resume.fans.items()},
        homed=True,
        moved=True,
        extruded=resume.extruded,
        z=resume.z or 0.0,
        speed_factor=_factor(seen.get("speed_factor"), resume.speed_factor),
        flow_factor=_factor(seen.get("flow_factor"), resume.flow_factor),
    )


def stages(resume: Resume, firmware: Firmware | None) -> list[Stage]:
    """Everything from a cold start to the moment before the file's next line."""
    data = resume.checkpoint.data
    if data.get("reset") is False:
        return list(_alive(resume, firmware, data))
    return list(_reset(resume, firmware, data))


# A board that has kept its place


def _alive(
    resume: Resume, firmware: Firmware | None, data: Mapping[str, Any]
) -> Iterator[Stage]:
    parked = rest_from_json(data.get("parked"))
    heat = [*_heat(resume, wait=False), *_heat(resume, wait=True)]
    yield Stage(lambda _: [*heat, b"M400", b"M114"], homed=True)
    if data.get("adrift"):
        # The motors were off for a while: somebody may have pushed the head.
        up = _room(resume, firmware, _height(resume, data))
        commands = [b"G21", b"G91", b"G1 Z%.2f F%d" % (up, parking.LIFT_FEEDRATE)]
        home = [*commands, b"G90", b"G28 X Y", *_mesh(resume), b"M400", b"M114"]
        yield Stage(lambda _: home, homed=True)
    if parked is None:
        yield Stage(lambda at: _go_on(resume, firmware, at), homed=True)
    else:
        yield Stage(lambda at: parking.come_back(parked, modal(resume), at), homed=True)


def _go_on(
    resume: Resume, firmware: Firmware | None, at: PositionReport | None
) -> list[bytes]:
    """The head should be where it was left. If it is not, go there from above."""
    commands: list[bytes] = [*ABSOLUTE]
    if at is not None and _elsewhere(resume, at):
        top = max(resume.z or 0.0, resume.highest or 0.0) + parking.SMALL_LIFT
        up = max(0.0, top - at.z)
        if firmware is not None and firmware.maximum is not None:
            up = max(0.0, min(up, firmware.maximum[2] - at.z))
        commands.append(b"G1 Z%.5f F%d" % (at.z + up, parking.LIFT_FEEDRATE))
        commands += [*_across(resume), *_down(resume)]
    pulled = resume.e - at.e if at is not None else 0.0
    if abs(pulled - parking.RETRACT) <= parking.ROUNDING:
        # It was about to be parked.
        commands.append(b"G1 E%.5f F%d" % (resume.e, parking.RETRACT_FEEDRATE))
    elif abs(pulled) > parking.ROUNDING:
        commands.append(b"G92 E%.5f" % resume.e)
    commands += [*_fans(resume), *_modes(resume)]
    if parking.holds(firmware):
        commands.append(parking.RELEASE)
    return commands


def _elsewhere(resume: Resume, at: PositionReport) -> bool:
    pairs = ((resume.x, at.x), (resume.y, at.y), (resume.z, at.z))
    return any(
        wanted is not None and abs(wanted - is_) > parking.ROUNDING
        for wanted, is_ in pairs
    )


# A board that was started anew


def _reset(
    resume: Resume, firmware: Firmware | None, data: Mapping[str, Any]
) -> Iterator[Stage]:
    height = _height(resume, data)
    if not resume.extruded:
        home = [*_heat(resume, wait=False), *ABSOLUTE, b"G28"]
        yield Stage(lambda _: home, height)
        above = height
    else:
        warm = [*_heat(resume, wait=False), *_heat(resume, wait=True, nozzles=False)]
        if not data.get("parked"):
            # What is stuck in the part must melt before it is pulled off.
            warm += _heat(resume, wait=True)
        yield Stage(lambda _: warm, height)
        up = _room(resume, firmware, height)
        above = height + up
        lift = [*ABSOLUTE, *_mesh(resume), _here(resume, data, height)]
        lift += [b"G1 Z%.5f F%d" % (above, parking.LIFT_FEEDRATE), b"M400"]
        yield Stage(lambda _: lift, height)
        yield Stage(lambda _: [b"G28 X Y"], above)
    prepare = [*_mesh(resume), *(line.encode() for line in resume.setup)]
    if resume.tool is not None:
        prepare.append(resume.tool.encode())
    prepare += _heat(resume, wait=True)
    pulled = resume.retracted or parking.RETRACT
    primes = resume.extruded and _hot(resume)
    if primes:
        parked = rest_from_json(data.get("parked"))
        fill = PRIME + resume.retracted + (parked.retracted if parked else 0.0)
        prepare += [
            *parking.corner(firmware),
            b"G92 E0",
            b"G1 E%.5f F%d" % (fill, PRIME_FEEDRATE),
            b"G1 E%.5f F%d" % (fill - pulled, parking.RETRACT_FEEDRATE),
        ]
    prepare += [*_across(resume), b"M400"]
    yield Stage(lambda _: prepare, above, homed=True)
    down = [*_fans(resume), *_down(resume)]
    if primes and not resume.retracted:
        push = b"G1 E%.5f F%d" % (pulled, parking.RETRACT_FEEDRATE)
        down += [b"G92 E0", push]
    down += [b"G92 E%.5f" % resume.e, *_factors(resume), *_modes(resume)]
    yield Stage(lambda _: down, resume.z or 0.0, homed=True)


def _height(resume: Resume, data: Mapping[str, Any]) -> float:
    """Height in mm at which the nozzle was left."""
    if (known := data.get("height")) is not None:
        return float(known)
    parked = rest_from_json(data.get("parked"))
    if parked is None:
        return resume.z or 0.0
    at = parked.position
    if resume.z is None and at is not None:
        return at.z + parked.move[2]
    return (resume.z or 0.0) + parked.move[2]


def _room(resume: Resume, firmware: Firmware | None, height: float) -> float:
    """How far to lift, mm: well above the part, never into the frame."""
    top = max(height, resume.highest or 0.0)
    if firmware is None or firmware.maximum is None:
        return top + parking.SMALL_LIFT - height
    return max(0.0, min(top + parking.LIFT, firmware.maximum[2]) - height)


def _here(resume: Resume, data: Mapping[str, Any], height: float) -> bytes:
    """Tell the board where it stands. X and Y matter for the bed's mesh only."""
    parked = rest_from_json(data.get("parked"))
    x, y = resume.x, resume.y
    if parked is not None and x is not None and y is not None:
        x, y = x + parked.move[0], y + parked.move[1]
    words = [(b"X", x), (b"Y", y), (b"Z", height)]
    return b"G92" + b"".join(
        b" %b%.5f" % (letter, value) for letter, value in words if value is not None
    )


# What both have in common


def targets(resume: Resume) -> dict[str, float]:
    """Temperatures to go on with: the file's, unless somebody had changed them."""
    wanted = {**resume.nozzles}
    if resume.bed is not None:
        wanted["B"] = resume.bed
    if resume.chamber is not None:
        wanted["C"] = resume.chamber
    seen = resume.checkpoint.data.get("targets")
    if isinstance(seen, dict):
        changed = {name: float(str(target)) for name, target in seen.items()}
        wanted |= {
            name: changed[name] for name in wanted if wanted[name] and changed.get(name)
        }
        wanted |= {
            name: target for name, target in changed.items() if name not in wanted
        }
    return wanted


def _heat(resume: Resume, *, wait: bool, nozzles: bool = True) -> list[bytes]:
    """Set every heater, or wait for those that are on. The bed comes first."""
    return [
        parking.heat(name, target, wait=wait)
        for name, target in sorted(targets(resume).items())
        if (target or not wait) and (nozzles or name[0] != "T")
    ]


def _hot(resume: Resume) -> bool:
    """Whether the tool in use pushes filament at all."""
    wanted = targets(resume).get(resume.tool or "T0", 0.0)
    return wanted >= parking.EXTRUDE_MINIMUM


def _mesh(resume: Resume) -> list[bytes]:
    return [b"M420 S1"] if resume.leveling else []


def _across(resume: Resume) -> list[bytes]:
    words = b"".join(
        b" %b%.5f" % (letter, value)
        for letter, value in ((b"X", resume.x), (b"Y", resume.y))
        if value is not None
    )
    return [b"G1%b F%d" % (words, parking.TRAVEL_FEEDRATE)] if words else []


def _down(resume: Resume) -> list[bytes]:
    if resume.z is None:
        return []
    return [b"G1 Z%.5f F%d" % (resume.z, parking.LIFT_FEEDRATE)]


def _fans(resume: Resume) -> list[bytes]:
    return [
        b"M106 P%b S%g" % (fan.encode(), speed) for fan, speed in resume.fans.items()
    ]


def _factors(resume: Resume) -> list[bytes]:
    modes = modal(resume)
    factors = ((b"M220", modes.speed_factor), (b"M221", modes.flow_factor))
    return [b"%b S%b" % (name, factor) for name, factor in factors if factor]


def _modes(resume: Resume) -> list[bytes]:
    commands = parking.modes(modal(resume))
    if resume.feedrate is not None:
        commands.append(b"G1 F%g" % resume.feedrate)
    return commands


def _factor(seen: object, written: float | None) -> bytes | None:
    """Speed or flow in %: as it was last, by the file or by hand."""
    if isinstance(seen, str):
        return seen.encode()
    return None if written is None else b"%g" % written
