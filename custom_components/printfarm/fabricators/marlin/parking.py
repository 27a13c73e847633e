"""Leaving the print and coming back to the same place.

Moves are relative: what was added is taken away again, so the head returns exactly,
while M114 rounds positions to a hundredth.
"""

from dataclasses import dataclass
from enum import StrEnum

from .answers import PositionReport
from .events import Firmware
from .modal import Modal

RETRACT = 2.0
"""mm of filament pulled back while parked."""
LIFT = 10.0
"""mm between nozzle and print while parked, and after a cancelled one."""
SMALL_LIFT = 2.0
"""The same where nobody knows how much room there is above."""
MARGIN = 5.0
"""mm kept from the edges of the reachable space."""
EXTRUDE_MINIMUM = 170.0
"""°C below which Marlin refuses to push filament (EXTRUDE_MINTEMP)."""
RETRACT_FEEDRATE = 2400
LIFT_FEEDRATE = 600
TRAVEL_FEEDRATE = 6000
ROUNDING = 0.02
"""mm by which two reports of the same place may differ."""
WARM = 150.0
"""°C at which a nozzle is soon hot again, and neither drips nor burns what is in it."""
HOLD = b"M84 S0"
"""The motors stay on, however long nothing moves: else the head could be pushed away."""
RELEASE = b"M84 S120"
"""They go off again after two idle minutes, as Marlin comes."""


class Standby(StrEnum):
    """What stays warm on a machine whose print was cut off."""

    OFF = "off"
    BED = "bed"
    """The bed, so that the part does not come off."""
    WARM = "warm"
    """The bed, and the nozzle a little."""


def standby(option: str) -> Standby:
    """Read the option; what nobody has chosen is off."""
    return Standby(option) if option in Standby else Standby.OFF


@dataclass(frozen=True, slots=True)
class Rest:
    """A paused print: where it was and what the next line takes for granted."""

    modal: Modal
    position: PositionReport | None
    move: tuple[float, float, float]
    """What was added to X, Y and Z to get aside."""
    retracted: float
    targets: dict[str, float]
    """°C by heater name (`T0`, `B`, `C`), those that are on."""
    hold: bool = False
    """Whether the motors were told to stay on."""


def rest(
    modal: Modal,
    position: PositionReport | None,
    firmware: Firmware | None,
    targets: dict[str, float],
    nozzle: float | None,
) -> Rest:
    """Decide how to park: up and aside as far as is known to be safe.

    `nozzle` is the temperature of the tool in use. A machine that was not homed does
    not move aside, one that did not move at all stays where it is.
    """
    x = y = z = 0.0
    low = firmware.minimum if firmware else None
    high = firmware.maximum if firmware else None
    if modal.moved or modal.homed:
        z = lift(modal, position, firmware)
    if modal.homed and position is not None and low is not None and high is not None:
        x = round(low[0] + MARGIN - position.x, 2)
        y = round(high[1] - MARGIN - position.y, 2)
    hot = nozzle is not None and nozzle >= EXTRUDE_MINIMUM
    retract = RETRACT if modal.extruded and hot else 0.0
    return Rest(modal.copy(), position, (x, y, z), retract, targets, holds(firmware))


def holds(firmware: Firmware | None) -> bool:
    """Whether `HOLD` is understood. In Klipper M84 switches motors off in any case."""
    return firmware is not None and "Marlin" in firmware.name


def corner(firmware: Firmware | None) -> list[bytes]:
    """Commands that bring a homed head to where it is parked, as far as that is known."""
    if firmware is None or firmware.minimum is None or firmware.maximum is None:
        return []
    x, y = firmware.minimum[0] + MARGIN, firmware.maximum[1] - MARGIN
    return [b"G1 X%.2f Y%.2f F%d" % (x, y, TRAVEL_FEEDRATE)]


def lift(
    modal: Modal, position: PositionReport | None, firmware: Firmware | None
) -> float:
    """How far the nozzle may go up, mm: never into the frame."""
    if not modal.homed or position is None or firmware is None:
        return SMALL_LIFT
    if firmware.maximum is None:
        return SMALL_LIFT
    return round(max(0.0, min(LIFT, firmware.maximum[2] - position.z)), 2)


def leave(parked: Rest) -> list[bytes]:
    """Commands that bring the head aside."""
    commands = _aside(parked.move, parked.retracted)
    if parked.hold:
        commands.append(HOLD)
    return [*commands, *modes(parked.modal), b"M400"]


