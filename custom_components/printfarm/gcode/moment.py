"""What a print file has set up at one of its bytes: plain, frozen data."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the lines of a file up to some byte have set up.

    Lengths in mm, also where the file counts in inches; feed rates in mm/min, in
    inches/min where inches are in force. `x` to `e` are the logical coordinates that
    the firmware reports (M114): where the next line believes to be. One that only the
    machine knows, as after homing, is None.
    """

    x: float | None = None
    y: float | None = None
    z: float | None = None
    e: float = 0.0
    highest: float | None = None
    """Greatest height that filament was laid down at, in the coordinates of `z`."""
    positioning: tuple[str, ...] = ("G90", "M82")
    """The last of G90 and G91 and the last of M82 and M83, in the order they came."""
    inches: bool = False
    feedrate: float | None = None
    tool: str | None = None
    fans: Mapping[str, float] = field(default_factory=dict)
    """Speed (0 to 255) by fan number."""
    nozzles: Mapping[str, float] = field(default_factory=dict)
    """Targets in °C by tool (`T0`)."""
    bed: float | None = None
    chamber: float | None = None
    speed_factor: float | None = None
    flow_factor: float | None = None
    """M220 and M221 in %, the latter of the tool in use."""
    extruded: bool = False
    """Whether filament was pushed out at all."""
    retracted: float = 0.0
    """Filament of the tool in use that moves (not G10) have pulled back."""
    leveling: bool = False
    """Whether the bed was probed (G29) or its mesh switched on (M420)."""
    setup: tuple[str, ...] = ()
    """Further commands that later lines rely on, to be sent in this order, in mm."""


class ReplayError(Exception):
    """A file does something whose outcome only the machine knows."""

    def __init__(self, command: str, offset: int) -> None:
        """Keep the command and where its line begins."""
        # Both as arguments, so that the error comes whole out of another process.
        super().__init__(command, offset)
        self.command = command
        self.offset = offset
