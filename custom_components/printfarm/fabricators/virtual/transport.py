"""An asyncio transport whose other end is an emulated board in memory."""

import asyncio
from typing import Any, override

from .board import Board
from .rota import rota

UNLIMITED = 0.0
"""Speed at which firmware time jumps over every wait of a busy board."""

STEPS_PER_TURN = 8
"""Commands and jumps in time before another board gets its turn: about 0.4 ms."""


class Clock:
    """Firmware time against the loop's time.

    It runs `speed` times as fast as real time. Unlimited, it runs in real time and is
    moved on by `skip_to` whenever the board would only be waiting.
    """

    def __init__(self, speed: float, *, loop_time: float, firmware_time: float) -> None:
        """Start at a firmware time; speed 0 is unlimited."""
        if speed < 0:
            raise ValueError("A speed is 0 (unlimited) or more")
        self.unlimited = speed == UNLIMITED
        self._rate = speed or 1.0
        self._start = loop_time
        self._base = firmware_time

    def firmware(self, loop_time: float) -> float:
        """Firmware time at this time of the loop."""
        return self._base + (loop_time - self._start) * self._rate

    def loop(self, firmware_time: float) -> float:
        """Time of the loop at which this firmware time comes."""
        return self._start + (firmware_time - self._base) / self._rate

    def skip_to(self, firmware_time: float, loop_time: float) -> None:
        """Let it be this late already, if it is not later yet."""
        missing = firmware_time - self.firmware(loop_time)
        if missing > 0:
            # Rounded up by a hair: the skipped event must not stay in the future.
            self._base = firmware_time - (loop_time - self._start) * self._rate + 1e-6


class BoardTransport(asyncio.Transport):
    """Connects a protocol to a board in the same event loop.

    Everything runs in short turns of the loop, never inside `write`. What the firmware
    writes in one turn arrives as one `data_received`.
    """

    def __init__(
        self,
        board: Board,
        protocol: asyncio.Protocol,
        *,
        speed: float = 1.0,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Lay the cable; `connect` plugs it in."""
        super().__init__(extra={"board": board})
        self.board = board
        self._loop = loop or asyncio.get_running_loop()
        self._clock = Clock(speed, loop_time=self._loop.time(), firmware_time=board.now)
        self._protocol: asyncio.BaseProtocol = protocol
        self._inbox: list[bytes] = []
        self._rota = rota(self._loop)
        self._waiting = False
        """Whether a turn was asked for."""
        self._alarm: asyncio.TimerHandle | None = None
        self._closing = False
        self._reading = True

    def connect(self) -> None:
        """Plug in: the protocol learns of it, and the board's time begins to run."""
        self._protocol.connection_made(self)
        self._soon()

    @property
    def firmware_time(self) -> float:
        """What the board's clock shows now, also after the connection has ended."""
        return self._clock.firmware(self._loop.time())

    @override
    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    @override
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    @override
    def is_closing(self) -> bool:
        return self._closing

    @override
    def is_reading(self) -> bool:
        return self._reading and not self._closing

    @override
    def pause_reading(self) -> None:
        """Stop the board's time, and so what it writes."""
        self._reading = False

    @override
    def resume_reading(self) -> None:
        self._reading = True
        if not self._closing:
            self._soon()

    @override
    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Hand bytes to the board; they arrive in the next turn of the loop."""
        if self._closing or not data:
            return
        self._inbox.append(bytes(data))
        if self._reading:
            self._soon()

    @override
    def can_write_eof(self) -> bool:
        return False

    @override
    def get_write_buffer_size(self) -> int:
        return sum(map(len, self._inbox))

    @override
    def close(self) -> None:
        """Unplug in an orderly way. What was written still arrives."""
        self._disconnect(None)

    @override
    def abort(self) -> None:
        self._inbox.clear()
        self._disconnect(None)

    def unplug(self, error: OSError | None = None) -> None:
        """Pull the plug: the protocol sees the error of a port that has gone."""
        self._inbox.clear()
        self._disconnect(error or OSError(5, "Input/output error"))

    def reset_board(self) -> None:
        """Press the reset button; the board greets when it has booted."""
        self.board.reset(self.firmware_time)
        self._soon()

    def _disconnect(self, error: OSError | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._silence_alarm()
        for data in self._inbox:
            self.board.receive(data, self.firmware_time)
        self._inbox.clear()
        self._loop.call_soon(self._protocol.connection_lost, error)

    def _soon(self) -> None:
        """Take the next turn of the loop, in place of a later wake-up."""
        if self._closing:
            return
        self._silence_alarm()
        if not self._waiting:
            self._waiting = True
            self._rota.enter(self._turn)

    def _silence_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _turn(self) -> None:
        """Let the board work for a bounded number of steps, then see what is next."""
        self._waiting = False
        if not self.is_reading():
            return
        board, clock, loop_time = self.board, self._clock, self._loop.time()
        end = board.executed_count + STEPS_PER_TURN
        for _ in range(STEPS_PER_TURN):
            now = clock.firmware(loop_time)
            for data in self._inbox:
                board.receive(data, now)
            self._inbox.clear()
            written = board.advance(now, limit=end - board.executed_count)
            if written:
                self._protocol.data_received(written)  # type: ignore[attr-defined]
                if not self.is_reading():
                    return
            if board.executed_count >= end:
                break
            if not self._inbox and not written and not self._skip(loop_time):
                break
        self._schedule()

    def _skip(self, loop_time: float) -> bool:
        """Jump to the board's next deed if only time keeps it from that.

        Tells whether the board has something to do now.
        """
        due = self.board.next_time()
        if due is None:
            return False
        if self._clock.unlimited and self.board.working:
            self._clock.skip_to(due, loop_time)
        return due <= self._clock.firmware(loop_time)

    def _schedule(self) -> None:
        """Come back when the board or the host has something to do."""
        if self._inbox or self._skip(self._loop.time()):
            self._soon()
            return
        due = self.board.next_time()
        if due is not None and not self._waiting:
            self._silence_alarm()
            self._alarm = self._loop.call_at(self._clock.loop(due), self._soon)
