"""What earlier lines of a file have set and later ones rely on.

A pause moves the head, so everything that the next line takes for granted has to be put
back afterwards. Positions are left out on purpose: the firmware knows them (M114).
"""

from dataclasses import dataclass, field, replace
import re

from .commands import code

_FEEDRATE = re.compile(rb"F\s*(\d+\.?\d*)")
_FAN = re.compile(rb"P(\d+)")
_SPEED = re.compile(rb"S(\d+\.?\d*)")
_MOVES = frozenset({b"G0", b"G1", b"G2", b"G3", b"G5"})


@dataclass(slots=True)
class Modal:
    """Modes in force after a line; feed rate and fan speeds as the file wrote them."""

    extruder_follows: bool = True
    """G90 and G91 set the extruder's mode as well, as Marlin 2 does."""
    absolute: bool = True
    extruder_absolute: bool = True
    inches: bool = False
    feedrate: bytes | None = None
    tool: bytes | None = None
    fans: dict[bytes, bytes] = field(default_factory=dict)
    homed: bool = False
    moved: bool = False
    extruded: bool = False

    def copy(self) -> Modal:
        """Keep this moment."""
        return replace(self, fans=dict(self.fans))

    def apply(self, command: bytes) -> None:
        """Take note of one command that the firmware has accepted."""
        name = command[:2]
        if name not in {b"G1", b"G0"} or command[2:3] not in {b" ", b""}:
            name = code(command)
        if name in _MOVES:
            self._move(command)
            return
        match name:
            case b"G90" | b"G91":
                self.absolute = name == b"G90"
                if self.extruder_follows:
                    self.extruder_absolute = self.absolute
            case b"M82" | b"M83":
                self.extruder_absolute = name == b"M82"
            case b"G20" | b"G21":
                self.inches = name == b"G20"
            case b"G28":
                self.homed = True
            case b"M106" | b"M107":
                self._fan(name, command)
            case _ if name.startswith(b"T"):
                self.tool = name

    def _move(self, command: bytes) -> None:
        self.moved = True
        if b"F" in command and (feedrate := _FEEDRATE.search(command)):
            self.feedrate = feedrate[1]
        if not self.extruded and b"E" in command:
            self.extruded = True

    def _fan(self, name: bytes, command: bytes) -> None:
        fan = _FAN.search(command)
        speed = _SPEED.search(command)
        on = speed[1] if speed else b"255"
        self.fans[fan[1] if fan else b"0"] = on if name == b"M106" else b"0"
