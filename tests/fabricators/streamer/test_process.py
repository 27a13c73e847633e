"""Finding, starting, replacing and ending streaming processes: real ones, and odd ones."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
import json
import os
from pathlib import Path
import signal
import sys
from typing import Any

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorConfig,
    MachineEventType,
    MachineState,
    Result,
    Snapshot,
    StartOutcome,
    Task,
)
from custom_components.printfarm.fabricators.streamer import launch, supervisor
from custom_components.printfarm.fabricators.streamer.launch import folder_of
from custom_components.printfarm.fabricators.streamer.process import Streamers
from custom_components.printfarm.fabricators.streamer.program import BROKEN, TAKEN
from custom_components.printfarm.fabricators.streamer.supervisor import Trouble
from tests.fabricators.watched import endless

from .away import ADA, Away
from .scripted import SILENCE, Refused, added, scripted

pytestmark = pytest.mark.usefixtures("unix_sockets")

KIND = "virtual"
SLOW = FabricatorConfig(
    key="k", name="Ada", protocol="virtual", options={"model": "marlin_2", "speed": 20}
)


@pytest.fixture
async def farm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """Give the folder of a farm, of which no process is left afterwards."""
    monkeypatch.setattr(supervisor, "_FIRST_PAUSE", 0.0)
    yield tmp_path
    await Streamers(tmp_path, "").dismiss()
    await reaped()


async def reaped(left: int = 0) -> None:
    """Wait until no more processes than these are left of those started here."""
    async with asyncio.timeout(30):
        while len(launch._children) > left:
            launch.reap()
            await asyncio.sleep(0.01)


type Open = Callable[..., Away]


@pytest.fixture
async def away(farm: Path) -> AsyncIterator[Open]:
    """Give a way to open the farm's machine, as one Home Assistant after the other."""
    opened: list[Away] = []

    def open_(release: str = "1", config: FabricatorConfig = ADA) -> Away:
        opened.append(Away(farm, release, config))
        opened[-1].run()
        return opened[-1]

    yield open_
    for one in opened:
        await one.leave()


def about(farm: Path) -> dict[str, Any]:
    """Give what the process says of itself."""
    return dict(json.loads((folder_of(farm, KIND) / "about.json").read_text("utf-8")))


def kill(farm: Path) -> None:
    """End the process as a power cut would."""
    os.kill(about(farm)["pid"], signal.SIGKILL)


def short(folder: Path, run: int) -> Task:
    """Write a print that is over at once."""
    path = folder / "short.gcode"
    path.write_text("G28\nG1 X10\nG1 X20\n")
    return Task(run=run, name="short", source=path, gcode=path)


# Real processes.


async def test_a_print_goes_on_without_us(farm: Path, away: Open) -> None:
    """The next one of us finds the same process, the same run, and its end once."""
    first = away(config=SLOW)
    await first.state(MachineState.IDLE)
    task = endless(farm, 1)
    assert await first.fabricator.start(task) is StartOutcome.STARTED
    pid = about(farm)["pid"]
    # No signal of a terminal, and none to our group, reaches it.
    assert os.getsid(pid) == os.getpgid(pid) == pid
    await first.leave()
    second = away(config=SLOW)
    await second.until(lambda: second.fabricator.snapshot.run == 1)
    assert about(farm)["pid"] == pid
    assert second.told(MachineEventType.STARTED) == []
    assert await second.fabricator.outcome(1) is None
    await second.fabricator.cancel()
    assert (await second.ended()).result is Result.CANCELLED
    await second.leave()
    third = away(config=SLOW)
    assert (await third.ended()).result is Result.CANCELLED
    await third.fabricator.forget(1)
    await third.leave()
    fourth = away(config=SLOW)
    await fourth.state(MachineState.IDLE)
    assert fourth.events == []


async def test_started_at_the_same_time(farm: Path) -> None:
    """One process stays, and the loser speaks to it."""
    clients = await asyncio.gather(
        *(launch.launch(farm, KIND, release) for release in ("1", "2"))
    )
    assert len({client.release for client in clients}) == 1
    await reaped(1)
    for client in clients:
        await client.close()


