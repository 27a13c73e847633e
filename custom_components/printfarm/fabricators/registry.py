"""Which driver drives which protocol."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from .interface import (
    EventListener,
    Fabricator,
    FabricatorConfig,
    FabricatorError,
    SnapshotListener,
)
from .marlin.driver import MarlinFabricator
from .virtual.driver import VirtualFabricator

type Factory = Callable[[FabricatorConfig, SnapshotListener, EventListener], Fabricator]

FACTORIES: Mapping[str, Factory] = MappingProxyType(
    {"marlin": MarlinFabricator, "virtual": VirtualFabricator}
)
"""One driver for each protocol that is spoken."""


def make(
    config: FabricatorConfig, on_snapshot: SnapshotListener, on_event: EventListener
) -> Fabricator:
    """Make the driver of a fabricator; it connects to nothing yet.

    Raises:
        FabricatorError: `unknown_protocol`.
    """
    factory = FACTORIES.get(config.protocol)
    if factory is None:
        raise FabricatorError("unknown_protocol", config.protocol)
    return factory(config, on_snapshot, on_event)
