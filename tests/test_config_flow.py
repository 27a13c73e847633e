"""Setting up a farm and its fabricators by hand."""

from collections.abc import Iterator
from errno import ENOENT
from pathlib import Path
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import SOURCE_USER, ConfigEntryState, FlowType
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
import pytest

from custom_components.printfarm.const import DOMAIN
from custom_components.printfarm.fabricators.interface import FabricatorError
from custom_components.printfarm.fabricators.marlin.usb import UsbIdentity
from custom_components.printfarm.farm.errors import StorageError
from custom_components.printfarm.farm.model import JobStatus

from .edge_fixtures import Home, until

PROBE = "custom_components.printfarm.protocols.probe"
OPEN = "custom_components.printfarm.opening.open_repository"

CONNECT = (
    "custom_components.printfarm.fabricators.marlin.port.serialx"
    ".create_serial_connection"
)

IDENTITY = "custom_components.printfarm.fabricators.marlin.usb.identity"
BOARD = UsbIdentity(0x2C99, 2, "CZPX1")
OTHER = UsbIdentity(0x2C99, 2, "CZPX2")
CLONE = UsbIdentity(0x1A86, 0x7523)

VIRTUAL = {"name": " Eve ", "model": "marlin_2", "speed": 0}
MARLIN = {"name": "Eve", "port": "/dev/ttyUSB7", "baudrate": "250000"}


@pytest.fixture(autouse=True)
def _no_ports() -> Iterator[None]:
    """Keep everybody from the ports of the computer that this runs on."""
    with (
        patch(CONNECT, side_effect=FileNotFoundError(ENOENT, "No such port")),
        patch(IDENTITY, return_value=None),
    ):
        yield


async def _user_flow(hass: HomeAssistant) -> dict[str, Any]:
    return await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )


async def _fabricator_flow(home: Home, protocol: str) -> dict[str, Any]:
    """Go to the form of a protocol."""
    manager = home.hass.config_entries.subentries
    menu = await manager.async_init(
        (home.entry.entry_id, "fabricator"), context={"source": SOURCE_USER}
    )
    assert menu["type"] is FlowResultType.MENU
    assert menu["menu_options"] == ["virtual", "marlin"]
    return await manager.async_configure(menu["flow_id"], {"next_step_id": protocol})


