"""One machine: its run is kept before it is begun, its end before it is told."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
import errno
import json
from typing import Any

import pytest

from custom_components.printfarm.fabricators.interface import (
    Checkpoint,
    FabricatorError,
    MachineEventType,
    Result,
    StartOutcome,
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


async def test_whoever_asks_twice_hears_of_the_one_start(hosted: Hosted) -> None:
    """Also while nobody knows yet what becomes of it."""
    driver = hosted.driver()
    driver.hold_start = asyncio.Event()
    starts = [asyncio.create_task(hosted.start()) for _ in range(2)]
    while not driver.starts:
        await asyncio.sleep(0)
    driver.hold_start.set()
    assert await asyncio.gather(*starts) == ["started", "started"]
    assert len(driver.starts) == 1


async def test_a_refused_run_may_be_started_later(hosted: Hosted) -> None:
    """It was certainly not begun, and its job went back into the queue."""
    hosted.driver().outcome_of_start = StartOutcome.REFUSED
    assert await hosted.start() == "refused"
    hosted.driver().outcome_of_start = StartOutcome.STARTED
    assert await hosted.start() == "started"
    assert await hosted.end_of(7) is None


async def test_a_farm_from_a_backup_counts_its_runs_anew(hosted: Hosted) -> None:
    """A number that was written down for good may come again, for another run."""
    await hosted.start()
    hosted.driver().end()
    await hosted.until(lambda: "ended" in hosted.events())
    await hosted.ask("forget", "a", run=7)
    assert await hosted.start() == "started"
    assert len(hosted.driver().starts) == 2
    assert await hosted.end_of(7) is None


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


# A disk that is full


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
