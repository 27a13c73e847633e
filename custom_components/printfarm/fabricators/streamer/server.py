"""The Unix socket of the streaming process: proof, requests, answers, news."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
import json
import logging
import os
from pathlib import Path
import secrets
import shutil
import socket
import struct
import tempfile
from typing import Any, Protocol

from ..interface import FabricatorError
from . import messages
from .host import Answer

_LOGGER = logging.getLogger(__name__)

GREET_WITHIN = 10.0
"""Seconds in which whoever connects must have proved itself."""
BACKLOG = 1024 * 1024
"""Unread bytes beyond which a client gets no more snapshots until it reads on."""
LONGEST_BACKLOG = 64 * 1024 * 1024
"""Unread bytes beyond which a client counts as gone."""
LONGEST_PATH = 107
"""Bytes in the name of a Unix socket."""
_CREDENTIALS = struct.Struct("3i")
_WITHOUT_VERSION = frozenset({"busy", "quit"})
"""Operations that never change, so that all versions understand them."""


class Performer(Protocol):
    """Does what clients ask for."""

    def greet(self) -> None:
        """A new client is there."""

    async def perform(self, op: object, key: object, args: Mapping[str, Any]) -> Answer:
        """Do it."""


class Server:
    """Listens for the one client that it has; a newer one takes the place of it."""

    def __init__(
        self, secret: bytes, release: str, *, on_client: Callable[[], None]
    ) -> None:
        """Keep what to say of ourselves; `on_client` hears when one comes or goes."""
        self._secret = secret
        self._release = release
        self._on_client = on_client
        self._performer: Performer | None = None
        self._server: asyncio.Server | None = None
        self._client: asyncio.StreamWriter | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.path: Path | None = None

    @property
    def connected(self) -> bool:
        """Whether a client is there."""
        return self._client is not None

    async def listen(self, folder: Path, performer: Performer) -> Path:
        """Listen in the folder, or elsewhere where it cannot bear a socket."""
        self._performer = performer
        listener, self.path = _bind(folder)
        self._server = await asyncio.start_unix_server(
            self._connected, sock=listener, limit=messages.LONGEST
        )
        return self.path

    def tell(self, key: str, news: Mapping[str, Any]) -> bool:
        """Tell the client something about a machine. False: it is behind with reading."""
        if (client := self._client) is None:
            return True
        waiting = client.transport.get_write_buffer_size()
        if waiting > BACKLOG and "event" not in news:
            return False
        self._write(client, {"key": key, **news})
        return True

    def stop_listening(self) -> None:
        """Take no new client."""
        if self._server is not None:
            self._server.close()
        if self.path is not None:
            discard(self.path)

    async def close(self) -> None:
        """Let the client have what was said, and hang up."""
        self.stop_listening()
        self._client = None
        for writer in tuple(self._connections):
            writer.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                for writer in tuple(self._connections):
                    with suppress(OSError):
                        await writer.wait_closed()
        for task in self._tasks:
            task.cancel()

    # One connection

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._connections.add(writer)
        try:
            version = await self._greet(reader, writer)
            await self._serve(reader, writer, version)
        except (OSError, ValueError, RecursionError) as error:
            # What was said is not repeated here: it may have been a secret.
            _LOGGER.info("A connection was dropped: %s", type(error).__name__)
        finally:
            self._connections.discard(writer)
            writer.transport.abort()
            if self._client is writer:
                self._client = None
                self._on_client()

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> int | None:
        """Have the other side prove itself, and prove ourselves. Raises `ValueError`."""
        owner = _owner(writer)
        if owner != os.getuid():
            raise PermissionError(f"user {owner}")
        nonce = secrets.token_hex(32)
        speaks = [messages.OLDEST, messages.NEWEST]
        self._write(
            writer,
            {
                "hello": "printfarm-streamer",
                "speaks": speaks,
                "release": self._release,
                "pid": os.getpid(),
                "nonce": nonce,
            },
        )
        async with asyncio.timeout(GREET_WITHIN):
            said = _object(await reader.readline())
        nonces = nonce, str(said.get("nonce"))
        theirs, ours = (
            str(said.get("proof")),
            messages.proof(self._secret, "host", nonces),
        )
        if said.get("hello") != "printfarm" or not secrets.compare_digest(
            theirs.encode(), ours.encode()
        ):
            raise ValueError("no proof")
        version = messages.agree(_versions(said.get("speaks")))
        self._replace(writer)
        self._write(
            writer,
            {
                "proof": messages.proof(self._secret, "streamer", nonces),
                "version": version,
            },
        )
        return version

    def _replace(self, writer: asyncio.StreamWriter) -> None:
        """Take a new client in place of the old one."""
        old, self._client = self._client, writer
        if old is not None:
            old.transport.abort()
        assert self._performer is not None
        self._performer.greet()
        self._on_client()

    async def _serve(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        version: int | None,
    ) -> None:
        while line := await reader.readline():
            # What an old client had sent is nothing any more.
            if self._client is not writer:
                return
            request = _object(line)
            task = asyncio.create_task(self._answer(writer, request, version))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(
        self,
        writer: asyncio.StreamWriter,
        request: dict[str, Any],
        version: int | None,
    ) -> None:
        """Do what was asked, even if nobody waits for the answer any more."""
        number = request.get("id")
        try:
            answer = await self._perform(request, version)
        except FabricatorError as error:
            said: dict[str, Any] = {"error": {"key": error.key, "text": error.text}}
            answer = Answer()
        else:
            said = {"result": answer.result}
        if self._client is not writer:
            return
        self._write(writer, {"id": number, **said})
        if answer.then is not None:
            answer.then()

    async def _perform(self, request: dict[str, Any], version: int | None) -> Answer:
        assert self._performer is not None
        op, args = request.get("op"), request.get("args")
        if version is None and op not in _WITHOUT_VERSION:
            raise FabricatorError("version")
        if not isinstance(args, dict):
            args = {}
        try:
            return await self._performer.perform(op, request.get("key"), args)
        except FabricatorError:
            raise
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            _LOGGER.warning("Cannot make sense of a request to %.40r: %r", op, error)
            raise FabricatorError("bad_request", type(error).__name__) from error
        except Exception as error:
            _LOGGER.exception("Cannot do %.40r", op)
            raise FabricatorError("streamer_failed", type(error).__name__) from error

    def _write(self, writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
        transport = writer.transport
        if transport.is_closing():
            return
        writer.write(json.dumps(message).encode() + b"\n")
        if transport.get_write_buffer_size() > LONGEST_BACKLOG:
            _LOGGER.warning("The client does not read: dropped")
            transport.abort()


def _object(line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise ConnectionResetError
    said = json.loads(line)
    if not isinstance(said, dict):
        raise ValueError("no object")  # noqa: TRY004 - as for any other nonsense
    return said


def _versions(speaks: object) -> tuple[int, int]:
    match speaks:
        case [int(oldest), int(newest)]:
            return oldest, newest
    raise ValueError("no versions")


def _owner(writer: asyncio.StreamWriter) -> int:
    raw = writer.get_extra_info("socket").getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
    )
    return int(_CREDENTIALS.unpack(raw)[1])


def _bind(folder: Path) -> tuple[socket.socket, Path]:
    """Bind a socket that is its owner's alone. Raises `OSError`."""
    path = folder / "socket"
    if len(os.fsencode(path)) <= LONGEST_PATH:
        try:
            return _bound(path), path
        except OSError as error:
            _LOGGER.info("No socket in %s: %s", folder, error)
    elsewhere = Path(tempfile.mkdtemp(prefix=_ELSEWHERE)) / "socket"
    return _bound(elsewhere), elsewhere


_ELSEWHERE = "printfarm-"


def _bound(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
    except BaseException:
        listener.close()
        raise
    return listener


def discard(path: Path) -> None:
    """Remove a socket, and the private folder that was made for it."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
    if path.parent.name.startswith(_ELSEWHERE):
        shutil.rmtree(path.parent, ignore_errors=True)
