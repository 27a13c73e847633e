"""Whether a board still is what it was when its print was cut off."""

from collections.abc import Mapping
from typing import Any

from .checkpoint import BEYOND, Heard, numbers

OUT_OF_TURN = 1000
"""So far beyond every number that was given out that the board must refuse the line:
one that it has seen already it would drop without a word."""


class Lookout:
    """Follows one board from the end of a print that was cut off to the next print.

    The numbers of lines tell: a board that was started anew counts from nought.
    """

    def __init__(self) -> None:
        """Look out for nothing."""
        self.heard = Heard()
        self._numbers: tuple[int, int] | None = None

    def cut_off(self, data: Mapping[str, Any], *, heard: Heard = Heard()) -> None:
        """A print was cut off with this in its checkpoint."""
        self._numbers = numbers(data)
        self.heard = heard

    def settled(self) -> None:
        """Nobody will take that print up any more."""
        self._numbers = None
        self.heard = Heard()

    def counted(self, answered: int, newest: int) -> None:
        """The connection ends, at these numbers of our own."""
        if self._numbers is not None:
            self._numbers = max(answered, 1), newest + BEYOND

    def started_anew(self) -> None:
        """The board greets: it knows nothing any more."""
        if self._numbers is not None:
            self.heard = Heard(reset=True)

    @property
    def hot(self) -> bool:
        """Whether the board may still heat for that print: unless it started anew."""
        return self._numbers is not None and not self.heard.reset

    @property
    def question(self) -> int | None:
        """Number of the line to ask with; None if there is nothing to be asked."""
        if self._numbers is None or self.heard.reset:
            return None
        return self._numbers[1] + OUT_OF_TURN

    def answered(self, last: int) -> None:
        """The board has said the number of its last line."""
        if self._numbers is None:
            return
        low, high = self._numbers
        if low <= last <= high:
            first = self.heard.last
            self.heard = Heard(reset=False, last=last if first is None else first)
            # The greeting that follows lets it count from nought.
            self._numbers = 1, BEYOND
        else:
            # Nought: started anew. Else somebody else has been counting.
            self.heard = Heard(reset=None if last else True)
