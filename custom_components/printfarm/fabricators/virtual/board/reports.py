"""What the firmware writes by itself: autoreports, busy lines and `wait`."""

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .board import Board


class Reports:
    """The clocks behind lines that answer no command."""

    def __init__(self, board: Board) -> None:
        """Start with all reports off, as after power-up."""
        self._board = board
        self.busy_interval = board.profile.busy_interval
        self.paused = False
        """Set while a command prints the temperatures itself."""
        self._intervals = {"temperature": 0.0, "position": 0.0}
        self._due = {"temperature": inf, "position": inf}
        self._busy_at = inf
        self._wait_at = inf

    def start(self) -> None:
        """Begin with the periodic `wait`, on builds that have it."""
        self.heard()

    def set_interval(self, report: str, seconds: float) -> None:
        """Write a report every so many seconds of firmware time; 0 stops it."""
        self._intervals[report] = seconds
        self._due[report] = self._board.now + seconds if seconds else inf

    def begin_busy(self) -> None:
        """A command goes on waiting: say so from time to time."""
        if self.busy_interval:
            self._busy_at = self._board.now + self.busy_interval
        self._wait_at = inf

    def end_busy(self) -> None:
        """The command is done."""
        self._busy_at = inf

    def heard(self) -> None:
        """A command came in or was finished: `wait` begins anew."""
        if self._board.profile.wait_interval:
            self._wait_at = self._board.now + self._board.profile.wait_interval

    def next_time(self) -> float:
        """When the next of these lines is due; inf for never."""
        due = self._due
        return min(due["temperature"], due["position"], self._busy_at, self._wait_at)

    def write_due(self) -> None:
        """Write the lines whose time has come."""
        board = self._board
        now = board.now
        if now >= self._busy_at:
            state = "paused for user" if board.console.paused_for_user else "processing"
            board.console.write(f"echo:busy: {state}")
            self._busy_at = now + (self.busy_interval or inf)
        if now >= self._due["temperature"]:
            if not self.paused:
                board.console.write(f" {board.thermal.report(board.motion.tool, now)}")
            self._due["temperature"] = now + self._intervals["temperature"]
        if now >= self._due["position"]:
            board.console.write(position_report(board))
            self._due["position"] = now + self._intervals["position"]
        if now >= self._wait_at:
            board.console.write("wait")
            self.heard()


def position_report(board: Board) -> str:
    """Write the line of M114: where planned moves lead, and the steppers' counts."""
    x, y, z, e = board.motion.logical
    steps = board.profile.steps_per_mm
    count = [
        round(place * factor)
        for place, factor in zip(board.position[:3], steps[:3], strict=True)
    ]
    return (
        f"X:{x:.2f} Y:{y:.2f} Z:{z:.2f} E:{e:.2f} "
        f"Count X:{count[0]} Y:{count[1]} Z:{count[2]}"
    )
