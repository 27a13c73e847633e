"""A process that says what a test wants, where a real one would not."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
import json
import os
from pathlib import Path
from typing import Any

from custom_components.printfarm.fabricators.interface import (
    Capabilities,
    MachineState,
    Snapshot,
)
from custom_components.printfarm.fabricators.streamer.messages import (
    capabilities_to_json,
    proof,
    snapshot_to_json,
)

SECRET = b"s" * 32

type Reply = Callable[[Mapping[str, Any]], Any]
"""Gives the answer to a request; raises `Refused`, or gives `SILENCE`."""
SILENCE = object()
HANG_UP = object()


class Refused(Exception):
    """The answer is an error with this key."""


def idle(_: Mapping[str, Any]) -> dict[str, Any]:
    """Answer to `add` for a machine that does nothing."""
    return added(Snapshot(state=MachineState.IDLE))


def added(snapshot: Snapshot) -> dict[str, Any]:
    """Give an answer to `add`."""
    return {
        "snapshot": snapshot_to_json(snapshot),
        "capabilities": capabilities_to_json(Capabilities(tools=2)),
    }


class Scripted:
    """Listens as the process of one kind, and keeps what it was asked."""

    def __init__(self, farm: Path, kind: str, **replies: Reply) -> None:
        """`replies` by operation; what is not among them is answered with nothing."""
        self.folder = farm / "streamer" / kind
        self.replies: dict[str, Reply] = {"add": idle, **replies}
        self.asked: list[dict[str, Any]] = []
        self.hellos: list[dict[str, Any]] = []
        self.release = "1"
        self.speaks: Any = [1, 1]
        self.greeting: bytes | None = None
        """Said instead of a greeting."""
        self.secret = SECRET
        self.proof: Any = ...
        """Given instead of a proof."""
        self.connected = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Be found."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "socket"
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path)
        (self.folder / "secret").write_bytes(SECRET)
        about = {"socket": str(path), "pid": os.getpid()}
        (self.folder / "about.json").write_text(json.dumps(about))

    async def close(self) -> None:
        """Be gone, as a process that was killed."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.hang_up()
        await asyncio.sleep(0)

    def hang_up(self) -> None:
        """Drop every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        self.connected.clear()

    def say(self, message: Any) -> None:
        """Say something to whoever is there."""
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        for writer in self._writers:
            writer.write(line + b"\n")

    def ops(self) -> list[str]:
        """What was asked, in order."""
        return [request["op"] for request in self.asked]

    async def until_asked(self, op: str, times: int = 1) -> dict[str, Any]:
        """Wait for the nth request of a kind."""
        async with asyncio.timeout(30):
            while self.ops().count(op) < times:
                await asyncio.sleep(0.001)
        return [request for request in self.asked if request["op"] == op][times - 1]

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.append(writer)
        try:
            await self._converse(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.greeting is not None:
            writer.write(self.greeting)
            await reader.read()
            return
        hello = {
            "hello": "printfarm-streamer",
            "speaks": self.speaks,
            "release": self.release,
            "pid": os.getpid(),
            "nonce": "theirs",
        }
        writer.write(json.dumps(hello).encode() + b"\n")
        said = json.loads(await reader.readline() or b"{}")
        self.hellos.append(said)
        if not said:
            return
        nonces = "theirs", said["nonce"]
        if said["proof"] != proof(SECRET, "host", nonces):
            return
        true = proof(self.secret, "streamer", nonces)
        ours = {"proof": true if self.proof is ... else self.proof, "version": 1}
        writer.write(json.dumps(ours).encode() + b"\n")
        self.connected.set()
        while line := await reader.readline():
            self._answer(writer, json.loads(line))

    def _answer(self, writer: asyncio.StreamWriter, request: dict[str, Any]) -> None:
        self.asked.append(request)
        answer: dict[str, Any] = {"id": request["id"]}
        reply = self.replies.get(request["op"], lambda _: None)
        try:
            result = reply(request)
        except Refused as error:
            answer["error"] = {"key": str(error), "text": "said so"}
        else:
            if result is SILENCE:
                return
            if result is HANG_UP:
                self.hang_up()
                return
            answer["result"] = result
        writer.write(json.dumps(answer).encode() + b"\n")


@asynccontextmanager
async def scripted(
    farm: Path, kind: str = "virtual", **replies: Reply
) -> AsyncIterator[Scripted]:
    """Have a scripted process there for as long as the block runs."""
    process = Scripted(farm, kind, **replies)
    await process.listen()
    try:
        yield process
    finally:
        await process.close()
