"""Time and the connection, where the driver's tests cannot see them apart."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from typing import override

import pytest

from custom_components.printfarm.fabricators.marlin import connection
from custom_components.printfarm.fabricators.marlin.connection import Connection
from custom_components.printfarm.fabricators.marlin.engine import Engine


class Deaf(asyncio.Transport):
    """Takes what it is given."""

    @override
    def write(self, data: object) -> None:
        """Send it nowhere."""

    @override
    def is_closing(self) -> bool:
        """Never."""
        return False

    @override
    def close(self) -> None:
        """Go."""


@pytest.fixture
async def waiting() -> AsyncIterator[Connection]:
    """Give a connection whose board has been greeted and is waited for."""
    engine = Engine()
    made = Connection(
        "Bench",
        open_port=lambda _: asyncio.sleep(0),  # type: ignore[arg-type, return-value]
        engine=engine,
        release=lambda: None,
        reopens=False,
        on_turn=lambda _: None,
        on_state=lambda _: None,
    )
    made._transport = Deaf()
    made.do(engine.open)
    # A test says itself when it is due.
    assert made._timer is not None
    made._timer.cancel()
    yield made
    made._disconnect("stopped", "closed")


async def test_what_was_said_comes_before_the_time_that_we_slept(
    waiting: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was halted for a minute has not been met with silence."""
    order: list[str] = []
    ticked = asyncio.Event()

    def tick(now: float) -> bytes:
        order.append("tick")
        ticked.set()
        return b""

    monkeypatch.setattr(waiting.engine, "tick", tick)
    monkeypatch.setattr(connection, "monotonic", lambda: monotonic() + 60)
    monkeypatch.setattr(connection, "CATCH_UP", 0.0)
    waiting._on_time()
    order.append("heard")
    await ticked.wait()
    assert order == ["heard", "tick"]


async def test_time_passes_at_once_where_it_is_due(
    waiting: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Being late by as much as any program is costs nothing."""
    ticks: list[float] = []

    def tick(now: float) -> bytes:
        ticks.append(now)
        return b""

    monkeypatch.setattr(waiting.engine, "tick", tick)
    waiting._timer_due = monotonic() - connection.HELD_UP / 2
    waiting._on_time()
    assert len(ticks) == 1
