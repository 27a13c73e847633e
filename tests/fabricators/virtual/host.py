"""A host that talks to a board under the test's own time."""

from functools import reduce
from operator import xor

from custom_components.printfarm.fabricators.virtual.board import (
    PROFILES,
    Board,
    BoardProfile,
    Faults,
)


def numbered(number: int, command: str) -> str:
    """A line with number and right checksum."""
    body = f"N{number} {command}"
    return f"{body}*{reduce(xor, body.encode())}"


class Host:
    """Sends lines at given firmware times and keeps what the firmware wrote, when."""

    def __init__(
        self, profile: BoardProfile | str = "marlin_2", faults: Faults | None = None
    ) -> None:
        """Build a board and let it boot."""
        if isinstance(profile, str):
            profile = PROFILES[profile]
        self.board = Board(profile, faults=faults)
        self.now = 0.0
        self.transcript: list[tuple[float, str]] = []
        self.wait(profile.boot_time)
        self.greeting = self.take()

    def wait(self, seconds: float) -> None:
        """Let firmware time pass, stopping wherever the board does something."""
        until = self.now + seconds
        while (due := self.board.next_time()) is not None and due <= until:
            self._collect(due)
        self._collect(until)
        self.now = until

    def send(self, *lines: str) -> list[str]:
        """Send lines together and give back what is answered at once."""
        self.raw("".join(f"{line}\n" for line in lines).encode())
        return self.take()

    def raw(self, data: bytes) -> None:
        """Send bytes."""
        self.board.receive(data, self.now)
        self._collect(self.now)

    def ask(self, line: str, *, patience: float = 3600.0) -> list[str]:
        """Send a line and wait for its `ok`; what was answered up to there."""
        answer = self.send(line)
        until = self.now + patience
        while not any(text.startswith("ok") for text in answer):
            due = self.board.next_time()
            assert due is not None, f"silent after {line}: {answer}"
            assert due <= until, f"no ok for {line} in {patience} s: {answer}"
            self.now = max(self.now, due)
            self._collect(due)
            answer += self.take()
        return answer

    def take(self) -> list[str]:
        """What was written since last asked for, without times."""
        lines = [line for _, line in self.transcript]
        self.transcript.clear()
        return lines

    def _collect(self, now: float) -> None:
        written = self.board.advance(now)
        for line in written.decode("ascii").split("\n")[:-1]:
            self.transcript.append((round(now, 3), line))
