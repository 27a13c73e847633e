"""What earlier lines of a file have set and later ones rely on.

A pause moves the head, so everything that the next line takes for granted has to be put
back afterwards. Positions are left out on purpose: the firmware knows them (M114).
"""

from dataclasses import dataclass, field, replace
import re

from .commands import MOVES, code

_FEEDRATE = re.compile(rb"F\s*(\d+\.?\d*)")
_HEIGHT = re.compile(rb"Z\s*(-?(?:\d+\.?\d*|\.\d+))")
_FAN = re.compile(rb"P(\d+)")
_SPEED = re.compile(rb"S(\d+\.?\d*)")


@dataclass(slots=True)
class Modal:
    """Modes in force after a line; feed rate and fan speeds as the file wrote them."""

    positioning: tuple[bytes, ...] = (b"G90", b"M82")
    """The last of G90 and G91 and the last of M82 and M83, in the order they came.

    Firmware differs in what they do to each other: in Marlin 2 the later one decides
    over the extruder, in Marlin 1 and Klipper it is relative if either says so, in
    Prusa's only M82 and M83 count. Their order says it to all of them.
    """
    inches: bool = False
    feedrate: bytes | None = None
    tool: bytes | None = None
    fans: dict[bytes, bytes] = field(default_factory=dict)
    homed: bool = False
    moved: bool = False
    extruded: bool = False
    z: float = 0.0
    """Height that was named last, as the file wrote it: it says when a layer is done."""
    speed_factor: bytes | None = None
    flow_factor: bytes | None = None
    """M220 and M221 in %, the file's or somebody else's."""

    def copy(self) -> Modal:
        """Keep this moment."""
        return replace(self, fans=dict(self.fans))

    def begin(self) -> Modal:
        """What is left of it when the next print begins."""
        return Modal(
            self.positioning,
            self.inches,
            self.feedrate,
            self.tool,
            speed_factor=self.speed_factor,
            flow_factor=self.flow_factor,
        )

    def apply(self, command: bytes) -> None:
        """Take note of one command that the firmware has accepted."""
        name = command[:2]
        if name not in {b"G1", b"G0"} or command[2:3] not in {b" ", b""}:
            name = code(command)
        if name in MOVES:
            self._move(command)
            return
        match name:
            case b"G90" | b"G91" | b"M82" | b"M83":
                other = (mode for mode in self.positioning if mode[0] != name[0])
                self.positioning = (*other, name)
            case b"G20" | b"G21":
                self.inches = name == b"G20"
            case b"G28":
                self.homed = True
            case b"M106" | b"M107":
                self._fan(name, command)
            case b"M220" if speed := _SPEED.search(command):
                self.speed_factor = speed[1]
            case b"M221" if flow := _SPEED.search(command):
                self.flow_factor = flow[1]
            case _ if name.startswith(b"T"):
                self.tool = name

    def _move(self, command: bytes) -> None:
        self.moved = True
        if b"F" in command and (feedrate := _FEEDRATE.search(command)):
            self.feedrate = feedrate[1]
        if not self.extruded and b"E" in command:
            self.extruded = True
        if b"Z" in command and (height := _HEIGHT.search(command)):
            named = float(height[1])
            self.z = self.z + named if b"G91" in self.positioning else named

    def _fan(self, name: bytes, command: bytes) -> None:
        fan = _FAN.search(command)
        speed = _SPEED.search(command)
        on = speed[1] if speed else b"255"
        self.fans[fan[1] if fan else b"0"] = on if name == b"M106" else b"0"
