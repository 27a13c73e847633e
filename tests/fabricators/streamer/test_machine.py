"""One machine: its run is kept before it is begun, its end before it is told."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
import errno
import json
from typing import Any

import pytest

from custom_components.printfarm.fabricators.interface import (
    Capabilities,
    Checkpoint,
    FabricatorError,
    MachineEventType,
    MachineState,
    Result,
    StartOutcome,
    Temperature,
)
from custom_components.printfarm.fabricators.streamer import machine, shelf
from tests.fabricators.streamer.conftest import Next
from tests.fabricators.streamer.hosted import CONFIG, Hosted, task

_CHECKPOINT = Checkpoint(position=50, at=110.0, data={"z": 1.2})

type Disk = Callable[[bool], None]


def _on_disk(hosted: Hosted) -> dict[str, Any]:
    data = json.loads((hosted.shelf.folder / "run-a.json").read_bytes())
    assert isinstance(data, dict)
    return data


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Fill the disk, or make room again."""
    write = shelf.write_json
    monkeypatch.setattr(shelf, "RETRY", 0.0)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def fill(is_full: bool) -> None:
        monkeypatch.setattr(shelf, "write_json", fail if is_full else write)

    return fill


# The story comes first


async def test_a_run_is_on_disk_before_it_is_begun(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens from then on, it is never begun a second time."""
    driver, seen = hosted.driver(), []
    start = driver.start

    async def look(given: Any) -> StartOutcome:
        seen.append(_on_disk(hosted))
        return await start(given)

    monkeypatch.setattr(driver, "start", look)
    assert await hosted.start() == "started"
    assert [(one["run"], one["end"]) for one in seen] == [(7, None)]
    assert seen[0]["task"]["gcode"] == str(task().gcode)


async def test_a_run_is_never_started_twice(hosted: Hosted) -> None:
    """The second start gets the answer of the first, however it ended."""
    assert await hosted.start() == "started"
    assert await hosted.start() == "started"
    hosted.driver().end()
    await hosted.until(lambda: "ended" in hosted.events())
    assert await hosted.start() == "started"
    assert len(hosted.driver().starts) == 1


async def test_a_second_run_is_refused_while_one_is_under_way(hosted: Hosted) -> None:
    """And leaves no trace in the story of the first."""
    await hosted.start(7)
    assert await hosted.start(8) == "refused"
    assert await hosted.end_of(7) is None
    assert hosted.machine().keeper.story.run == 7


async def test_a_run_that_cannot_be_stored_is_not_begun(
    hosted: Hosted, full: Disk
) -> None:
    """A disk without room holds back starts."""
    full(True)
    assert await hosted.start() == "refused"
    assert hosted.driver().starts == []
    assert (await hosted.end_of(7))["result"] == "not_started"
    assert not hosted.host.busy
    full(False)
    assert await hosted.start(8) == "started"


async def test_a_driver_that_refuses_with_a_word(hosted: Hosted) -> None:
    """The word is passed on, and the run was certainly not begun."""
    hosted.driver().outcome_of_start = FabricatorError("not_connected")
    with pytest.raises(FabricatorError):
        await hosted.start()
    assert (await hosted.end_of(7))["result"] == "not_started"


async def test_a_driver_that_breaks_while_starting(hosted: Hosted) -> None:
    """Nobody knows what it has sent by then."""
    hosted.driver().outcome_of_start = RuntimeError("broken")
    with pytest.raises(RuntimeError):
        await hosted.start()
    assert (await hosted.end_of(7))["result"] == "unknown"


async def test_a_new_run_begins_with_an_empty_tape(hosted: Hosted) -> None:
    """What an old run left on it stays until then: it may still be needed."""
    tape = hosted.driver().tape
    assert tape is not None
    tape.note(3, 30)
    await hosted.add(replace(CONFIG, options={"port": "/dev/ttyUSB1"}))
    tape = hosted.driver().tape
    assert tape is not None
    assert tape.entries() == ((3, 30),)
    await hosted.start()
    assert tape.entries() == ()


# The end


async def test_an_end_is_on_disk_before_it_is_told(hosted: Hosted, full: Disk) -> None:
    """Until then the client sees the run as it was, and nothing after it."""
    await hosted.start()
    await hosted.machine().keeper.save()
    full(True)
    hosted.driver().end(reason="done")
    hosted.driver().announce(MachineEventType.PROMPT, text="take it off")
    await hosted.turn()
    assert hosted.events() == ["started"]
    assert hosted.snapshots()[-1]["run"] == 7
    assert await hosted.end_of(7) is None
    assert hosted.host.busy
    full(False)
    await hosted.until(lambda: "ended" in hosted.events())
    assert _on_disk(hosted)["end"]["reason"] == "done"
    assert hosted.events() == ["started", "prompt", "ended"]
    assert hosted.snapshots()[-1]["run"] is None
    assert not hosted.host.busy


async def test_a_full_disk_does_not_end_a_print(hosted: Hosted, full: Disk) -> None:
    """What happens meanwhile is told at once."""
    full(False)
    await hosted.start()
    full(True)
    hosted.driver().marked = _CHECKPOINT
    hosted.driver().announce(MachineEventType.PAUSED)
    await hosted.turn()
    assert hosted.events() == ["started", "paused"]
    assert await hosted.end_of(7) is None


async def test_an_end_is_told_to_each_client_until_it_is_forgotten(
    following: Next,
) -> None:
    """Also by the process that follows."""
    first = await following()
    await first.add()
    await first.start()
    first.driver().end()
    await first.until(lambda: "ended" in first.events())
    first.host.greet()
    await first.add()
    assert first.events() == ["started", "ended", "ended"]
    await first.close()
    second = await following()
    await second.add()
    assert second.events() == ["ended"]
    await second.ask("forget", "a", run=7)
    await second.add()
    assert second.events() == ["ended"]
    await second.close()
    third = await following()
    await third.add()
    assert third.events() == []
    assert (await third.end_of(7))["result"] == "completed"


async def test_an_end_of_another_run_changes_nothing(hosted: Hosted) -> None:
    """A driver has one run at a time, and that is the one in the story."""
    await hosted.start()
    hosted.driver().report(run=6)
    hosted.driver().end()
    await hosted.turn()
    assert await hosted.end_of(7) is None


async def test_the_time_of_an_event_is_kept(hosted: Hosted) -> None:
    """It may be told much later."""
    await hosted.start()
    hosted.host.greet()
    hosted.driver().announce(MachineEventType.PAUSED)
    hosted.driver().end(at=5.0)
    await hosted.until(lambda: not hosted.host.busy)
    await hosted.add()
    events = [news["event"] for _, news in hosted.told if "event" in news]
    assert all(event["at"] > 0 for event in events)
    assert events[-1]["at"] == 5.0


# A process that dies


async def test_a_run_whose_process_was_killed(following: Next) -> None:
    """Its end is told by the next one, with how far it came."""
    first = await following()
    await first.add()
    first.driver().marked = _CHECKPOINT
    await first.start()
    tape = first.driver().tape
    assert tape is not None
    for number, offset in ((1, 40), (2, 60), (3, 70)):
        tape.note(number, offset)
    await first.machine().keeper.save()
    await first.kill()

    second = await following()
    assert (await second.end_of(7))["reason"] == "streamer_died"
    await second.add()
    (event,) = (news["event"] for _, news in second.told if "event" in news)
    assert (event["result"], event["reason"]) == ("failed", "streamer_died")
    assert event["checkpoint"]["position"] == 60
    assert await second.start() == "started"
    assert second.driver().starts == []
    lost = second.driver().lost
    assert lost is not None
    assert lost.position == 60


async def test_what_was_lost_is_asked_for_until_it_is_forgotten(
    following: Next,
) -> None:
    """The driver has the board say how far it came before it counts anew."""
    first = await following()
    await first.add()
    await first.start()
    first.driver().end(Result.FAILED, reason="reset", checkpoint=_CHECKPOINT)
    await first.until(lambda: "ended" in first.events())
    await first.close()
    second = await following()
    await second.add()
    assert second.driver().lost == _CHECKPOINT
    await second.ask("forget", "a", run=7)
    await second.close()
    third = await following()
    await third.add()
    assert third.driver().lost is None


async def test_events_that_nobody_was_told_survive_the_process(following: Next) -> None:
    """They are told once, in their order, before the end."""
    first = await following()
    await first.add()
    await first.start()
    first.host.greet()
    first.driver().announce(MachineEventType.FILAMENT_RUNOUT)
    first.driver().announce(MachineEventType.PAUSED)
    await first.machine().keeper.save()
    await first.kill()
    second = await following()
    await second.add()
    assert second.events() == ["filament_runout", "paused", "ended"]
    await second.machine().keeper.save()
    await second.kill()
    third = await following()
    await third.add()
    assert third.events() == ["ended"]


# Checkpoints


async def test_checkpoints_are_kept_while_it_prints(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the driver takes them, until the run has ended."""
    monkeypatch.setattr(machine, "LOOK_INTERVAL", 0.0)
    driver = hosted.driver()
    await hosted.start()
    for position in (10, 20):
        driver.marked = Checkpoint(position=position, at=position, data={"z": position})
        while (_on_disk(hosted)["checkpoint"] or {}).get("position") != position:
            await asyncio.sleep(0)
    driver.end()
    await hosted.until(lambda: "ended" in hosted.events())
    driver.marked = replace(_CHECKPOINT, at=1e6)
    await hosted.turn()
    assert _on_disk(hosted)["checkpoint"]["position"] == 20


@pytest.mark.parametrize(
    "edge", [MachineEventType.PAUSED, MachineEventType.RESUMED, MachineEventType.ERROR]
)
async def test_a_checkpoint_is_kept_at_each_edge(
    hosted: Hosted, edge: MachineEventType
) -> None:
    """Without waiting for its time."""
    await hosted.start()
    hosted.driver().marked = _CHECKPOINT
    hosted.driver().announce(edge)
    await hosted.machine().keeper.save()
    assert _on_disk(hosted)["checkpoint"]["position"] == 50


# Who hears of it


async def test_a_turn_of_things_is_told_at_once(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all that crept along before it; what merely creeps waits."""
    monkeypatch.setattr(machine, "SNAPSHOT_INTERVAL", 3600.0)
    hosted.driver().report(state=MachineState.IDLE)
    hosted.driver().report(resends=1)
    await hosted.turn()
    assert [one["resends"] for one in hosted.snapshots()] == [1]
    hosted.driver().report(resends=2)
    hosted.driver().report(resends=3)
    await hosted.turn()
    assert len(hosted.snapshots()) == 1
    hosted.driver().report(state=MachineState.ERROR)
    await hosted.turn()
    assert [one["resends"] for one in hosted.snapshots()] == [1, 3]


async def test_what_creeps_along_is_told_now_and_then(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest of it."""
    monkeypatch.setattr(machine, "SNAPSHOT_INTERVAL", 0.0)
    hosted.driver().report(resends=1)
    hosted.driver().report(resends=2)
    await hosted.until(hosted.snapshots)
    assert [one["resends"] for one in hosted.snapshots()] == [2]


async def test_an_event_comes_after_its_snapshot(hosted: Hosted) -> None:
    """The newest look at the machine is told before what happened on it."""
    await hosted.start()
    hosted.driver().report(bed=Temperature(60.0, 60.0))
    hosted.driver().announce(MachineEventType.PAUSED)
    (_, snapshot), (_, event) = hosted.told[-2:]
    assert snapshot["snapshot"]["bed"]["actual"] == 60.0
    assert event["event"]["type"] == "paused"


async def test_what_a_machine_can_do_is_told_when_it_changes(hosted: Hosted) -> None:
    """As soon as the board has said so."""
    hosted.driver().able = Capabilities(tools=2)
    hosted.driver().report(state=MachineState.IDLE)
    hosted.driver().announce(MachineEventType.ERROR)
    kinds = [next(iter(news)) for _, news in hosted.told]
    assert kinds == ["capabilities", "snapshot", "event"]
    assert hosted.told[0][1]["capabilities"]["tools"] == 2


async def test_a_client_that_does_not_read_gets_the_newest_later(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snapshots do not pile up; events are told all the same."""
    monkeypatch.setattr(machine, "SNAPSHOT_INTERVAL", 0.0)
    hosted.behind = True
    hosted.driver().report(resends=1)
    hosted.driver().announce(MachineEventType.ERROR)
    hosted.driver().report(resends=2)
    await hosted.turn()
    assert (hosted.snapshots(), hosted.events()) == ([], ["error"])
    hosted.behind = False
    await hosted.until(hosted.snapshots)
    assert [one["resends"] for one in hosted.snapshots()] == [2]


async def test_nothing_is_told_to_a_client_that_has_not_asked(
    hosted: Hosted,
) -> None:
    """A new client adds its machines before it hears of them."""
    hosted.host.greet()
    hosted.driver().report(state=MachineState.IDLE)
    hosted.driver().announce(MachineEventType.PROMPT, text="?")
    await hosted.turn()
    assert hosted.told == []
    answer = await hosted.add()
    assert answer["snapshot"]["state"] == "idle"
    assert hosted.events() == ["prompt"]
    assert hosted.snapshots() == []


async def test_what_happens_while_it_is_being_added_is_told_after_it(
    hosted: Hosted,
) -> None:
    """Between the answer and the first news nothing is lost."""
    hosted.host.greet()
    answer = await hosted.host.perform(
        "add",
        "a",
        {
            "config": {"key": "a", "name": "A", "protocol": "stub"}
            | {"options": dict(CONFIG.options)}
        },
    )
    hosted.driver().report(state=MachineState.IDLE)
    hosted.driver().announce(MachineEventType.PROMPT, text="?")
    assert hosted.told == []
    assert answer.then is not None
    answer.then()
    assert [next(iter(news)) for _, news in hosted.told] == ["snapshot", "event"]


# A driver that breaks, and the end of all


async def test_a_driver_that_breaks_is_made_anew(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run is over: nobody streams it any more."""
    monkeypatch.setattr(machine, "BROKEN_PAUSE", 0.0)
    broken = hosted.driver()
    broken.ends_on_close = False
    broken.marked = _CHECKPOINT
    await hosted.start()
    broken.breaks.set()
    await hosted.until(lambda: "ended" in hosted.events())
    end = await hosted.end_of(7)
    assert (end["result"], end["reason"]) == ("failed", "driver_error")
    assert end["checkpoint"]["position"] == 50
    assert broken.closed
    while hosted.driver() is broken:
        await asyncio.sleep(0)
    assert hosted.driver().lost == _CHECKPOINT


async def test_a_process_that_goes_has_prints_end_safely(following: Next) -> None:
    """Their ends are on disk, with how far they came."""
    first = await following()
    await first.add()
    first.driver().marked = _CHECKPOINT
    await first.start()
    await first.close()
    assert first.events() == ["started", "ended"]
    second = await following()
    end = await second.end_of(7)
    assert (end["result"], end["reason"]) == ("failed", "stopped")
    assert end["checkpoint"]["position"] == 50


@pytest.mark.parametrize("failure", [None, RuntimeError("broken")])
async def test_a_run_ends_even_if_its_driver_does_not_say_so(
    following: Next, failure: Exception | None
) -> None:
    """A driver that hangs or breaks holds nobody up."""
    first = await following()
    await first.add()
    driver = first.driver()
    driver.marked, driver.ends_on_close = _CHECKPOINT, False
    driver.fails_on_close = failure
    await first.start()
    await first.close()
    second = await following()
    assert (await second.end_of(7))["reason"] == "stopped"


async def test_a_driver_that_does_not_let_go(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is left alone after a while."""
    monkeypatch.setattr(machine, "CLOSE_WITHIN", 0.0)
    await hosted.start()

    async def hang() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(hosted.driver(), "close", hang)
    await hosted.ask("remove", "a")
    assert hosted.events() == ["started", "ended"]


async def test_a_start_that_is_under_way_when_the_machine_must_go(
    following: Next,
) -> None:
    """It says itself what became of it."""
    first = await following()
    await first.add()
    first.driver().hold_start = asyncio.Event()
    starting = asyncio.create_task(first.start())
    await first.until(lambda: first.host.busy)
    while not first.driver().starts:
        await asyncio.sleep(0)
    await first.close()
    assert await starting == "refused"
    second = await following()
    assert (await second.end_of(7))["result"] == "not_started"


async def test_an_end_that_cannot_be_stored_is_told_when_its_machine_goes(
    hosted: Hosted, full: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later there is nobody to tell it."""
    monkeypatch.setattr(
        "custom_components.printfarm.fabricators.streamer.host.STORE_WITHIN", 0.0
    )
    full(False)
    await hosted.start()
    full(True)
    await hosted.ask("remove", "a")
    assert hosted.events() == ["started", "ended"]
    full(False)


async def test_says_once_that_the_disk_is_full(
    hosted: Hosted, full: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    """And once that it is not any more."""
    full(True)
    for kind in (MachineEventType.ERROR, MachineEventType.PROMPT):
        hosted.host.greet()
        hosted.driver().announce(kind)
        assert not await hosted.machine().keeper.try_save()
    full(False)
    caplog.set_level("INFO")
    assert await hosted.machine().keeper.try_save()
    said = [record.message for record in caplog.records]
    assert [text.split(": ")[1] for text in said] == [
        "cannot store the print",
        "the print is stored again",
    ]
