"""From a board's `ok` to the next line on a serial port, past asyncio."""

import asyncio
from collections.abc import Callable
import os

import serialx

from ..streamer.hot import HotLoop
from .engine import Engine
from .wirelog import WireLog

_MOST = 4096
"""Bytes that are read at once: as many as the system holds of a terminal."""


def heat(
    transport: asyncio.Transport,
    engine: Engine,
    log: WireLog,
    attend: Callable[[float], None],
) -> None:
    """Have an open port served by the loop's selector, if it is a hot one.

    Only ports of this machine: what comes over a network waits far longer for that.
    `attend` does the rest once the next line is on its way. Whatever does not go
    smoothly is left to the transport, which finds it as it is.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, HotLoop) or not isinstance(
        transport, serialx.SerialTransport
    ):
        return
    hot = loop.hot
    fd = transport.serial.fileno()
    read, write, receive = os.read, os.write, engine.receive
    heard, sent = log.heard, log.sent

    def serve(now: float) -> bool:
        try:
            data = read(fd, _MOST)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            hot.cool(fd)
            return True
        rest = b""
        if out := receive(data, now):
            try:
                rest = out[write(fd, out) :]
            except OSError:
                rest = out
            if rest:
                transport.write(rest)
        heard(now, data)
        if out:
            sent(now, out)
        if engine.wants_upkeep or rest:
            attend(now)
            return True
        return False

    hot.heat(fd, serve)
