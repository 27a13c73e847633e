"""The host's end of the conversation with a streaming process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
import socket
from typing import Any

import pytest

from custom_components.printfarm.fabricators.interface import FabricatorError
from custom_components.printfarm.fabricators.streamer import client as module
from custom_components.printfarm.fabricators.streamer.client import (
    Client,
    NotSentError,
    UnprovenError,
)

from .scripted import HANG_UP, SECRET, SILENCE, Refused, Scripted, scripted

pytestmark = pytest.mark.usefixtures("unix_sockets")


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Scripted]:
    """Give a process that says what a test wants."""
    async with scripted(tmp_path) as process:
        yield process


async def connect(process: Scripted, secret: bytes = SECRET) -> Client:
    """Connect to it."""
    return await Client.connect(str(process.folder / "socket"), secret)


@pytest.fixture
async def client(process: Scripted) -> AsyncIterator[Client]:
    """Give a connection to it."""
    client = await connect(process)
    yield client
    await client.close()


async def test_both_sides_prove_themselves(process: Scripted) -> None:
    """What the other side says of itself is known then; nonces are never the same."""
    process.release, process.speaks = "0.9", [1, 7]
    first, second = await connect(process), await connect(process)
    assert (first.release, first.version, first.open) == ("0.9", 1, True)
    nonces = {hello["nonce"] for hello in process.hellos}
    assert len(nonces) == 2
    assert all(len(nonce) == 64 for nonce in nonces)
    assert [hello["hello"] for hello in process.hellos] == ["printfarm"] * 2
    await first.close()
    await second.close()


async def test_no_common_version(process: Scripted) -> None:
    """The connection stands all the same, for what never changes."""
    process.speaks = [7, 9]
    client = await connect(process)
    assert client.version is None
    await client.close()


@pytest.mark.parametrize(
    "greeting",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"[]\n",
        b'{"hello": "somebody"}\n',
        b'{"hello": "printfarm-streamer"}\n',
        b'{"hello": "printfarm-streamer", "speaks": 1, "release": "", "nonce": ""}\n',
        b'{"hello": "printfarm-streamer", "speaks": ["a", 1], "nonce": ""}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
)
async def test_somebody_else_answers(process: Scripted, greeting: bytes) -> None:
    """It is told nothing."""
    process.greeting = greeting
    with pytest.raises(UnprovenError):
        await connect(process)
    assert process.hellos == []


async def test_a_line_without_end(
    process: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not read for ever."""
    monkeypatch.setattr(module, "LONGEST", 1000)
    process.greeting = b" " * 10_000
    with pytest.raises(UnprovenError):
        await connect(process)


async def test_a_wrong_proof(process: Scripted) -> None:
    """Whoever does not know our secret is not spoken to."""
    process.secret = b"another"
    with pytest.raises(UnprovenError, match="secret"):
        await connect(process)
    assert process.asked == []


@pytest.mark.parametrize("odd", [None, 7, "", "é"])
async def test_a_proof_that_is_none(process: Scripted, odd: object) -> None:
    """Nor is whoever gives none, or one of strange letters."""
    process.proof = odd
    with pytest.raises(UnprovenError, match="secret"):
        await connect(process)


async def test_our_proof_is_not_taken(process: Scripted) -> None:
    """The secret on disk is not the one that the process knows."""
    with pytest.raises(UnprovenError, match="proof"):
        await connect(process, b"another")


