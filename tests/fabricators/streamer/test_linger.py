"""The end of a process that nobody needs; time is counted by hand."""

from collections.abc import Callable

from custom_components.printfarm.fabricators.streamer.linger import Linger


class _Clock:
    """Timers that go off when a test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, seconds: float, deed: Callable[[], None]) -> _Put:
        put = (seconds, deed)
        self.waiting.append(put)
        return _Put(self, put)

    def pass_time(self) -> None:
        """Let all go off."""
        due, self.waiting = self.waiting, []
        for _, deed in due:
            deed()


class _Put:
    def __init__(self, clock: _Clock, put: tuple[float, Callable[[], None]]) -> None:
        self._clock = clock
        self._put = put

    def cancel(self) -> None:
        self._clock.waiting.remove(self._put)


class _Process:
    def __init__(self) -> None:
        self.clock = _Clock()
        self.needed = False
        self.ended = 0
        self.linger = Linger(60, lambda: self.needed, self._end, self.clock.call_later)

    def _end(self) -> None:
        self.ended += 1


def test_ends_when_nobody_came_for_a_while() -> None:
    """Counted from the first moment on in which nobody needs it."""
    process = _Process()
    process.linger.look()
    process.linger.look()
    assert [seconds for seconds, _ in process.clock.waiting] == [60]
    process.clock.pass_time()
    assert process.ended == 1


def test_stays_while_it_is_needed() -> None:
    """And counts anew afterwards."""
    process = _Process()
    process.linger.look()
    process.needed = True
    process.linger.look()
    assert process.clock.waiting == []
    process.needed = False
    process.linger.look()
    assert len(process.clock.waiting) == 1
    assert process.ended == 0


def test_stays_if_it_is_needed_when_the_time_is_up() -> None:
    """Whoever came without a word counts too."""
    process = _Process()
    process.linger.look()
    process.needed = True
    process.clock.pass_time()
    assert process.ended == 0


def test_stops_counting() -> None:
    """When it ends for another reason."""
    process = _Process()
    process.linger.look()
    process.linger.stop()
    process.linger.stop()
    assert process.clock.waiting == []


async def test_counts_in_the_time_of_its_loop() -> None:
    """Where nobody gives it another one."""
    ended: list[bool] = []
    linger = Linger(3600, lambda: False, lambda: ended.append(True))
    linger.look()
    linger.stop()
    assert ended == []
