"""The streaming process itself: how it comes and goes, and what outlives what."""

import asyncio
from collections.abc import AsyncIterator, Callable
import json
from pathlib import Path
import signal
import stat
import tempfile
from types import SimpleNamespace

import pytest

from custom_components.printfarm.fabricators.streamer import child, program
from custom_components.printfarm.fabricators.streamer.linger import Linger
from custom_components.printfarm.fabricators.streamer.lock import Lock, TakenError
from custom_components.printfarm.fabricators.streamer.shelf import Shelf
from tests.fabricators.streamer.peer import Peer
from tests.fabricators.streamer.real import COIN, Process, Virtual
from tests.fabricators.watched import endless

pytestmark = pytest.mark.usefixtures("unix_sockets")

type Start = Callable[..., Process]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start processes, and see that all of them end."""
    processes: list[Process] = []

    def make(**options: object) -> Process:
        process = Process(tmp_path, **options)  # type: ignore[arg-type]
        processes.append(process)
        return process

    yield make
    for process in processes:
        await process.end()


async def test_a_print_outlives_its_client(start: Start) -> None:
    """It is printed to its end, and whoever comes back is told of it."""
    process, machine = start(), Virtual()
    first = await process.peer()
    await machine.add(first)
    answer = await machine.start(first, COIN)
    assert answer["result"] == {"outcome": "started"}
    await first.close()

    second = await process.peer()
    await machine.add(second)
    end = await second.event("ended")
    assert (end["run"], end["result"]) == (7, "completed")
    assert (await second.ask("outcome", "a", run=7))["result"]["end"] == end
    assert (await second.ask("busy"))["result"]["runs"] == []
    await second.close()


async def test_a_print_whose_process_is_killed(start: Start, tmp_path: Path) -> None:
    """The next process tells how far it came, from what every line left behind."""
    killed, machine = start(), Virtual(speed=20)
    first = await killed.peer()
    await machine.add(first)
    task = endless(tmp_path, 7)
    assert task.gcode is not None
    await machine.start(first, task.gcode)
    await first.until(lambda one: (one.get("snapshot", {}).get("position") or 0) > 500)
    killed.signal(signal.SIGKILL)
    assert await killed.ended() == -signal.SIGKILL
    await first.close()
    tape = Shelf(killed.folder).tape("a").entries()

    second = await start().peer()
    await machine.add(second)
    end = next(one["event"] for one in second.news if "event" in one)
    assert (end["run"], end["result"]) == (7, "failed")
    assert end["reason"] == "streamer_died"
    position = end["checkpoint"]["position"]
    assert 500 < position <= tape[-1][1] < task.gcode.stat().st_size
    assert position >= tape[-2][1]
    # It is never begun anew by somebody who has missed that.
    assert (await machine.start(second, task.gcode))["result"]["outcome"] == "started"
    assert (await second.ask("busy"))["result"]["runs"] == []
    await second.ask("forget", "a", run=7)
    await second.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_print_ends_safely_when_the_process_must_go(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """The client is told, and so is whoever asks the next process."""
    process, machine = start(), Virtual(speed=20)
    peer = await process.peer()
    await machine.add(peer)
    task = endless(tmp_path, 7)
    assert task.gcode is not None
    await machine.start(peer, task.gcode)
    await peer.until(lambda one: (one.get("snapshot", {}).get("position") or 0) > 500)
    process.signal(number)
    end = await peer.event("ended")
    assert (end["result"], end["reason"]) == ("failed", "stopped")
    assert end["checkpoint"]["position"] > 500
    assert await process.ended() == 0
    await peer.close()
    following = await start().peer()
    answer = await following.ask("outcome", "a", run=7)
    assert answer["result"]["end"] == end
    await following.close()


async def test_there_is_one_process_in_a_folder(start: Start) -> None:
    """The second one goes at once, and says why."""
    first = start()
    await first.about()
    assert await start().ended() == program.TAKEN
    other = start(kind="serial")
    await other.about()


async def test_ends_itself_when_nobody_needs_it(start: Start) -> None:
    """And leaves nothing that looks as if it were there."""
    process = start(linger=0)
    assert await process.ended() == 0
    names = {path.name for path in process.folder.iterdir()}
    assert names == {"lock", "log", "secret"}


class _Counted(Linger):
    """Never ends by itself; says whether it would, and ends when a test wants it."""

    looked: list[bool]

    def look(self) -> None:
        self.looked.append(self._needed())

    def end(self) -> None:
        """Let the time be up."""
        self._over()


async def test_stays_as_long_as_somebody_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Client or print: either is enough."""
    monkeypatch.setattr(_Counted, "looked", [], raising=False)
    monkeypatch.setattr(child, "Linger", _Counted)
    # What other tests have left is not to be found, or kept, by this one.
    none = SimpleNamespace(collect=lambda: 0, freeze=lambda: None)
    monkeypatch.setattr(child, "gc", none)
    process = child.Child(tmp_path, "virtual", "0.3.0", 60, Lock(tmp_path / "lock"))
    living = asyncio.create_task(process.serve())
    while not (tmp_path / "about.json").exists():
        await asyncio.sleep(0.01)
    about = json.loads((tmp_path / "about.json").read_bytes())
    machine = Virtual()
    peer = await Peer.proven(Path(about["socket"]), (tmp_path / "secret").read_bytes())
    await machine.add(peer)
    await machine.start(peer, COIN)
    await peer.close()
    async with asyncio.timeout(60):
        while _Counted.looked[-1]:
            await asyncio.sleep(0.01)
    # Alone; with a client; with a print too, and then without the client; alone again.
    assert _Counted.looked == [False, True, True, True, False]
    linger = process._linger
    assert isinstance(linger, _Counted)
    linger.end()
    await living
    await process.leave()
    Lock(tmp_path / "lock").release()


