"""The course of one print: feeding, pausing, coming back, and its end.

STARTING -> PRINTING -> FINISHING
PRINTING -> PAUSING -> PAUSED -> RESUMING -> PRINTING
any -> CANCELLING
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from ..interface import JsonValue, Resume
from . import checkpoint, parking, recovery
from .answers import Action, Busy
from .checkpoint import Heard
from .commands import ASKS_HOST, INTERRUPTIBLE, WAITS_FOR_PERSON, code
from .events import Ending, Mark, RunEnded, RunPaused, RunResumed, RunStarted
from .lookout import Lookout
from .modal import Modal
from .session import Phase, Session
from .wire import Kind, Line

PREPARED = 32
"""File lines encoded ahead. Few at a time, because the next `ok` waits for that."""
BACKLOG = 2000
"""File lines wanted in memory."""


class Course:
    """What is under way with a file. Sends by way of the session."""

    def __init__(self, session: Session, standby: parking.Standby) -> None:
        """Start with nothing to print; `standby` says how a stopped print is left."""
        self.position = 0
        """Byte offset in the file behind the last accepted line."""
        self.sent_file_line = False
        """Whether a line of the file has left in this run."""
        self.modal = Modal()
        self.lookout = Lookout()
        """What is known of the board since a print was cut off."""
        self._session = session
        self._link = session.link
        self._backlog: deque[tuple[int, bytes]] = deque()
        self._complete = True
        self._started = False
        self._rest: parking.Rest | None = None
        self._reason: tuple[str, str | None] = ("user", None)
        self._held = False
        """The firmware waits for a person."""
        self._held_by: Line | None = None
        self._going_on = False
        """Answer whatever the machine asks, so that it goes on."""
        self.standby = standby
        self._stopping: RunEnded | None = None
        """What to say once the head stands aside."""
        self._returning = False
        """The head is on its way back to the print."""
        self._still = False
        """Nothing is under way on the board: all that it was told is done."""
        self._resume: Resume | None = None
        self._stages: deque[recovery.Stage] = deque()
        self._stage: recovery.Stage | None = None
        """What is under way until a print that was cut off goes on."""
        self._targets: dict[str, float] | None = None
        """Temperatures of the print, once they are not those of the machine any more."""

    @property
    def hungry(self) -> bool:
        """Whether `supply` should be called."""
        return not self._complete and len(self._backlog) < BACKLOG

    # The plain way through

    def begin(self, now: float, resume: Resume | None) -> None:
        """Begin to count lines at zero; bytes as well, unless a print is taken up."""
        self._session.phase = Phase.STARTING
        self.lookout.settled()
        self._resume = resume
        self.position = resume.checkpoint.position if resume is not None else 0
        self.sent_file_line = self._started = self._complete = False
        self._backlog.clear()
        self.modal = self.modal.begin()
        self._rest = self._stopping = self._targets = None
        self._returning = self._still = False
        if self._link.tape is not None:
            self._link.tape.clear()
        self.count_from_zero(now)

    def count_from_zero(self, now: float) -> None:
        """Reset line numbers. The M105 behind M110 proves that both sides agree."""
        self._link.renumber(now)
        self._session.perform([b"M105"], self._counted)

    def _counted(self, now: float) -> None:
        if self._resume is None:
            self._feed(now)
        else:
            self._recover(self._resume, now)

    def _recover(self, resume: Resume, now: float) -> None:
        """Bring back all that the next line takes for granted, stage by stage.

        From here on the print is under way: if it is cut off, it can be taken up again.
        """
        self.sent_file_line = True
        self.note_start()
        self.modal = recovery.modal(resume)
        self._rest = checkpoint.rest_from_json(resume.checkpoint.data.get("parked"))
        self._targets = recovery.targets(resume)
        self._stages.extend(recovery.stages(resume, self._session.firmware))
        self._next_stage(now)

    def _next_stage(self, now: float) -> None:
        session = self._session
        if self._stages:
            stage = self._stages.popleft()
            self._stage = stage
            self.modal.homed = stage.homed
            session.perform(stage.commands(session.position), self._next_stage)
            # What the next one wants to know is asked at the end of this one.
            session.position = None
            return
        self._stage = self._rest = self._targets = None
        self._feed(now)

    def supply(self, commands: Iterable[tuple[int, bytes]], *, complete: bool) -> None:
        """Take file lines; `complete` says that they were the last."""
        self._backlog.extend(commands)
        self._complete = self._complete or complete

    def account(self) -> list[Line]:
        """Follow up on lines that were accepted; gives back those of others."""
        answered, self._link.answered = self._link.answered, []
        apply = self.modal.apply
        others = []
        last = None
        for line in answered:
            if line.kind is Kind.FILE:
                last = line
                apply(line.command)
                if line is self._held_by:
                    self._let_go()
            elif line.auxiliary is not None:
                apply(line.command)
                others.append(line)
        if last is not None:
            self.position = last.offset
            self.note_start()
        return others

    def note_start(self) -> None:
        """The board has reacted to the file."""
        if not self._started:
            self._started = True
            self._session.events.append(RunStarted())

    def prepare(self, now: float) -> None:
        """Encode ahead, up to a line that is meant for the host."""
        feed, backlog = self._link.feed, self._backlog
        if self._session.phase is not Phase.PRINTING or len(feed) >= PREPARED // 2:
            return
        chunk: list[tuple[int, bytes]] = []
        while backlog and len(chunk) < PREPARED and not _asks_host(backlog[0][1]):
            chunk.append(backlog.popleft())
        self._link.prepare(chunk)
        if feed or not self._link.idle:
            return
        if backlog:
            self.position, command = backlog.popleft()
            self.note_start()
            self.pause("file", command.decode("ascii", "replace"), now)
        elif self._complete:
            self._finish()

    def _feed(self, _now: float) -> None:
        self._session.phase = Phase.PRINTING
        self._link.feeding = True

    def _stop_feeding(self) -> None:
        self._link.feeding = self._link.steady = False

    def _finish(self) -> None:
        """Wait until the last move is done. The M105 behind M400 cannot be mistaken."""
        self._session.phase = Phase.FINISHING
        self._stop_feeding()
        self.note_start()
        done = RunEnded(Ending.COMPLETED)
        self._session.perform([b"M105", b"M400", b"M105"], lambda _: self.end(done))

    # Pausing

    def pause(self, reason: str, text: str | None, now: float) -> None:
        """Stop feeding, let the machine come to rest, and park."""
        session = self._session
        if session.phase is not Phase.PRINTING:
            return
        session.phase = Phase.PAUSING
        self._stop_feeding()
        self._reason = (reason, text)
        self._backlog.extendleft(reversed(self._link.unprepare()))
        session.position = None
        session.perform([b"M400", b"M114"], self._park)
        self._link.pump(now)

    def _park(self, _now: float) -> None:
        self._rest = self._aside()
        self._session.perform(parking.leave(self._rest), self._parked)

    def _aside(self) -> parking.Rest:
        session = self._session
        return parking.rest(
            self.modal,
            session.position,
            session.firmware,
            self._temperatures,
            session.nozzle,
        )

    @property
    def _temperatures(self) -> dict[str, float]:
        """Targets of the print, those that are on."""
        if self._targets is not None:
            return self._targets
        return {
            name: target for name, target in self._session.targets.items() if target
        }

    def _parked(self, now: float) -> None:
        self._still = True
        if self._stopping is not None:
            self._stand_by(now)
            return
        self._session.phase = Phase.PAUSED
        self._session.events.append(RunPaused(*self._reason))

    def resume(self, now: float) -> None:
        """Go back to the print, or answer the dialogue that holds it."""
        session = self._session
        if self._held:
            self._going_on = True
            self._link.urgent(session.dialog.go_on(), now)
        elif session.phase is Phase.PAUSED and (rest := self._rest) is not None:
            session.phase = Phase.RESUMING
            session.position = None
            session.perform(
                [*parking.reheat(rest, session.targets), b"M400", b"M114"],
                partial(self._return, rest),
            )

    def _return(self, rest: parking.Rest, _now: float) -> None:
        self._returning, self._still = True, False
        commands = parking.come_back(rest, self.modal, self._session.position)
        self._session.perform(commands, partial(self._returned, rest))

    def _returned(self, rest: parking.Rest, now: float) -> None:
        self.modal = rest.modal.copy()
        self._rest = None
        self._returning = False
        if self._stopping is not None:
            self._leave_for_good(now)
            return
        self._feed(now)
        self._session.events.append(RunResumed())

    # The machine's own pauses

    def heard_action(self, action: Action, now: float) -> None:
        """Do what the machine's menu asks of the host."""
        if self._going_on and action.name == "prompt_show":
            self._link.urgent(self._session.dialog.go_on(), now)
        match action.name:
            case "pause":
                self.pause("host_action", action.text or None, now)
            case "paused" if self._session.phase is Phase.PRINTING:
                self._hold(action.text or None)
            case "resumed" if self._held:
                self._let_go()
            case "resume" if not self._held:
                self.resume(now)
            case "cancel":
                self.cancel(RunEnded(Ending.CANCELLED, "host_action"), now)

    def heard_busy(self, busy: Busy, now: float) -> None:
        """A line is being worked on, or waits for a person."""
        head = self._link.head
        self.heard_life()
        if not busy.reason.startswith("paused"):
            return
        if self._session.phase is Phase.PRINTING and head is not None:
            self._hold(None, by_head=True)
        elif self._going_on:
            if self._session.dialog.prompt is None:
                self._link.urgent(b"M108", now)
            return
        if head is not None:
            self._session.wait_for_person(head, held=self._held)

    def heard_life(self) -> None:
        """The line in flight is being worked on: if it is the file's, we have begun."""
        head = self._link.head
        if head is not None and head.kind is Kind.FILE:
            self.note_start()

    def _hold(self, text: str | None, *, by_head: bool = False) -> None:
        """The firmware waits for a person by itself (M600, runout, its own menu).

        The `ok` of a command that waits is as good a sign of its end as a word to the
        host, which not every board says.
        """
        head = self._link.head
        waits = head is not None and code(head.command) in WAITS_FOR_PERSON
        self._held_by = head if waits or by_head else None
        self._held = True
        self._stop_feeding()
        self._session.phase = Phase.PAUSED
        self._session.events.append(RunPaused("firmware", text))

    def _let_go(self) -> None:
        self._held = self._going_on = False
        self._held_by = None
        self._session.dialog.settle()
        self._link.feeding = True
        self._session.phase = Phase.PRINTING
        self._session.events.append(RunResumed())

    # The end

    def cancel(self, ending: RunEnded, now: float) -> None:
        """End early. What waits for heat or for a person is cut short first."""
        session = self._session
        if not session.running or session.phase is Phase.CANCELLING:
            return
        session.phase = Phase.CANCELLING
        self._drop_file()
        self._cut_short(now)
        session.position = None
        session.perform([*self._cold(), b"M114"], partial(self._abandon, ending))

    def _cold(self) -> list[bytes]:
        chamber = self._session.can("CHAMBER_TEMPERATURE")
        return parking.cool(self.modal, self._tools, chamber=chamber)

    @property
    def _tools(self) -> int:
        firmware = self._session.firmware
        return (firmware and firmware.extruders) or 1

    def _drop_file(self) -> None:
        self._stop_feeding()
        self._link.feed.clear()
        self._backlog.clear()
        self._complete = True

    def _cut_short(self, now: float) -> None:
        """Let nothing wait any more for heat or for a person."""
        head = self._link.head
        name = code(head.command) if head is not None else b""
        self._going_on = self._held or name in WAITS_FOR_PERSON
        self._held, self._held_by = False, None
        dialog = self._session.dialog
        if self._going_on and dialog.question is not None:
            self._link.urgent(dialog.go_on(), now)
        elif name in INTERRUPTIBLE:
            self._link.urgent(b"M108", now)

    def _abandon(self, ending: RunEnded, _now: float) -> None:
        """Get off the print, as far up and aside as is known to be safe."""
        session, modal, rest = self._session, self.modal, self._rest
        leave = [b"M84"]
        if rest is not None and rest.position is not None and session.position:
            up = parking.lift(modal, session.position, session.firmware)
            away = rest.position.z + rest.move[2] - session.position.z
            up = round(max(0.0, min(up, away)), 2)
            leave = parking.abandon((0.0, 0.0, up), 0.0)
        elif modal.moved or modal.homed:
            aside = self._aside()
            leave = parking.abandon(aside.move, aside.retracted)
        session.perform([*leave, b"M400", b"M105"], lambda _: self._abandoned(ending))

    def stop(self, ending: RunEnded, now: float) -> None:
        """End early, so that the print can be taken up again: park, then stand by.

        Heaters first: there may be little time. A print that is all but done goes on.
        """
        session = self._session
        phase = session.phase
        if not session.running:
            return
        if phase in {Phase.CANCELLING, Phase.FINISHING}:
            self._cool_at_once(now)
            return
        self._stopping = ending
        self._targets = self._temperatures
        self._drop_file()
        if phase is Phase.PAUSING or self._returning:
            self._cool_at_once(now)
            return
        session.phase = Phase.CANCELLING
        self._cut_short(now)
        self._cool_at_once(now)
        if self._rest is not None or self._stage is not None:
            self._stand_by(now)
        else:
            self._leave_for_good(now)

    def _cool_at_once(self, now: float) -> None:
        """Do not wait for the line in flight, which may wait for moves or for heat.

        The board acts on it as soon as it can, also if we are killed meanwhile. Whoever
        sends heaters to standby in turn does so all the same: a resend drops this.
        """
        if self._link.head is None:
            return
        commands = self._cold() if self._stopping is None else self.standing_by()
        for command in commands:
            self._link.urgent(command, now)

    def _leave_for_good(self, _now: float) -> None:
        session = self._session
        session.phase = Phase.CANCELLING
        session.position = None
        session.perform([*self.standing_by(), b"M114"], self._park_for_good)

    def _park_for_good(self, now: float) -> None:
        self._rest = self._aside()
        commands = [*parking.leave(self._rest), b"M105"]
        self._session.perform(commands, self._stopped)

    def _stand_by(self, _now: float) -> None:
        self._session.phase = Phase.CANCELLING
        commands = [*self.standing_by(), b"M400", b"M105"]
        self._session.perform(commands, self._stopped)

    def _stopped(self, _now: float) -> None:
        self._still = True
        if self._stopping is not None:
            self.end(self._stopping, Heard(reset=False))

    def standing_by(self) -> list[bytes]:
        """Commands that leave the machine as it was chosen."""
        targets = self._rest.targets if self._rest is not None else self._temperatures
        return parking.stand_by(self.standby, self.modal, targets, self._tools)

    def _abandoned(self, ending: RunEnded) -> None:
        """The next print finds the modes that its slicer expects."""
        moved = self.modal.moved
        self.end(ending)
        if moved:
            self.forget()

    def forget(self) -> None:
        """The board has its modes of the beginning."""
        self.modal = Modal()

    def end(self, ending: RunEnded, heard: Heard = Heard()) -> None:
        """The run is over; nothing of it is left but how far it came."""
        if ending.ending is Ending.FAILED and self.sent_file_line:
            mark = self.mark()
            ending = replace(ending, mark=mark)
            self.lookout.cut_off(mark.data, heard=heard)
        self._drop_file()
        self._rest = self._stopping = self._targets = self._stage = None
        self._stages.clear()
        self._held = self._going_on = self._returning = False
        self._held_by = None
        self._session.abandon_script()
        self._session.dialog.settle()
        self._session.phase = Phase.READY
        self._session.events.append(ending)

    def mark(self) -> Mark:
        """How far the print has come, and what it takes to go on from there."""
        link = self._link
        # What others asked for is answered by whoever looks next.
        link.answered = self.account()
        stage = self._stage
        lost: dict[str, JsonValue] = {}
        if stage is not None and stage.height is not None:
            # The board does not know yet where it is.
            lost = {"astray": True, "height": stage.height}
        return Mark(
            self.position,
            {
                **lost,
                "modal": checkpoint.modal_to_json(self.modal),
                "z": self.modal.z,
                "targets": {**self._temperatures},
                "planned": self._session.planned,
                "numbered": link.numbered[0],
                "lines": [[*line] for line in link.file_lines(checkpoint.LINES)],
                "still": self._still,
                "parked": checkpoint.rest_to_json(self._rest),
            },
        )


def _asks_host(command: bytes) -> bool:
    """Cheap look at the first letter before the full one: this runs for every line."""
    return command[:1] in {b"M", b"m"} and code(command) in ASKS_HOST
