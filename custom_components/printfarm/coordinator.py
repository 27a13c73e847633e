"""What the farm pushes, kept where Home Assistant's entities look for it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator

from .const import LOGGER
from .devices import update_fabricator_device
from .fabricators.streamer.process import Streamers
from .farm.farm import Farm
from .farm.view import FabricatorView, FarmView
from .issues import check_issues, forget_issues
from .opening import OpenFarm
from .relay import EventRelay

type FarmConfigEntry = ConfigEntry[FarmRuntime]
type NewFabricatorListener = Callable[[FabricatorCoordinator], None]


class PushCoordinator[T](DataUpdateCoordinator[T]):
    """Holds the last thing the farm said. Nothing is ever asked for."""

    config_entry: FarmConfigEntry

    def __init__(
        self,
        hass: HomeAssistant,
        entry: FarmConfigEntry,
        farm: Farm,
        name: str,
        data: T,
    ) -> None:
        """Start with what is known now."""
        super().__init__(
            hass, LOGGER, config_entry=entry, name=name, always_update=False
        )
        self.farm = farm
        self.data = data
        self._unwatch: CALLBACK_TYPE | None = None

    @callback
    def _take(self, data: T) -> None:
        """Keep what the farm said and tell the entities, if it is news."""
        if data != self.data:
            self.async_set_updated_data(data)

    @override
    async def async_shutdown(self) -> None:
        """Stop listening to the farm. Safe to call twice."""
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        await super().async_shutdown()


class FarmCoordinator(PushCoordinator[FarmView]):
    """The whole farm in numbers."""

    def __init__(self, hass: HomeAssistant, entry: FarmConfigEntry, farm: Farm) -> None:
        """Watch the farm."""
        super().__init__(hass, entry, farm, entry.title, farm.farm_view())
        self._unwatch = farm.watch_farm(self._take)


class FabricatorCoordinator(PushCoordinator[FabricatorView]):
    """One fabricator as people see it."""

    def __init__(
        self, hass: HomeAssistant, entry: FarmConfigEntry, farm: Farm, key: str
    ) -> None:
        """Watch the fabricator with this key."""
        super().__init__(hass, entry, farm, farm.view(key).name, farm.view(key))
        self.key = key
        self._unwatch = farm.watch(key, self._take)
        check_issues(hass, self.data)

    @override
    @callback
    def _take(self, data: FabricatorView) -> None:
        """Keep the news, and pass on what concerns more than the entities."""
        before = self.data
        super()._take(data)
        update_fabricator_device(self.hass, self.config_entry, before, data)
        check_issues(self.hass, data)

    @override
    async def async_shutdown(self) -> None:
        """Stop listening, and take back what was asked of people."""
        await super().async_shutdown()
        forget_issues(self.hass, self.key)


@dataclass(slots=True)
class FarmRuntime:
    """What a loaded farm consists of."""

    opened: OpenFarm
    device_id: str
    overview: FarmCoordinator
    relay: EventRelay
    fabricators: dict[str, FabricatorCoordinator] = field(default_factory=dict)
    """By the id of their config subentry."""
    syncing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Subentries may change faster than the farm can follow; one at a time."""
    _on_new: list[NewFabricatorListener] = field(default_factory=list)

    @property
    def farm(self) -> Farm:
        """The farm itself."""
        return self.opened.farm

    @property
    def streamers(self) -> Streamers:
        """The processes that drive its machines."""
        return self.opened.streamers

    async def async_close(self, *, park: bool = False) -> None:
        """Listen no more, and let go of every machine. Safe to call twice.

        `park`: with prints that would go on without us, too.
        """
        await self._shut_coordinators()
        await self.opened.close(park=park)
        self.relay.stop()

    async def async_detach(self) -> None:
        """Listen no more; the farm lives on and tells nothing meanwhile."""
        self.farm.hold()
        await self._shut_coordinators()
        self.relay.stop()

    async def _shut_coordinators(self) -> None:
        coordinators: list[PushCoordinator[Any]] = [
            self.overview,
            *self.fabricators.values(),
        ]
        for coordinator in coordinators:
            await coordinator.async_shutdown()

    @callback
    def on_new_fabricator(self, listener: NewFabricatorListener) -> CALLBACK_TYPE:
        """Call back with every fabricator there is, and with each one to come."""
        for coordinator in self.fabricators.values():
            listener(coordinator)
        self._on_new.append(listener)
        return lambda: self._on_new.remove(listener)

    @callback
    def add(self, coordinator: FabricatorCoordinator) -> None:
        """Take in a fabricator; every platform then makes its entities."""
        self.fabricators[coordinator.key] = coordinator
        for listener in self._on_new:
            listener(coordinator)