def _aside(move: tuple[float, float, float], retract: float) -> list[bytes]:
    """Pull back, lift, and only then go across: that leaves no string and no scratch."""
    x, y, z = move
    commands = [b"G21", b"G91", b"M83"]
    if retract:
        commands.append(b"G1 E%.2f F%d" % (-retract, RETRACT_FEEDRATE))
    if z:
        commands.append(b"G1 Z%.2f F%d" % (z, LIFT_FEEDRATE))
    if x or y:
        commands.append(b"G1 X%.2f Y%.2f F%d" % (x, y, TRAVEL_FEEDRATE))
    return commands


def reheat(parked: Rest, now: dict[str, float]) -> list[bytes]:
    """Commands that bring back the temperatures, if somebody has changed them."""
    changed = {
        name: target
        for name, target in parked.targets.items()
        if now.get(name) != target
    }
    return [
        *(heat(name, target, wait=False) for name, target in changed.items()),
        *(heat(name, target, wait=True) for name, target in changed.items()),
    ]


def come_back(
    parked: Rest, modal: Modal, position: PositionReport | None
) -> list[bytes]:
    """Commands that bring the head back and restore every mode.

    `modal` and `position` are those of now: somebody may have used the pause.
    """
    x, y, z = (-part for part in parked.move)
    commands = [b"G21"]
    if parked.modal.tool is not None and modal.tool != parked.modal.tool:
        commands.append(parked.modal.tool)
    if parked.position is not None and position is not None:
        x = _back(x, parked.position.x - position.x)
        y = _back(y, parked.position.y - position.y)
        z = _back(z, parked.position.z - position.z)
        extruder = parked.position.e - parked.retracted
        if abs(position.e - extruder) > ROUNDING:
            commands.append(b"G92 E%.2f" % extruder)
    commands += [b"G91", b"M83"]
    if x or y:
        commands.append(b"G1 X%.2f Y%.2f F%d" % (x, y, TRAVEL_FEEDRATE))
    if z:
        commands.append(b"G1 Z%.2f F%d" % (z, LIFT_FEEDRATE))
    if parked.retracted:
        commands.append(b"G1 E%.2f F%d" % (parked.retracted, RETRACT_FEEDRATE))
    for fan, speed in parked.modal.fans.items():
        commands.append(b"M106 P%b S%b" % (fan, speed))
    commands += modes(parked.modal)
    if parked.modal.feedrate is not None:
        commands.append(b"G1 F" + parked.modal.feedrate)
    if parked.hold:
        commands.append(RELEASE)
    return commands


def cool(modal: Modal, tools: int, *, chamber: bool) -> list[bytes]:
    """Commands that switch off every heater and fan of an abandoned print."""
    return [
        *_nozzles_off(tools),
        b"M140 S0",
        *([b"M141 S0"] if chamber else []),
        *_fans_off(modal),
    ]


def stand_by(
    chosen: Standby, modal: Modal, targets: dict[str, float], tools: int
) -> list[bytes]:
    """Commands that leave a machine whose print may be taken up again.

    `targets` are those of the print, by heater name.
    """
    if chosen is Standby.OFF:
        return cool(modal, tools, chamber="C" in targets)
    commands = _nozzles_off(tools)
    if chosen is Standby.WARM:
        warm = {
            name: min(target, WARM)
            for name, target in targets.items()
            if name[0] == "T"
        }
        left = [name for name in map("T{}".format, range(tools)) if name not in warm]
        commands = [heat(name, target, wait=False) for name, target in warm.items()]
        commands += [heat(name, 0.0, wait=False) for name in left]
    return [*commands, *_fans_off(modal)]


def _nozzles_off(tools: int) -> list[bytes]:
    if tools > 1:
        return [b"M104 T%d S0" % tool for tool in range(tools)]
    return [b"M104 S0"]


def _fans_off(modal: Modal) -> list[bytes]:
    return [
        b"M107 P%b" % fan if fan != b"0" else b"M107" for fan in modal.fans or [b"0"]
    ]


def abandon(move: tuple[float, float, float], retract: float) -> list[bytes]:
    """Commands that take the head off an abandoned print and leave it still."""
    return [*_aside(move, retract), *modes(Modal()), b"M84"]


HEATERS_OFF = (b"M104 S0", b"M140 S0", b"M107")


def modes(modal: Modal) -> list[bytes]:
    """Commands that set units and both coordinate modes."""
    return [b"G20" if modal.inches else b"G21", *modal.positioning]


def _back(planned: float, needed: float) -> float:
    """Prefer the exact way back; take the measured one if the head was moved."""
    return planned if abs(planned - needed) <= ROUNDING else round(needed, 2)


def heat(name: str, target: float, *, wait: bool) -> bytes:
    """Command for a heater by the name that it has in temperature reports."""
    if name == "B":
        return b"M%d S%g" % (190 if wait else 140, target)
    if name == "C":
        return b"M%d S%g" % (191 if wait else 141, target)
    return b"M%d T%d S%g" % (109 if wait else 104, int(name[1:] or 0), target)
