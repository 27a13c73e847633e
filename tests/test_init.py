"""Setting the farm up, letting it go, and fabricators that come and go meanwhile."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP, EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
)

from custom_components.printfarm import async_remove_config_entry_device
from custom_components.printfarm.const import DOMAIN
from custom_components.printfarm.fabricators.virtual.bench import BENCH
from custom_components.printfarm.farm.errors import StorageError
from custom_components.printfarm.farm.farm import Farm
from custom_components.printfarm.farm.model import FabricatorStatus, JobStatus

from .edge_fixtures import Home, fabricator, until


async def test_devices(home: Home, device_registry: dr.DeviceRegistry) -> None:
    """The fabricators' devices hang on the farm's, each in its subentry."""
    farm = device_registry.async_get(home.device())
    ada = device_registry.async_get(home.device("Ada"))
    assert farm is not None
    assert isinstance(ada, dr.DeviceEntry)
    assert farm.entry_type is dr.DeviceEntryType.SERVICE
    assert ada.name == "Ada"
    assert ada.via_device_id == farm.id
    assert ada.config_subentry_id == home.key("Ada")
    assert ada.sw_version is not None
    assert ada.model is not None


async def test_number_of_entities(
    home: Home, entity_registry: er.EntityRegistry
) -> None:
    """A fabricator enables no more entities than a large farm can bear.

    Home Assistant takes 10,000 per entry.
    """
    entities = er.async_entries_for_device(entity_registry, home.device("Ada"))
    assert len(entities) == 23
    everything = er.async_entries_for_device(
        entity_registry, home.device("Ada"), include_disabled_entities=True
    )
    assert len(everything) > 30


async def test_reload_leaves_nothing_behind(home: Home) -> None:
    """After an unload the states are gone, and the farm can be loaded again."""
    first = home.farm
    await home.unload()
    assert home.entry.state is ConfigEntryState.NOT_LOADED
    assert home.hass.states.get("sensor.ada_status").state == "unavailable"
    with pytest.raises(StorageError):
        await first.storage.load()
    await home.load()
    assert home.farm is not first


async def test_stop(home: Home) -> None:
    """Home Assistant does not unload what it stops; the farm closes all the same."""
    home.hass.bus.async_fire_internal(EVENT_HOMEASSISTANT_STOP)
    await home.hass.async_block_till_done()
    with pytest.raises(StorageError):
        await home.farm.storage.load()


@pytest.mark.parametrize(
    ("key", "state"),
    [
        ("database_driver_missing", ConfigEntryState.SETUP_ERROR),
        ("database_newer", ConfigEntryState.SETUP_ERROR),
        ("database_url_invalid", ConfigEntryState.SETUP_ERROR),
        ("storage_in_use", ConfigEntryState.SETUP_RETRY),
        ("storage_full", ConfigEntryState.SETUP_RETRY),
    ],
)
async def test_no_storage(
    hass: HomeAssistant, entry: MockConfigEntry, key: str, state: ConfigEntryState
) -> None:
    """What keeps the farm from its data is said in words; some of it may pass."""
    entry.add_to_hass(hass)
    with patch(
        "custom_components.printfarm.opening.open_repository",
        side_effect=StorageError(key, driver="a driver"),
    ):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is state
    assert entry.error_reason_translation_key == key
    assert entry.reason
    assert key not in entry.reason


async def test_folder_is_a_file(
    hass: HomeAssistant, entry: MockConfigEntry, tmp_path: Path
) -> None:
    """A folder that cannot be made keeps the farm from being set up."""
    (tmp_path / "taken").write_text("")
    entry.add_to_hass(hass)
    hass.config_entries.async_update_entry(entry, data={"folder": "taken"})
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.error_reason_translation_key == "storage_unwritable"


async def test_farm_does_not_open(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """The database is let go of when the farm on it does not open."""
    entry.add_to_hass(hass)
    with patch.object(Farm, "open", side_effect=StorageError("storage_corrupt")):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    # The lock on the file would keep this from working.
    home = Home(hass, entry)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await home.load()
    await home.unload()


async def test_fabricators_cannot_be_kept(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """A store that fails in the middle of set-up leaves nothing open."""
    entry.add_to_hass(hass)
    with patch.object(Farm, "add_fabricator", side_effect=StorageError("storage_full")):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY


async def test_unknown_protocol(
    hass: HomeAssistant, entry: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    """One fabricator that nobody can drive does not stop the others."""
    entry.add_to_hass(hass)
    home = Home(hass, entry)
    home.add_subentry(fabricator("Eve", protocol="telepathy"))
    await home.load()
    assert [view.name for view in home.farm.views()] == ["Ada", "Bob"]
    assert "Could not set up Eve" in caplog.text
    await home.unload()


async def test_add_live(home: Home, entity_registry: er.EntityRegistry) -> None:
    """A new fabricator joins; nothing is reloaded and a print elsewhere goes on."""
    job = await home.print_on("Ada")
    runtime = home.runtime
    home.add_subentry(fabricator("Eve"))
    await until(lambda: "Eve" in [view.name for view in home.farm.views()])
    await until(lambda: home.view("Eve").status is FabricatorStatus.IDLE)
    await home.hass.async_block_till_done()

    assert home.runtime is runtime
    assert (await home.job(job.id)).status is JobStatus.PRINTING
    entities = er.async_entries_for_device(entity_registry, home.device("Eve"))
    assert len(entities) == 23
    assert {entity.config_subentry_id for entity in entities} == {home.key("Eve")}
    await until(lambda: home.state("sensor", "status", "Eve").state == "idle")


async def test_remove_live(home: Home, device_registry: dr.DeviceRegistry) -> None:
    """A fabricator leaves with all that is its own, and with nothing else."""
    job = await home.print_on("Ada")
    runtime, bob, device = home.runtime, home.key("Bob"), home.device("Bob")
    home.hass.config_entries.async_remove_subentry(home.entry, bob)
    await until(lambda: [view.name for view in home.farm.views()] == ["Ada"])
    await home.hass.async_block_till_done()

    assert home.runtime is runtime
    assert list(runtime.fabricators) == [home.key("Ada")]
    assert (await home.job(job.id)).status is JobStatus.PRINTING
    assert device_registry.async_get(device) is None
    assert home.hass.states.get("sensor.bob_status") is None


async def test_removed_while_unloaded(home: Home) -> None:
    """What was removed behind the farm's back is gone for the farm, too."""
    (job,) = await home.queue(target=home.key("Bob"), hold=True)
    entries = home.hass.config_entries
    assert await entries.async_unload(home.entry.entry_id)
    entries.async_remove_subentry(home.entry, home.key("Bob"))
    assert await entries.async_setup(home.entry.entry_id)
    await home.hass.async_block_till_done()
    assert [view.name for view in home.farm.views()] == ["Ada"]
    assert (await home.job(job.id)).target is None


