"""Machines whose driver breaks, and machines that must go."""

import asyncio

import pytest

from custom_components.printfarm.fabricators.interface import Checkpoint
from custom_components.printfarm.fabricators.streamer import machine
from tests.fabricators.streamer.conftest import Next
from tests.fabricators.streamer.hosted import Hosted

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
