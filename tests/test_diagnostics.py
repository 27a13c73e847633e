"""What goes along with a bug report."""

from http import HTTPStatus
import json

from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from .edge_fixtures import Home

SECRET = "postgresql://farm:hunter2@db/farm"


async def _download(
    home: Home, hass_client: ClientSessionGenerator, device: str | None = None
) -> tuple[str, dict[str, object]]:
    assert await async_setup_component(home.hass, "diagnostics", {})
    client = await hass_client()
    url = f"/api/diagnostics/config_entry/{home.entry.entry_id}"
    if device is not None:
        url += f"/device/{device}"
    answer = await client.get(url)
    assert answer.status == HTTPStatus.OK
    text = await answer.text()
    return text, json.loads(text)["data"]


async def test_farm(home: Home, hass_client: ClientSessionGenerator) -> None:
    """All of the farm, and no password in it."""
    await home.print_on("Ada")
    await home.queue(target=home.key("Ada"))
    # Told to the entry without the listeners: the farm stays where it is.
    object.__setattr__(home.entry, "data", {"db_url": SECRET, "folder": "/data/ada"})
    text, data = await _download(home, hass_client)
    assert "hunter2" not in text
    assert "/data/ada" not in text
    assert "a.gcode" not in text
    assert data["farm"]["printing"] == 1
    assert len(data["queue"]) == 1
    ada, bob = data["fabricators"]
    assert ada["options"]["protocol"] == "virtual"
    assert ada["view"]["job"]["status"] == "printing"
    assert bob["view"]["job"] is None
    assert bob["view"]["firmware"]


async def test_fabricator(home: Home, hass_client: ClientSessionGenerator) -> None:
    """One fabricator, with what happened to it."""
    job = await home.print_on("Ada")
    text, data = await _download(home, hass_client, home.device("Ada"))
    assert "a.gcode" not in text
    assert data["fabricator"]["view"]["job"]["id"] == job.id
    assert {"job_assigned", "print_started"} <= {
        event["type"] for event in data["events"]
    }


async def test_wire(home: Home, hass_client: ClientSessionGenerator) -> None:
    """The last lines go along, without what was written on the display."""
    key = home.key("Ada")
    await home.farm.send_gcode(key, ["M117 Gift for Ada", "M114"])
    text, data = await _download(home, hass_client, home.device("Ada"))
    assert "Gift for Ada" not in text
    said = [line.split(" ", 1)[1] for line in data["wire"]]
    sent = [line for line in said if line.startswith("> ")]
    assert any("M117 **REDACTED**" in line for line in sent)
    assert any("M114" in line for line in sent)
    assert any(line.startswith("< X:") for line in said)


async def test_farm_device(home: Home, hass_client: ClientSessionGenerator) -> None:
    """The farm's own device stands for all of it."""
    _, data = await _download(home, hass_client, home.device())
    assert len(data["fabricators"]) == 2


async def test_ports_are_private(
    home: Home, hass_client: ClientSessionGenerator
) -> None:
    """They hold serial numbers and addresses."""
    subentry = home.entry.subentries[home.key("Ada")]
    data = {
        "protocol": "marlin",
        "port": "socket://10.1.2.3:8888",
        "baudrate": 115200,
        "usb": {"vid": 0x2C99, "pid": 2, "serial_number": "CZPX1234"},
    }
    before = subentry.data
    object.__setattr__(subentry, "data", data)
    text, told = await _download(home, hass_client)
    object.__setattr__(subentry, "data", before)
    assert "10.1.2.3" not in text
    assert "CZPX1234" not in text
    assert told["fabricators"][0]["options"]["baudrate"] == 115200


async def test_fabricator_without_a_subentry(
    home: Home, hass_client: ClientSessionGenerator
) -> None:
    """One that is just being removed does not break the report."""
    subentries = dict(home.entry.subentries)
    subentries.pop(home.key("Bob"))
    before = home.entry.subentries
    object.__setattr__(home.entry, "subentries", subentries)
    _, data = await _download(home, hass_client)
    object.__setattr__(home.entry, "subentries", before)
    assert [item["options"] is None for item in data["fabricators"]] == [False, True]