async def test_rename_live(home: Home, device_registry: dr.DeviceRegistry) -> None:
    """A new name neither reconnects nor disturbs the print."""
    job = await home.print_on("Ada")
    subentry = home.entry.subentries[home.key("Ada")]
    home.hass.config_entries.async_update_subentry(home.entry, subentry, title="Eva")
    await until(lambda: home.view("Eva").name == "Eva")
    device_id = home.device("Eva")

    def named() -> bool:
        device = device_registry.async_get(device_id)
        return device is not None and device.name == "Eva"

    await until(named)
    assert (await home.job(job.id)).status is JobStatus.PRINTING


async def test_change_refused_while_printing(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    """A change from elsewhere than the flow does not touch a print either."""
    job = await home.print_on("Ada")
    subentry = home.entry.subentries[home.key("Ada")]
    home.hass.config_entries.async_update_subentry(
        home.entry, subentry, data={**subentry.data, "speed": 7}
    )
    await home.hass.async_block_till_done()
    assert "Could not set up Ada: Ada is busy with a print" in caplog.text
    assert (await home.job(job.id)).status is JobStatus.PRINTING


async def test_remove_fails(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be written down is logged, and the others are followed all the same."""
    with patch.object(
        Farm, "remove_fabricator", side_effect=StorageError("storage_full")
    ):
        home.hass.config_entries.async_remove_subentry(home.entry, home.key("Bob"))
        home.add_subentry(fabricator("Eve"))
        await until(lambda: "Eve" in [view.name for view in home.farm.views()])
        await home.hass.async_block_till_done()
    assert "Could not remove a fabricator: The disk is full" in caplog.text


async def test_moved(home: Home) -> None:
    """Another place for the data is the one change that needs a reload."""
    await home.queue(hold=True)
    runtime = home.runtime
    home.hass.config_entries.async_update_entry(
        home.entry, data={"folder": "elsewhere"}
    )
    await until(
        lambda: (
            home.entry.state is ConfigEntryState.LOADED and home.runtime is not runtime
        )
    )
    await home.hass.async_block_till_done()
    assert await home.jobs() == ()


async def test_device_removal(home: Home, device_registry: dr.DeviceRegistry) -> None:
    """Only a device that nothing belongs to may be deleted by hand."""
    left = device_registry.async_get_or_create(
        config_entry_id=home.entry.entry_id, identifiers={(DOMAIN, "long gone")}
    )
    for device_id, deletable in (
        (home.device(), False),
        (home.device("Ada"), False),
        (left.id, True),
    ):
        device = device_registry.async_get(device_id)
        assert device is not None
        assert (
            await async_remove_config_entry_device(home.hass, home.entry, device)
            is deletable
        )


async def test_device_keeps_what_is_known(
    home: Home, device_registry: dr.DeviceRegistry
) -> None:
    """A machine that is off says neither model nor firmware; the device still does."""
    before = device_registry.async_get(home.device("Ada"))
    assert isinstance(before, dr.DeviceEntry)
    await home.show("Ada", model=None, firmware=None)
    after = device_registry.async_get(before.id)
    assert isinstance(after, dr.DeviceEntry)
    assert (after.model, after.sw_version) == (before.model, before.sw_version)
    await home.show("Ada", model="Other", firmware="Marlin 3")
    after = device_registry.async_get(before.id)
    assert isinstance(after, dr.DeviceEntry)
    assert (after.model, after.sw_version) == ("Other", "Marlin 3")
    # News of a fabricator may come after its device went.
    device_registry.async_remove_device(before.id)
    home.coordinator("Ada")._take(replace(home.view("Ada"), model="Third"))


async def test_unplugged(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    """A machine that goes away is one line in the log, and one when it returns."""
    states = async_capture_events(home.hass, EVENT_STATE_CHANGED)
    connected = home.entity("binary_sensor", "connected", "Ada")
    BENCH.remove(home.key("Ada"))

    def seen() -> list[str]:
        return [
            event.data["new_state"].state
            for event in states
            if event.data["entity_id"] == connected
        ]

    await until(lambda: seen() == ["off", "on"])
    assert caplog.text.count("Ada is not available") == 1
    assert caplog.text.count("Ada is available again") == 1


async def test_set_up_without_entry(hass: HomeAssistant) -> None:
    """The component itself can be set up before there is a farm."""
    assert await async_setup_component(hass, DOMAIN, {})
    assert hass.services.has_service(DOMAIN, "start")
