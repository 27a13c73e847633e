"""An event loop that serves some files itself, as fast as a bare loop around `epoll`.

Between a board's `ok` and the next line, asyncio's own way (a handle, a queue, a
callback, a transport, a protocol) takes longer than everything else together. Here the
selector does that while asyncio believes that it is still waiting: whatever is hot is
served within `select`, and asyncio learns of all else.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
import os
import select
import selectors
from time import monotonic
from typing import override

type Serve = Callable[[float], bool]
"""Reads what is there, at this monotonic time. Tells whether asyncio has something to
do now: a callback or a timer is new, or the file is not hot any more."""

_AT_ONCE = 32
"""Files that are looked at together: memory for so many is at hand without asking the
system. Whoever is left over comes first the next time."""


class HotSelector(selectors.DefaultSelector):
    """Serves hot files itself. Only where there is `epoll`.

    A hot file stays registered by its transport. As soon as there is more than bytes to
    read (an error, a hang-up, something left to be written), it is the transport's turn.
    """

    def __init__(self) -> None:
        """Begin with nothing hot."""
        super().__init__()
        self._epoll = select.epoll.fromfd(os.dup(self.fileno()))
        self._hot: dict[int, Serve] = {}
        self._serving: dict[int, Serve] = {}
        """Of the hot ones, those that asyncio only wants to read."""

    def heat(self, fd: int, serve: Serve) -> None:
        """Let `serve` read this registered file from now on, until it is closed."""
        self._hot[fd] = serve
        self._sort(fd)

    def cool(self, fd: int) -> None:
        """Give a file back to asyncio. Safe to call twice."""
        self._hot.pop(fd, None)
        self._serving.pop(fd, None)

    def _sort(self, fd: int) -> None:
        """Serve a hot file as long as nothing of it is waiting to be written."""
        if self.get_key(fd).events == selectors.EVENT_READ:
            self._serving[fd] = self._hot[fd]
        else:
            self._serving.pop(fd, None)

    @override
    def modify(
        self, fileobj: object, events: int, data: object = None
    ) -> selectors.SelectorKey:
        key = super().modify(fileobj, events, data)  # type: ignore[arg-type]
        if key.fd in self._hot:
            self._sort(key.fd)
        return key

    @override
    def unregister(self, fileobj: object) -> selectors.SelectorKey:
        key = super().unregister(fileobj)  # type: ignore[arg-type]
        self.cool(key.fd)
        return key

    @override
    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for something that is asyncio's, and serve what is hot meanwhile."""
        serving, poll = self._serving, self._epoll.poll
        if not serving:
            return super().select(timeout)
        left = timeout if timeout is None else max(timeout, 0.0)
        due = None if left is None else monotonic() + left
        ready: list[tuple[int, int]] = []
        while True:
            events = poll(left, _AT_ONCE)
            now = monotonic()
            done = not events
            for fd, event in events:
                serve = serving.get(fd)
                if serve is None or event != select.EPOLLIN:
                    ready.append((fd, event))
                elif _served(serve, now):
                    done = True
            if done or ready:
                return list(self._found(ready))
            if due is not None and (left := due - now) <= 0:
                return []

    def _found(
        self, events: Iterable[tuple[int, int]]
    ) -> Iterator[tuple[selectors.SelectorKey, int]]:
        """Say in the selectors' words what `epoll` has found, as they do."""
        keys = self.get_map()
        for fd, event in events:
            # Serving another file may have closed this one.
            if (key := keys.get(fd)) is not None:
                reads = selectors.EVENT_READ if event & ~select.EPOLLOUT else 0
                writes = selectors.EVENT_WRITE if event & ~select.EPOLLIN else 0
                yield key, (reads | writes) & key.events

    @override
    def close(self) -> None:
        self._epoll.close()
        super().close()


def _served(serve: Serve, now: float) -> bool:
    """Serve one file; what goes wrong there must not end the loop for all others."""
    try:
        return serve(now)
    except Exception as error:  # noqa: BLE001 - as asyncio does with its callbacks
        context = {"message": "Exception while serving a file", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
        return True


class HotLoop(asyncio.SelectorEventLoop):
    """A loop whose selector can be told to serve files itself."""

    def __init__(self) -> None:
        """Make the selector with it."""
        self.hot = HotSelector()
        super().__init__(self.hot)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make the loop of a process that streams. Without `epoll` it is an ordinary one."""
    return HotLoop() if hasattr(select, "epoll") else asyncio.new_event_loop()
