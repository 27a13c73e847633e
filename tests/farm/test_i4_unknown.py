"""I4: what is not known is not idle, and a state grows old."""

import pytest

from custom_components.printfarm.fabricators.interface import MachineState, Snapshot
from custom_components.printfarm.farm.model import FabricatorRecord, WaitingReason
from custom_components.printfarm.farm.readiness import FRESH_FOR, fresh, obstacle

from .machine import FakeFabricator
from .rig import Rig

RECORD = FabricatorRecord(id=1, key="a", name="a", protocol="fake")


@pytest.mark.parametrize(
    "state", [state for state in MachineState if state is not MachineState.IDLE]
)
def test_only_idle_is_idle(state: MachineState) -> None:
    """Every other state is an obstacle, whoever starts."""
    snapshot = Snapshot(state=state, seen=100.0)
    for by_hand in (True, False):
        assert obstacle(RECORD, snapshot, None, now=100.0, by_hand=by_hand)


@pytest.mark.parametrize(
    ("seen", "believed"),
    [(None, False), (100.0, True), (100.0 - FRESH_FOR, True), (39.9, False)],
)
def test_a_state_is_believed_for_a_while(seen: float | None, *, believed: bool) -> None:
    """And not one moment longer; one that was never told is not believed at all."""
    snapshot = Snapshot(state=MachineState.IDLE, seen=seen)
    assert fresh(snapshot, 100.0) is believed
    found = obstacle(RECORD, snapshot, None, now=100.0)
    assert found is (None if believed else WaitingReason.STATE_STALE)


async def test_a_silent_machine_gets_nothing_until_it_speaks(
    rig: Rig, machine: FakeFabricator
) -> None:
    """Connected but silent: stale. One word from it, and the job goes."""
    await rig.farm.set_auto_start("a", True)
    await rig.pass_(FRESH_FOR + 1)
    job = await rig.job()
    await rig.quiet()
    assert machine.starts == []
    assert rig.farm.queue()[0].reason is WaitingReason.STATE_STALE
    machine.idle()
    await rig.quiet()
    assert machine.starts == [job.id]
