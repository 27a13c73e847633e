"""What every protocol fills, so that the farm can drive any machine the same way.

A driver owns one connection to one machine. It reports what it sees as frozen
`Snapshot`s and `MachineEvent`s, and does what it is told. It knows nothing about
queues, beds or other machines. Where it cannot tell, it says `UNKNOWN`: never a
guess, because the farm starts a second print on the strength of its word.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar


class MachineState(StrEnum):
    """What a machine is doing, as far as its driver can see."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    IDLE = "idle"
    PREPARING = "preparing"
    PRINTING = "printing"
    PAUSED = "paused"
    ERROR = "error"
    UNKNOWN = "unknown"


class Result(StrEnum):
    """How a run ended. `UNKNOWN` is an answer, not an error."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNKNOWN = "unknown"
    NOT_STARTED = "not_started"
    """Certainly never begun: the start did not come to the machine."""


class StartOutcome(StrEnum):
    """What became of the one start that was sent."""

    STARTED = "started"
    REFUSED = "refused"
    """Certainly not begun: the machine said no, or the start never left us."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Temperature:
    """One heater in °C; `None` where the machine has not said."""

    actual: float | None = None
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a machine asks of a person, and the answers that it takes, in their order."""

    text: str
    choices: tuple[str, ...]
    at: float
    """Unix time at which it was asked: the same words may be asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One look at a machine. Replaced as a whole, never changed.

    `run` is the job id that `start` was given while that run is under way, and None
    for a print that we did not start. `position` is the byte offset in the plain
    G-code up to which commands were executed; `size` is its length. Times are
    seconds, lengths mm, `seen` is `time.monotonic()` of the machine's last word.
    """

    state: MachineState = MachineState.OFFLINE
    seen: float | None = None
    run: int | None = None
    file_name: str | None = None
    position: int | None = None
    size: int | None = None
    progress: float | None = None
    """0 to 1 as the machine says it, for machines that have no `position`."""
    layer: int | None = None
    layers: int | None = None
    elapsed: float | None = None
    remaining: float | None = None
    nozzles: tuple[Temperature, ...] = ()
    bed: Temperature | None = None
    chamber: Temperature | None = None
    message: str | None = None
    """What the machine shows on its display or asks of a person."""
    prompt: Prompt | None = None
    """What it waits for an answer to; None again once it was given one."""
    error: str | None = None
    firmware: str | None = None
    model: str | None = None
    resends: int | None = None
    """Lines of this run that had to be sent again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a machine can do. An unknown build volume or tool count fits everything."""

    accepts: frozenset[str] = frozenset({"gcode"})
    """`gcode` (plain, unpacked by the library), `3mf` (the packed original)."""
    build_volume: tuple[float, float, float] | None = None
    tools: int | None = None
    bed: bool = True
    chamber: bool = False
    pause: bool = True
    gcode: bool = True
    """Takes single G-code commands."""
    temperatures: bool = True
    """Takes target temperatures."""
    position: bool = True
    """Reports `Snapshot.position`, so layers and times come from the file's index."""
    gcode_log: bool = False
    """Can write down every line that goes over the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """How far a print came, kept so that it can be taken up after it was cut off."""

    position: int
    """Byte offset in the plain G-code up to which commands were accepted."""
    at: float
    """Unix time at which it was taken."""
    data: Mapping[str, JsonValue] = field(default_factory=dict)
    """What the driver itself needs to know to go on; plain JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Where a cut off print is to go on, and what its file has set up to there.

    Lengths in mm, also where the file counts in inches; the feed rate is in mm/min, or
    inches/min then. `x` to `e` are logical coordinates: where the next line believes
    to be.
    """

    checkpoint: Checkpoint
    x: float | None = None
    y: float | None = None
    z: float | None = None
    e: float = 0.0
    highest: float | None = None
    """Greatest height that the file has extruded at."""
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
    """M220 and M221 in %."""
    extruded: bool = False
    """Whether filament was pushed out at all."""
    retracted: float = 0.0
    """Filament that is pulled back at this point."""
    leveling: bool = False
    """Whether the file has had the bed probed (G29) or its mesh switched on (M420)."""
    setup: tuple[str, ...] = ()
    """Further commands that later lines rely on, such as limits (M201 to M205, M900)."""


class MachineEventType(StrEnum):
    """Edges that a snapshot alone could miss."""

    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    ENDED = "ended"
    FILAMENT_RUNOUT = "filament_runout"
    ERROR = "error"
    PROMPT = "prompt"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineEvent:
    """Something that happened on a machine. `result` is set for `ENDED` only.

    `reason` is a code in snake_case where there is one (`heater_fault`, `reset`,
    `connection_lost`, `user`), `text` the machine's own words.
    """

    type: MachineEventType
    run: int | None = None
    result: Result | None = None
    reason: str | None = None
    text: str | None = None
    choices: tuple[str, ...] = ()
    """For `PROMPT`: the answers that the machine takes."""
    at: float | None = None
    """Unix time at which it happened, where it is told later than that."""
    checkpoint: Checkpoint | None = None
    """For a run that was cut off and can be taken up again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One print to be done: the job's id and where its file lies."""

    run: int
    name: str
    source: Path
    """The file as it was uploaded."""
    gcode: Path | None
    """The plain G-code of the chosen plate, for machines that are streamed to."""
    plate: int = 1
    resume: Resume | None = None
    """Go on from there, instead of beginning at the first line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricatorConfig:
    """One fabricator as it was configured. `options` are the protocol's own fields."""

    key: str
    """Stable and unique: the id of the config subentry."""
    name: str
    protocol: str
    options: Mapping[str, object] = field(default_factory=dict)


