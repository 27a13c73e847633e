"""Which heaters are on, by the names that drivers take."""

from custom_components.printfarm.fabricators.heaters import targets
from custom_components.printfarm.fabricators.interface import Snapshot, Temperature


def test_those_that_are_on() -> None:
    """One that is warm but off is none of them, nor one that says nothing."""
    snapshot = Snapshot(
        nozzles=(
            Temperature(actual=200.0, target=0.0),
            Temperature(actual=20.0, target=150.0),
            Temperature(actual=20.0),
        ),
        bed=Temperature(actual=20.0, target=60.0),
        chamber=None,
    )
    assert targets(snapshot) == {"nozzle1": 150.0, "bed": 60.0}
