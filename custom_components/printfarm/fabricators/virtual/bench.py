"""Where this process keeps its virtual machines, and how one connects to them."""

import asyncio
from collections.abc import Callable
from errno import EBUSY

from .board import DEFAULT_MODEL, PROFILES, Board, BoardProfile, Faults
from .transport import BoardTransport

_LONGEST_ABSENCE = 600.0
"""Firmware seconds made up for at most on reopening; by then all heaters are cold."""


class Bench:
    """Virtual machines by key.

    A machine keeps its state between connections, as a real one does that stays
    powered while the host goes away. Time goes on for it meanwhile.
    """

    def __init__(self) -> None:
        """Begin with no machine."""
        self._cables: dict[str, BoardTransport] = {}

    def board(self, key: str) -> Board | None:
        """The machine on this key, None if there is none yet."""
        cable = self._cables.get(key)
        return None if cable is None else cable.board

    def remove(self, key: str) -> None:
        """Scrap a machine; a connection to it ends as if unplugged."""
        cable = self._cables.pop(key, None)
        if cable is not None:
            cable.unplug()

    def prepare(self, key: str, profile: BoardProfile, faults: Faults) -> Board:
        """Bring the machine on this key up to now, or build it.

        Another profile means another machine. OSError where it is connected already,
        as a serial port opened for exclusive use says it.
        """
        cable = self._cables.get(key)
        if cable is None or cable.board.profile != profile:
            self.remove(key)
            return Board(profile, faults=faults)
        if not cable.is_closing():
            raise OSError(EBUSY, "Device or resource busy", key)
        board = cable.board
        missed = min(cable.firmware_time - board.now, _LONGEST_ABSENCE)
        # What the firmware wrote meanwhile was read by nobody.
        board.advance(board.now + missed)
        if profile.reset_on_open:
            board.reset(board.now)
        return board

    def connected(self, key: str, cable: BoardTransport) -> None:
        """Remember the machine by the cable that leads to it."""
        self._cables[key] = cable


BENCH = Bench()
"""The machines of this process."""


async def open_board[ProtocolT: asyncio.Protocol](
    protocol_factory: Callable[[], ProtocolT],
    profile: BoardProfile | str = DEFAULT_MODEL,
    speed: float = 1.0,
    faults: Faults | None = None,
    *,
    key: str | None = None,
    bench: Bench = BENCH,
) -> tuple[BoardTransport, ProtocolT]:
    """Connect to a virtual board, in the shape of `loop.create_connection`.

    `profile` may be a name out of `PROFILES` (KeyError if unknown); `speed` is times
    real time, 0 for unlimited. With a `key` it is the machine of that key on the bench
    (OSError if it is connected already), without one it is new and nobody else's.
    """
    if isinstance(profile, str):
        profile = PROFILES[profile]
    faults = faults or Faults()
    if key is None:
        board = Board(profile, faults=faults)
    else:
        board = bench.prepare(key, profile, faults)
    protocol = protocol_factory()
    transport = BoardTransport(board, protocol, speed=speed)
    if key is not None:
        bench.connected(key, transport)
    transport.connect()
    return transport, protocol