async def test_a_socket_without_a_process(farm: Path, away: Open) -> None:
    """What a killed process has left is no process."""
    first = away()
    await first.state(MachineState.IDLE)
    pid = about(farm)["pid"]
    await first.leave()
    kill(farm)
    second = away()
    await second.state(MachineState.IDLE)
    assert about(farm)["pid"] != pid


async def test_killed_in_mid_print(farm: Path, away: Open) -> None:
    """Unknown at once; the next process tells that the run has failed, and where."""
    one = away(config=SLOW)
    await one.state(MachineState.IDLE)
    await one.fabricator.start(endless(farm, 1))
    await one.until(lambda: one.fabricator.snapshot.position)
    one.snapshots.clear()
    kill(farm)
    event = await one.ended()
    assert (event.result, event.reason) == (Result.FAILED, "streamer_died")
    assert event.checkpoint is not None
    assert one.snapshots[0].state is MachineState.UNKNOWN
    await one.state(MachineState.IDLE)


async def test_another_release_makes_room(farm: Path, away: Open) -> None:
    """At once where nothing prints; nothing is offline for it."""
    old = away("1")
    await old.state(MachineState.IDLE)
    await old.leave()
    new = away("2")
    await new.state(MachineState.IDLE)
    assert about(farm)["release"] == "2"


async def test_another_release_prints(farm: Path, away: Open) -> None:
    """It is spoken to until its print is over and written down."""
    old = away("1", SLOW)
    await old.state(MachineState.IDLE)
    await old.fabricator.start(endless(farm, 1))
    await old.leave()
    new = away("2", SLOW)
    await new.until(lambda: new.fabricator.snapshot.run == 1)
    await new.fabricator.cancel()
    await new.ended()
    await new.state(MachineState.IDLE)
    assert about(farm)["release"] == "1"
    new.snapshots.clear()
    await new.fabricator.forget(1)
    await new.until(lambda: len(new.snapshots) > 1)
    await new.state(MachineState.IDLE)
    assert about(farm)["release"] == "2"
    assert new.snapshots[0].state is MachineState.UNKNOWN
    assert await new.fabricator.start(short(farm, 2)) is StartOutcome.STARTED


async def test_dismissed(farm: Path, away: Open) -> None:
    """The print is over, the process gone, and nothing is left to tell of it."""
    one = away(config=SLOW)
    await one.state(MachineState.IDLE)
    await one.fabricator.start(endless(farm, 1))
    pid = about(farm)["pid"]
    await one.leave()
    await one.streamers.dismiss()
    assert not folder_of(farm, KIND).exists()
    await reaped()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_what_is_no_longer_wanted(farm: Path, away: Open) -> None:
    """Machines that were removed meanwhile are let go, also by a later one of us."""
    one = away(config=SLOW)
    await one.state(MachineState.IDLE)
    await one.fabricator.start(endless(farm, 1))
    await one.streamers.keep_only([SLOW])
    assert one.fabricator.snapshot.run == 1
    await one.leave()
    await Streamers(farm, "1").keep_only([])
    again = away(config=SLOW)
    await again.state(MachineState.IDLE)
    assert again.events == []


async def test_a_process_that_cannot_live(farm: Path, away: Open) -> None:
    """Its folder cannot be used: that is said, and tried again."""
    (farm / "streamer").write_text("in the way")
    one = away()
    await one.until(lambda: one.troubles)
    assert one.troubles == [(Trouble(KIND, "streamer_failed"),)]
    assert one.fabricator.snapshot.state is MachineState.UNKNOWN
    assert one.fabricator.snapshot.error == "streamer_failed"
    (farm / "streamer").unlink()
    await one.state(MachineState.IDLE)
    assert one.troubles[-1] == one.streamers.troubles == ()
    assert one.fabricator.snapshot.error is None


