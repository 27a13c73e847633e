"""An engine and an emulated board on one simulated clock, and a bad wire between them.

One exchange in twenty is spoiled: a byte of it is lost, doubled, changed or late, on the
way out, on the way back, or one on each. The changes are those that Marlin's checksum can tell: one
byte in a line, and not its first letter turned into that of a command, because without
the `N` no firmware looks at the checksum.
"""

from collections import Counter, deque
from collections.abc import Callable
from hashlib import sha256
from random import Random

from custom_components.printfarm.fabricators.marlin.engine import Engine
from custom_components.printfarm.fabricators.marlin.events import Event, RunEnded
from custom_components.printfarm.fabricators.marlin.session import Phase
from custom_components.printfarm.fabricators.virtual.board import Board, BoardProfile
from custom_components.printfarm.fabricators.virtual.board.commands import command_table
from custom_components.printfarm.fabricators.virtual.board.gcode import Command

from .bench import OURS

EVERY = 20
KINDS = ("lose", "double", "change", "delay")
LONGEST_DELAY = 3.0
TURNS = 2000
"""Steps of the bench in a second of firmware time: far more than any wire has."""


class Cable:
    """One direction: bytes arrive in order, and some of them late."""

    def __init__(self) -> None:
        """Nothing is on its way."""
        self._under_way: deque[tuple[float, bytes]] = deque()

    def put(self, data: bytes, due: float) -> None:
        """Send bytes; they never overtake."""
        if self._under_way:
            due = max(due, self._under_way[-1][0])
        if data:
            self._under_way.append((due, data))

    def get(self, now: float) -> bytes:
        """What has arrived."""
        data = b""
        while self._under_way and self._under_way[0][0] <= now:
            data += self._under_way.popleft()[1]
        return data

    @property
    def due(self) -> float | None:
        """When something arrives next."""
        return self._under_way[0][0] if self._under_way else None


