"""The firmware's main loop: reads lines, runs commands, reports by itself.

Sans-I/O: bytes and firmware time go in, bytes come out. Nothing here looks at a clock
or a port, so the same board runs in real time, faster, or under a test's own time.
"""

from collections import deque
from collections.abc import Callable
from hashlib import sha256
from math import inf

from .commands import Handler, Wait, command_table
from .console import Console
from .faults import FaultCounter, Faults
from .gcode import Command
from .line import Line, LineError, LineReader
from .motion import Motion
from .planner import Position
from .profile import BoardProfile
from .reports import Reports
from .texts import banner
from .thermal import Thermal

_HALT_DELAY = 3.0
"""From a thermal fault to the kill: the firmware beeps for that long."""

_EARLY = ("M108", "M112", "M410")
"""Acted on as soon as their line is read, where no emergency parser did so before."""


class Board:
    """One emulated board. Times are firmware seconds and never go back."""

    def __init__(self, profile: BoardProfile, *, faults: Faults | None = None) -> None:
        """Power the board up at firmware time 0."""
        self.profile = profile
        self.faults = FaultCounter(faults or Faults())
        self.motion = Motion(profile)
        self.thermal = Thermal(profile)
        self.now = 0.0
        self.executed: Callable[[int | None, str], None] | None = None
        """Called for each command as its execution begins: line number, command."""
        self._digest = sha256()
        self._reader = LineReader(profile, self.faults, self._on_emergency)
        self._table: dict[str, Handler] = command_table(profile)
        self.console = Console(profile)
        self.reset(0.0)

    # Seen from the wire

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes from the host. They are worked on by the next `advance`."""
        self._catch_up(now)
        if self.listening:
            self._reader.feed(data)

    def advance(self, now: float, *, limit: int | None = None) -> bytes:
        """Run up to firmware time `now` and give back what the firmware writes.

        With `limit` it stops after that many commands; `next_time` then tells that
        there is more to do at once.
        """
        self._budget = inf if limit is None else float(limit)
        self._work()
        self._catch_up(now)
        return self.console.take()

    def next_time(self) -> float | None:
        """When the board next does something by itself; None for never."""
        if self._hung or self.killed:
            return None
        if self._boot_at is not None:
            return self._boot_at
        if self._budget <= 0 and (self._queue or self._reader.pending):
            return self.now
        due = min(self.reports.next_time(), self._halt_at, self.thermal.fault_at())
        if self._halt_at == inf:
            if self.motion.planner.cleaning_until > self.now:
                due = min(due, self.motion.planner.cleaning_until)
            elif self._waiting is not None:
                due = min(due, self._wake)
        return None if due == inf else due

    def reset(self, now: float) -> None:
        """Press reset, or pull DTR. Temperatures stay, everything else is forgotten."""
        self.now = max(now, self.now)
        self.thermal.off(self.now)
        self.motion.reset()
        self._reader.clear()
        self.reports = Reports(self)
        self.killed = False
        self.console.forget()
        self.waiting_for_heat = False
        self.cold_extrusion = False
        self.min_extrude = self.profile.min_extrude
        self.fan = 0
        self.ok_text: str | None = None
        self._queue: deque[Line] = deque()
        self._injected: deque[str] = deque()
        self._waiting: Wait | None = None
        """The command under way, where it takes time."""
        self._acknowledging = True
        """Whether that command came from the host, which waits for its `ok`."""
        self._wake = inf
        self._poked = False
        self._hung = False
        self._halt_at = inf
        self._budget = inf
        self._boot_at: float | None = self.now + self.profile.boot_time

    # Looked at from outside

    @property
    def listening(self) -> bool:
        """Whether bytes from the host are taken at all."""
        return self._boot_at is None and not self.killed and not self._hung

    @property
    def working(self) -> bool:
        """Whether the board is busy with something that ends by itself.

        False while it idles or waits for a person: then time passes at its own pace.
        """
        if self._boot_at is not None or self._halt_at < inf:
            return True
        if self.console.paused_for_user or not self.listening:
            return False
        return self._waiting is not None or bool(self._queue)

    @property
    def position(self) -> Position:
        """Where the nozzle is right now, in machine coordinates (mm)."""
        return self.motion.planner.where(self.now, self.motion.position)

    @property
    def temperatures(self) -> dict[str, tuple[float, float]]:
        """Actual and target in °C of each heater: `E0`, `E1`, `bed`."""
        return {
            heater.name: (heater.temperature(self.now), heater.target)
            for heater in self.thermal.heaters
        }

    @property
    def executed_count(self) -> int:
        """How many commands began execution since the board was built."""
        return self.faults.commands

    @property
    def executed_digest(self) -> str:
        """SHA-256 over those commands, each ended by a line feed."""
        return self._digest.hexdigest()

    def run_out(self) -> None:
        """Take the filament away: the runout sensor fires."""
        if not self.profile.runout_sensor:
            return
        if self.profile.host_prompts:
            self.console.prompt(f"FilamentRunout {self.motion.tool}")
        self.console.action(f"paused filament_runout {self.motion.tool}")
        if self.profile.advanced_pause:
            self._injected.append("M600 R1")

    def halt(self, fault: str, heater: str) -> None:
        """Stop on a thermal fault: heaters off, then kill."""
        self.console.write(f"Error:{fault}, system stopped! Heater_ID: {heater}")
        self.thermal.off(self.now)
        self._halt_at = self.now + _HALT_DELAY

    def kill(self, reason: str | None = None) -> None:
        """Stop everything and fall silent until the next reset."""
        if reason:
            self.console.write(f"echo:{reason}")
        self.console.write("Error:Printer halted. kill() called!")
        self.console.action("poweroff")
        self.thermal.off(self.now)
        self.motion.quick_stop(self.now)
        self._stop_listening()
        self.killed = True

    # Used by the commands

    def quick_stop(self) -> None:
        """Stop all motion at once, as M410 does."""
        self.motion.quick_stop(self.now)
        self._poked = True

    def answer(self, button: int) -> None:
        """Take the host's choice in a dialog, M876 Sn."""
        self.console.choose(button)
        self._poked = True

    def let_go(self) -> None:
        """Stop waiting for heat or for a person, as M108 does."""
        self.waiting_for_heat = False
        self.console.waiting_for_user = False
        self._poked = True

    def set_line_number(self, number: int) -> None:
        """Count on from this line number."""
        self._reader.last_number = number

    def request_resend(self) -> None:
        """Throw the input away and ask for the line after the last good one."""
        self._reader.flush()
        self.console.write(f"Resend: {self._reader.last_number + 1}")
        if self.profile.resend_ok:
            self.console.write("ok")

    # The main loop

    def _catch_up(self, now: float) -> None:
        """Do everything that falls due up to a time, in its order."""
        while (due := self.next_time()) is not None and due <= now:
            if self._budget <= 0:
                return
            self.now = max(due, self.now)
            self._on_time()
            self._work()
        self.now = max(now, self.now)

    def _on_time(self) -> None:
        """Do what the clock brings: boot, reports, thermal protection."""
        if self._boot_at is not None:
            self._boot_at = None
            for line in banner(self.profile):
                self.console.write(line)
            self.reports.start()
            return
        if self.now >= self._halt_at:
            self.kill()
            return
        for heater in self.thermal.heaters:
            if self.now >= heater.fault_at and heater.fault is not None:
                self.halt(heater.fault, heater.name)
        self.reports.write_due()

    def _work(self) -> None:
        """Read and execute until there is nothing left to do at this instant."""
        while self.listening:
            self._reader.fill()
            read = self._read() if self._halt_at == inf else False
            if not self._step() and not read:
                break
        self._reader.overrun()

    def _step(self) -> bool:
        """Go on with the command under way or begin the next. False if neither."""
        if not self.listening or self._halt_at < inf:
            return False
        if self.motion.planner.cleaning_until > self.now:
            return False
        if self._waiting is not None:
            if self.now < self._wake and not self._poked:
                return False
            return self._resume(self._waiting)
        if self._injected:
            self._begin(Line(None, self._injected.popleft()), acknowledged=False)
            return True
        if not self._queue or self._budget <= 0:
            return False
        self._budget -= 1
        self._begin(self._queue[0], acknowledged=True)
        return True

    def _read(self) -> bool:
        """Fill the command queue from the wire. True after a refused line."""
        while len(self._queue) < self.profile.queue_size:
            line = self._reader.read()
            if line is None:
                return False
            if isinstance(line, LineError):
                self.console.write(
                    f"Error:{line.text}, Last Line: {self._reader.last_number}"
                )
                self.request_resend()
                return True
            if line.number is None and self._acts_early(line.command):
                self._on_emergency(line.command)
                if self.killed:
                    return False
            self._queue.append(line)
            self.reports.heard()
        return False

    def _begin(self, line: Line, *, acknowledged: bool) -> None:
        """Execute one command as far as it goes without waiting."""
        if acknowledged:
            self._count(line)
            if not self.listening or self._halt_at < inf:
                return
        command = Command(line.command)
        handler = self._table.get(command.code)
        self._acknowledging = acknowledged
        if handler is None:
            self.console.write(f'echo:Unknown command: "{command.line.strip()}"')
            waiting = None
        else:
            waiting = handler(self, command)
        if not self.listening:
            return
        if waiting is None and acknowledged and self.faults.faults.ok_delay:
            waiting = self._late()
        if waiting is None:
            self._finish()
        else:
            self.reports.begin_busy()
            self._resume(waiting)

    def _resume(self, waiting: Wait) -> bool:
        """Run a waiting command to its next wait or its end."""
        self._poked = False
        try:
            self._wake = next(waiting)
            self._waiting = waiting
        except StopIteration:
            self._waiting = None
            self.reports.end_busy()
            self._finish()
        return True

    def _late(self) -> Wait:
        """Let the `ok` wait, as the fault asks."""
        yield self.now + self.faults.faults.ok_delay

    def _finish(self) -> None:
        """Acknowledge the command at the head of the queue and take it out."""
        if not self._acknowledging:
            return
        line = self._queue[0]
        text, self.ok_text = self.ok_text, None
        if text is None:
            text = self._ok(line)
        for _ in range(self.faults.acknowledgements()):
            self.console.write(text)
        self._queue.popleft()
        self.reports.heard()

    def _ok(self, line: Line) -> str:
        """Write the `ok` for a command as this build does."""
        if not self.profile.advanced_ok:
            return "ok"
        number = "" if line.number is None else f" N{line.number}"
        blocks = self.motion.planner.free(self.now)
        slots = self.profile.queue_size - len(self._queue)
        return f"ok{number} P{blocks} B{slots}"

    def _count(self, line: Line) -> None:
        """Count a command, tell who wants to know, and let faults strike."""
        counter, faults = self.faults, self.faults.faults
        counter.commands += 1
        self._digest.update(line.command.encode())
        self._digest.update(b"\n")
        if self.executed is not None:
            self.executed(line.number, line.command)
        count = counter.commands
        if count == faults.reset_at:
            self.reset(self.now)
        elif count == faults.kill_at:
            self.halt("Thermal Runaway", "E0")
        elif count == faults.silence_at:
            self._stop_listening()
            self._hung = True
        elif count == faults.runout_at:
            self.run_out()
        if count == 1 and faults.cold_heater:
            self.thermal.named(faults.cold_heater).fail(self.now)

    def _acts_early(self, command: str) -> bool:
        """Without emergency parser some commands act when they are read."""
        return not self.profile.emergency_parser and command.startswith(_EARLY)

    def _on_emergency(self, command: str) -> None:
        """Act on what the emergency parser finds before its line is read."""
        code = command[:4]
        if code == "M108":
            self.let_go()
        elif code == "M112":
            self.kill("M112 Shutdown")
        elif code == "M410":
            self.quick_stop()
        elif code == "M876":
            self.answer(int(command.partition("S")[2] or 0))

    def _stop_listening(self) -> None:
        """Drop everything that came in and what was under way."""
        self._reader.clear()
        self._queue.clear()
        self._injected.clear()
        self._waiting = None
