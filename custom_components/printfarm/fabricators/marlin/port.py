"""Opening a serial port, and saying in one word why it cannot be opened."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
import errno
import logging
import os
from pathlib import Path
import socket
from typing import Any, override
from urllib.parse import urlsplit
from weakref import WeakSet

import serialx

from ..interface import FabricatorError
from . import usb
from .telnet import TelnetTransport
from .usb import UsbIdentity

type ProtocolFactory = Callable[[], asyncio.Protocol]
type OpenPort = Callable[
    [ProtocolFactory], Awaitable[tuple[asyncio.Transport, asyncio.BaseProtocol]]
]
"""Connects a protocol to whatever leads to the board, as event loops do it."""

_LOGGER = logging.getLogger(__name__)

OPEN_TIMEOUT = 15.0
CLOSE_TIMEOUT = 2.0
"""Seconds for the last bytes to leave."""

_in_use: set[str] = set()
"""Ports of this process. Locks on a device do not hold within one process, nor on a
network, and a second connection would reset the board in the middle of a print."""

_PLAIN = frozenset({"socket", "tcp"})
_LOCAL = frozenset({"device", "linux", "posix"})
_REMOTE = _PLAIN | {"rfc2217", "esphome"}

_PINS: dict[str, Any] = {
    "dtr_on_close": serialx.PinState.UNDEFINED,
    "rts_on_close": serialx.PinState.UNDEFINED,
}
"""Else the last one to close a port, also by dying, would lower its lines."""

_KEEP_ALIVE = (
    ("SOL_SOCKET", "SO_KEEPALIVE", 1),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 15),
    ("IPPROTO_TCP", "TCP_KEEPINTVL", 5),
    ("IPPROTO_TCP", "TCP_KEEPCNT", 3),
    ("IPPROTO_TCP", "TCP_USER_TIMEOUT", 30_000),
    ("IPPROTO_TCP", "TCP_NODELAY", 1),
)
"""Notices a peer that has gone without a word within half a minute, whether something
is under way to it or not. Not every system has all of them."""

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

    With an identity, a USB port is also found under another name, and what is plugged
    in under its name instead is left alone.

    Opening raises DTR where it is not up yet, and that resets most AVR boards: the
    kernel does it, before anybody can ask it not to. It stays up from then on, as
    nobody lowers it, neither by hanging up nor by dying; so opening the port again
    resets nothing. What remains is the first opening after the computer has started
    or the plug was in. The port is locked before anything on it is changed, so that
    trying one that is in use does no harm either.
    """

    def __init__(
        self, url: str, baudrate: int, identity: UsbIdentity | None = None
    ) -> None:
        """Keep the address; opens nothing."""
        self.url = url
        self.baudrate = baudrate
        self.identity = identity
        self._claimed: str | None = None
        self._told = url
        self._known = False
        """Whether it was open before, so that a device without number is ours."""
        _configured.add(self)

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
        path = self.url
        name = path
        if "://" not in path:
            loop = asyncio.get_running_loop()
            path, name = await loop.run_in_executor(None, self._locate, self._rivals())
        if name in _in_use:
            raise FabricatorError("port_busy", name)
        _in_use.add(name)
        self._claimed = name
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                opened = await self._connect(factory, path)
        except (OSError, ValueError, serialx.SerialException) as error:
            self.release()
            raise FabricatorError(fault(error), str(error) or None) from error
        except BaseException:
            self.release()
            raise
        self._known = True
        return opened

    async def _connect(
        self, factory: ProtocolFactory, path: str
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        loop = asyncio.get_running_loop()
        opened: tuple[asyncio.Transport, asyncio.BaseProtocol]
        scheme, remote, _ = path.partition("://")
        if scheme in _PLAIN:
            where = urlsplit(path)
            if where.hostname is None or where.port is None:
                raise ValueError(f"no host and port: {path}")
            opened = await loop.create_connection(factory, where.hostname, where.port)
        else:
            opened = await serialx.create_serial_connection(
                loop,
                factory,
                path,
                baudrate=self.baudrate,
                exclusive=True,
                transport_cls=TelnetTransport if scheme == "rfc2217" else None,
                **({} if remote and scheme not in _LOCAL else _PINS),
            )
        if (connection := opened[0].get_extra_info("socket")) is not None:
            _keep_alive(connection)
        return opened

    def _locate(self, rivals: Collection[str] | None) -> tuple[str, str]:
        """Return the path to open and its real path. Reads from the disk."""
        path = self.url
        if self.identity is not None and self._misplaced(self.identity):
            found = None
            if rivals is not None:
                taken = {os.path.realpath(each) for each in rivals}
                found = usb.find(self.identity, taken=taken)
            if found is None:
                raise FabricatorError("port_not_found", path)
            path = found
        if path != self._told:
            self._told = path
            _LOGGER.warning("The device of %s is found at %s", self.url, path)
        return path, os.path.realpath(path)

    def _rivals(self) -> set[str] | None:
        """Return the ports that are not ours, whatever is there; None for all.

        A device without a number of its own is only looked for where it was connected
        before and no other fabricator has one like it, which may merely be away.
        """
        mine = self.identity
        if mine is None or mine.unique:
            return set(_in_use)
        others = [each for each in _configured if each is not self]
        if not self._known or any(
            (other := each.identity) and (other.vid, other.pid) == (mine.vid, mine.pid)
            for each in others
        ):
            return None
        return _in_use | {each.url for each in others}

    def _misplaced(self, wanted: UsbIdentity) -> bool:
        """Tell whether the device is not where it was configured."""
        if not Path(self.url).exists():
            return True
        # Where the system tells nothing about a port, its name has to do.
        there = usb.identity(self.url)
        return there is not None and not wanted.fits(there)

    def release(self) -> None:
        """Let others open it. Safe to call twice."""
        if self._claimed is not None:
            _in_use.discard(self._claimed)
            self._claimed = None


_configured: WeakSet[SerialPort] = WeakSet()
"""All that were configured, as long as they are."""


def _keep_alive(connection: socket.socket) -> None:
    """Have the system find out whether the other end is still there."""
    for level, option, value in _KEEP_ALIVE:
        if hasattr(socket, option):
            connection.setsockopt(
                getattr(socket, level), getattr(socket, option), value
            )


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
