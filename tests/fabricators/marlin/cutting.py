"""A bench on which prints are cut off and taken up, and every move is watched."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

from custom_components.printfarm.fabricators.interface import Checkpoint, Resume
from custom_components.printfarm.fabricators.marlin.checkpoint import (
    after_death,
    placed,
)
from custom_components.printfarm.fabricators.marlin.engine import Engine
from custom_components.printfarm.fabricators.marlin.parking import Standby
from custom_components.printfarm.fabricators.marlin.rewind import with_height
from custom_components.printfarm.fabricators.marlin.salvage import back
from custom_components.printfarm.fabricators.marlin.session import Phase
from custom_components.printfarm.fabricators.marlin.source import Source
from custom_components.printfarm.fabricators.marlin.tape import Tape
from custom_components.printfarm.gcode.replay import replay

from .bench import Bench


class Move(NamedTuple):
    """One move as the machine really made it, mm; `e` is what was pushed out."""

    origin: tuple[float, ...]
    goal: tuple[float, ...]
    e: float
    end: float
    """When it is over."""

    @property
    def across(self) -> bool:
        """Whether the head goes over the bed."""
        return self.origin[:2] != self.goal[:2]

    @property
    def trace(self) -> tuple[float, ...]:
        """What can be compared between two prints."""
        return tuple(
            round(value, 3) + 0.0 for value in (*self.origin, *self.goal, self.e)
        )


class Cutter(Bench):
    """Knows where the nozzle really is, also when the board does not."""

    def __init__(
        self, path: Path, profile: str = "marlin_2", standby: Standby = Standby.OFF
    ) -> None:
        """Connect, and get to know each other."""
        super().__init__(profile, standby=standby)
        self.path = path
        self.moves: list[Move] = []
        self.tape = Tape(bytearray(Tape.SIZE))
        self._standby = standby
        self._hidden = [0.0, 0.0, 0.0]
        """Real place less the board's, by axis."""
        self._command = ""
        motion = self.board.motion
        self._move, self._jump = motion.move, motion.jump
        motion.move = self._watch_move
        motion.jump = self._watch_jump
        self.engine._link.tape = self.tape
        self.ready()

    def _note(self, number: int | None, command: str) -> None:
        super()._note(number, command)
        self._command = command

    def _real(self, place: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(a + b for a, b in zip(place[:3], self._hidden, strict=True))

    def _watch_move(self, goal: Any, now: float, **options: Any) -> None:
        motion = self.board.motion
        origin, before = motion.position, len(motion.planner._blocks)
        self._move(goal, now, **options)
        blocks = motion.planner._blocks
        if len(blocks) > before:
            pushed = goal[3] - origin[3]
            move = Move(self._real(origin), self._real(goal), pushed, blocks[-1].end)
            self.moves.append(move)

    def _watch_jump(self, goal: Any) -> None:
        if self._command.startswith("G28"):
            axes = [axis for axis in "XYZ" if axis in self._command[3:]] or "XYZ"
            for axis in axes:
                self._hidden["XYZ".index(axis)] = 0.0
        self._jump(goal)

    @property
    def extruded(self) -> list[tuple[float, ...]]:
        """Moves that laid filament down, in order."""
        return [move.trace for move in self.moves if move.across and move.e > 1e-6]

    # A print and its end

    def stream(self, resume: Resume | None = None) -> None:
        """Begin to print the file, or go on with it."""
        start = resume.checkpoint.position if resume else 0
        self._file = list(_commands(self.path, start))
        self.events.clear()
        self.write(self.engine.begin(self.now, resume))

    def until_moves(self, count: int) -> None:
        """Print until that many moves were planned."""
        self.until(lambda: len(self.moves) >= count)

    def checkpoint(self) -> Checkpoint:
        """Take one, as the driver does."""
        mark = self.engine.mark()
        assert mark is not None
        return self._whole(mark.position, mark.data)

    def _whole(self, position: int, data: Any) -> Checkpoint:
        data = {**data, "file": str(self.path)}
        return Checkpoint(position=position, at=0.0, data=data)

    def of_the_end(self) -> Checkpoint:
        """What came with the end of the print."""
        self.events += self.engine.take_events()
        assert self.ending is not None and self.ending.mark is not None
        return self._whole(self.ending.mark.position, self.ending.mark.data)

    def unplug(self) -> Checkpoint:
        """Pull the plug, let the board run dry, and plug it in again."""
        self.engine.lost()
        checkpoint = self.of_the_end()
        self._alone()
        self.events.clear()
        self.write(self.engine.open(self.now))
        return checkpoint

    def die(self, saved: Checkpoint, *, reset: bool = False) -> Checkpoint:
        """Let the process die: another one knows the story and the tape only."""
        self._alone()
        if reset:
            self.reset()
        lost = after_death(saved, self.tape.entries())
        self._file = []
        self.engine = Engine(self.tape, self._standby, lost)
        self.write(self.engine.open(self.now))
        return lost

    def _alone(self) -> None:
        end = self.now + 60.0
        self._file = []
        while (due := self.board.next_time()) is not None and due < end:
            self.now = max(self.now, due) + 1e-9
            self.board.advance(self.now)
        self.now = end

    def reset(self) -> None:
        """Cut the power: what was planned and not made yet never will be."""
        real = self._real(self.board.position)
        self.moves = [move for move in self.moves if move.end <= self.now]
        self.board.reset(self.now)
        self._hidden = list(real)

    def cut_power(self) -> Checkpoint:
        """Start the board anew in mid-print."""
        self._file = []
        self.reset()
        self.until(lambda: self.ending, 60.0)
        return self.of_the_end()

    # Going on

    def locate(self, checkpoint: Checkpoint) -> Checkpoint:
        """Ask the board where it stopped, as the driver does."""
        self.until(lambda: self.engine.phase is Phase.READY, 120.0)
        self.wait(1.0)
        located = placed(checkpoint, self.engine.remembers)
        if located.data["reset"] is False:
            return located
        return back(located, self.engine.planned)

    def resume(self, located: Checkpoint, **changes: Any) -> Resume:
        """What the farm says of the file up to there."""
        moment = replay(self.path, located.position)
        resume = Resume(checkpoint=located, **asdict(moment))
        return with_height(replace(resume, **changes), self.path)

    def take_up(self, checkpoint: Checkpoint) -> Resume:
        """Find out where it stopped, and print the rest."""
        resume = self.resume(self.locate(checkpoint))
        self.executed.clear()
        self.stream(resume)
        self.until(lambda: self.ending)
        return resume


def _commands(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    source = Source(path, start)
    while source.fetch():
        while source.ready:
            yield from source.take()
    source.close()


def whole(path: Path, profile: str) -> list[tuple[float, ...]]:
    """What the file lays down if nothing happens."""
    bench = Cutter(path, profile)
    bench.stream()
    bench.until(lambda: bench.ending)
    return bench.extruded
