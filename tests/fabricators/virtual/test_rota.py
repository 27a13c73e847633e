"""Who gets a turn when: fairness between boards, and towards the event loop."""

import asyncio

import pytest

from custom_components.printfarm.fabricators.virtual import rota as module
from custom_components.printfarm.fabricators.virtual.rota import Rota, rota


async def test_one_slice_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many boards are busy, others come in between after every slice."""
    clock = 0.0
    log: list[str] = []
    monkeypatch.setattr(module, "perf_counter", lambda: clock)
    turns = Rota(asyncio.get_running_loop())

    def board(name: str) -> None:
        nonlocal clock
        clock += module.SLICE * 0.6
        log.append(name)
        if len(log) < 12:
            turns.enter(lambda: board(name))

    for name in "abc":
        turns.enter(lambda name=name: board(name))
    while len(log) < 12:
        before = len(log)
        await asyncio.sleep(0)
        assert len(log) - before <= 2
    assert "".join(log).startswith("abcabcabc")


async def test_not_called_at_once() -> None:
    """A turn never runs inside of what asked for it, nor more than once."""
    count = 0

    def turn() -> None:
        nonlocal count
        count += 1

    turns = rota(asyncio.get_running_loop())
    turns.enter(turn)
    assert count == 0
    for _ in range(3):
        await asyncio.sleep(0)
    assert count == 1
    assert rota(asyncio.get_running_loop()) is turns


async def test_one_that_fails_stops_nobody() -> None:
    """An error in one board's turn leaves the others theirs."""
    loop = asyncio.get_running_loop()
    errors: list[object] = []
    loop.set_exception_handler(lambda _, context: errors.append(context["exception"]))
    turns = Rota(loop)
    done = asyncio.Event()
    turns.enter(lambda: 1 / 0)
    turns.enter(done.set)
    async with asyncio.timeout(5):
        await done.wait()
    assert [type(error) for error in errors] == [ZeroDivisionError]