class FaultyBench:
    """One print over a bad wire."""

    def __init__(
        self,
        profile: BoardProfile,
        state: int,
        *,
        every: int = EVERY,
        accent: Callable[[bytes], bytes] | None = None,
        kinds: tuple[str, ...] = KINDS,
    ) -> None:
        """Power the board up and connect; `state` starts the choice of faults."""
        self.board = Board(profile)
        self.board.executed = self._note
        self.engine = Engine()
        self.now = 0.0
        self.events: list[Event] = []
        self.done: list[str] = []
        self.faults: Counter[str] = Counter()
        self.talk: deque[str] = deque(maxlen=60)
        self._table = command_table(profile)
        self._random = Random(state)
        self._every = every
        self._kinds = kinds
        self._accent = accent
        self._out, self._back = Cable(), Cable()
        self._spoil_answer = False
        self._file: list[tuple[int, bytes]] = []
        self._write(self.engine.open(self.now))

    @property
    def ending(self) -> RunEnded | None:
        """How the run ended."""
        endings = [event for event in self.events if isinstance(event, RunEnded)]
        assert len(endings) <= 1
        return endings[0] if endings else None

    @property
    def digest(self) -> str:
        """SHA-256 over what the board executed of the file."""
        return digest(self.done)

    def _note(self, number: int | None, command: str) -> None:
        # What the board took for a command and did not know has moved nothing.
        known = number is not None or Command(command).code in self._table
        if known and not command.startswith(OURS):
            self.done.append(command)

    def _write(self, data: bytes) -> None:
        if not data:
            return
        if self._random.random() * self._every < 1:
            where = self._random.random()
            self._spoil_answer = where < 0.6
            if where > 0.4:
                self._send(self._out, data, "out")
                return
        self.talk.append(f"{self.now:.3f} > {data!r}")
        self._out.put(data, self.now)

    def _hear(self, data: bytes) -> None:
        if not data:
            return
        if self._accent is not None:
            data = self._accent(data)
        if self._spoil_answer:
            self._spoil_answer = False
            self._send(self._back, data, "back")
            return
        self.talk.append(f"{self.now:.3f} < {data!r}")
        self._back.put(data, self.now)

    def _send(self, cable: Cable, data: bytes, way: str) -> None:
        """Spoil one byte."""
        kind = self._random.choice(self._kinds)
        at = self._random.randrange(len(data))
        head, byte, tail = data[:at], data[at : at + 1], data[at + 1 :]
        late = 0.0
        match kind:
            case "lose":
                byte = b""
            case "double":
                byte *= 2
            case "change":
                changed = byte
                while changed == byte or (byte == b"N" and changed in b"GMT"):
                    changed = bytes([byte[0] ^ self._random.randrange(1, 256)])
                byte = changed
            case "delay":
                late = self._random.uniform(0.0, LONGEST_DELAY)
        self.faults[f"{kind} {way}"] += 1
        self.talk.append(
            f"{self.now:.3f} {kind} {way} {at} +{late:.2f} {head + byte + tail!r}"
        )
        cable.put(head, self.now)
        cable.put(byte + tail, self.now + late)

    def _turn(self) -> None:
        board, engine = self.board, self.engine
        if arrived := self._out.get(self.now):
            board.receive(arrived, self.now)
        self._hear(board.advance(self.now))
        busy = bool(arrived)
        if heard := self._back.get(self.now):
            busy = True
            self._write(engine.receive(heard, self.now))
            if engine.wants_upkeep:
                self._write(engine.upkeep(self.now))
                self.events += engine.take_events()
        if engine.hungry:
            part, self._file = self._file[:2000], self._file[2000:]
            complete = not self._file
            self._write(engine.supply(part, self.now, complete=complete))
        if busy:
            return
        due = (engine.deadline, board.next_time(), self._out.due, self._back.due)
        self.now = max(self.now, min(time for time in due if time is not None)) + 1e-9
        if engine.deadline is not None and self.now >= engine.deadline:
            self._write(engine.tick(self.now))
            self.events += engine.take_events()

    def until(self, done: Callable[[], object], limit: float = 50_000.0) -> None:
        """Let time pass until something is the case."""
        end, turns = self.now + limit, 0
        while not done():
            turns += 1
            assert self.now < end, "\n".join(self.talk)
            # Whoever asks for the time and does nothing with it would never come to rest.
            assert turns < 1000 + TURNS * (self.now - end + limit), "\n".join(self.talk)
            self._turn()

    def print(self, file: list[str]) -> None:
        """Get to know the board, then print to the end, whatever that is."""
        self.until(lambda: self.engine.phase is Phase.READY, 10_000.0)
        self.done.clear()
        self._file, offset = [], 0
        for command in file:
            offset += len(command) + 1
            self._file.append((offset, command.encode()))
        self._write(self.engine.begin(self.now))
        self.until(lambda: self.ending or self.engine.phase is Phase.HALTED)


def digest(commands: list[str]) -> str:
    """SHA-256 over commands, each ended by a line feed."""
    return sha256("".join(f"{command}\n" for command in commands).encode()).hexdigest()


def file_of(lines: int, state: int = 1) -> list[str]:
    """Make a file such as slicers write: short moves, retractions, fans, layers."""
    random = Random(state)
    x = y = 100.0
    z, e = 0.2, 0.0
    file = ["G21", "G90", "M82", "G28", "G92 E0", "M302 P1", "G1 Z0.2 F1200"]
    while len(file) < lines - 1:
        match random.random():
            case share if share < 0.005:
                z += 0.2
                file.append(f"G1 Z{z:.2f} F1200")
            case share if share < 0.01:
                file.append(f"M106 S{random.randrange(256)}")
            case share if share < 0.015:
                e = 0.0
                file.append("G92 E0")
            case share if share < 0.03:
                file.append(f"G1 E{e - 2:.5f} F2400")
                file.append(f"G1 E{e:.5f} F2400")
            case share if share < 0.035:
                file.append(f"G4 P{random.randrange(50)}")
            case share:
                x = min(190.0, max(10.0, x + random.uniform(-3, 3)))
                y = min(190.0, max(10.0, y + random.uniform(-3, 3)))
                e += 0.05
                speed = " F4800" if share < 0.1 else ""
                file.append(f"G1 X{x:.3f} Y{y:.3f} E{e:.5f}{speed}")
    return [*file[: lines - 1], "M84"]
