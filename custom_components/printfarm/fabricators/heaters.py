"""Heaters by the names that drivers take, as a snapshot shows them."""

from collections.abc import Mapping

from .interface import Snapshot


def targets(snapshot: Snapshot) -> Mapping[str, float]:
    """Give the target in °C of each heater that is on."""
    heaters = {
        f"nozzle{number or ''}": nozzle
        for number, nozzle in enumerate(snapshot.nozzles)
    }
    return {
        name: heater.target
        for name, heater in (
            *heaters.items(),
            ("bed", snapshot.bed),
            ("chamber", snapshot.chamber),
        )
        if heater is not None and heater.target
    }
