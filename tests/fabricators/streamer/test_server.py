"""The socket: who may speak, who is heard, and what nonsense does not do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
import stat
from typing import Any

import pytest

from custom_components.printfarm.fabricators.interface import FabricatorError
from custom_components.printfarm.fabricators.streamer import messages, server
from custom_components.printfarm.fabricators.streamer.host import Answer
from custom_components.printfarm.fabricators.streamer.server import Server
from tests.fabricators.streamer.peer import Peer

pytestmark = pytest.mark.usefixtures("unix_sockets")

_SECRET = b"0123456789abcdef0123456789abcdef"


class Running:
    """A server, and somebody behind it who does what a test says."""

    def __init__(self) -> None:
        """Begin with nobody there."""
        self.server = Server(_SECRET, "0.3.0", on_client=self._on_client)
        self.clients: list[bool] = []
        """Whether a client was there, whenever that changed."""
        self.greeted = 0
        self.done: list[tuple[object, object, Mapping[str, Any]]] = []
        self.hold = asyncio.Event()
        self._changed = asyncio.Event()

    def _on_client(self) -> None:
        self.clients.append(self.server.connected)
        self._changed.set()

    def greet(self) -> None:
        """Count clients."""
        self.greeted += 1

    async def perform(self, op: object, key: object, args: Mapping[str, Any]) -> Answer:
        """Do as asked."""
        self.done.append((op, key, args))
        self._changed.set()
        match op:
            case "fail":
                raise FabricatorError("not_printing", "no print")
            case "nonsense":
                raise KeyError("run")
            case "break":
                raise RuntimeError("broken")
            case "hold":
                await self.hold.wait()
                return Answer({"did": op}, lambda: self._follow(key))
            case "follow":
                return Answer(1, lambda: self._follow(key))
        return Answer({"did": op})

    def _follow(self, key: object) -> None:
        self.server.tell(str(key), {"snapshot": {"state": "idle"}})

    async def until(self, done: Callable[[], object]) -> None:
        """Wait until this is true."""
        async with asyncio.timeout(30):
            while not done():
                self._changed.clear()
                await self._changed.wait()

    async def peer(self) -> Peer:
        """Connect somebody who proves to belong to the farm."""
        assert self.server.path is not None
        return await Peer.proven(self.server.path, _SECRET)

    async def stranger(self) -> Peer:
        """Connect somebody who says nothing yet."""
        assert self.server.path is not None
        return await Peer.connect(self.server.path)


type Serve = Callable[[], Awaitable[Running]]


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """Listen in a folder."""
    running = Running()
    await running.server.listen(tmp_path, running)
    yield running
    await running.server.close()


async def test_says_who_it_is_before_anything_else(running: Running) -> None:
    """With all that the other side needs for its proof."""
    peer = await running.stranger()
    hello = await peer.hear()
    assert hello["hello"] == "printfarm-streamer"
    assert hello["speaks"] == [messages.OLDEST, messages.NEWEST]
    assert hello["release"] == "0.3.0"
    assert hello["pid"] > 0
    assert len(hello["nonce"]) == 64
    other = await running.stranger()
    assert (await other.hear())["nonce"] != hello["nonce"]
    assert running.clients == []
    await peer.close()
    await other.close()


async def test_answers_a_proven_client(running: Running) -> None:
    """In whatever order; with what follows an answer right behind it."""
    peer = await running.peer()
    assert running.clients == [True]
    assert await peer.ask("busy") == {"id": 1, "result": {"did": "busy"}}
    peer.say({"id": "slow", "op": "hold", "key": "a", "args": {"x": 1}})
    assert (await peer.ask("follow", "a"))["result"] == 1
    assert await peer.hear() == {"key": "a", "snapshot": {"state": "idle"}}
    running.hold.set()
    assert await peer.hear() == {"id": "slow", "result": {"did": "hold"}}
    assert ("hold", "a", {"x": 1}) in running.done
    await peer.close()
    await running.until(lambda: running.clients == [True, False])


async def test_says_why_something_was_not_done(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    """And goes on."""
    peer = await running.peer()
    assert (await peer.ask("fail"))["error"] == {
        "key": "not_printing",
        "text": "no print",
    }
    assert (await peer.ask("nonsense"))["error"]["key"] == "bad_request"
    assert (await peer.ask("break"))["error"] == {
        "key": "streamer_failed",
        "text": "RuntimeError",
    }
    assert "Cannot do 'break'" in caplog.text
    assert "result" in await peer.ask("busy")
    await peer.close()


async def test_arguments_that_are_none(running: Running) -> None:
    """Count as no arguments."""
    peer = await running.peer()
    peer.say({"id": 1, "op": "busy", "args": 7})
    assert "result" in await peer.hear()
    peer.say({"op": "busy"})
    assert await peer.hear() == {"id": None, "result": {"did": "busy"}}
    assert running.done == [("busy", None, {}), ("busy", None, {})]
    await peer.close()


@pytest.mark.parametrize(
    "said",
    [
        {"proof": "0" * 64},
        {"proof": None},
        {"proof": "ä"},
        {"nonce": "another"},
        {"hello": "octoprint"},
        {"speaks": "1"},
        {"speaks": [1]},
        {"speaks": [1, "2"]},
    ],
)
async def test_a_stranger_changes_nothing(
    running: Running, said: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """He is neither answered nor takes the place of the client."""
    caplog.set_level("DEBUG")
    client = await running.peer()
    stranger = await running.stranger()
    assert await stranger.prove(_SECRET, **said) == {}
    assert "result" in await client.ask("busy")
    assert (running.greeted, running.clients) == (1, [True])
    assert _SECRET.decode() not in caplog.text
    assert "0" * 64 not in caplog.text
    await stranger.close()
    await client.close()


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"[]\n",
        b"7\n",
        b"\xff\xfe\n",
        b"[" * 200_000 + b"\n",
        b"9" * 5000 + b"\n",
        b"x" * (3 * 1024 * 1024),
    ],
)
@pytest.mark.parametrize("proven", [False, True])
async def test_nonsense_ends_its_conversation_alone(
    running: Running, monkeypatch: pytest.MonkeyPatch, data: bytes, proven: bool
) -> None:
    """Before the proof and after it; the next client is served as ever."""
    peer = await (running.peer() if proven else running.stranger())
    if not proven:
        await peer.hear()
    peer.send(data)
    if data.endswith(b"\n"):
        assert await peer.hear() == {}
    await peer.close()
    await running.until(lambda: not running.server.connected)
    assert running.done == []
    after = await running.peer()
    assert "result" in await after.ask("busy")
    await after.close()


async def test_a_line_that_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is read no further."""
    monkeypatch.setattr(messages, "LONGEST", 1024)
    running = Running()
    await running.server.listen(tmp_path, running)
    peer = await running.peer()
    peer.say({"id": 1, "op": "x" * 5000})
    assert await peer.hear() == {}
    await running.until(lambda: not running.server.connected)
    assert running.done == []
    await peer.close()
    await running.server.close()


