"""What others may ask of a conversation with a board. Changes nothing."""

from .answers import Reading
from .checkpoint import Heard
from .course import Course
from .dialog import Dialog
from .events import Firmware, Mark
from .parking import Standby
from .session import Phase, Session


class Glance:
    """The outside of an engine: what it knows, put together."""

    def __init__(self, standby: Standby) -> None:
        """Nothing is known yet."""
        self.fault: str | None = None
        """Why the firmware has stopped, in its own words."""
        self.heard_anything = False
        self._session = Session()
        self._course = Course(self._session, standby)
        self._link = self._session.link

    @property
    def phase(self) -> Phase:
        """Where the conversation stands."""
        return self._session.phase

    @property
    def firmware(self) -> Firmware | None:
        """What the board said it is."""
        return self._session.firmware

    @property
    def readings(self) -> dict[str, Reading]:
        """Last reading of each heater."""
        return self._session.readings

    @property
    def dialog(self) -> Dialog:
        """Dialogue that the machine shows."""
        return self._session.dialog

    @property
    def message(self) -> str | None:
        """Text on the machine's display."""
        return self._session.message

    @property
    def running(self) -> bool:
        """Whether a print is under way."""
        return self._session.running

    @property
    def position(self) -> int:
        """Byte offset in the file behind the last accepted line."""
        return self._course.position

    @property
    def sent_file_line(self) -> bool:
        """Whether a line of the file has left in this run."""
        return self._course.sent_file_line

    @property
    def moved(self) -> bool:
        """Whether the print has made its first move."""
        return self._course.modal.moved

    def mark(self) -> Mark | None:
        """How far the print has come; None before its first line was sent."""
        if not self.running or not self.sent_file_line:
            return None
        return self._course.mark()

    @property
    def resends(self) -> int:
        """Lines of this run that had to be sent again."""
        return self._link.resends

    @property
    def planned(self) -> int:
        """Moves that the board may have accepted and not made, as far as it says."""
        return self._session.planned

    @property
    def remembers(self) -> Heard:
        """What the board still knows of a print that was cut off."""
        return self._course.lookout.heard

    @property
    def heard(self) -> float | None:
        """When the board was last heard."""
        return self._link.silent_since if self.heard_anything else None

    @property
    def hungry(self) -> bool:
        """Whether `supply` should be called."""
        return self.running and self._course.hungry
