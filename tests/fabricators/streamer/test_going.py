"""Machines whose driver breaks, and machines that must go."""

import asyncio
from dataclasses import replace

import pytest

from custom_components.printfarm.fabricators.interface import (
    Checkpoint,
    FabricatorError,
    MachineState,
    Result,
    Temperature,
)
from custom_components.printfarm.fabricators.streamer import machine
from tests.fabricators.streamer.conftest import Next
from tests.fabricators.streamer.hosted import CONFIG, Hosted

_CHECKPOINT = Checkpoint(position=50, at=110.0, data={"z": 1.2})


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


async def test_a_park_that_is_not_waited_for(
    following: Next, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is killed before the machine is parked has the end on disk already."""
    monkeypatch.setattr(machine, "FORESEE_AFTER", 0.0)
    first = await following()
    await first.add()
    driver = first.driver()
    driver.marked = _CHECKPOINT
    await first.start()
    parked = asyncio.Event()
    park = driver.close

    async def slowly() -> None:
        await parked.wait()
        await park()

    monkeypatch.setattr(driver, "close", slowly)
    closing = asyncio.create_task(first.host.close(unattended=True))
    while first.shelf.read_all()["a"].end is None:
        await asyncio.sleep(0)
    known = first.shelf.read_all()["a"]
    assert known.announced is not None
    assert (known.announced.reason, known.lost) == ("stopped", _CHECKPOINT)
    assert first.events() == ["started"]
    # It is parked after all, and that is what counts.
    driver.marked = replace(_CHECKPOINT, position=51)
    parked.set()
    await closing
    assert first.events() == ["started", "ended"]
    end = first.shelf.read_all()["a"].end
    assert end is not None
    assert end.checkpoint == driver.marked


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


async def _leave_hot(hosted: Hosted) -> None:
    hot, off = Temperature(200.0, 210.0), Temperature(50.0, 0.0)
    hosted.driver().report(
        state=MachineState.IDLE, nozzles=(off, hot), bed=hot, chamber=None
    )


async def test_nothing_is_left_hot_that_nobody_watches(hosted: Hosted) -> None:
    """A file may end with heaters on, and its reader may never come back."""
    driver = hosted.driver()
    await _leave_hot(hosted)
    await hosted.close(unattended=True)
    assert driver.said == [("nozzle1", 0), ("bed", 0)]
    assert driver.closed


async def test_whoever_takes_over_finds_heaters_as_they_were(hosted: Hosted) -> None:
    """Another process follows at once."""
    driver = hosted.driver()
    await _leave_hot(hosted)
    await hosted.close()
    assert driver.said == []


@pytest.mark.parametrize(
    ("chosen", "off"), [("off", ["nozzle1", "bed"]), ("bed", ["nozzle1"])]
)
async def test_what_was_chosen_to_stay_warm_stays_warm(
    following: Next, chosen: str, off: list[str]
) -> None:
    """For a print that was cut off, and may be taken up again; but no hot nozzle."""
    hosted = await following()
    await hosted.add(replace(CONFIG, options={"port": "a", "standby": chosen}))
    driver = hosted.driver()
    await hosted.start()
    driver.end(Result.FAILED, reason="reset", checkpoint=_CHECKPOINT)
    await hosted.until(lambda: "ended" in hosted.events())
    await _leave_hot(hosted)
    await hosted.close(unattended=True)
    assert driver.said == [(heater, 0) for heater in off]


async def test_nothing_stays_warm_on_a_machine_that_is_removed(
    following: Next,
) -> None:
    """Nobody is there any more who would go on with its print."""
    hosted = await following()
    await hosted.add(replace(CONFIG, options={"port": "a", "standby": "warm"}))
    driver = hosted.driver()
    await hosted.start()
    driver.end(Result.FAILED, reason="reset", checkpoint=_CHECKPOINT)
    await hosted.until(lambda: "ended" in hosted.events())
    await _leave_hot(hosted)
    await hosted.ask("remove", "a")
    assert driver.said == ["give_up", ("nozzle1", 0), ("bed", 0)]
    assert driver.closed


@pytest.mark.parametrize(
    "failure", [FabricatorError("not_connected"), RuntimeError("broken")]
)
async def test_a_board_that_cannot_be_cooled_holds_nobody_up(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    """It may be off by now, or its driver at fault."""
    driver = hosted.driver()
    await _leave_hot(hosted)

    async def refuse(*_: object) -> None:
        raise failure

    monkeypatch.setattr(driver, "set_target", refuse)
    await hosted.close(unattended=True)
    assert driver.closed
