"""An engine and an emulated board on one simulated clock: no port, no waiting."""

from collections.abc import Callable, Iterable
from random import Random

from custom_components.printfarm.fabricators.interface import Fabricator, Result
from custom_components.printfarm.fabricators.marlin.engine import Engine
from custom_components.printfarm.fabricators.marlin.events import Event, RunEnded
from custom_components.printfarm.fabricators.marlin.parking import Standby
from custom_components.printfarm.fabricators.marlin.session import Phase
from custom_components.printfarm.fabricators.virtual.board import (
    PROFILES,
    Board,
    Faults,
)


async def result_of(fabricator: Fabricator, run: int) -> Result | None:
    """Give what a driver says became of a run; None while it is under way."""
    end = await fabricator.outcome(run)
    return None if end is None else end.result


OURS = ("M105", "M110", "M115", "M155", "M400", "M114")
"""Commands that the engine adds to those of the file."""

FOREVER = 100_000.0


class Bench:
    """Passes bytes between the two; `chunk` says how they are chopped up."""

    def __init__(
        self,
        profile: str = "marlin_2",
        *,
        faults: Faults | None = None,
        chunk: Random | None = None,
        batch: int = 64,
        standby: Standby = Standby.OFF,
    ) -> None:
        """Power the board up and connect."""
        self.board = Board(PROFILES[profile], faults=faults)
        self.executed: list[str] = []
        self.board.executed = self._note
        self.engine = Engine(standby=standby)
        self.events: list[Event] = []
        self.now = 0.0
        self.mute = False
        self._chunk = chunk
        self._batch = batch
        self._file: list[tuple[int, bytes]] = []
        self.write(self.engine.open(self.now))

    def _note(self, _number: int | None, command: str) -> None:
        self.executed.append(command)

    @property
    def from_file(self) -> list[str]:
        """What was executed, without what the engine adds."""
        return [line for line in self.executed if not line.startswith(OURS)]

    @property
    def ending(self) -> RunEnded | None:
        """How the run ended, and that it did so once."""
        endings = [event for event in self.events if isinstance(event, RunEnded)]
        assert len(endings) <= 1
        return endings[0] if endings else None

    def of_type[T](self, kind: type[T]) -> list[T]:
        """Events of one type."""
        return [event for event in self.events if isinstance(event, kind)]

    def write(self, data: bytes) -> None:
        """Host to board."""
        if data:
            self.board.receive(data, self.now)

    def until(self, done: Callable[[], object], limit: float = FOREVER) -> None:
        """Let time pass until something is the case."""
        end = self.now + limit
        while not done():
            assert self.now < end, f"still {self.engine.phase} after {limit} s"
            self._turn(end)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while self.now < end:
            self._turn(end)

    def _turn(self, end: float) -> None:
        said = self.board.advance(self.now)
        for part in self._parts(b"" if self.mute else said):
            self.write(self.engine.receive(part, self.now))
        self.write(self.engine.upkeep(self.now))
        if self.engine.hungry and self._file is not None:
            part, self._file = self._file[: self._batch], self._file[self._batch :]
            complete = not self._file
            self.write(self.engine.supply(part, self.now, complete=complete))
        self.events += self.engine.take_events()
        if said:
            return
        due = [self.engine.deadline, self.board.next_time(), end]
        self.now = max(self.now, min(time for time in due if time is not None)) + 1e-9
        if self.engine.deadline is not None and self.now >= self.engine.deadline:
            self.write(self.engine.tick(self.now))
            self.events += self.engine.take_events()

    def _parts(self, data: bytes) -> Iterable[bytes]:
        while data:
            size = self._chunk.randint(1, 9) if self._chunk else len(data)
            yield data[:size]
            data = data[size:]

    def ready(self) -> None:
        """Let both get to know each other."""
        self.until(lambda: self.engine.phase is Phase.READY, 60.0)
        self.wait(1.0)
        self.executed.clear()

    def begin(self, commands: Iterable[str]) -> list[str]:
        """Start a print of these commands; offsets count lines of text."""
        file = list(commands)
        self._file, offset = [], 0
        for command in file:
            offset += len(command) + 1
            self._file.append((offset, command.encode()))
        self.write(self.engine.begin(self.now))
        return file

    def print(self, commands: Iterable[str]) -> list[str]:
        """Print to the end, whatever that is."""
        file = self.begin(commands)
        self.until(lambda: self.ending)
        return file
