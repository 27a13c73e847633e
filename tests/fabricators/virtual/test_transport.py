"""The board behind an asyncio transport, and the bench that machines stand on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from errno import EBUSY
import gc
from typing import Any, override

import pytest

from custom_components.printfarm.fabricators.virtual.bench import Bench, open_board
from custom_components.printfarm.fabricators.virtual.board import (
    PROFILES,
    Board,
    Faults,
)
from custom_components.printfarm.fabricators.virtual.transport import (
    STEPS_PER_TURN,
    BoardTransport,
    Clock,
)


class Listener(asyncio.Protocol):
    """Collects lines and can be waited for."""

    def __init__(self) -> None:
        """Hear nothing yet."""
        self.lines: list[str] = []
        self.chunks = 0
        self.transport: asyncio.BaseTransport | None = None
        self.lost: asyncio.Future[Exception | None] = (
            asyncio.get_running_loop().create_future()
        )
        self._rest = ""
        self._news = asyncio.Event()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self.chunks += 1
        *lines, self._rest = (self._rest + data.decode()).split("\n")
        self.lines += lines
        self._news.set()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)

    async def until(self, wanted: Callable[[list[str]], bool]) -> None:
        """Wait until the lines are as wanted."""
        while not wanted(self.lines):
            self._news.clear()
            await self._news.wait()

    async def until_line(self, text: str, count: int = 1) -> None:
        """Wait for a line to have come so many times."""
        await self.until(lambda lines: lines.count(text) >= count)


class FakeTime:
    """A loop's clock that only moves when the loop would sleep."""

    def __init__(self, loop: Any) -> None:
        """Take the loop's clock over."""
        self.now = 1000.0
        self._select = loop._selector.select
        loop.time = lambda: self.now
        loop._selector.select = self._jump

    def _jump(self, timeout: float | None) -> object:
        events = self._select(0)
        if not events and timeout:
            self.now += timeout + 1e-9
        return events


@pytest.fixture
async def fake_time() -> AsyncIterator[FakeTime]:
    """Let the loop sleep without waiting."""
    loop: Any = asyncio.get_running_loop()
    time, select = loop.time, loop._selector.select
    yield FakeTime(loop)
    loop.time, loop._selector.select = time, select


async def test_board_greets_and_answers() -> None:
    """Board greets and answers."""
    transport, listener = await open_board(Listener, speed=0)
    assert listener.transport is transport
    await listener.until_line("start")
    transport.write(b"M105\n")
    await listener.until(lambda lines: lines[-1].startswith("ok T:22.00"))
    transport.close()
    assert await listener.lost is None


@pytest.mark.parametrize("speed", [1.0, 4.0, 100.0])
async def test_speed_is_firmware_time_over_real_time(
    fake_time: FakeTime, speed: float
) -> None:
    """Speed is firmware time over real time."""
    transport, listener = await open_board(Listener, speed=speed)
    await listener.until_line("//action:prompt_end")
    begin = fake_time.now
    transport.write(b"G4 S40\n")
    await listener.until_line("ok")
    assert fake_time.now - begin == pytest.approx(40 / speed, rel=0.001)
    assert listener.lines.count("echo:busy: processing") in {19, 20}
    transport.close()


async def test_unlimited_speed_waits_for_nothing(fake_time: FakeTime) -> None:
    """Unlimited speed waits for nothing."""
    transport, listener = await open_board(Listener, speed=0)
    begin = fake_time.now
    await listener.until_line("start")
    transport.write(b"M109 S200\nG28\nG4 S5000\n")
    await listener.until_line("ok", 3)
    assert fake_time.now == begin
    assert transport.board.now > 5100
    transport.close()


async def test_idle_board_at_unlimited_speed_reports_in_real_time(
    fake_time: FakeTime,
) -> None:
    """Idle board at unlimited speed reports in real time."""
    transport, listener = await open_board(Listener, speed=0)
    await listener.until_line("start")
    begin = fake_time.now
    transport.write(b"M155 S1\n")
    await listener.until(
        lambda lines: sum(line.startswith(" T:") for line in lines) == 3
    )
    assert fake_time.now - begin == pytest.approx(3, abs=0.01)
    transport.close()


async def test_person_is_waited_for_in_real_time(fake_time: FakeTime) -> None:
    """Person is waited for in real time."""
    transport, listener = await open_board(Listener, speed=0)
    await listener.until_line("start")
    begin = fake_time.now
    transport.write(b"M0\n")
    await listener.until_line("echo:busy: paused for user", 2)
    assert fake_time.now - begin == pytest.approx(4, abs=0.01)
    transport.close()


