"""Showing views to listeners at a pace that people and recorders can follow."""

import asyncio
from collections.abc import Callable
import logging

from .model import FabricatorStatus
from .view import FabricatorView, FarmView

_LOGGER = logging.getLogger(__name__)

PACE = 1.0
"""Seconds between two views of one fabricator, unless its status changes."""

type ViewListener = Callable[[FabricatorView], None]
type FarmListener = Callable[[FarmView], None]


class Watchers:
    """Draws a view only when somebody looks and something changed."""

    def __init__(
        self,
        draw: Callable[[str], FabricatorView],
        draw_farm: Callable[[], FarmView],
    ) -> None:
        """`draw` makes one fabricator's view by its key."""
        self._draw = draw
        self._draw_farm = draw_farm
        self._listeners: dict[str, list[ViewListener]] = {}
        self._farm_listeners: list[FarmListener] = []
        self._statuses: dict[str, FabricatorStatus] = {}
        self._timers: dict[str | None, asyncio.TimerHandle] = {}
        self._shown: dict[str | None, float] = {}

    def watch(self, key: str, listener: ViewListener) -> Callable[[], None]:
        """Show one fabricator to `listener`; gives the end of it."""
        self._listeners.setdefault(key, []).append(listener)
        return lambda: _drop(self._listeners.get(key, []), listener)

    def watch_farm(self, listener: FarmListener) -> Callable[[], None]:
        """Show the farm to `listener`; gives the end of it."""
        self._farm_listeners.append(listener)
        return lambda: _drop(self._farm_listeners, listener)

    def touch(self, key: str, status: FabricatorStatus) -> None:
        """Something about this fabricator changed."""
        turned = self._statuses.get(key) is not status
        self._statuses[key] = status
        if self._listeners.get(key):
            self._plan(key, at_once=turned)
        if self._farm_listeners:
            self._plan(None, at_once=False)

    def forget(self, key: str) -> None:
        """A fabricator is gone."""
        self._listeners.pop(key, None)
        self._statuses.pop(key, None)
        self._shown.pop(key, None)
        if (timer := self._timers.pop(key, None)) is not None:
            timer.cancel()
        if self._farm_listeners:
            self._plan(None, at_once=False)

    def close(self) -> None:
        """Show nothing any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._listeners.clear()
        self._farm_listeners.clear()

    def _plan(self, key: str | None, *, at_once: bool) -> None:
        """Have a view shown now or when its pace allows; None is the farm's."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        due = now if at_once else self._shown.get(key, now - PACE) + PACE
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._show, key)

    def _show(self, key: str | None) -> None:
        self._timers.pop(key, None)
        self._shown[key] = asyncio.get_running_loop().time()
        try:
            if key is None:
                farm = self._draw_farm()
                for farm_listener in tuple(self._farm_listeners):
                    farm_listener(farm)
            elif listeners := tuple(self._listeners.get(key, ())):
                view = self._draw(key)
                for listener in listeners:
                    listener(view)
        except Exception:
            _LOGGER.exception("Could not show %s", key or "the farm")


def _drop[T](listeners: list[T], listener: T) -> None:
    """End a watch, also one that has ended with what it watched."""
    if listener in listeners:
        listeners.remove(listener)
