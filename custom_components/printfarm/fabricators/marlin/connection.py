"""An engine kept connected to its board: opening, time, greeting, opening again."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
import logging
from time import monotonic

from ..interface import FabricatorError, MachineState
from . import view
from .engine import Engine
from .hotpath import heat
from .port import OpenPort, Port, hang_up
from .wirelog import WireLog

_LOGGER = logging.getLogger(__name__)

BACKOFF = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds before each new attempt to connect; the last one is for good."""
HELLO_GRACE = 15.0
"""Seconds of greeting without an answer before a machine counts as off."""
HANG_UP_AFTER = 30.0
"""The same before a connection that may be opened again is given up."""
SILENCE_LIMIT = 900.0
"""Seconds without a word, whatever is going on, before such a connection counts as
dead. Boards that wait for a person speak every few seconds, few keep quiet."""
HELD_UP = 5.0
"""Seconds by which we are late only where the whole process did not run: one in a
container that was halted. That silence was ours, not the board's."""
CATCH_UP = 0.1
"""Seconds in which to read what came meanwhile."""


class Connection:
    """The port of one board and the engine on it.

    `release` gives the port back to others. `on_turn` is called with the time whenever
    the engine has heard something, time has passed or the connection has ended; it
    does what can wait until the next line is on its way, and gives back when it wants
    its next turn at the latest. `on_state` is told of a state that comes from here.

    `reopens` says that opening the port again does no harm and may help: a network
    peer can be gone without either end being told. A serial port stays open, because
    opening it resets most boards.
    """

    def __init__(
        self,
        name: str,
        open_port: OpenPort,
        engine: Engine,
        *,
        release: Callable[[], None],
        reopens: bool,
        on_turn: Callable[[float], float | None],
        on_state: Callable[[MachineState], None],
    ) -> None:
        """Keep how to connect; opens nothing."""
        self.engine = engine
        self.wire = WireLog()
        self.closing = asyncio.Event()
        self._name = name
        self._open_port = open_port
        self._release = release
        self.reopens = reopens
        self._on_turn = on_turn
        self._on_state = on_state
        self._transport: asyncio.Transport | None = None
        self._gone = asyncio.Event()
        self._lost: asyncio.Future[str] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._available: bool | None = None
        self._attempt = 0
        self._opened = 0.0
        self._greeting_since: float | None = None

    @property
    def open(self) -> bool:
        """Whether there is somebody to speak to."""
        return self._transport is not None

    @property
    def state(self) -> MachineState:
        """State of the machine; one that is away does not flicker while it is called."""
        state = view.state(self.engine)
        if state is MachineState.CONNECTING and self._available is False:
            return MachineState.OFFLINE
        return state

    # From opening to losing it

    async def run(self) -> None:
        """Connect, and connect again whenever the connection is lost."""
        while not self.closing.is_set():
            self._lost = asyncio.get_running_loop().create_future()
            try:
                self._on_state(MachineState.CONNECTING)
                await self._connect()
                reason = await self._lost
                await self._let_go()
            except FabricatorError as error:
                reason = error.text or error.key
            if self.closing.is_set():
                return
            self.away(reason)
            await self._pause()

    async def _pause(self) -> None:
        """Leave a machine alone for a while; closing cuts that short."""
        delay = BACKOFF[min(self._attempt, len(BACKOFF) - 1)]
        self._attempt += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self.closing.wait()

    async def _connect(self) -> None:
        gone = self._gone = asyncio.Event()
        try:
            transport, _ = await self._open_port(
                lambda: Port(self._on_data, partial(self._on_lost, gone))
            )
        except FabricatorError:
            raise
        except OSError as error:
            raise FabricatorError("cannot_connect", str(error)) from error
        if self.closing.is_set():
            await hang_up(transport, gone)
            self._disconnect("stopped", "closed")
            return
        self._transport = transport
        self._greeting_since = None
        heat(transport, self.engine, self.wire, self.attend)
        now = self._opened = monotonic()
        self.write(self.engine.open(now))
        self.attend(now)

    def _hang_up(self) -> None:
        """Give up a connection whose other end is not there any more."""
        if self._lost is not None and not self._lost.done():
            self._lost.set_result("no answer")

    async def _let_go(self) -> None:
        """Close what was given up, so that the port can be opened again."""
        if (transport := self._transport) is not None:
            await hang_up(transport, self._gone)
            self._disconnect("connection_lost", "no answer")

    def _on_lost(self, gone: asyncio.Event, error: Exception | None) -> None:
        gone.set()
        if gone is self._gone:
            self._disconnect("connection_lost", str(error or "connection closed"))

    def _disconnect(self, reason: str, text: str) -> None:
        self._transport = None
        self._release()
        self.engine.lost(reason)
        self.attend(monotonic())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(text)

    async def close(self) -> None:
        """Hang up for good. Safe to call twice."""
        self.closing.set()
        if (transport := self._transport) is not None:
            self.engine.lost("stopped")
            self.attend(monotonic())
            await hang_up(transport, self._gone)
        self._disconnect("stopped", "closed")

    # Bytes and time

    def write(self, data: bytes) -> None:
        """Send bytes, if anybody is there."""
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
            self.wire.sent(monotonic(), data)

    def do(self, deed: Callable[[float], bytes]) -> None:
        """Let the engine do something now, and see to what follows."""
        now = monotonic()
        self.write(deed(now))
        self.attend(now)

    def attend(self, now: float) -> None:
        """Everything that may wait until the next line is on its way."""
        self.write(self.engine.upkeep(now))
        self._watch(now)
        self._arm(now, self._on_turn(now))

    def _on_data(self, data: bytes) -> None:
        """The hot path: an answer in, the next line out, the rest afterwards."""
        now = monotonic()
        engine = self.engine
        out = engine.receive(data, now)
        self.write(out)
        self.wire.heard(now, data)
        if engine.wants_upkeep:
            self.attend(now)

    def _arm(self, now: float, wanted: float | None) -> None:
        """See to it that time goes on for the engine."""
        if self._transport is None:
            return
        limit = self._silent_since + SILENCE_LIMIT if self.reopens else None
        dues = (self.engine.deadline, wanted, limit)
        due = min((due for due in dues if due is not None), default=None)
        if due is None:
            return
        if self._timer is not None:
            if self._timer_due <= due:
                return
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer_due = due
        self._timer = loop.call_later(max(0.0, due - now), self._on_time)

    def _on_time(self) -> None:
        """Let time pass; where we ourselves were held up, what was said comes first."""
        now = monotonic()
        if now - self._timer_due > HELD_UP:
            self._timer_due = now
            self._timer = asyncio.get_running_loop().call_later(CATCH_UP, self._on_time)
            return
        self._timer = None
        self.do(self.engine.tick)

    # Whether somebody is there

    def away(self, reason: str) -> None:
        """Say once that the machine is away: off is a state, not an error."""
        if self._available is not False:
            _LOGGER.warning("%s is not available: %s", self._name, reason)
        self._available = False
        self._on_state(MachineState.OFFLINE)

    def silent(self, reason: str) -> None:
        """The machine has stopped to answer in the middle of things."""
        self.away(reason)
        if self.reopens:
            self._hang_up()

    def back(self) -> None:
        """Say once that the machine is there again."""
        if self._available is False:
            _LOGGER.info("%s is available again", self._name)
        self._available = True
        self._attempt = 0
        self._on_state(self.state)

    @property
    def _silent_since(self) -> float:
        """When the board was heard last, or the connection was made."""
        return max(self._opened, self.engine.heard or 0.0)

    def _watch(self, now: float) -> None:
        """A machine that does not answer for long is off."""
        if self.reopens and now - self._silent_since >= SILENCE_LIMIT:
            self._hang_up()
        if view.state(self.engine) is not MachineState.CONNECTING:
            self._greeting_since = None
        elif self._greeting_since is None:
            self._greeting_since = now
        else:
            waiting = now - self._greeting_since
            if self._available is not False and waiting >= HELLO_GRACE:
                self.away("no answer")
            if self.reopens and waiting >= HANG_UP_AFTER:
                self._hang_up()
