"""A loop whose selector serves files itself, and what it must not keep from asyncio."""

import asyncio
from collections.abc import Awaitable, Callable
import select
import socket

import pytest

from custom_components.printfarm.fabricators.streamer.hot import (
    HotLoop,
    HotSelector,
    new_event_loop,
)

LIMIT = 20


class Pair:
    """Two ends of a line; what arrives at `near` is noted by who has read it."""

    def __init__(self, loop: HotLoop) -> None:
        """Have `near` watched by asyncio and served hot."""
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.loop = loop
        self.served: list[bytes] = []
        self.read: asyncio.Queue[bytes] = asyncio.Queue()
        loop.add_reader(self.near, self.hear)
        loop.hot.heat(self.near.fileno(), self.serve)

    def hear(self) -> None:
        """Asyncio's way."""
        self.read.put_nowait(self.near.recv(100))

    def serve(self, _now: float) -> bool:
        """Answer at once, until the other end says stop."""
        data = self.near.recv(100)
        self.served.append(data)
        return data == b"stop"

    async def until_read(self) -> bytes:
        """Wait for what asyncio reads."""
        async with asyncio.timeout(LIMIT):
            return await self.read.get()

    async def until_served(self, count: int) -> None:
        """Wait until this many pieces were served."""
        async with asyncio.timeout(LIMIT):
            while len(self.served) < count:
                await asyncio.sleep(0)

    def close(self) -> None:
        """Close both ends."""
        self.loop.remove_reader(self.near)
        self.near.close()
        self.far.close()


def _run(main: Callable[[HotLoop], Awaitable[None]]) -> None:
    async def body() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HotLoop)
        await main(loop)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(body())


def _with_pair(main: Callable[[HotLoop, Pair], Awaitable[None]]) -> None:
    async def body(loop: HotLoop) -> None:
        pair = Pair(loop)
        try:
            await main(loop, pair)
        finally:
            pair.close()

    _run(body)


def _two_that_never_stop(loop: HotLoop) -> Pair:
    """Let two ends answer each other within `select` as long as they exist."""
    pair = Pair(loop)
    near, far = pair.near, pair.far
    far.setblocking(False)

    def serve(here: socket.socket) -> Callable[[float], bool]:
        def answer(_now: float) -> bool:
            here.send(here.recv(100))
            pair.served.append(b"")
            return False

        return answer

    loop.add_reader(far, lambda: None)
    loop.hot.heat(near.fileno(), serve(near))
    loop.hot.heat(far.fileno(), serve(far))
    near.send(b"x")
    return pair


def test_serves_within_select() -> None:
    """What is hot never comes to asyncio; a handler can call it all the same."""

    async def main(loop: HotLoop, pair: Pair) -> None:
        called = loop.create_future()

        def serve(now: float) -> bool:
            assert now > 0
            pair.serve(now)
            loop.call_soon(called.set_result, None)
            return True

        loop.hot.heat(pair.near.fileno(), serve)
        pair.far.send(b"ok")
        async with asyncio.timeout(LIMIT):
            await called
        assert pair.served == [b"ok"]
        assert pair.read.empty()

    _with_pair(main)


def test_time_goes_on() -> None:
    """Timers, callbacks and other files get their turn beside steady traffic."""

    async def main(loop: HotLoop) -> None:
        pair = _two_that_never_stop(loop)
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        try:
            async with asyncio.timeout(LIMIT):
                for _ in range(5):
                    await asyncio.sleep(0.001)
                    served = len(pair.served)
                    await asyncio.sleep(0)
                    writer.send(b"home")
                    assert await loop.sock_recv(reader, 100) == b"home"
                await pair.until_served(served + 100)
                assert await loop.run_in_executor(None, lambda: 7) == 7
        finally:
            loop.remove_reader(pair.far)
            pair.close()
            reader.close()
            writer.close()

    _run(main)


def test_what_waits_to_be_written() -> None:
    """While asyncio has bytes to write, it reads as well: nothing may overtake them."""

    async def main(loop: HotLoop, pair: Pair) -> None:
        written = asyncio.Event()
        loop.add_writer(pair.near, written.set)
        pair.far.send(b"one")
        assert await pair.until_read() == b"one"
        await written.wait()
        loop.remove_writer(pair.near)
        pair.far.send(b"stop")
        await pair.until_served(1)
        assert pair.served == [b"stop"]

    _with_pair(main)


def test_hang_up() -> None:
    """The end of a connection is asyncio's."""

    async def main(_loop: HotLoop, pair: Pair) -> None:
        pair.far.close()
        assert await pair.until_read() == b""
        assert pair.served == []

    _with_pair(main)


def test_cooled() -> None:
    """A file is given back: on request, and for good when nobody reads it any more."""

    async def main(loop: HotLoop, pair: Pair) -> None:
        loop.hot.cool(pair.near.fileno())
        loop.hot.cool(pair.near.fileno())
        pair.far.send(b"one")
        assert await pair.until_read() == b"one"
        loop.hot.heat(pair.near.fileno(), pair.serve)
        loop.remove_reader(pair.near)
        loop.add_reader(pair.near, pair.hear)
        pair.far.send(b"two")
        assert await pair.until_read() == b"two"
        assert pair.served == []

    _with_pair(main)


def test_fault(caplog: pytest.LogCaptureFixture) -> None:
    """A handler that fails is written about, and the loop goes on."""

    async def main(loop: HotLoop, pair: Pair) -> None:
        def serve(now: float) -> bool:
            pair.serve(now)
            raise RuntimeError("out of paper")

        loop.hot.heat(pair.near.fileno(), serve)
        pair.far.send(b"one")
        await pair.until_served(1)
        pair.far.send(b"two")
        await pair.until_served(2)

    _with_pair(main)
    assert caplog.text.count("RuntimeError: out of paper") == 2


def test_one_closes_another() -> None:
    """A file that was closed while others were served is not asyncio's any more."""

    async def main(loop: HotLoop, pair: Pair) -> None:
        other = Pair(loop)
        for one, two in ((pair, other), (other, pair)):

            def serve(_now: float, two: Pair = two) -> bool:
                loop.remove_reader(two.near)
                return True

            loop.hot.heat(one.near.fileno(), serve)
        pair.far.send(b"x")
        other.far.send(b"x")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(loop.hot.get_map()) == 2  # one of the two, and the loop's own
        assert pair.read.empty()
        assert other.read.empty()
        other.close()

    _with_pair(main)


def test_selector() -> None:
    """Without anything hot, or without anything to do, it is an ordinary selector."""
    near, far = socket.socketpair()
    selector = HotSelector()
    with near, far:
        selector.register(near, 1)
        assert selector.select(0) == []
        selector.heat(near.fileno(), lambda _: False)
        assert selector.select(-1) == []
        assert selector.select(0.001) == []
        far.send(b"x")
        assert selector.select(0) == []
        selector.cool(near.fileno())
        key, mask = selector.select()[0]
        assert (key.fileobj, mask) == (near, 1)
        selector.close()


def test_without_epoll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere the loop is an ordinary one."""
    monkeypatch.delattr(select, "epoll")
    loop = new_event_loop()
    assert not isinstance(loop, HotLoop)
    loop.close()
