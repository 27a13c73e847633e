"""Between a `Resend` and the line that it asks for: whose `ok` is the next one?

The firmware says `ok` behind `Resend`, and that one accepts nothing. Some firmware
leaves it out. Which kind it is shows only when a time-out has passed, and even then the
`ok` may just have been lost. So a line is then sent again at once, with an M105 behind
it, and the next `ok` counts for nothing: that of the M105 cannot be mistaken, and accepts
both.
"""

from .wire import Line

OK_TIMEOUT = 0.5
"""Some firmware forgets the `ok` after `Resend`."""


class Resending:
    """Lines that are held back until their turn has come, and doubts about an `ok`."""

    def __init__(self) -> None:
        """Nothing is asked for."""
        self.lines: list[Line] | None = None
        """To be sent again once the `ok` has come; empty if it is not known what."""
        self.until = 0.0
        """When it is not waited for any longer."""
        self.forgetful = False
        """This firmware has left it out."""
        self._doubt = 0

    @property
    def waits(self) -> bool:
        """Whether the next plain `ok` is the one behind `Resend`."""
        return self.lines is not None

    @property
    def doubtful(self) -> bool:
        """Whether a plain `ok` may be the one behind `Resend` after all."""
        return self._doubt > 0

    def clear(self) -> None:
        """Neither wait nor doubt."""
        self.lines = None
        self._doubt = 0

    def hold(self, lines: list[Line], now: float) -> None:
        """Send these again, but not before the `ok` that belongs to the `Resend`."""
        self.lines, self.until = lines, now + OK_TIMEOUT
        self._doubt = 0

    def release(self) -> list[Line]:
        """Give what was held back: its `ok` has come, or is not waited for any longer."""
        lines, self.lines = self.lines or [], None
        return lines

    def doubt(self) -> None:
        """The line is on its way again, without waiting; the next `ok` may be either."""
        self.lines = None
        self._doubt = 1

    def swallows(self) -> bool:
        """Whether a plain `ok` counts for nothing, this once."""
        first = self._doubt == 1
        if first:
            self._doubt = 2
        return first

    def decide(self, *, forgetful: bool) -> None:
        """It is known now whether the `ok` behind `Resend` is left out."""
        self.forgetful = forgetful
        self._doubt = 0