async def test_a_conversation_that_breaks(
    away: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one is begun."""
    serve, broken = supervisor.Supervisor._serve, [RuntimeError("broken")]

    async def break_once(*args: Any) -> bool:
        if broken:
            raise broken.pop()
        return await serve(*args)

    monkeypatch.setattr(supervisor.Supervisor, "_serve", break_once)
    one = away()
    await one.state(MachineState.IDLE)


@pytest.mark.parametrize(
    ("program", "within", "text"),
    [
        (f"raise SystemExit({BROKEN})", 30, "folder"),
        ("raise SystemExit(9)", 30, "ended with code 9"),
        ("import time; time.sleep(1)", 0, "does not answer"),
    ],
)
async def test_a_process_that_does_not_come(
    farm: Path,
    program: str,
    within: float,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not waited for for ever."""
    command = sys.executable, "-c", program
    monkeypatch.setattr(launch, "START_WITHIN", within)
    monkeypatch.setattr(launch, "command", lambda *_: command)
    with pytest.raises(launch.LaunchError, match=text) as failed:
        await launch.launch(farm, KIND, "1")
    assert failed.value.code == "streamer_failed"


async def test_a_program_that_is_not_there(
    farm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system says why."""
    monkeypatch.setattr(launch, "command", lambda *_: ("/no/such/program",))
    with pytest.raises(launch.LaunchError, match="No such file"):
        await launch.launch(farm, KIND, "1")


async def test_the_one_before_is_still_on_its_way_out(
    farm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is taken, but nobody answers: another one is started until one can stay."""
    monkeypatch.setattr(launch, "_ONCE_MORE", 0.0)
    true = launch.command
    tries: list[object] = []

    def command(*args: Any) -> tuple[str, ...]:
        tries.append(args)
        if len(tries) < 3:
            return sys.executable, "-c", f"raise SystemExit({TAKEN})"
        return true(*args)

    monkeypatch.setattr(launch, "command", command)
    client = await launch.launch(farm, KIND, "1")
    assert len(tries) == 3
    await client.close()


# Odd ones.


async def test_somebody_without_our_secret(farm: Path, away: Open) -> None:
    """It is not spoken to, and no second one is started beside it."""
    async with scripted(farm) as stranger:
        stranger.secret = b"another"
        one = away()
        await one.until(lambda: one.troubles)
        assert one.streamers.troubles == (Trouble(KIND, "streamer_unproven"),)
        assert one.fabricator.snapshot.error == "streamer_unproven"
        late = one.streamers.make(ADA, one.on_snapshot, one.on_event)
        running = asyncio.create_task(late.run())
        await one.until(lambda: late.snapshot.state is MachineState.UNKNOWN)
        running.cancel()
        assert stranger.asked == []
        assert launch._children == []
        stranger.secret = b"s" * 32
        await one.state(MachineState.IDLE)
        assert one.streamers.troubles == ()


async def test_somebody_who_hangs(
    farm: Path, away: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that does not greet is one that cannot be spoken to."""
    monkeypatch.setattr(
        "custom_components.printfarm.fabricators.streamer.client.GREET_WITHIN", 0.01
    )
    async with scripted(farm) as stranger:
        stranger.greeting = b""
        one = away()
        await one.until(lambda: one.troubles)
        assert one.streamers.troubles == (Trouble(KIND, "streamer_failed"),)
        await one.leave()


async def test_another_version_prints(
    farm: Path, away: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is only asked whether it is done, and told to end when it is."""
    monkeypatch.setattr(supervisor, "ASK_EVERY", 0.0)
    run = {"key": "k", "name": "Ada", "run": 1, "file": "vase", "progress": 0.5}
    runs = [run]

    def quit_(request: Mapping[str, Any]) -> Any:
        assert request["args"] == {"force": False}
        if runs:
            raise Refused("busy")
        (future.folder / "about.json").unlink()
        future.hang_up()
        return SILENCE

    async with scripted(
        farm, busy=lambda _: {"runs": runs, "release": "9"}, quit=quit_
    ) as future:
        future.speaks = [7, 9]
        one = away()
        await future.until_asked("busy", 2)
        trouble = Trouble(KIND, "streamer_outdated", ("Ada: vase",))
        assert one.streamers.troubles == (trouble,)
        assert one.fabricator.snapshot.error == "streamer_outdated"
        assert one.fabricator.snapshot.state is MachineState.UNKNOWN
        runs.clear()
        await one.state(MachineState.IDLE)
        assert set(future.ops()) == {"busy", "quit"}
    assert about(farm)["release"] == "1"
    assert len(one.troubles) == 2


async def test_another_version_goes_away(
    farm: Path, away: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By itself, or it does not answer any more: then it is looked for anew."""
    monkeypatch.setattr(supervisor, "ANSWER_WITHIN", 0.01)
    async with scripted(farm, busy=lambda _: SILENCE) as future:
        future.speaks = [7, 9]
        one = away()
        await future.until_asked("busy", 2)
        future.speaks = [1, 1]
        await one.state(MachineState.IDLE)
        await one.leave()


async def test_a_process_that_falls_silent(
    farm: Path, away: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked now and then; without an answer nobody knows what it does."""
    monkeypatch.setattr(supervisor, "PULSE_EVERY", 0.0)
    async with scripted(farm) as process:
        one = away()
        await process.until_asked("busy", 2)
        monkeypatch.setattr(supervisor, "ANSWER_WITHIN", 0.01)
        process.replies["busy"] = lambda _: SILENCE
        await one.state(MachineState.UNKNOWN)
        process.replies["busy"] = lambda _: {"runs": [], "release": "1"}
        await one.state(MachineState.IDLE)
        await one.leave()


async def test_another_release_that_prints_after_all(
    farm: Path, away: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not make room, so it is taken up again."""

    def quit_(_: Mapping[str, Any]) -> Any:
        raise Refused("busy")

    async with scripted(farm, quit=quit_) as other:
        other.release = "0.9"
        one = away()
        await one.state(MachineState.IDLE)
        await one.fabricator.forget(1)
        await other.until_asked("add", 2)
        await one.state(MachineState.IDLE)
        printing = Snapshot(state=MachineState.PRINTING, run=1)
        other.replies["add"] = lambda _: added(printing)
        await one.fabricator.forget(1)
        await one.state(MachineState.PRINTING)
        asked = other.ops().count("quit")
        monkeypatch.setattr(supervisor, "PULSE_EVERY", 0.0)
        await one.fabricator.forget(1)
        await other.until_asked("busy")
        assert other.ops().count("quit") == asked
        await one.leave()


async def test_it_does_not_end(
    farm: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Then its stories stay as well."""
    monkeypatch.setattr(supervisor, "QUIT_WITHIN", 0.01)
    none: dict[str, Any] = {"machines": []}
    async with scripted(farm, machines=lambda _: none) as process:
        await Streamers(farm, "1").dismiss()
        assert (await process.until_asked("quit"))["args"] == {"force": True}
        assert process.folder.exists()
    assert "does not end" in caplog.text
    (process.folder / "about.json").unlink()


async def test_a_print_is_parked_because_nothing_outlives_us(
    farm: Path, away: Open
) -> None:
    """Its end is told before the process is gone, and kept; none is started again."""
    one = away(config=SLOW)
    await one.state(MachineState.IDLE)
    assert await one.fabricator.start(endless(farm, 1)) is StartOutcome.STARTED
    await one.streamers.park()
    end = one.events[-1]
    assert (end.type, end.reason) == (MachineEventType.ENDED, "stopped")
    assert end.checkpoint is not None
    keeping = one.streamers._supervisors[KIND]._task
    assert keeping is not None
    await keeping
    await reaped()
    await one.leave()
    again = away(config=SLOW)
    await again.state(MachineState.IDLE)
    told = await again.fabricator.outcome(1)
    assert told is not None
    assert (told.reason, told.checkpoint) == ("stopped", end.checkpoint)


async def test_others_cannot_be_asked_what_they_drive(
    farm: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A stranger, another version, one that says no: each is left alone."""

    def refuse(_: Mapping[str, Any]) -> Any:
        raise Refused("odd")

    async with scripted(farm, machines=refuse) as process:
        await Streamers(farm, "1").keep_only([])
        assert process.ops() == ["machines"]
        assert "said so" in caplog.text
        process.speaks = [7, 9]
        await Streamers(farm, "1").keep_only([])
        assert process.ops() == ["machines"]
        process.proof = None
        await Streamers(farm, "1").keep_only([])
        assert "secret" in caplog.text
        (process.folder / "about.json").unlink()


async def test_nobody_listens_any_more(farm: Path) -> None:
    """Whoever listened for trouble can stop."""
    streamers = Streamers(farm, "1")
    heard: list[object] = []
    stop = streamers.on_trouble(lambda: heard.append(None))
    streamers._on_trouble()
    stop()
    streamers._on_trouble()
    assert len(heard) == 1
