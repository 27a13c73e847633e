"""An emulated board behind a TCP port, as serial servers and Wi-Fi modules offer it."""

import asyncio
from typing import Self, override

from custom_components.printfarm.fabricators.virtual.board import (
    DEFAULT_MODEL,
    PROFILES,
    Board,
    Faults,
)
from custom_components.printfarm.fabricators.virtual.transport import BoardTransport


class _Cable(asyncio.Protocol):
    """From the board to the network."""

    def __init__(self, owner: TcpBoard, peer: asyncio.Transport) -> None:
        """Keep both ends."""
        self._owner = owner
        self._peer = peer

    @override
    def data_received(self, data: bytes) -> None:
        if not self._owner.silent:
            self._peer.write(data)


class _Peer(asyncio.Protocol):
    """From the network to the board."""

    def __init__(self, owner: TcpBoard) -> None:
        """Wait for the connection."""
        self._owner = owner
        self._cable: BoardTransport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._cable = self._owner.plug(transport)

    @override
    def data_received(self, data: bytes) -> None:
        if self._cable is not None and not self._owner.silent:
            self._cable.write(data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._cable is not None:
            self._cable.abort()


class TcpBoard:
    """Serves one board in the event loop; it stays powered between connections."""

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        speed: float = 0.0,
        faults: Faults | None = None,
    ) -> None:
        """Build the board; nobody can connect before `start`."""
        self.board = Board(PROFILES[model], faults=faults)
        self.silent = False
        """Swallow every byte in both directions: a connection that is half open."""
        self.connections = 0
        self.executed: list[str] = []
        self.board.executed = lambda _, command: self.executed.append(command)
        self._speed = speed
        self._cable: BoardTransport | None = None
        self._peer: asyncio.Transport | None = None
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Address for a serial library."""
        return f"socket://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Listen; always on the same port, once it is known."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Peer(self), "127.0.0.1", self._port
        )
        self._port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and drop whoever is connected."""
        if self._server is not None:
            self._server.close()
            self.unplug()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        """Start serving."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop serving."""
        await self.stop()

    def plug(self, peer: asyncio.Transport) -> BoardTransport:
        """Somebody has connected; a connection that was there before ends."""
        self.unplug()
        self.connections += 1
        self._peer = peer
        self._cable = BoardTransport(self.board, _Cable(self, peer), speed=self._speed)
        self._cable.connect()
        return self._cable

    def unplug(self) -> None:
        """Cut the connection; the other end is told."""
        if self._cable is not None and self._peer is not None:
            self._cable.abort()
            self._peer.abort()
            self._cable = self._peer = None

    def reset(self) -> None:
        """Press the reset button of the connected board."""
        assert self._cable is not None
        self._cable.reset_board()
