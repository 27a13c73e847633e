"""What the client is told about a machine: in order, and not too often."""

import pytest

from custom_components.printfarm.fabricators.interface import (
    Capabilities,
    MachineEventType,
    MachineState,
    Temperature,
)
from custom_components.printfarm.fabricators.streamer import news
from tests.fabricators.streamer.hosted import CONFIG, Hosted


async def test_a_turn_of_things_is_told_at_once(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all that crept along before it; what merely creeps waits."""
    monkeypatch.setattr(news, "SNAPSHOT_INTERVAL", 3600.0)
    hosted.driver().report(state=MachineState.IDLE)
    hosted.driver().report(resends=1)
    await hosted.turn()
    assert [one["resends"] for one in hosted.snapshots()] == [1]
    hosted.driver().report(resends=2)
    hosted.driver().report(resends=3)
    await hosted.turn()
    assert len(hosted.snapshots()) == 1
    hosted.driver().report(state=MachineState.ERROR)
    await hosted.turn()
    assert [one["resends"] for one in hosted.snapshots()] == [1, 3]


async def test_what_creeps_along_is_told_now_and_then(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest of it."""
    monkeypatch.setattr(news, "SNAPSHOT_INTERVAL", 0.0)
    hosted.driver().report(resends=1)
    hosted.driver().report(resends=2)
    await hosted.until(hosted.snapshots)
    assert [one["resends"] for one in hosted.snapshots()] == [2]


async def test_an_event_comes_after_its_snapshot(hosted: Hosted) -> None:
    """The newest look at the machine is told before what happened on it."""
    await hosted.start()
    hosted.driver().report(bed=Temperature(60.0, 60.0))
    hosted.driver().announce(MachineEventType.PAUSED)
    (_, snapshot), (_, event) = hosted.told[-2:]
    assert snapshot["snapshot"]["bed"]["actual"] == 60.0
    assert event["event"]["type"] == "paused"


async def test_what_a_machine_can_do_is_told_when_it_changes(hosted: Hosted) -> None:
    """As soon as the board has said so."""
    hosted.driver().able = Capabilities(tools=2)
    hosted.driver().report(state=MachineState.IDLE)
    hosted.driver().announce(MachineEventType.ERROR)
    kinds = [next(iter(news)) for _, news in hosted.told]
    assert kinds == ["capabilities", "snapshot", "event"]
    assert hosted.told[0][1]["capabilities"]["tools"] == 2


async def test_a_client_that_does_not_read_gets_the_newest_later(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snapshots do not pile up; events are told all the same."""
    monkeypatch.setattr(news, "SNAPSHOT_INTERVAL", 0.0)
    hosted.behind = True
    hosted.driver().report(resends=1)
    hosted.driver().announce(MachineEventType.ERROR)
    hosted.driver().report(resends=2)
    await hosted.turn()
    assert (hosted.snapshots(), hosted.events()) == ([], ["error"])
    hosted.behind = False
    await hosted.until(hosted.snapshots)
    assert [one["resends"] for one in hosted.snapshots()] == [2]


async def test_nothing_is_told_to_a_client_that_has_not_asked(
    hosted: Hosted,
) -> None:
    """A new client adds its machines before it hears of them."""
    hosted.host.greet()
    hosted.driver().report(state=MachineState.IDLE)
    hosted.driver().announce(MachineEventType.PROMPT, text="?")
    await hosted.turn()
    assert hosted.told == []
    answer = await hosted.add()
    assert answer["snapshot"]["state"] == "idle"
    assert hosted.events() == ["prompt"]
    assert hosted.snapshots() == []


async def test_what_happens_while_it_is_being_added_is_told_after_it(
    hosted: Hosted,
) -> None:
    """Between the answer and the first news nothing is lost."""
    hosted.host.greet()
    answer = await hosted.host.perform(
        "add",
        "a",
        {
            "config": {"key": "a", "name": "A", "protocol": "stub"}
            | {"options": dict(CONFIG.options)}
        },
    )
    hosted.driver().report(state=MachineState.IDLE)
    hosted.driver().announce(MachineEventType.PROMPT, text="?")
    assert hosted.told == []
    assert answer.then is not None
    answer.then()
    assert [next(iter(news)) for _, news in hosted.told] == ["snapshot", "event"]
