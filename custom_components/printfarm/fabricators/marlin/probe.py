"""A first look at a port, for somebody who is setting it up."""

import asyncio
from dataclasses import dataclass
from time import monotonic

from ..interface import FabricatorError
from .engine import Engine
from .events import Firmware, Ready, Silent
from .port import OpenPort, Port, SerialPort, hang_up

TIMEOUT = 15.0
"""Boards with a boot loader and a card take up to ten seconds to answer."""
STEP = 0.1


@dataclass(frozen=True, slots=True)
class MachineInfo:
    """What a board said about itself; sizes in mm, None where it did not say."""

    firmware: str
    model: str | None
    build_volume: tuple[float, float, float] | None
    tools: int | None


async def probe(url: str, baudrate: int, *, timeout: float = TIMEOUT) -> MachineInfo:
    """Connect, say hello, hang up.

    Raises:
        FabricatorError: `port_not_found`, `port_busy`, `permission_denied` or
            `cannot_connect` for the port; `no_answer` if nothing was heard,
            `not_marlin` if what was heard is not the answer of such a firmware, which
            a wrong baud rate looks like as well.
    """
    port = SerialPort(url, baudrate)
    try:
        firmware = await greet(port.open, timeout)
    finally:
        port.release()
    return MachineInfo(
        firmware.name, firmware.machine, firmware.volume, firmware.extruders
    )


async def greet(open_port: OpenPort, timeout: float) -> Firmware:
    """Wait until the board behind a port has said what it is."""
    engine = Engine()
    received: asyncio.Queue[bytes] = asyncio.Queue()
    closed = asyncio.Event()
    transport, _ = await open_port(
        lambda: Port(received.put_nowait, lambda _: closed.set())
    )
    end = monotonic() + timeout
    try:
        transport.write(engine.open(monotonic()))
        # What has hung up may still have said something, and takes no more bytes.
        while (now := monotonic()) < end and not (closed.is_set() and received.empty()):
            try:
                async with asyncio.timeout(STEP):
                    data = await received.get()
            except TimeoutError:
                data = b""
            answer = engine.receive(data, now) + engine.tick(now)
            if not transport.is_closing():
                transport.write(answer)
            for event in engine.take_events():
                if isinstance(event, Ready):
                    return event.firmware
                if isinstance(event, Silent):
                    raise FabricatorError(event.reason)
        raise FabricatorError("not_marlin" if engine.heard_anything else "no_answer")
    finally:
        await hang_up(transport, closed)
