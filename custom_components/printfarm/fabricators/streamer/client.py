"""One conversation with a streaming process: first a proof, then questions and news."""

import asyncio
from collections.abc import Callable, Mapping
import contextlib
from dataclasses import dataclass
from itertools import count
import json
import logging
import os
import secrets
import socket
import struct
from typing import Any, Self

from ..interface import FabricatorError
from .messages import LONGEST, NEWEST, OLDEST, agree, proof

_LOGGER = logging.getLogger(__name__)

GREET_WITHIN = 5.0
"""Seconds in which a process says who it is and proves it."""
_BACKLOG = 4 * 1024 * 1024
"""Bytes that wait to be taken by a process that does not read."""
_CREDENTIALS = struct.Struct("3i")

type Listener = Callable[[Mapping[str, Any]], None]
"""Takes one piece of news about a machine: its snapshot, capabilities or an event."""
type Taker = Callable[[Any], None]


class NotSentError(FabricatorError):
    """There is no connection: certainly nothing was asked."""

    def __init__(self) -> None:
        """Bear the key of any machine that is not there."""
        super().__init__("not_connected")


class UnprovenError(Exception):
    """Whoever answers at our socket is not of our farm."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What a process says of itself before anybody has proved anything."""

    release: str
    speaks: tuple[int, int]
    nonce: str


class Client:
    """A process that has proved itself. Open it with `connect`.

    Answers and news are taken in the order in which they arrive. Nothing outlives the
    connection: what was not answered by its end is told so, and never sent again.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        hello: Hello,
    ) -> None:
        """Use `connect`."""
        self.release = hello.release
        self.version = agree(hello.speaks)
        """The version that both sides speak; without one only `busy` and `quit` work."""
        self._reader = reader
        self._writer = writer
        self._numbers = count(1)
        self._asked: dict[int, tuple[asyncio.Future[Any], Taker | None]] = {}
        self._listeners: dict[str, Listener] = {}
        self._over = asyncio.Event()
        self._reading = asyncio.get_running_loop().create_task(self._read())

    @classmethod
    async def connect(cls, path: str, secret: bytes) -> Self:
        """Connect, and have the other side prove itself before it is told anything.

        Raises `UnprovenError`, `TimeoutError`, and `OSError` where nobody is.
        """
        async with asyncio.timeout(GREET_WITHIN):
            reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST)
            try:
                return cls(reader, writer, await _greet(reader, writer, secret))
            except BaseException:
                writer.transport.abort()
                raise

    @property
    def open(self) -> bool:
        """Whether the process is there, as far as is known."""
        return not self._over.is_set()

    async def gone(self) -> None:
        """Wait for the end of the conversation."""
        await self._over.wait()

    def listen(self, key: str, listener: Listener) -> None:
        """Hand the news about this machine to `listener`."""
        self._listeners[key] = listener

    def unlisten(self, key: str) -> None:
        """Drop the news about this machine."""
        self._listeners.pop(key, None)

    async def request(
        self,
        op: str,
        key: str | None = None,
        args: Mapping[str, Any] | None = None,
        *,
        within: float,
        take: Taker | None = None,
    ) -> Any:
        """Ask once, and give the answer. `take` gets it before any news behind it.

        Raises `NotSentError` where it was certainly not asked, else `FabricatorError`:
        what the process says, or `connection_lost` or `streamer_failed` where it said
        nothing.
        """
        if self._over.is_set():
            raise NotSentError
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer, take
        request = {"id": number, "op": op, "key": key, "args": dict(args or {})}
        self._writer.write(json.dumps(request).encode() + b"\n")
        if self._writer.transport.get_write_buffer_size() > _BACKLOG:
            self.hang_up()
        try:
            async with asyncio.timeout(within):
                return await answer
        except TimeoutError:
            raise FabricatorError("streamer_failed", f"no answer to {op}") from None
        finally:
            self._asked.pop(number, None)

    def hang_up(self) -> None:
        """End the conversation at once; the process goes on. Safe to call twice."""
        if self._over.is_set():
            return
        self._over.set()
        self._listeners.clear()
        self._writer.transport.abort()
        self._reading.cancel()
        for answer, _ in self._asked.values():
            if not answer.done():
                answer.set_exception(FabricatorError("connection_lost"))

    async def close(self) -> None:
        """Hang up, and wait until nothing of the conversation is left."""
        self.hang_up()
        await asyncio.wait([self._reading])
        # An aborted transport says goodbye in the next turn of the loop.
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        try:
            while line := await self._reader.readline():
                self._take(line)
        except ConnectionError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, it is nonsense
            _LOGGER.warning("The streaming process makes no sense: %r", error)
        finally:
            self.hang_up()

    def _take(self, line: bytes) -> None:
        """Take one message. Raises `ValueError` where it is none."""
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError("not a message")  # noqa: TRY004 - one kind of nonsense
        if "id" in message:
            self._answer(message)
        elif (listener := self._listeners.get(message.get("key", ""))) is not None:
            listener(message)

    def _answer(self, message: Mapping[str, Any]) -> None:
        answer, take = self._asked.get(message["id"], (None, None))
        # Whoever asked may have given up meanwhile.
        if answer is None or answer.done():
            return
        if (error := message.get("error")) is not None:
            answer.set_exception(FabricatorError(str(error["key"]), error.get("text")))
            return
        result = message.get("result")
        if take is not None:
            take(result)
        answer.set_result(result)


async def _greet(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secret: bytes
) -> Hello:
    """Prove ourselves to whoever answers, and have it prove itself."""
    _check_owner(writer)
    hello = _hello(await _object(reader))
    nonce = secrets.token_hex(32)
    nonces = hello.nonce, nonce
    ours = {
        "hello": "printfarm",
        "speaks": [OLDEST, NEWEST],
        "nonce": nonce,
        "proof": proof(secret, "host", nonces),
    }
    writer.write(json.dumps(ours).encode() + b"\n")
    try:
        theirs = (await _object(reader)).get("proof")
    except ConnectionError as error:
        raise UnprovenError("it does not take our proof") from error
    expected = proof(secret, "streamer", nonces)
    if not isinstance(theirs, str) or not secrets.compare_digest(
        theirs.encode(), expected.encode()
    ):
        raise UnprovenError("it does not know the secret of this farm")
    return hello


async def _object(reader: asyncio.StreamReader) -> dict[str, Any]:
    try:
        if not (line := await reader.readline()):
            raise ConnectionResetError("it hung up")
        said = json.loads(line)
    except ValueError, RecursionError:
        said = None
    if not isinstance(said, dict):
        raise UnprovenError("it does not speak as ours do")
    return said


def _hello(said: Mapping[str, Any]) -> Hello:
    try:
        if said["hello"] == "printfarm-streamer":
            oldest, newest = said["speaks"]
            return Hello(
                str(said["release"]), (int(oldest), int(newest)), str(said["nonce"])
            )
    except KeyError, TypeError, ValueError:
        pass
    raise UnprovenError("it does not greet as ours do")


def _check_owner(writer: asyncio.StreamWriter) -> None:
    """Refuse a process of another user, where the system says whose it is."""
    if not hasattr(socket, "SO_PEERCRED"):
        return
    raw = writer.get_extra_info("socket").getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size
    )
    owner = _CREDENTIALS.unpack(raw)[1]
    if owner != os.getuid():
        raise UnprovenError(f"it belongs to user {owner}")