type JsonValue = (
    str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None
)
type SnapshotListener = Callable[[Snapshot], None]
type EventListener = Callable[[MachineEvent], None]


class FabricatorError(Exception):
    """A driver could not do what it was asked. `key` names the fault for translation."""

    def __init__(self, key: str, text: str | None = None) -> None:
        """Keep the key, and the machine's own words where there are any."""
        super().__init__(text or key)
        self.key = key
        self.text = text


class Fabricator(ABC):
    """One machine. Everything runs in one event loop; nothing blocks it.

    Methods raise `FabricatorError`. Listeners are called in the loop, in order, and
    the snapshot is updated before the event that goes with it is handed out.
    """

    outlives_host: ClassVar[bool] = False
    """Whether a run goes on by itself when our host ends."""

    def __init__(
        self,
        config: FabricatorConfig,
        on_snapshot: SnapshotListener,
        on_event: EventListener,
    ) -> None:
        """Keep the configuration and listeners; connects to nothing yet."""
        self.config = config
        self.snapshot = Snapshot()
        self._on_snapshot = on_snapshot
        self._on_event = on_event

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What the machine can do, as far as is known now."""

    @abstractmethod
    async def run(self) -> None:
        """Connect, watch and reconnect until cancelled. One dead machine waits here alone."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of the machine in an orderly way. Safe to call twice, and before `run`.

        A run ends safely (heaters off) and is reported as ended.
        """

    async def leave(self) -> None:
        """Our host stops: let go of the machine, but not of a run that needs no host.

        As `close` otherwise, and where nothing outlives us.
        """
        await self.close()

    def give_up(self) -> None:  # noqa: B027 - often nothing stays warm
        """Nobody takes up a print that ends from now on: it leaves nothing warm."""

    async def transfer(self, task: Task) -> None:  # noqa: B027 - often nothing to do
        """Bring the file to the machine. Nothing to do where it is streamed."""

    @abstractmethod
    async def start(self, task: Task) -> StartOutcome:
        """Send the start of this task, once. Never repeats it by itself."""

    @abstractmethod
    async def pause(self) -> None:
        """Pause the running print; returns once the machine has been told."""

    @abstractmethod
    async def resume(self) -> None:
        """Go on with a paused print."""

    @abstractmethod
    async def cancel(self) -> None:
        """End the running print; `ENDED` follows as an event."""

    async def answer(self, choice: int) -> None:
        """Answer the prompt of the snapshot; the first choice is 0.

        `no_prompt` where none is open, `invalid_choice` where it has no such choice.
        """
        raise FabricatorError("not_supported")

    @abstractmethod
    async def command(self, line: str) -> tuple[str, ...]:
        """Send one G-code command and give back what the machine answered, line by line."""

    @abstractmethod
    async def set_target(self, heater: str, celsius: float) -> None:
        """Set the target of `nozzle`, `nozzle1`, `bed` or `chamber`; 0 is off."""

    async def outcome(self, run: int) -> MachineEvent | None:
        """How did this run, started before a restart of ours, end?

        None: it is still under way here. Else the event of its end, with the result
        `UNKNOWN` if this machine cannot tell.
        """
        return MachineEvent(type=MachineEventType.ENDED, run=run, result=Result.UNKNOWN)

    async def forget(self, run: int) -> None:  # noqa: B027 - often nothing to do
        """The end of this run is written down for good: nobody will ask again."""

    def checkpoint(self) -> Checkpoint | None:
        """How far the run under way has come; None where it cannot be taken up."""
        return None

    async def locate(self, checkpoint: Checkpoint) -> Checkpoint:
        """Ask the machine how far a run that was cut off really came."""
        return checkpoint

    async def wire(self) -> tuple[str, ...]:
        """Last lines that went over the wire, oldest first, for a report of a bug."""
        return ()

    async def set_gcode_log(self, on: bool) -> None:
        """Write down every line from now on, or stop doing so."""
        raise FabricatorError("not_supported")

    def _report(self, snapshot: Snapshot) -> None:
        """Replace the snapshot and tell the listener, if anything changed."""
        if snapshot != self.snapshot:
            self.snapshot = snapshot
            self._on_snapshot(snapshot)

    def _announce(self, event: MachineEvent) -> None:
        """Hand out an event."""
        self._on_event(event)
