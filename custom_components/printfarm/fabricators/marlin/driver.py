"""A Marlin board on a port, as a fabricator of the farm."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import count
import logging
from pathlib import Path
from time import monotonic, time
from typing import override

from ..interface import (
    Capabilities,
    Checkpoint,
    EventListener,
    Fabricator,
    FabricatorConfig,
    FabricatorError,
    MachineEvent,
    MachineEventType,
    MachineState,
    Prompt as Asked,
    Result,
    SnapshotListener,
    StartOutcome,
    Task,
)
from . import view
from .connection import Connection
from .console import checked, heating
from .engine import Engine
from .events import (
    Ending,
    Event,
    Fault,
    Mark,
    Notification,
    Prompt,
    Ready,
    Reply,
    RunEnded,
    Runout,
    RunPaused,
    RunResumed,
    RunStarted,
    Silent,
    Temperatures,
)
from .gcodelog import GcodeLog
from .parking import standby
from .port import OpenPort, SerialPort
from .salvage import Salvage
from .session import Phase
from .stream import Stream
from .tape import Tape
from .usb import UsbIdentity

_LOGGER = logging.getLogger(__name__)

REPORT_INTERVAL = 0.25
"""Seconds between two looks at what merely creeps along: position, temperatures."""
CLOSE_GRACE = 5.5
"""Seconds that a print gets to be parked when we have to go: fewer than whoever closes
us waits, so that the port is closed in order and the end is told."""
_RESULTS = {
    Ending.COMPLETED: Result.COMPLETED,
    Ending.CANCELLED: Result.CANCELLED,
    Ending.FAILED: Result.FAILED,
}
_UNCERTAIN = frozenset({"connection_lost", "no_answer"})
"""Ends that leave open whether the machine has taken up a print."""


class MarlinFabricator(Fabricator):
    """Streams G-code to a board.

    The port is opened once and kept: opening resets most boards. A print ends with the
    connection, so a run from before a restart is never under way here.

    `open_port` connects a protocol to the board; without it the options `port` and
    `baudrate` say which serial port. `tape` is where lines are noted before they are
    sent, `lost` the checkpoint of a print that was cut off before there was this
    driver, `log_path` where every line is written down if somebody asks for it.
    """

    def __init__(
        self,
        config: FabricatorConfig,
        on_snapshot: SnapshotListener,
        on_event: EventListener,
        *,
        open_port: OpenPort | None = None,
        tape: Tape | None = None,
        lost: Checkpoint | None = None,
        log_path: Path | None = None,
    ) -> None:
        """Keep how to connect; opens nothing."""
        super().__init__(config, on_snapshot, on_event)
        release: Callable[[], None] = _nothing
        reopens = False
        if open_port is None:
            port = SerialPort(
                str(config.options["port"]),
                int(str(config.options["baudrate"])),
                UsbIdentity.read(config.options.get("usb")),
            )
            open_port, release, reopens = port.open, port.release, port.remote
        self._connection = Connection(
            config.name,
            open_port,
            Engine(tape, standby(str(config.options.get("standby"))), lost),
            release=release,
            reopens=reopens,
            on_turn=self._turn,
            on_state=self._refresh,
        )
        self._engine = self._connection.engine
        self._salvage = Salvage(self._engine, lost)
        wire = self._connection.wire
        self._log = GcodeLog(log_path, wire) if log_path is not None else None
        self._reported = 0.0
        self._asked: tuple[Prompt | None, Asked | None] = (None, None)
        """What was asked at the last look, in the words of the dialogue and ours."""
        self._stream: Stream | None = None
        self._read: Stream | None = None
        """The file that was read last: a thread may still be at it."""
        self._ended: MachineEvent | None = None
        self._tokens = count()
        self._replies: dict[object, asyncio.Future[tuple[str, ...]]] = {}

    @property
    @override
    def capabilities(self) -> Capabilities:
        """What the board said it can do."""
        engine = self._engine
        logs = self._log is not None
        return view.capabilities(engine.firmware, engine.readings, logs=logs)

    @override
    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost."""
        await self._connection.run()

    # Events, and what others see of it

    def _turn(self, now: float) -> float | None:
        """Hear what has happened, have the file read on, and report now and then."""
        engine = self._engine
        for event in engine.take_events():
            self._hear(event)
        if self._stream is not None and engine.hungry:
            self._stream.read(self._supply)
        state = self._connection.state
        asked = self._asked[0] is not engine.dialog.question
        turned = state is not self.snapshot.state or asked
        if turned or now - self._reported >= REPORT_INTERVAL:
            self._refresh(state=state)
        creeping = engine.running or self._behind()
        return now + REPORT_INTERVAL if creeping else None

    def _behind(self) -> bool:
        """Whether temperatures have changed since the last look."""
        nozzles = view.nozzles(self._engine.readings)
        bed = view.heater(self._engine.readings, "B")
        return nozzles != self.snapshot.nozzles or bed != self.snapshot.bed

    def _refresh(self, state: MachineState) -> None:
        """Take a new look and report it, if anything has changed."""
        engine, stream = self._engine, self._stream
        firmware = engine.firmware
        running = stream is not None and engine.running
        shown = engine.dialog.question or engine.dialog.prompt
        self._reported = monotonic()
        self._salvage.look()
        self._report(
            replace(
                self.snapshot,
                state=state,
                seen=engine.heard or self.snapshot.seen,
                run=stream.task.run if running and stream else None,
                file_name=stream.task.name if running and stream else None,
                position=engine.position if running else None,
                size=stream.size if running and stream else None,
                nozzles=view.nozzles(engine.readings),
                bed=view.heater(engine.readings, "B"),
                chamber=view.heater(engine.readings, "C"),
                message=shown.text if shown else engine.message,
                prompt=self._look_at_prompt(),
                error=engine.fault,
                resends=engine.resends if running else None,
                firmware=firmware.name if firmware else self.snapshot.firmware,
                model=firmware.machine if firmware else self.snapshot.model,
            )
        )

    def _tell(
        self,
        kind: MachineEventType,
        *,
        result: Result | None = None,
        reason: str | None = None,
        text: str | None = None,
        choices: tuple[str, ...] = (),
        checkpoint: Checkpoint | None = None,
    ) -> MachineEvent:
        """Hand out an event, after the snapshot that goes with it."""
        self._refresh(state=self._connection.state)
        run = self._stream.task.run if self._stream is not None else None
        event = MachineEvent(
            type=kind,
            run=run,
            result=result,
            reason=reason,
            text=text,
            choices=choices,
            checkpoint=checkpoint,
        )
        self._announce(event)
        return event

    def _hear(self, event: Event) -> None:
        match event:
            case Ready():
                self._connection.back()
            case Silent(reason):
                self._connection.silent(reason)
            case RunStarted():
                self._begun()
            case RunPaused(reason, text):
                self._tell(MachineEventType.PAUSED, reason=reason, text=text)
            case RunResumed():
                self._tell(MachineEventType.RESUMED)
            case RunEnded():
                self._over(event)
            case Reply():
                self._replied(event)
            case Prompt(text, buttons) if event is self._engine.dialog.question:
                self._tell(MachineEventType.PROMPT, text=text, choices=buttons)
            case Runout(text):
                self._tell(MachineEventType.FILAMENT_RUNOUT, text=text)
            case Fault(reason, text):
                self._tell(MachineEventType.ERROR, reason=reason, text=text)
            case Prompt() | Notification() | Temperatures():
                pass

    # A print

    @override
    async def start(self, task: Task) -> StartOutcome:
        """Begin to stream a file. Returns once the board works on its first line."""
        if task.gcode is None or self._stream is not None or not self._ready():
            return StartOutcome.REFUSED
        stream = self._stream = self._read = Stream(task)
        try:
            await stream.open()
        except OSError as error:
            _LOGGER.warning(
                "%s: cannot read %s: %s", self.config.name, task.name, error
            )
            self._stream = None
            return StartOutcome.REFUSED
        if not self._ready() or not self._salvage.fits(task.resume):
            self._stream = None
            stream.close()
            return StartOutcome.REFUSED
        self._salvage.cut_off(None)
        self._connection.do(lambda now: self._engine.begin(now, stream.resume))
        return await asyncio.shield(stream.outcome)

    def _ready(self) -> bool:
        return (
            self._engine.phase is Phase.READY and not self._connection.closing.is_set()
        )

    def _supply(self, commands: list[tuple[int, bytes]], fault: str | None) -> None:
        """A block of the file was read; an empty one is its end."""
        if fault is not None:
            ending = RunEnded(Ending.FAILED, "file_error", fault)
            self._connection.do(lambda now: self._engine.stop(now, ending))
        else:
            self._connection.do(
                lambda now: self._engine.supply(commands, now, complete=not commands)
            )

    def _begun(self) -> None:
        if self._stream is not None and not self._stream.outcome.done():
            self._stream.outcome.set_result(StartOutcome.STARTED)
            self._tell(MachineEventType.STARTED)

    def _over(self, ending: RunEnded) -> None:
        """Close the books on a run, once.

        One that ended before the board reacted to its first line was either never
        begun, or nobody knows; neither was started, so neither is announced as ended.
        """
        stream = self._stream
        if stream is None:
            return
        stream.close()
        if not stream.outcome.done() and ending.ending is Ending.FAILED:
            if not self._engine.sent_file_line:
                self._drop(StartOutcome.REFUSED)
                return
            if ending.reason in _UNCERTAIN:
                self._drop(StartOutcome.UNKNOWN)
                return
        self._begun()
        result = _RESULTS[ending.ending]
        reason = ending.reason
        if reason == "no_answer" and self._connection.reopens:
            reason = "connection_lost"
        checkpoint = self._checkpoint(stream, ending.mark)
        self._salvage.cut_off(checkpoint)
        self._ended = self._tell(
            MachineEventType.ENDED,
            result=result,
            reason=reason,
            text=ending.text,
            checkpoint=checkpoint,
        )
        self._stream = None

    def _drop(self, outcome: StartOutcome) -> None:
        assert self._stream is not None
        self._stream.outcome.set_result(outcome)
        self._stream = None
        self._refresh(state=self._connection.state)

    @override
    async def pause(self) -> None:
        """Stop feeding and park; `PAUSED` follows once the head stands aside."""
        if self._engine.phase not in {Phase.PRINTING, Phase.PAUSING, Phase.PAUSED}:
            raise FabricatorError("not_printing")
        self._connection.do(self._engine.pause)

    @override
    async def resume(self) -> None:
        """Return to the print, or answer the dialogue that holds it."""
        if self._engine.phase is not Phase.PAUSED:
            raise FabricatorError("not_paused")
        self._connection.do(self._engine.resume)

    @override
    async def cancel(self) -> None:
        """Drop the print; `ENDED` follows once the machine is cold and still."""
        if not self._engine.running:
            raise FabricatorError("not_printing")
        self._connection.do(self._engine.cancel)

    @override
    async def outcome(self, run: int) -> MachineEvent | None:
        """A run that is not held here ended with its connection: nobody knows how."""
        if self._stream is not None and self._stream.task.run == run:
            return None
        if self._ended is not None and self._ended.run == run:
            return self._ended
        return await super().outcome(run)

    # What it asks of a person

    def _look_at_prompt(self) -> Asked | None:
        """Give what is asked now, with the time at which it was first seen."""
        question = self._engine.dialog.question
        if question is not self._asked[0]:
            asked = None if question is None else view.prompt(question, time())
            self._asked = (question, asked)
        return self._asked[1]

    @override
    async def answer(self, choice: int) -> None:
        """Press a button of the dialogue that is open, ahead of all that waits."""
        question = self._engine.dialog.question
        if question is None or not self._connection.open:
            raise FabricatorError("no_prompt")
        if not 0 <= choice < len(question.buttons):
            raise FabricatorError("invalid_choice")
        self._connection.do(lambda now: self._engine.answer(choice, now))
        self._refresh(state=self._connection.state)

    # What outlives a print that is cut off

    @override
    def checkpoint(self) -> Checkpoint | None:
        """How far the print has come; None before its first line was sent."""
        if self._stream is None:
            return None
        return self._checkpoint(self._stream, self._engine.mark())

    def _checkpoint(self, stream: Stream, mark: Mark | None) -> Checkpoint | None:
        """Put to it when it was and which file: what lies before is read there."""
        if mark is None:
            return None
        data = {**mark.data, "file": str(stream.task.gcode)}
        return Checkpoint(position=mark.position, at=time(), data=data)

    @override
    async def locate(self, checkpoint: Checkpoint) -> Checkpoint:
        """Say how far a print really came. Asks no more than the board has said."""
        return await self._salvage.locate(checkpoint)

    # What went over the wire

    @override
    async def wire(self) -> tuple[str, ...]:
        """Last lines in both directions."""
        return self._connection.wire.lines()

    @override
    async def set_gcode_log(self, on: bool) -> None:
        """Write every line to a file from now on, or stop doing so."""
        if self._log is None:
            raise FabricatorError("not_supported")
        if on:
            self._log.begin()
        else:
            await self._log.end()

    # Single commands

    @override
    async def command(self, line: str) -> tuple[str, ...]:
        """Slip in one command; waits as long as the board works on it."""
        command = checked(line)
        if not self._connection.open:
            raise FabricatorError("not_connected")
        token = next(self._tokens)
        reply: asyncio.Future[tuple[str, ...]] = (
            asyncio.get_running_loop().create_future()
        )
        self._replies[token] = reply
        try:
            self._connection.do(lambda now: self._engine.send(token, command, now))
            return await reply
        finally:
            self._replies.pop(token, None)

    def _replied(self, reply: Reply) -> None:
        future = self._replies.get(reply.token)
        if future is None or future.done():
            return
        if reply.error is None:
            future.set_result(reply.lines)
        else:
            future.set_exception(FabricatorError(reply.error))

    @override
    async def set_target(self, heater: str, celsius: float) -> None:
        """Set a target temperature and return at once; heating takes its time."""
        await self.command(heating(heater, celsius))

    # The end

    @override
    def give_up(self) -> None:
        """A print that is about to be stopped leaves nothing warm."""
        self._engine.give_up()

    @override
    async def close(self) -> None:
        """Let go of the port. A print is parked first: nobody would watch its heaters."""
        connection = self._connection
        connection.closing.set()
        if self._engine.running and connection.open:
            stopped = RunEnded(Ending.FAILED, "stopped")
            connection.do(lambda now: self._engine.stop(now, stopped))
            if (stream := self._stream) is not None:
                try:
                    async with asyncio.timeout(CLOSE_GRACE):
                        await stream.closed.wait()
                except TimeoutError:
                    connection.write(self._engine.stand_by())
        await connection.close()
        if self._read is not None:
            await self._read.gone()
        if self._log is not None:
            await self._log.end()


def _nothing() -> None:
    """There is no port to be given back."""