async def test_loop_gets_its_turn_while_a_board_works() -> None:
    """However much was sent, a turn of the loop does a bounded number of commands."""
    transport, listener = await open_board(Listener, speed=0)
    await listener.until_line("start")
    board = transport.board
    steps: list[int] = []
    before = board.executed_count
    transport.write(b"M118 x\n" * 5000)
    while board.executed_count < before + 5000:
        count = board.executed_count
        await asyncio.sleep(0)
        steps.append(board.executed_count - count)
    assert max(steps) <= STEPS_PER_TURN
    assert len(steps) >= 5000 // STEPS_PER_TURN
    # And it does not come with every line either.
    assert listener.chunks < 5000 // 4
    transport.close()


async def test_loop_gets_its_turn_while_time_is_jumped_over() -> None:
    """Loop gets its turn while time is jumped over."""
    transport, listener = await open_board(Listener, speed=0)
    await listener.until_line("start")
    transport.write(b"M113 S1\nG4 S3000\n")
    turns = 0
    while listener.lines[-1] != "ok" or "echo:busy: processing" not in listener.lines:
        await asyncio.sleep(0)
        turns += 1
    assert listener.lines.count("echo:busy: processing") == pytest.approx(3000, abs=2)
    assert turns >= 3000 // STEPS_PER_TURN
    transport.close()


async def test_ping_pong_host_gets_through_a_long_run() -> None:
    """Ping pong host gets through a long run."""

    class PingPong(Listener):
        left = 2000

        @override
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            for _ in range(data.count(b"ok\n")):
                if self.left:
                    self.left -= 1
                    self.send()

        def send(self) -> None:
            assert isinstance(self.transport, BoardTransport)
            self.transport.write(b"G1 X%d F6000\n" % (self.left % 200))

    transport, host = await open_board(PingPong, speed=0)
    await host.until_line("start")
    host.send()
    await host.until_line("ok", 2001)
    assert transport.board.executed_count == 2001
    transport.close()


async def test_pulled_plug() -> None:
    """Pulled plug."""
    transport, listener = await open_board(Listener, speed=0)
    transport.unplug()
    transport.unplug()
    error = await listener.lost
    assert isinstance(error, OSError)
    assert transport.is_closing()
    transport.write(b"M105\n")
    assert transport.get_write_buffer_size() == 0


async def test_abort_loses_what_close_still_delivers() -> None:
    """Abort loses what close still delivers."""
    for ending, count in (("close", 1), ("abort", 0)):
        transport, listener = await open_board(Listener, speed=0)
        await listener.until_line("start")
        transport.write(b"G21\n")
        assert transport.get_write_buffer_size() == 4
        getattr(transport, ending)()
        assert await listener.lost is None
        transport.board.advance(transport.board.now + 1)
        assert transport.board.executed_count == count


async def test_paused_reading_stops_the_board() -> None:
    """Paused reading stops the board."""
    transport, listener = await open_board(Listener, speed=0)
    await listener.until_line("start")
    transport.pause_reading()
    assert not transport.is_reading()
    transport.write(b"G21\n")
    for _ in range(5):
        await asyncio.sleep(0)
    assert "ok" not in listener.lines
    transport.resume_reading()
    assert transport.is_reading()
    await listener.until_line("ok")
    transport.close()
    transport.resume_reading()


async def test_paused_reading_holds_back_what_was_due(fake_time: FakeTime) -> None:
    """A report that falls due while reading is paused comes afterwards."""
    transport, listener = await open_board(Listener, speed=1)
    await listener.until_line("start")
    transport.write(b"M155 S1\n")
    await listener.until_line("ok")
    transport.pause_reading()
    heard = len(listener.lines)
    await asyncio.sleep(5)
    assert len(listener.lines) == heard
    transport.resume_reading()
    await listener.until(lambda lines: len(lines) > heard)
    assert listener.lines[heard].startswith(" T:22.00")
    transport.close()


async def test_protocol_can_be_replaced_and_closed_from_within() -> None:
    """Protocol can be replaced and closed from within."""
    transport, listener = await open_board(Listener, speed=0)
    await listener.until_line("start")

    class Closing(Listener):
        @override
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            transport.close()

    closing = Closing()
    transport.set_protocol(closing)
    assert transport.get_protocol() is closing
    assert not transport.can_write_eof()
    transport.write(b"M118 a\nM118 b\n")
    assert await closing.lost is None
    assert closing.lines


async def test_reset_button() -> None:
    """Reset button."""
    transport, listener = await open_board(Listener, speed=0)
    await listener.until_line("start")
    transport.reset_board()
    await listener.until_line("start", 2)
    transport.close()


