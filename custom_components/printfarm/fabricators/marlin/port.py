"""Opening a serial port, and saying in one word why it cannot be opened."""

import asyncio
from collections.abc import Awaitable, Callable
import errno
import os
from typing import override

import serialx

from ..interface import FabricatorError

type ProtocolFactory = Callable[[], asyncio.Protocol]
type OpenPort = Callable[
    [ProtocolFactory], Awaitable[tuple[asyncio.Transport, asyncio.BaseProtocol]]
]
"""Connects a protocol to whatever leads to the board, as event loops do it."""

OPEN_TIMEOUT = 15.0
CLOSE_TIMEOUT = 2.0
"""Seconds for the last bytes to leave."""

_in_use: set[str] = set()
"""Ports of this process. Locks on a device do not hold within one process, nor on a
network, and a second connection would reset the board in the middle of a print."""

_REMOTE = frozenset({"socket", "tcp", "rfc2217", "esphome"})

_KEYS = {
    errno.ENOENT: "port_not_found",
    errno.ENODEV: "port_not_found",
    errno.ENXIO: "port_not_found",
    errno.EACCES: "permission_denied",
    errno.EPERM: "permission_denied",
    errno.EBUSY: "port_busy",
    errno.EAGAIN: "port_busy",
}


class Port(asyncio.Protocol):
    """Hands on what the loop says about a connection."""

    def __init__(
        self,
        on_data: Callable[[bytes], None],
        on_lost: Callable[[Exception | None], None],
    ) -> None:
        """Keep whom to tell."""
        self._on_data = on_data
        self._on_lost = on_lost

    @override
    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        self._on_data(data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; without `exc` we have closed it."""
        self._on_lost(exc)


class SerialPort:
    """A port as it was configured: a device path or an URL, and a baud rate.

    `socket://host:port`, `rfc2217://host:port` and `esphome://...` work as well.
    """

    def __init__(self, url: str, baudrate: int) -> None:
        """Keep the address; opens nothing."""
        self.url = url
        self.baudrate = baudrate
        self._claimed: str | None = None

    @property
    def remote(self) -> bool:
        """Whether it is reached over a network, and opening it resets nothing."""
        return self.url.partition("://")[0] in _REMOTE

    async def open(
        self, factory: ProtocolFactory
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Open the port for us alone.

        Raises:
            FabricatorError: `port_not_found`, `port_busy`, `permission_denied`,
                `cannot_connect`.
        """
        loop = asyncio.get_running_loop()
        name = self.url
        if "://" not in name:
            name = await loop.run_in_executor(None, os.path.realpath, name)
        if name in _in_use:
            raise FabricatorError("port_busy", name)
        _in_use.add(name)
        self._claimed = name
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                return await serialx.create_serial_connection(
                    loop, factory, self.url, baudrate=self.baudrate, exclusive=True
                )
        except (OSError, ValueError, serialx.SerialException) as error:
            self.release()
            raise FabricatorError(fault(error), str(error) or None) from error
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others open it. Safe to call twice."""
        if self._claimed is not None:
            _in_use.discard(self._claimed)
            self._claimed = None


async def hang_up(transport: asyncio.Transport, gone: asyncio.Event) -> None:
    """Close a connection and wait until the port is free for the next one."""
    transport.close()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await gone.wait()
    except TimeoutError:
        transport.abort()


def fault(error: BaseException | None) -> str:
    """Name what kept a port from opening; wrapped errors are looked into."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _KEYS:
            return _KEYS[error.errno]
        error = error.__cause__ or error.__context__
    return "cannot_connect"
