"""A telnet server before a board, as ser2net offers one (RFC 2217)."""

import asyncio
from contextlib import suppress
import re
from typing import Self
from urllib.parse import urlsplit

from .tcp_board import TcpBoard

_IAC, _DO, _WILL, _SB, _SE = 255, 253, 251, 250, 240
_COM_PORT = 44
_MASKS = {10, 11}
_NOTIFY_MODEMSTATE = 107

# Within a subnegotiation 255 stands twice.
_COMMAND = re.compile(
    rb"\xff(?:([\xfb-\xfe])(.)|\xfa(.)((?:[^\xff]|\xff\xff)*)\xff\xf0|(\xff))",
    re.DOTALL,
)


class TelnetFront:
    """Passes bytes between its clients and a board; does what telnet asks for."""

    def __init__(self, board: TcpBoard) -> None:
        """Keep the board; nobody can connect before this is entered."""
        self.board = board
        self._server: asyncio.Server | None = None
        self._served: list[asyncio.Task[None]] = []
        self.set: dict[int, bytes] = {}
        """What clients have set the port to, by number of the command."""

    @property
    def url(self) -> str:
        """Address for a serial library."""
        assert self._server is not None
        return f"rfc2217://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        """Start serving."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop serving."""
        assert self._server is not None
        self._server.close()
        for served in self._served:
            await served
        await self._server.wait_closed()

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        served = asyncio.current_task()
        assert served is not None
        self._served.append(served)
        where = urlsplit(self.board.url)
        from_board, to_board = await asyncio.open_connection(where.hostname, where.port)
        back = asyncio.create_task(self._back(from_board, writer))
        held = b""
        with suppress(ConnectionError):
            while data := await reader.read(4096):
                held = self._take(held + data, writer, to_board)
        for end in (to_board, writer):
            end.close()
            with suppress(ConnectionError):
                await end.wait_closed()
        await back

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(4096):
                writer.write(data.replace(b"\xff", b"\xff\xff"))
        writer.close()

    def _take(
        self, data: bytes, client: asyncio.StreamWriter, board: asyncio.StreamWriter
    ) -> bytes:
        """Pass on what is for the board; give back an unfinished command."""
        while (at := data.find(b"\xff")) >= 0:
            board.write(data[:at])
            data = data[at:]
            found = _COMMAND.match(data)
            if found is None:
                return data
            data = data[found.end() :]
            verb, option, of, told, byte = found.groups()
            if byte:
                board.write(byte)
            elif verb and verb[0] in {_DO, _WILL}:
                # Both ends may do all that is asked for.
                answer = _WILL if verb[0] == _DO else _DO
                client.write(bytes((_IAC, answer)) + option)
            elif of == bytes((_COM_PORT,)):
                self._port_command(told[0], told[1:], client)
        board.write(data)
        return b""

    def _port_command(
        self, number: int, told: bytes, client: asyncio.StreamWriter
    ) -> None:
        self.set[number] = told
        answer = bytes((number + 100,)) + told
        if number in _MASKS:
            answer = bytes((_NOTIFY_MODEMSTATE, 0))
        client.write(bytes((_IAC, _SB, _COM_PORT)) + answer + bytes((_IAC, _SE)))