async def test_whoever_does_not_prove_anything_is_sent_away(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while."""
    monkeypatch.setattr(server, "GREET_WITHIN", 0.0)
    peer = await running.stranger()
    assert (await peer.hear())["hello"] == "printfarm-streamer"
    assert await peer.hear() == {}
    await peer.close()


async def test_another_user_is_told_nothing(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever he could prove."""
    monkeypatch.setattr("os.getuid", lambda: 54321)
    peer = await running.stranger()
    assert await peer.hear() == {}
    await peer.close()


async def test_a_new_client_takes_the_place_of_the_old_one(running: Running) -> None:
    """What the old one had asked for is done, but only the new one is told."""
    old = await running.peer()
    old.say({"id": 1, "op": "hold", "key": "a"})
    await running.until(lambda: running.done)
    new = await running.peer()
    assert await old.hear() == {}
    running.hold.set()
    running.server.tell("a", {"event": {}})
    assert await new.hear() == {"key": "a", "event": {}}
    await new.ask("busy")
    # Nor does the new one hear what was to follow the old one's answer.
    assert new.news == []
    assert running.greeted == 2
    assert running.clients == [True, True]
    await old.close()
    await new.close()


async def test_what_an_old_client_sent_last_is_dropped(running: Running) -> None:
    """It was not read before the new one came."""
    old = await running.peer()
    (writer,) = running.server._connections
    new = await running.peer()
    reader = asyncio.StreamReader()
    reader.feed_data(b'{"id": 1, "op": "cancel", "key": "a"}\n')
    await running.server._serve(reader, writer, 1)
    assert running.done == []
    await old.close()
    await new.close()


async def test_sides_without_a_common_version(running: Running) -> None:
    """Can still tell whether a print must end first."""
    peer = await running.stranger()
    newer = [messages.NEWEST + 1, messages.NEWEST + 2]
    assert (await peer.prove(_SECRET, speaks=newer))["version"] is None
    assert "result" in await peer.ask("busy")
    assert "result" in await peer.ask("quit", force=False)
    assert (await peer.ask("add", "a"))["error"]["key"] == "version"
    assert [op for op, _, _ in running.done] == ["busy", "quit"]
    await peer.close()


async def test_a_client_that_does_not_read(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gets no more snapshots, and at last counts as gone."""
    monkeypatch.setattr(server, "BACKLOG", 1024)
    peer = await running.peer()
    big = {"snapshot": "x" * 100_000}
    while running.server.tell("a", big):
        pass
    assert running.server.tell("a", {"event": {}})
    monkeypatch.setattr(server, "LONGEST_BACKLOG", 2048)
    running.server.tell("a", {"event": {}})
    await running.until(lambda: not running.server.connected)
    assert running.server.tell("a", big)
    await peer.close()


async def test_the_socket_is_its_owners_alone(running: Running, tmp_path: Path) -> None:
    """And goes with the server."""
    path = tmp_path / "socket"
    assert running.server.path == path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    running.server.stop_listening()
    assert not path.exists()


async def test_takes_the_place_of_a_socket_that_was_left(tmp_path: Path) -> None:
    """By a process that was killed."""
    (tmp_path / "socket").write_text("")
    running = Running()
    await running.server.listen(tmp_path, running)
    peer = await running.peer()
    await peer.close()
    await running.server.close()


@pytest.mark.parametrize("long", [True, False])
async def test_listens_elsewhere_where_the_folder_bears_no_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long: bool
) -> None:
    """In a folder of its own that nobody else can look into."""
    folder = tmp_path
    if long:
        folder = tmp_path / ("x" * 120)
        folder.mkdir()
    else:
        (tmp_path / "socket").mkdir()
    running = Running()
    path = await running.server.listen(folder, running)
    assert path.parent not in {folder, tmp_path}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    peer = await running.peer()
    await peer.close()
    await running.server.close()
    assert not path.parent.exists()


async def test_hangs_up_at_the_end(running: Running) -> None:
    """After what was said last has gone out."""
    peer = await running.peer()
    running.server.tell("a", {"event": {"type": "ended"}})
    await running.server.close()
    assert await peer.hear() == {"key": "a", "event": {"type": "ended"}}
    assert await peer.hear() == {}
    await peer.close()
    await running.server.close()


async def test_what_is_still_under_way_at_the_end_is_given_up(running: Running) -> None:
    """Nobody waits for it any more."""
    peer = await running.peer()
    peer.say({"id": 1, "op": "hold"})
    await running.until(lambda: running.done)
    await running.server.close()
    assert await peer.hear() == {}
    await peer.close()
