"""Which machines are driven in a process of their own, and which are not."""

from pathlib import Path

import pytest

from custom_components.printfarm.fabricators.interface import (
    FabricatorConfig,
    FabricatorError,
)
from custom_components.printfarm.fabricators.marlin.driver import MarlinFabricator
from custom_components.printfarm.fabricators.streamer.process import Streamers, kind_of
from custom_components.printfarm.fabricators.streamer.remote import RemoteFabricator


@pytest.mark.parametrize(
    ("protocol", "port", "kind"),
    [
        ("virtual", None, "virtual"),
        ("marlin", "/dev/ttyUSB0", "serial"),
        ("marlin", "socket://10.0.0.1:23", "serial"),
        ("marlin", "esphome://device/port", None),
        ("smoke signals", None, None),
    ],
)
def test_kind_of(protocol: str, port: str | None, kind: str | None) -> None:
    """Ports that only Home Assistant has are driven there."""
    options = {} if port is None else {"port": port}
    config = FabricatorConfig(key="k", name="A", protocol=protocol, options=options)
    assert kind_of(config) == kind


async def test_make(tmp_path: Path) -> None:
    """Nothing is started for what nobody runs yet."""
    streamers = Streamers(tmp_path, "1")

    def config(protocol: str, **options: object) -> FabricatorConfig:
        return FabricatorConfig(key="k", name="A", protocol=protocol, options=options)

    def made(wanted: FabricatorConfig) -> object:
        return type(streamers.make(wanted, lambda _: None, lambda _: None))

    proxy = config("marlin", port="esphome://a/b", baudrate=115200)
    assert made(config("virtual")) is RemoteFabricator
    assert made(config("marlin", port="/dev/ttyUSB0")) is RemoteFabricator
    assert made(proxy) is MarlinFabricator
    with pytest.raises(FabricatorError) as refused:
        made(config("smoke signals"))
    assert refused.value.key == "unknown_protocol"
    await streamers.close()
    assert list(tmp_path.iterdir()) == []
