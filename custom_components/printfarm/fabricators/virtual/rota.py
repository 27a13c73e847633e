"""Turns for boards that share an event loop with others who must not wait."""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from weakref import WeakKeyDictionary

SLICE = 0.002
"""Seconds in one turn of the loop for all boards together."""


class Rota:
    """Boards that have something to do, in the order in which they asked.

    However many they are, the loop is theirs for one slice at a time only.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin with nobody."""
        self._call_soon = loop.call_soon
        self._waiting: deque[Callable[[], None]] = deque()
        self._called = False

    def enter(self, turn: Callable[[], None]) -> None:
        """Have `turn` called once, soon, never from here."""
        self._waiting.append(turn)
        self._call()

    def _call(self) -> None:
        if self._waiting and not self._called:
            self._called = True
            self._call_soon(self._run)

    def _run(self) -> None:
        """Give turns until the slice is used up; who asks again comes last."""
        self._called = False
        end = perf_counter() + SLICE
        try:
            for _ in range(len(self._waiting)):
                self._waiting.popleft()()
                if perf_counter() >= end:
                    break
        finally:
            self._call()


_rotas: WeakKeyDictionary[asyncio.AbstractEventLoop, Rota] = WeakKeyDictionary()


def rota(loop: asyncio.AbstractEventLoop) -> Rota:
    """The one rota of a loop."""
    if loop not in _rotas:
        _rotas[loop] = Rota(loop)
    return _rotas[loop]