@pytest.mark.parametrize("removed", ["socket", "about.json"])
async def test_is_found_again_where_somebody_tidied_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, removed: str
) -> None:
    """It cannot be replaced as long as it holds the lock, so it has to be reached."""
    monkeypatch.setattr(child, "LOOK_EVERY", 0.01)
    none = SimpleNamespace(collect=lambda: 0, freeze=lambda: None)
    monkeypatch.setattr(child, "gc", none)
    process = child.Child(tmp_path, "virtual", "0.3.0", 60, Lock(tmp_path / "lock"))
    living = asyncio.create_task(process.serve())
    about = tmp_path / "about.json"
    while not about.exists():
        await asyncio.sleep(0.01)
    (tmp_path / removed).unlink()
    async with asyncio.timeout(60):
        while not (about.exists() and (tmp_path / "socket").exists()):
            await asyncio.sleep(0.01)
    path = Path(json.loads(about.read_bytes())["socket"])
    peer = await Peer.proven(path, (tmp_path / "secret").read_bytes())
    await peer.close()
    process._stopping.set()
    await living
    await process.leave()


async def test_quits_when_it_is_told_to(start: Start) -> None:
    """Once it hangs up the next one can be started."""
    process, machine = start(), Virtual()
    peer = await process.peer()
    await machine.add(peer)
    assert "result" in await peer.ask("quit")
    while await peer.hear():
        pass
    following = start()
    await following.about()
    assert await process.ended() == 0
    await peer.close()


async def test_only_its_owner_can_look_into_its_folder(start: Start) -> None:
    """Also at what somebody has opened to others."""
    process, machine = start(), Virtual()
    peer = await process.peer()
    await machine.add(peer)
    await machine.start(peer, COIN)
    await peer.event("ended")
    names = {path.name for path in process.folder.iterdir()}
    assert {
        "about.json",
        "lock",
        "log",
        "run-a.json",
        "secret",
        "socket",
        "tape-a",
    } <= (names)
    (process.folder / "secret").chmod(0o644)
    process.folder.chmod(0o755)
    await peer.ask("quit")
    await process.ended()
    await peer.close()
    following = start()
    await following.about()
    assert stat.S_IMODE(process.folder.stat().st_mode) == 0o700
    for path in process.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    assert stat.S_IMODE(process.folder.parent.stat().st_mode) == 0o700


async def test_says_what_it_is(start: Start) -> None:
    """To those who look for it; its secret is in its own file alone."""
    process = start()
    about = await process.about()
    assert about["pid"] == process.pid
    assert about["release"] == "0.3.0"
    assert about["speaks"] == [1, 1]
    assert Path(about["socket"]).is_socket()
    secret = (process.folder / "secret").read_bytes()
    await process.end()
    assert secret.hex() not in process.log()
    assert "Release 0.3.0 listens on" in process.log()


async def test_a_terminal_that_closes_does_not_end_it(start: Start) -> None:
    """It has a session of its own, but whoever starts it may not have given it one."""
    process = start()
    await process.about()
    process.signal(signal.SIGHUP)
    peer = await process.peer()
    assert "result" in await peer.ask("busy")
    await peer.close()


