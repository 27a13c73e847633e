"""A farm in a Home Assistant, for the tests of what Home Assistant makes of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, cast

from homeassistant.config_entries import (
    ConfigEntryState,
    ConfigSubentry,
    ConfigSubentryData,
)
from homeassistant.core import HomeAssistant, State
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.entity_component import DATA_INSTANCES
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.printfarm.berth import async_leave
from custom_components.printfarm.const import DOMAIN, SUBENTRY_FABRICATOR
from custom_components.printfarm.coordinator import FabricatorCoordinator, FarmRuntime
from custom_components.printfarm.fabricators.streamer import process
from custom_components.printfarm.farm.farm import Farm
from custom_components.printfarm.farm.model import (
    FabricatorStatus,
    Job,
    JobFilter,
    JobStatus,
    StoredFile,
)
from custom_components.printfarm.farm.view import FabricatorView, Offer

SHORT = b"""; a print that is over before anybody looks
G28
G1 Z0.2 F3000
G1 X10 Y10 F3000
G1 X100 Y10 E5
G1 Z0.4
G1 X10 Y10 E9
"""
LONG = (
    b"""; a print of hours, in which anything may happen
G28
G1 Z0.2 F3000
"""
    + b"G1 X100 Y10 E5 F600\nG1 X10 Y10 E9 F600\n" * 2000
)

OFFER = Offer(
    job_id=1,
    name="Gift for Ada",
    reason="streamer_died",
    ended=datetime(2026, 11, 20, 20, 30, tzinfo=UTC),
    progress=41.7,
    layer=12,
    height=2.4,
)
"""A print that was cut off and could go on."""

WITHIN = 20.0
"""Seconds after which something that should happen has not."""


def fabricator(name: str, **options: Any) -> ConfigSubentryData:
    """Give the subentry of a virtual fabricator.

    Homing takes it no time, and a print of hours some minutes.
    """
    return ConfigSubentryData(
        data={"protocol": "virtual", "model": "marlin_2", "speed": 100} | options,
        subentry_type=SUBENTRY_FABRICATOR,
        title=name,
        unique_id=None,
    )


async def until[T](look: Callable[[], T]) -> T:
    """Wait until what `look` gives is true, and give it."""
    async with asyncio.timeout(WITHIN):
        while not (found := look()):
            await asyncio.sleep(0.01)
    return found


@dataclass
class Home:
    """A Home Assistant with a loaded farm."""

    hass: HomeAssistant
    entry: MockConfigEntry

    @property
    def runtime(self) -> FarmRuntime:
        """What the loaded farm consists of."""
        return cast(FarmRuntime, self.entry.runtime_data)

    @property
    def farm(self) -> Farm:
        """The farm itself."""
        return self.runtime.farm

    async def load(self) -> None:
        """Set the farm up, and wait until every machine answers."""
        assert await self.hass.config_entries.async_setup(self.entry.entry_id)
        await self.hass.async_block_till_done()
        await until(lambda: all(view.connected for view in self.farm.views()))

    async def unload(self) -> None:
        """Unload the farm."""
        assert await self.hass.config_entries.async_unload(self.entry.entry_id)
        await self.hass.async_block_till_done()

    def key(self, name: str) -> str:
        """Give the key of a fabricator."""
        return next(
            subentry.subentry_id
            for subentry in self.entry.subentries.values()
            if subentry.title == name
        )

    def coordinator(self, name: str) -> FabricatorCoordinator:
        """Give the coordinator of a fabricator."""
        return self.runtime.fabricators[self.key(name)]

    def view(self, name: str) -> FabricatorView:
        """Give what the farm says of a fabricator now."""
        return self.farm.view(self.key(name))

    async def show(self, name: str, **changes: Any) -> FabricatorView:
        """Let the farm say something of a fabricator that it is hard to bring about.

        What it really says of this one is not heard any more.
        """
        coordinator = self.coordinator(name)
        if coordinator._unwatch is not None:
            coordinator._unwatch()
            coordinator._unwatch = None
        coordinator._take(replace(self.view(name), **changes))
        await self.hass.async_block_till_done()
        return coordinator.data

    def device(self, name: str | None = None) -> str:
        """Give the device of a fabricator, or of the farm."""
        key = self.entry.entry_id if name is None else self.key(name)
        device = dr.async_get(self.hass).async_get_device_by_identifier(
            (DOMAIN, key), self.entry.entry_id
        )
        assert device is not None
        return device.id

    def entity(self, platform: str, key: str, name: str | None = None) -> str:
        """Give the id of an entity of a fabricator, or of the farm."""
        owner = self.entry.entry_id if name is None else self.key(name)
        entity_id = er.async_get(self.hass).async_get_entity_id(
            platform, DOMAIN, f"{owner}_{key}"
        )
        assert entity_id is not None
        return entity_id

    def state(self, platform: str, key: str, name: str | None = None) -> State:
        """Give the state of an entity."""
        state = self.hass.states.get(self.entity(platform, key, name))
        assert state is not None
        return state

    def entity_object(self, platform: str, key: str, name: str) -> Any:
        """Give an entity itself, to use it where the user interface would not let one."""
        entity_id = self.entity(platform, key, name)
        found = self.hass.data[DATA_INSTANCES][platform].get_entity(entity_id)
        assert found is not None
        return found

    async def enable(self, platform: str, key: str, name: str) -> None:
        """Enable an entity that is not at first."""
        er.async_get(self.hass).async_update_entity(
            self.entity(platform, key, name), disabled_by=None
        )
        await self.reload()

    async def reload(self) -> None:
        """Unload the farm and set it up again."""
        await self.unload()
        await self.load()

    def add_subentry(self, data: ConfigSubentryData) -> str:
        """Add a fabricator as its flow does, and give its key."""
        subentry = ConfigSubentry(
            data=MappingProxyType(dict(data["data"])),
            subentry_type=data["subentry_type"],
            title=data["title"],
            unique_id=None,
        )
        self.hass.config_entries.async_add_subentry(self.entry, subentry)
        return subentry.subentry_id

    async def upload(self, content: bytes = SHORT, name: str = "a.gcode") -> StoredFile:
        """Put a file into the library and wait until it was read."""
        async with self.farm.library.new_upload(name) as upload:
            await upload.write(content)
            file = await upload.finish()
        return await self.farm.library.analysed(file.id)

    async def queue(
        self, content: bytes = SHORT, name: str = "a.gcode", **options: Any
    ) -> tuple[Job, ...]:
        """Put a file into the library and queue it."""
        file = await self.upload(content, name)
        return await self.farm.add_jobs(file_id=file.id, **options)

    async def print_on(self, name: str, content: bytes = LONG) -> Job:
        """Let a fabricator print, and give its job once it is seen printing."""
        (job,) = await self.queue(content, target=self.key(name))

        def prints() -> bool:
            view = self.view(name)
            # The machine is seen to print before that is written down.
            written = view.job is not None and view.job.status is JobStatus.PRINTING
            return written and view.status is FabricatorStatus.PRINTING

        await until(prints)
        return job

    def unplug(self, name: str) -> None:
        """Pull a fabricator's plug out; it is in again before anybody comes."""
        driver = cast(Any, self.farm._fleet.find(self.key(name)).driver)
        driver._connection._transport.abort()

    async def job(self, job_id: int) -> Job:
        """Look a job up."""
        return await self.farm.job(job_id)

    async def jobs(self) -> tuple[Job, ...]:
        """Look all jobs up, oldest first."""
        page = await self.farm.jobs(JobFilter(oldest_first=True))
        return page.items


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Keep what a test makes Home Assistant write in a folder of its own."""
    return hass_tmp_config_dir


@pytest.fixture(autouse=True)
def machines_in_the_loop(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drive machines in Home Assistant's loop, unless a test is about processes."""
    names = request.fixturenames
    if "hass" in names and "unix_sockets" not in names:
        monkeypatch.setattr(process, "KINDS", {})


@pytest.fixture
def entry() -> MockConfigEntry:
    """Give the entry of a farm with two fabricators."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Print farm",
        subentries_data=[fabricator("Ada"), fabricator("Bob")],
    )


@pytest.fixture
async def home(hass: HomeAssistant, entry: MockConfigEntry) -> AsyncIterator[Home]:
    """Give a Home Assistant with a farm that is up and running."""
    entry.add_to_hass(hass)
    home = Home(hass, entry)
    await home.load()
    yield home
    if entry.state is ConfigEntryState.LOADED:
        await home.unload()
    await async_leave(hass, entry.entry_id)
