"""An emulated board behind a pseudo-terminal, for drivers that want a real port.

`python -m tests.emulators.pty_board --model marlin_2 --speed 0` prints the path of the
port and serves until it is interrupted or its standard input ends. In a test `PtyBoard`
does the same on a thread.
"""

import argparse
from dataclasses import fields
import os
import select
import sys
import threading
import time
import tty
from typing import Self

from custom_components.printfarm.fabricators.virtual.board import (
    DEFAULT_MODEL,
    PROFILES,
    Board,
    Faults,
)
from custom_components.printfarm.fabricators.virtual.transport import Clock

_READ_SIZE = 4096
_LONGEST_WAIT = 3600.0


class PtyBoard:
    """Runs a board on a thread, `path` being its port.

    The board belongs to the thread while this runs: look at it after `unplug`.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        speed: float = 0.0,
        faults: Faults | None = None,
    ) -> None:
        """Open the pseudo-terminal; nothing runs before `start`."""
        self.board = Board(PROFILES[model], faults=faults)
        self._clock = Clock(speed, loop_time=time.monotonic(), firmware_time=0.0)
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="pty-board")

    def start(self) -> None:
        """Power the board up."""
        self._thread.start()

    def unplug(self) -> None:
        """Take the port away and end. Safe to call twice."""
        if self._thread.is_alive():
            self.pull()
            self._thread.join()

    def pull(self) -> None:
        """Take the port away, as `unplug` does, without waiting for the end."""
        os.write(self._wake_writer, b"x")

    def __enter__(self) -> Self:
        """Start serving."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self.unplug()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _serve(self) -> None:
        """Pass bytes between port and board until the plug is pulled."""
        try:
            while True:
                readable, _, _ = select.select(
                    [self._master, self._wake_reader], [], [], self._pause()
                )
                if self._wake_reader in readable:
                    return
                now = self._clock.firmware(time.monotonic())
                if self._master in readable:
                    self.board.receive(os.read(self._master, _READ_SIZE), now)
                written = self.board.advance(now)
                while written:
                    written = written[os.write(self._master, written) :]
        finally:
            os.close(self._slave)
            os.close(self._master)

    def _pause(self) -> float:
        """How long nothing is to do, in real seconds, unless the host writes."""
        due = self.board.next_time()
        if due is None:
            return _LONGEST_WAIT
        now = time.monotonic()
        if self._clock.unlimited and self.board.working:
            self._clock.skip_to(due, now)
        return min(max(0.0, self._clock.loop(due) - now), _LONGEST_WAIT)


def _arguments(arguments: list[str]) -> tuple[str, float, Faults]:
    """Read model, speed and faults from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", choices=sorted(PROFILES), default=DEFAULT_MODEL)
    parser.add_argument("--speed", type=float, default=1.0, help="0 is unlimited")
    for field in fields(Faults):
        kind = {"ok_delay": float, "cold_heater": str}.get(field.name, int)
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, type=kind, default=field.default)
    options = vars(parser.parse_args(arguments))
    model, speed = options.pop("model"), options.pop("speed")
    return model, speed, Faults(**options)


def main(arguments: list[str]) -> None:
    """Serve until standard input ends."""
    model, speed, faults = _arguments(arguments)
    with PtyBoard(model, speed=speed, faults=faults) as port:
        sys.stdout.write(f"{port.path}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