async def test_a_folder_that_cannot_be_used(start: Start, tmp_path: Path) -> None:
    """Is said to whoever started it."""
    (tmp_path / "streamer").write_text("")
    process = start()
    output = process.output()
    assert await process.ended() == program.BROKEN
    assert "streamer/virtual" in output


@pytest.mark.parametrize("name", ["log", "secret"])
async def test_a_file_that_cannot_be_used(
    start: Start, tmp_path: Path, name: str
) -> None:
    """Neither is there a process without a log, nor one without a secret."""
    (tmp_path / "streamer" / "virtual" / name).mkdir(parents=True)
    assert await start().ended() == program.BROKEN


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"socket": 7}'])
async def test_what_a_killed_process_said_of_itself_is_removed(
    start: Start, tmp_path: Path, content: str
) -> None:
    """Whatever it is."""
    folder = tmp_path / "streamer" / "virtual"
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(content)
    assert "pid" in await start().about()


async def test_the_socket_of_a_killed_process_is_removed(
    start: Start, tmp_path: Path
) -> None:
    """With the folder that was made for it elsewhere."""
    elsewhere = Path(tempfile.mkdtemp(prefix="printfarm-"))
    (elsewhere / "socket").write_text("")
    folder = tmp_path / "streamer" / "virtual"
    folder.mkdir(parents=True)
    (folder / "about.json").write_text(
        json.dumps({"socket": str(elsewhere / "socket"), "pid": 1})
    )
    await start().about()
    assert not elsewhere.exists()


_WATCHED = """\
import sys, os
imports = os.open({path!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def note(event, arguments, write=os.write, imports=imports):
    if event == "import":
        write(imports, (arguments[0] + "\\n").encode())
sys.addaudithook(note)
"""


async def test_imports_nothing_after_its_start(start: Start, tmp_path: Path) -> None:
    """Its code may be replaced while it prints.

    And it never imports Home Assistant, or what the rest of the integration needs.
    """
    imports = tmp_path / "imports"
    prefix = _WATCHED.format(path=str(imports))
    process, machine = start(program=lambda own: prefix + own), Virtual()
    await process.about()
    before = imports.read_text().split()
    roots = {name.partition(".")[0] for name in before}
    assert "printfarm" in roots
    assert "serialx" in roots
    assert not roots & {"homeassistant", "numpy", "custom_components", "sqlalchemy"}
    assert "printfarm.gcode" not in before
    first = await process.peer()
    await machine.add(first)
    lines = COIN.read_text().splitlines(keepends=True)
    file = tmp_path / "a.gcode"
    file.write_text("".join([*lines[:1000], "M25\n", *lines[1000:]]))
    await machine.start(first, file)
    await first.event("paused")
    await first.close()
    second = await process.peer()
    await machine.add(second)
    await second.ask("pause", "a")
    await second.ask("command", "a", line="M114")
    await second.ask("set_gcode_log", "a", on=True)
    await second.ask("resume", "a")
    await second.event("ended")
    await second.ask("wire", "a")
    second.say({"id": 1, "op": "start", "key": "a"})
    second.send(b"nonsense\n")
    await second.close()
    process.signal(signal.SIGTERM)
    assert await process.ended() == 0
    after = imports.read_text().split()[len(before) :]
    assert [name for name in after if name.startswith(("printfarm", "serialx"))] == []
    assert after == []


@pytest.mark.parametrize("allowed", [True, False])
def test_a_nozzle_goes_first_where_the_system_lets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, allowed: bool
) -> None:
    """Within its session and among sessions; who may not do that goes on without."""
    asked: list[int] = []

    def nice(by: int) -> None:
        asked.append(by)
        if not allowed:
            raise PermissionError

    monkeypatch.setattr(child.os, "nice", nice)
    autogroup = tmp_path / "autogroup"
    if not allowed:
        autogroup.mkdir()
    child.precede(autogroup)
    assert asked == [child.NICENESS]
    if allowed:
        assert autogroup.read_text("ascii") == str(child.NICENESS)


async def test_writes_no_more_once_the_next_one_may_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is slow must not bring an old story back."""
    written = []

    class _Late(Shelf):
        def close(self) -> None:
            with pytest.raises(TakenError):
                Lock(tmp_path / "lock")
            super().close()
            written.append(True)

    monkeypatch.setattr(child, "Shelf", _Late)
    process = child.Child(tmp_path, "virtual", "0.3.0", 60, Lock(tmp_path / "lock"))
    await process.leave()
    assert written
    Lock(tmp_path / "lock").release()
