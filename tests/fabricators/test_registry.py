"""Drivers by the name of their protocol."""

import pytest

from custom_components.printfarm.fabricators.interface import (
    Fabricator,
    FabricatorConfig,
    FabricatorError,
    MachineState,
)
from custom_components.printfarm.fabricators.marlin.driver import MarlinFabricator
from custom_components.printfarm.fabricators.registry import FACTORIES, make
from custom_components.printfarm.fabricators.virtual.driver import VirtualFabricator


@pytest.mark.parametrize(
    ("protocol", "kind", "options"),
    [
        ("marlin", MarlinFabricator, {"port": "/dev/ttyUSB0", "baudrate": 115200}),
        ("virtual", VirtualFabricator, {}),
    ],
)
async def test_make(
    protocol: str, kind: type[Fabricator], options: dict[str, object]
) -> None:
    """A driver knows its configuration and has touched nothing yet."""
    config = FabricatorConfig(key="k", name="One", protocol=protocol, options=options)
    fabricator = make(config, lambda _: None, lambda _: None)
    assert type(fabricator) is kind
    assert fabricator.config is config
    assert fabricator.snapshot.state is MachineState.OFFLINE
    assert protocol in FACTORIES


async def test_unknown_protocol() -> None:
    """What nobody speaks is refused by name."""
    config = FabricatorConfig(key="k", name="One", protocol="smoke signals")
    with pytest.raises(FabricatorError) as refused:
        make(config, lambda _: None, lambda _: None)
    assert refused.value.key == "unknown_protocol"