async def test_nothing_to_fill_in(hass: HomeAssistant) -> None:
    """The farm needs no answers, and the first fabricator is asked for at once."""
    form = await _user_flow(hass)
    assert form["type"] is FlowResultType.FORM
    result = await hass.config_entries.flow.async_configure(form["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Print farm"
    assert result["data"] == {}

    kind, flow_id = result["next_flow"]
    assert kind is FlowType.CONFIG_SUBENTRIES_FLOW
    manager = hass.config_entries.subentries
    await manager.async_configure(flow_id, {"next_step_id": "virtual"})
    made = await manager.async_configure(flow_id, VIRTUAL)
    assert made["type"] is FlowResultType.CREATE_ENTRY
    home = Home(hass, result["result"])
    await until(lambda: [view.name for view in home.farm.views()] == ["Eve"])
    await hass.async_block_till_done()
    await home.unload()


async def test_chosen_places(hass: HomeAssistant, tmp_path: Path) -> None:
    """Folder and database may be chosen; empty fields are no choice."""
    form = await _user_flow(hass)
    database = f"sqlite:///{tmp_path / 'my.db'}"
    result = await hass.config_entries.flow.async_configure(
        form["flow_id"], {"advanced": {"folder": " ", "db_url": database}}
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == {"db_url": database}
    assert (tmp_path / "my.db").exists()
    assert await hass.config_entries.async_unload(result["result"].entry_id)


@pytest.mark.parametrize("key", ["database_newer", "storage_in_use", "storage_corrupt"])
async def test_no_database(hass: HomeAssistant, key: str) -> None:
    """A database that cannot be used is said at once; another try may succeed."""
    form = await _user_flow(hass)
    with patch(OPEN, side_effect=StorageError(key)):
        form = await hass.config_entries.flow.async_configure(form["flow_id"], {})
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {"base": key}
    result = await hass.config_entries.flow.async_configure(form["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert await hass.config_entries.async_unload(result["result"].entry_id)


async def test_unusable_places(hass: HomeAssistant, tmp_path: Path) -> None:
    """Folder and database are tried for real."""
    (tmp_path / "taken").write_text("")
    form = await _user_flow(hass)
    for places, key in (
        ({"folder": str(tmp_path / "taken")}, "storage_unwritable"),
        ({"folder": "a\0b"}, "storage_unwritable"),
        ({"db_url": "nosuchthing://somewhere"}, "database_url_invalid"),
        ({"db_url": "farm"}, "database_url_invalid"),
        ({"db_url": "postgresql://host:port/farm"}, "database_url_invalid"),
        ({"db_url": "sqlite://"}, "database_url_invalid"),
        ({"db_url": "sqlite:///:memory:"}, "database_url_invalid"),
        ({"db_url": "sqlite:///relative.db"}, "database_url_invalid"),
        ({"db_url": "oracle+oracledb://a:b@c/d"}, "database_driver_missing"),
    ):
        form = await hass.config_entries.flow.async_configure(
            form["flow_id"], {"advanced": places}
        )
        assert form["type"] is FlowResultType.FORM
        assert form["errors"] == {"base": key}


async def test_one_farm(home: Home) -> None:
    """There is one farm."""
    result = await _user_flow(home.hass)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "single_farm"


async def test_move_farm(home: Home) -> None:
    """The farm moves by a reload, and only while it is idle."""
    job = await home.print_on("Ada")
    result = await home.entry.start_reconfigure_flow(home.hass)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "farm_printing"

    await home.farm.cancel(home.key("Ada"))
    await until(lambda: home.farm.farm_view().printing == 0)
    assert (await home.job(job.id)).status is JobStatus.CANCELLED
    runtime = home.runtime
    form = await home.entry.start_reconfigure_flow(home.hass)
    assert form["type"] is FlowResultType.FORM
    with patch(OPEN, side_effect=StorageError("storage_full")):
        form = await home.hass.config_entries.flow.async_configure(
            form["flow_id"], {"advanced": {"folder": "new"}}
        )
    assert form["errors"] == {"base": "storage_full"}
    result = await home.hass.config_entries.flow.async_configure(
        form["flow_id"], {"advanced": {"folder": "new"}}
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    await until(
        lambda: (
            home.entry.state is ConfigEntryState.LOADED and home.runtime is not runtime
        )
    )
    await home.hass.async_block_till_done()
    assert home.entry.data == {"folder": "new"}


async def test_move_same_database(home: Home) -> None:
    """The database that is in use already is not opened a second time."""
    form = await home.entry.start_reconfigure_flow(home.hass)
    result = await home.hass.config_entries.flow.async_configure(form["flow_id"], {})
    assert result["reason"] == "reconfigure_successful"
    assert home.entry.state is ConfigEntryState.LOADED


async def test_virtual(home: Home) -> None:
    """A virtual fabricator needs a name, and is there at once."""
    runtime = home.runtime
    form = await _fabricator_flow(home, "virtual")
    manager = home.hass.config_entries.subentries
    form = await manager.async_configure(form["flow_id"], VIRTUAL | {"name": " "})
    assert form["errors"] == {"name": "name_missing"}
    result = await manager.async_configure(form["flow_id"], VIRTUAL)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["title"] == "Eve"
    assert result["data"] == {"protocol": "virtual", "model": "marlin_2", "speed": 0}
    await until(lambda: "Eve" in [view.name for view in home.farm.views()])
    await home.hass.async_block_till_done()
    assert home.runtime is runtime


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("port_not_found", "port"),
        ("port_busy", "port"),
        ("permission_denied", "port"),
        ("no_answer", "baudrate"),
        ("not_marlin", "base"),
        ("cannot_connect", "base"),
    ],
)
async def test_marlin(home: Home, key: str, field: str) -> None:
    """The port is tried, and what is wrong is said where it can be put right."""
    form = await _fabricator_flow(home, "marlin")
    manager = home.hass.config_entries.subentries
    with patch(PROBE, side_effect=FabricatorError(key)):
        form = await manager.async_configure(form["flow_id"], MARLIN)
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {field: key}
    with patch(PROBE) as probe:
        result = await manager.async_configure(form["flow_id"], MARLIN)
    probe.assert_called_once_with("/dev/ttyUSB7", 250000)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == {
        "protocol": "marlin",
        "port": "/dev/ttyUSB7",
        "baudrate": 250000,
    }
    await until(lambda: "Eve" in [view.name for view in home.farm.views()])
    await home.hass.async_block_till_done()


@pytest.mark.parametrize("baudrate", ["fast", "0", "-5", "115.2", "9" * 30])
async def test_baudrate(home: Home, baudrate: str) -> None:
    """A baud rate may be typed in, but it has to be one."""
    form = await _fabricator_flow(home, "marlin")
    form = await home.hass.config_entries.subentries.async_configure(
        form["flow_id"], MARLIN | {"baudrate": baudrate}
    )
    assert form["errors"] == {"baudrate": "baudrate_invalid"}


async def test_no_path(home: Home) -> None:
    """What can be no path is not tried as one."""
    form = await _fabricator_flow(home, "marlin")
    form = await home.hass.config_entries.subentries.async_configure(
        form["flow_id"], MARLIN | {"port": "/dev/tty\0USB7"}
    )
    assert form["errors"] == {"port": "port_not_found"}


async def test_port_taken(home: Home, tmp_path: Path) -> None:
    """Two fabricators cannot have one port, by whatever name it goes."""
    port, link = tmp_path / "ttyACM0", tmp_path / "by-id"
    port.write_text("")
    link.symlink_to(port)
    manager = home.hass.config_entries.subentries
    form = await _fabricator_flow(home, "marlin")
    with patch(PROBE):
        await manager.async_configure(form["flow_id"], MARLIN | {"port": str(port)})
        form = await _fabricator_flow(home, "marlin")
        form = await manager.async_configure(
            form["flow_id"], MARLIN | {"port": str(link)}
        )
    assert form["errors"] == {"port": "port_taken"}
    await home.hass.async_block_till_done()


async def test_usb(home: Home) -> None:
    """A USB port is remembered by what is plugged in, whatever it is called later."""
    manager = home.hass.config_entries.subentries
    form = await _fabricator_flow(home, "marlin")
    with patch(PROBE), patch(IDENTITY, return_value=BOARD) as identity:
        await manager.async_configure(form["flow_id"], MARLIN)
    identity.assert_called_once_with("/dev/ttyUSB7")
    await until(lambda: "Eve" in [view.name for view in home.farm.views()])
    subentry = home.entry.subentries[home.key("Eve")]
    known = {"vid": 0x2C99, "pid": 2, "serial_number": "CZPX1"}
    assert subentry.data["usb"] == known

    # Under the old name there is another board by now; this one keeps what it is.
    with patch(PROBE), patch(IDENTITY, return_value=OTHER) as identity:
        form = await _reconfigure(home, "Eve")
        await manager.async_configure(form["flow_id"], MARLIN | {"name": "Eva"})
        identity.assert_not_called()
    assert subentry.data["usb"] == known

    # The same board under another name is not a second one.
    form = await _fabricator_flow(home, "marlin")
    elsewhere = MARLIN | {"port": "/dev/ttyUSB8"}
    with patch(PROBE), patch(IDENTITY, return_value=BOARD):
        form = await manager.async_configure(form["flow_id"], elsewhere)
    assert form["errors"] == {"port": "port_taken"}
    with patch(PROBE), patch(IDENTITY, return_value=OTHER):
        result = await manager.async_configure(form["flow_id"], elsewhere)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["usb"] == {"vid": 0x2C99, "pid": 2, "serial_number": "CZPX2"}
    await home.hass.async_block_till_done()


async def test_boards_without_numbers_are_told_apart_by_their_ports(home: Home) -> None:
    """Clones bear no serial number, or all the same one."""
    manager = home.hass.config_entries.subentries
    for port in ("/dev/ttyUSB7", "/dev/ttyUSB8"):
        form = await _fabricator_flow(home, "marlin")
        with patch(PROBE), patch(IDENTITY, return_value=CLONE):
            result = await manager.async_configure(
                form["flow_id"], MARLIN | {"port": port}
            )
        assert result["type"] is FlowResultType.CREATE_ENTRY
        assert result["data"]["usb"] == {"vid": 0x1A86, "pid": 0x7523}
    await home.hass.async_block_till_done()


async def test_usb_of_a_fabricator_from_before(home: Home) -> None:
    """One that was set up without it gets it when it is changed."""
    manager = home.hass.config_entries.subentries
    form = await _fabricator_flow(home, "marlin")
    with patch(PROBE), patch(IDENTITY, return_value=None):
        result = await manager.async_configure(form["flow_id"], MARLIN)
    assert "usb" not in result["data"]
    await until(lambda: "Eve" in [view.name for view in home.farm.views()])
    form = await _reconfigure(home, "Eve")
    with patch(PROBE), patch(IDENTITY, return_value=BOARD):
        await manager.async_configure(form["flow_id"], MARLIN)
    assert home.entry.subentries[home.key("Eve")].data["usb"]["serial_number"] == (
        "CZPX1"
    )
    await home.hass.async_block_till_done()


async def test_network_ports_are_no_usb_ports(home: Home) -> None:
    """Nobody looks for them among what is plugged in."""
    form = await _fabricator_flow(home, "marlin")
    with patch(PROBE), patch(IDENTITY) as identity:
        result = await home.hass.config_entries.subentries.async_configure(
            form["flow_id"], MARLIN | {"port": "socket://localhost:1"}
        )
    identity.assert_not_called()
    assert "usb" not in result["data"]
    await home.hass.async_block_till_done()


async def _reconfigure(home: Home, name: str) -> dict[str, Any]:
    return await home.entry.start_subentry_reconfigure_flow(home.hass, home.key(name))


async def test_change(home: Home) -> None:
    """A fabricator is changed live: the farm has the change before the entry."""
    runtime, key = home.runtime, home.key("Ada")
    form = await _reconfigure(home, "Ada")
    assert form["type"] is FlowResultType.FORM
    assert form["step_id"] == "virtual"
    result = await home.hass.config_entries.subentries.async_configure(
        form["flow_id"], {"name": "Eva", "model": "large", "speed": 0}
    )
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    assert home.entry.subentries[key].title == "Eva"
    assert home.entry.subentries[key].data["model"] == "large"
    await until(
        lambda: home.farm.view(key).capabilities.build_volume == (400, 400, 450)
    )
    await home.hass.async_block_till_done()
    assert home.runtime is runtime


async def test_change_while_printing(home: Home) -> None:
    """While it prints, a fabricator may be renamed, and nothing else."""
    job = await home.print_on("Ada")
    form = await _reconfigure(home, "Ada")
    manager = home.hass.config_entries.subentries
    form = await manager.async_configure(
        form["flow_id"], {"name": "Eva", "model": "large", "speed": 0}
    )
    assert form["errors"] == {"base": "fabricator_printing"}
    form = await manager.async_configure(
        form["flow_id"],
        {"name": "Eva", "model": "marlin_2", "speed": 100, "standby": "bed"},
    )
    assert form["errors"] == {"base": "fabricator_printing"}
    result = await manager.async_configure(
        form["flow_id"],
        {"name": "Eva", "model": "marlin_2", "speed": 100, "standby": "off"},
    )
    assert result["type"] is FlowResultType.ABORT
    await home.hass.async_block_till_done()
    assert home.view("Eva").name == "Eva"
    assert (await home.job(job.id)).status is JobStatus.PRINTING


async def test_standby(home: Home) -> None:
    """What stays warm is chosen in the form; who does not choose keeps nothing warm."""
    form = await _reconfigure(home, "Ada")
    manager = home.hass.config_entries.subentries
    same = {"name": "Ada", "model": "marlin_2", "speed": 100}
    with pytest.raises(InvalidData):
        await manager.async_configure(form["flow_id"], same | {"standby": "hot"})
    await manager.async_configure(form["flow_id"], same | {"standby": "warm"})
    subentry = home.entry.subentries[home.key("Ada")]
    assert subentry.data["standby"] == "warm"
    form = await _reconfigure(home, "Ada")
    suggested = {
        str(key): (key.description or {}).get("suggested_value")
        for key in form["data_schema"].schema
    }
    assert suggested["standby"] == "warm"
    await manager.async_configure(form["flow_id"], same)
    assert "standby" not in subentry.data
    await home.hass.async_block_till_done()


async def test_change_port(home: Home) -> None:
    """A new port is tried; the one it has is its own and cannot be."""
    manager = home.hass.config_entries.subentries
    form = await _fabricator_flow(home, "marlin")
    with patch(PROBE):
        await manager.async_configure(form["flow_id"], MARLIN)
    await until(lambda: "Eve" in [view.name for view in home.farm.views()])
    with patch(PROBE) as probe:
        form = await _reconfigure(home, "Eve")
        result = await manager.async_configure(
            form["flow_id"], MARLIN | {"baudrate": "115200"}
        )
        assert result["reason"] == "reconfigure_successful"
        probe.assert_not_called()
        form = await _reconfigure(home, "Eve")
        result = await manager.async_configure(
            form["flow_id"], MARLIN | {"port": "/dev/ttyUSB8"}
        )
        assert result["reason"] == "reconfigure_successful"
        probe.assert_called_once_with("/dev/ttyUSB8", 250000)
    await home.hass.async_block_till_done()


async def test_change_of_farm_that_is_not_loaded(home: Home) -> None:
    """Without a loaded farm the change waits for the next time."""
    await home.unload()
    form = await _reconfigure(home, "Ada")
    result = await home.hass.config_entries.subentries.async_configure(
        form["flow_id"], {"name": "Eva", "model": "large", "speed": 0}
    )
    assert result["reason"] == "reconfigure_successful"
    assert home.entry.subentries[home.key("Eva")].data["model"] == "large"