def test_speed_cannot_be_negative() -> None:
    """Speed cannot be negative."""
    with pytest.raises(ValueError, match="speed"):
        Clock(-1, loop_time=0, firmware_time=0)


def test_clock_never_goes_back() -> None:
    """Clock never goes back."""
    clock = Clock(0, loop_time=10, firmware_time=5)
    clock.skip_to(100, 11)
    assert clock.firmware(11) == pytest.approx(100, abs=0.001)
    clock.skip_to(50, 12)
    assert clock.firmware(12) == pytest.approx(101, abs=0.001)
    assert clock.loop(clock.firmware(20)) == pytest.approx(20)


async def test_machine_keeps_its_state_between_connections() -> None:
    """Machine keeps its state between connections."""
    bench = Bench()
    assert bench.board("a") is None
    transport, listener = await open_board(Listener, speed=0, key="a", bench=bench)
    await listener.until_line("start")
    transport.write(b"G28\nG1 X50 F6000\nM400\n")
    await listener.until_line("ok", 3)
    transport.close()
    await listener.lost
    again, listener = await open_board(Listener, speed=0, key="a", bench=bench)
    assert again.board is transport.board is bench.board("a")
    again.write(b"M114\n")
    await listener.until_line("ok")
    assert listener.lines[0].startswith("X:50.00 Y:0.00 Z:5.00")
    again.close()


async def test_time_goes_on_for_a_machine_without_host(fake_time: FakeTime) -> None:
    """Time goes on for a machine without host."""
    bench = Bench()
    transport, listener = await open_board(Listener, speed=0, key="a", bench=bench)
    await listener.until_line("start")
    transport.write(b"M155 S1\nM109 S200\nM104 S0\n")
    await listener.until_line("ok", 3)
    transport.close()
    await listener.lost
    fake_time.now += 180
    again, listener = await open_board(Listener, key="a", bench=bench)
    assert again.board.temperatures["E0"][0] == pytest.approx(22 + 178 / 2.718, abs=1)
    again.write(b"M118 x\n")
    await listener.until_line("x")
    # What it reported meanwhile is gone.
    assert listener.lines[0] in {
        "x",
        *[line for line in listener.lines if "T:" in line],
    }
    assert len(listener.lines) < 5
    again.close()


async def test_board_that_resets_on_opening_greets_each_time(
    fake_time: FakeTime,
) -> None:
    """Board that resets on opening greets each time."""
    bench = Bench()
    for _ in range(2):
        transport, listener = await open_board(
            Listener, "marlin_1", key="a", bench=bench
        )
        await listener.until_line("start")
        transport.close()
        await listener.lost


async def test_port_is_exclusive_until_closed() -> None:
    """Port is exclusive until closed."""
    bench = Bench()
    transport, _ = await open_board(Listener, key="a", bench=bench)
    with pytest.raises(OSError, match="busy") as caught:
        await open_board(Listener, key="a", bench=bench)
    assert caught.value.errno == EBUSY
    transport.close()
    again, _ = await open_board(Listener, key="a", bench=bench)
    again.close()


async def test_another_model_is_another_machine() -> None:
    """Another model is another machine."""
    bench = Bench()
    transport, listener = await open_board(Listener, key="a", bench=bench)
    other, _ = await open_board(Listener, "idex", key="a", bench=bench)
    assert other.board is not transport.board
    assert isinstance(await listener.lost, OSError)
    bench.remove("a")
    bench.remove("a")
    assert other.is_closing()
    assert bench.board("a") is None


async def test_machines_without_key_are_strangers() -> None:
    """Machines without key are strangers."""
    one, _ = await open_board(Listener)
    two, _ = await open_board(Listener, PROFILES["idex"], faults=Faults(kill_at=1))
    assert one.board is not two.board
    one.close()
    two.close()


async def test_unknown_model() -> None:
    """Unknown model."""
    with pytest.raises(KeyError):
        await open_board(Listener, "prusa")


async def test_closed_transport_leaves_nothing_in_the_loop() -> None:
    """Closed transport leaves nothing in the loop."""
    transport, listener = await open_board(Listener, speed=1)
    await listener.until_line("start")
    transport.write(b"M155 S1\n")
    await listener.until_line("ok")
    transport.close()
    await listener.lost
    del transport, listener
    gc.collect()
    loop = asyncio.get_running_loop()
    assert not [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]


def test_board_needs_no_loop() -> None:
    """Board needs no loop."""
    assert Board(PROFILES["marlin_2"]).advance(1).startswith(b"start\n")
