"""A client of the streaming process, written by hand: it may say anything."""

import asyncio
from collections.abc import Callable, Mapping
import contextlib
import json
from pathlib import Path
from typing import Any, Self

from custom_components.printfarm.fabricators.streamer.messages import LONGEST, proof


class Peer:
    """One end of a socket."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Use `connect`."""
        self._reader = reader
        self._writer = writer
        self._numbers = 0
        self.news: list[Mapping[str, Any]] = []
        """What was told besides answers, in order."""

    @classmethod
    async def connect(cls, path: Path) -> Self:
        """Connect, and say nothing."""
        return cls(*await asyncio.open_unix_connection(path, limit=LONGEST))

    @classmethod
    async def proven(cls, path: Path, secret: bytes) -> Self:
        """Connect, and prove to belong to the farm."""
        peer = await cls.connect(path)
        answer = await peer.prove(secret)
        assert answer["version"] == 1
        return peer

    async def prove(
        self, secret: bytes, *, speaks: object = (1, 1), **other: Any
    ) -> Mapping[str, Any]:
        """Answer the greeting; `other` replaces what is said."""
        hello = await self.hear()
        nonces = hello["nonce"], "ours"
        ours = {
            "hello": "printfarm",
            "speaks": speaks,
            "nonce": "ours",
            "proof": proof(secret, "host", nonces),
        }
        self.say(ours | other)
        answer = await self.hear()
        if answer:
            assert answer["proof"] == proof(secret, "streamer", nonces)
        return answer

    def say(self, message: object) -> None:
        """Send an object."""
        self.send(json.dumps(message).encode() + b"\n")

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)

    async def hear(self) -> Any:
        """Give the next message; an empty one is the end."""
        async with asyncio.timeout(30):
            try:
                line = await self._reader.readline()
            except ConnectionResetError:
                line = b""
        return json.loads(line) if line else {}

    async def ask(self, op: object, key: object = None, **args: Any) -> Any:
        """Ask, and give the answer; news that come before it are kept."""
        self._numbers += 1
        number = self._numbers
        self.say({"id": number, "op": op, "key": key, "args": args})
        while (message := await self.hear()).get("id") != number:
            assert message, "hung up"
            self.news.append(message)
        return message

    async def until(self, done: Callable[[Mapping[str, Any]], object]) -> Any:
        """Hear on until one message is what was waited for."""
        while not done(message := await self.hear()):
            assert message, "hung up"
            self.news.append(message)
        return message

    async def event(self, kind: str) -> Any:
        """Wait for an event."""
        message = await self.until(lambda one: one.get("event", {}).get("type") == kind)
        return message["event"]

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