async def test_a_process_of_another_user(
    process: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not even greeted."""
    uid = module.os.getuid()
    monkeypatch.setattr(module.os, "getuid", lambda: uid + 1)
    with pytest.raises(UnprovenError, match="user"):
        await connect(process)
    assert process.hellos in ([], [{}])


async def test_a_system_that_names_no_owner(
    process: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the secret alone must do."""
    monkeypatch.delattr(socket, "SO_PEERCRED")
    client = await connect(process)
    assert client.open
    await client.close()


async def test_nobody_greets(
    process: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that hangs is not waited for."""
    monkeypatch.setattr(module, "GREET_WITHIN", 0.01)
    process.greeting = b""
    with pytest.raises(TimeoutError):
        await connect(process)


async def test_it_hangs_up_before_it_greets(process: Scripted) -> None:
    """That is a process on its way out, not a stranger."""
    process.greeting = b""
    waiting = asyncio.create_task(connect(process))
    async with asyncio.timeout(30):
        while not process._writers:
            await asyncio.sleep(0.001)
    process._writers[0].write_eof()
    with pytest.raises(ConnectionError):
        await waiting


async def test_questions_and_answers(process: Scripted, client: Client) -> None:
    """Answers find their questions in any order."""
    waiting: list[Mapping[str, Any]] = []

    def later(request: Mapping[str, Any]) -> Any:
        waiting.append(request)
        return SILENCE

    process.replies["echo"] = later
    first = asyncio.create_task(client.request("echo", "k", {"n": 1}, within=30))
    second = asyncio.create_task(client.request("echo", within=30))
    await process.until_asked("echo", 2)
    for request in reversed(waiting):
        process.say({"id": request["id"], "result": request})
    answer = await first
    assert (answer["op"], answer["key"], answer["args"]) == ("echo", "k", {"n": 1})
    answer = await second
    assert (answer["key"], answer["args"]) == (None, {})


async def test_an_error_is_raised(process: Scripted, client: Client) -> None:
    """With the words of the other side."""

    def refuse(_: Mapping[str, Any]) -> Any:
        raise Refused("not_printing")

    process.replies["pause"] = refuse
    with pytest.raises(FabricatorError) as refused:
        await client.request("pause", "k", within=30)
    assert (refused.value.key, refused.value.text) == ("not_printing", "said so")


async def test_no_answer(process: Scripted, client: Client) -> None:
    """A question expires; its answer, should it come late, is nobody's."""
    process.replies["pause"] = lambda _: SILENCE
    with pytest.raises(FabricatorError) as expired:
        await client.request("pause", "k", within=0.01)
    assert expired.value.key == "streamer_failed"
    request = await process.until_asked("pause")
    process.say({"id": request["id"], "result": None})
    assert await client.request("resume", "k", within=30) is None


async def test_given_up(process: Scripted, client: Client) -> None:
    """Whoever does not wait any more disturbs nobody, also if it has just been told."""
    process.replies["pause"] = lambda _: SILENCE
    asking = asyncio.create_task(client.request("pause", "k", within=30))
    request = await process.until_asked("pause")
    asking.cancel()
    process.say({"id": request["id"], "result": None})
    process.say({"id": 999, "result": None})
    assert await client.request("resume", "k", within=30) is None


async def test_answered_and_given_up_at_once(client: Client) -> None:
    """The answer is there, but nobody takes it."""
    asking = asyncio.create_task(client.request("pause", "k", within=30))
    await asyncio.sleep(0)
    asking.cancel()
    client._take(b'{"id": 1, "result": null}')
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_the_process_dies(process: Scripted, client: Client) -> None:
    """What was asked may have been done or not; what is asked later is not sent."""
    process.replies["start"] = lambda _: HANG_UP
    with pytest.raises(FabricatorError) as lost:
        await client.request("start", "k", within=30)
    assert lost.value.key == "connection_lost"
    await client.gone()
    assert not client.open
    with pytest.raises(NotSentError) as unsent:
        await client.request("start", "k", within=30)
    assert unsent.value.key == "not_connected"
    assert process.ops() == ["start"]


async def test_news(process: Scripted, client: Client) -> None:
    """Each machine's news goes to its listener, in order, behind the answers before it."""
    heard: list[Any] = []
    client.listen("k", heard.append)

    def add(request: Mapping[str, Any]) -> Any:
        process.say({"id": request["id"], "result": "added"})
        process.say({"key": "k", "event": 1})
        process.say({"key": "other", "event": 2})
        process.say({"key": "k", "event": 3})
        return SILENCE

    process.replies["add"] = add
    await client.request("add", "k", within=30, take=heard.append)
    await client.request("busy", within=30)
    assert heard == ["added", {"key": "k", "event": 1}, {"key": "k", "event": 3}]
    client.unlisten("k")
    client.unlisten("k")
    process.say({"key": "k", "event": 4})
    await client.request("busy", within=30)
    assert len(heard) == 3


@pytest.mark.parametrize(
    "garbage",
    [b"what?", b"[1]", b'{"id": []}', b'{"id": 1, "error": "odd"}', b"[" * 100_000],
)
async def test_garbage(
    process: Scripted,
    client: Client,
    garbage: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever has proved itself and makes no sense is left, once."""
    process.replies["pause"] = lambda _: SILENCE
    asking = asyncio.create_task(client.request("pause", "k", within=30))
    await process.until_asked("pause")
    process.say(garbage)
    with pytest.raises(FabricatorError) as lost:
        await asking
    assert lost.value.key == "connection_lost"
    assert not client.open
    assert "makes no sense" in caplog.text


async def test_it_does_not_read(
    process: Scripted, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be got rid of does not pile up."""
    monkeypatch.setattr(module, "_BACKLOG", 1000)
    with pytest.raises(FabricatorError) as lost:
        await client.request("start", "k", {"file": "x" * 10_000_000}, within=30)
    assert lost.value.key == "connection_lost"
    assert not client.open


async def test_hanging_up_is_enough_once(client: Client) -> None:
    """Twice does no harm."""
    await client.close()
    await client.close()
    assert not client.open
