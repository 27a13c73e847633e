"""A fabricator that is driven elsewhere, in front of a process that says anything."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from custom_components.printfarm.fabricators.interface import (
    Capabilities,
    Checkpoint,
    Fabricator,
    FabricatorError,
    MachineEvent,
    MachineEventType,
    MachineState,
    Result,
    Snapshot,
    StartOutcome,
    Task,
)
from custom_components.printfarm.fabricators.streamer import remote, supervisor
from custom_components.printfarm.fabricators.streamer.messages import (
    capabilities_to_json,
    checkpoint_to_json,
    event_to_json,
    snapshot_to_json,
)

from .away import ADA, Away
from .scripted import HANG_UP, SILENCE, Refused, Scripted, added, scripted

pytestmark = pytest.mark.usefixtures("unix_sockets")

TASK = Task(run=7, name="a", source=Path("/a.gcode"), gcode=Path("/a.gcode"))
KEPT = Checkpoint(position=9, at=1.0, data={"z": 2})


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(supervisor, "_FIRST_PAUSE", 0.0)
    monkeypatch.setattr(remote, "ASK_EVERY", 0.0)
    monkeypatch.setattr(remote, "ADD_EVERY", 0.0)


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Scripted]:
    """Give a process that says what a test wants."""
    async with scripted(tmp_path) as process:
        yield process


@pytest.fixture
async def away(tmp_path: Path) -> AsyncIterator[Away]:
    """Give a fabricator that is driven by it, or will be."""
    away = Away(tmp_path)
    yield away
    await away.leave()


@pytest.fixture
async def there(process: Scripted, away: Away) -> Away:
    """Give a fabricator that the process drives."""
    away.run()
    await away.state(MachineState.IDLE)
    return away


def ended(result: Result) -> dict[str, Any]:
    """Give the end of the run of `TASK`, as the process says it."""
    return event_to_json(
        MachineEvent(type=MachineEventType.ENDED, run=TASK.run, result=result)
    )


def begun() -> dict[str, Any]:
    """Give its beginning."""
    return event_to_json(MachineEvent(type=MachineEventType.STARTED, run=TASK.run))


async def test_handed_over(process: Scripted, there: Away) -> None:
    """The process gets the configuration; what it sees is shown."""
    request = await process.until_asked("add")
    assert request["key"] == ADA.key
    assert request["args"]["config"] == {
        "key": "k",
        "name": "Ada",
        "protocol": "virtual",
        "options": {"model": "marlin_2", "speed": 0},
    }
    states = [snapshot.state for snapshot in there.snapshots]
    assert states == [MachineState.CONNECTING, MachineState.IDLE]
    assert there.fabricator.capabilities.tools == 2
    assert there.fabricator.outlives_host


async def test_news_in_order(process: Scripted, there: Away) -> None:
    """Snapshots, capabilities and events as they come; nonsense in between is left out."""
    printing = Snapshot(state=MachineState.PRINTING, run=7)
    key = ADA.key
    process.say({"key": key, "snapshot": snapshot_to_json(printing)})
    process.say({"key": key, "event": begun()})
    process.say({"key": key, "snapshot": {"state": "dancing"}})
    process.say({"key": key, "event": {"type": "danced"}})
    process.say({"key": key, "event": "none"})
    many = Capabilities(tools=5)
    process.say({"key": key, "capabilities": capabilities_to_json(many)})
    process.say({"key": key, "event": ended(Result.COMPLETED)})
    event = await there.ended()
    assert event.result is Result.COMPLETED
    assert there.fabricator.snapshot == printing
    assert there.fabricator.capabilities == many
    assert [one.type for one in there.events] == [
        MachineEventType.STARTED,
        MachineEventType.ENDED,
    ]


async def test_the_process_is_lost(process: Scripted, there: Away) -> None:
    """Nobody knows what the machine does, until the process is found again."""
    printing = Snapshot(state=MachineState.PRINTING, run=7, position=5)
    process.replies["add"] = lambda _: added(printing)
    there.snapshots.clear()
    process.hang_up()
    await there.state(MachineState.PRINTING)
    unknown, again = there.snapshots
    assert unknown.state is MachineState.UNKNOWN
    assert again == printing
    assert process.ops().count("add") == 2


async def test_not_taken(process: Scripted, away: Away) -> None:
    """A machine that prints under another configuration is unknown, and tried again."""
    tries: list[object] = []

    def add(request: Mapping[str, Any]) -> Any:
        tries.append(request)
        if len(tries) < 3:
            raise Refused("busy")
        return added(Snapshot(state=MachineState.IDLE))

    process.replies["add"] = add
    away.run()
    await away.state(MachineState.IDLE)
    states = [(one.state, one.error) for one in away.snapshots]
    assert (MachineState.UNKNOWN, "busy") in states
    assert len(tries) == 3


async def test_an_answer_that_is_none(process: Scripted, away: Away) -> None:
    """A machine is not taken for handed over on the strength of nonsense."""
    tries: list[object] = []

    def add(request: Mapping[str, Any]) -> Any:
        tries.append(request)
        return {} if len(tries) == 1 else added(Snapshot(state=MachineState.IDLE))

    process.replies["add"] = add
    away.run()
    await away.state(MachineState.IDLE)
    assert len(tries) == 2


async def test_a_machine_that_is_off_stays_off(process: Scripted, there: Away) -> None:
    """That the process is gone makes it no less so."""
    off = Snapshot(state=MachineState.OFFLINE)
    process.say({"key": ADA.key, "snapshot": snapshot_to_json(off)})
    await there.state(MachineState.OFFLINE)
    process.hang_up()
    await there.state(MachineState.IDLE)
    states = [one.state for one in there.snapshots]
    assert MachineState.UNKNOWN not in states


# The start.


@pytest.mark.parametrize("outcome", list(StartOutcome))
async def test_start(process: Scripted, there: Away, outcome: StartOutcome) -> None:
    """The word of the process counts."""
    process.replies["start"] = lambda _: {"outcome": outcome.value}
    assert await there.fabricator.start(TASK) is outcome
    request = await process.until_asked("start")
    assert request["args"]["task"]["run"] == TASK.run
    assert request["args"]["task"]["gcode"] == "/a.gcode"


async def test_start_without_a_process(process: Scripted, away: Away) -> None:
    """Nothing left us, and nothing leaves us later."""
    assert await away.fabricator.start(TASK) is StartOutcome.REFUSED
    away.run()
    await away.state(MachineState.IDLE)
    assert process.ops() == ["add"]


LATER: list[tuple[Result, StartOutcome]] = [
    (Result.NOT_STARTED, StartOutcome.REFUSED),
    (Result.UNKNOWN, StartOutcome.UNKNOWN),
    (Result.COMPLETED, StartOutcome.STARTED),
    (Result.FAILED, StartOutcome.STARTED),
    (Result.CANCELLED, StartOutcome.STARTED),
]


@pytest.mark.parametrize(("result", "outcome"), LATER)
@pytest.mark.parametrize("lost", [True, False])
async def test_start_whose_answer_is_lost(
    process: Scripted, there: Away, result: Result, outcome: StartOutcome, lost: bool
) -> None:
    """The story of the process says what became of it; it is never sent again."""

    def refuse(_: Mapping[str, Any]) -> Any:
        raise Refused("cannot_store")

    process.replies["start"] = (lambda _: HANG_UP) if lost else refuse
    process.replies["outcome"] = lambda _: {"end": ended(result)}
    assert await there.fabricator.start(TASK) is outcome
    assert process.ops().count("start") == 1
    assert (await process.until_asked("outcome"))["args"] == {"run": TASK.run}


def _by_event(process: Scripted) -> Any:
    process.say({"key": ADA.key, "event": begun()})


def _by_position(process: Scripted) -> Any:
    seen = Snapshot(state=MachineState.PREPARING, run=TASK.run, position=10)
    process.say({"key": ADA.key, "snapshot": snapshot_to_json(seen)})


@pytest.mark.parametrize("shows", [_by_event, _by_position])
async def test_start_still_under_way(
    process: Scripted, there: Away, shows: Callable[[Scripted], Any]
) -> None:
    """It has begun once the machine was seen to work on it; until then it may be refused."""
    process.replies["start"] = lambda _: HANG_UP
    process.replies["outcome"] = lambda _: {"end": None}
    starting = asyncio.create_task(there.fabricator.start(TASK))
    await process.until_asked("outcome", 3)
    assert not starting.done()
    shows(process)
    assert await starting is StartOutcome.STARTED


async def test_start_that_is_refused_later(process: Scripted, there: Away) -> None:
    """Under way at first, refused by the machine in the end."""
    ends = iter([None, None, ended(Result.NOT_STARTED)])
    process.replies["start"] = lambda _: HANG_UP
    process.replies["outcome"] = lambda _: {"end": next(ends)}
    assert await there.fabricator.start(TASK) is StartOutcome.REFUSED


async def test_start_whose_question_is_lost_too(process: Scripted, there: Away) -> None:
    """It is asked again."""
    answers: list[object] = []

    def outcome(_: Mapping[str, Any]) -> Any:
        answers.append(None)
        return HANG_UP if len(answers) == 1 else {"end": ended(Result.COMPLETED)}

    process.replies["start"] = lambda _: HANG_UP
    process.replies["outcome"] = outcome
    assert await there.fabricator.start(TASK) is StartOutcome.STARTED
    assert len(answers) == 2


async def test_start_that_nobody_tells_about(
    process: Scripted, there: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only then it is unknown."""
    monkeypatch.setattr(remote, "ASK_WITHIN", 0.0)
    process.replies["start"] = lambda _: HANG_UP
    assert await there.fabricator.start(TASK) is StartOutcome.UNKNOWN


# What is passed on.

type Call = Callable[[Fabricator], Any]

CALLS: list[tuple[Call, str, dict[str, Any], Any, Any]] = [
    (lambda one: one.pause(), "pause", {}, None, None),
    (lambda one: one.resume(), "resume", {}, None, None),
    (lambda one: one.cancel(), "cancel", {}, None, None),
    (lambda one: one.answer(1), "answer", {"choice": 1}, None, None),
    (
        lambda one: one.command("M105"),
        "command",
        {"line": "M105"},
        {"lines": ["ok", "T:20"]},
        ("ok", "T:20"),
    ),
    (
        lambda one: one.set_target("bed", 60.0),
        "set_target",
        {"heater": "bed", "celsius": 60.0},
        None,
        None,
    ),
    (lambda one: one.outcome(7), "outcome", {"run": 7}, {"end": None}, None),
    (lambda one: one.forget(7), "forget", {"run": 7}, None, None),
    (
        lambda one: one.locate(KEPT),
        "locate",
        {"checkpoint": checkpoint_to_json(KEPT)},
        {"checkpoint": checkpoint_to_json(KEPT)},
        KEPT,
    ),
    (lambda one: one.wire(), "wire", {}, {"lines": ["> M105"]}, ("> M105",)),
    (lambda one: one.set_gcode_log(True), "set_gcode_log", {"on": True}, None, None),
]
NAMES = [op for _, op, *_ in CALLS]


@pytest.mark.parametrize(("call", "op", "args", "reply", "result"), CALLS, ids=NAMES)
async def test_passed_on(
    process: Scripted,
    there: Away,
    call: Call,
    op: str,
    args: dict[str, Any],
    reply: Any,
    result: Any,
) -> None:
    """Each as it is, for this machine."""
    process.replies[op] = lambda _: reply
    assert await call(there.fabricator) == result
    request = await process.until_asked(op)
    assert (request["key"], request["args"]) == (ADA.key, args)


@pytest.mark.parametrize(("call", "op"), [one[:2] for one in CALLS], ids=NAMES)
async def test_refused(process: Scripted, there: Away, call: Call, op: str) -> None:
    """What the other side says no to; a wire that cannot be read is an empty one."""

    def refuse(_: Mapping[str, Any]) -> Any:
        raise Refused("not_printing")

    process.replies[op] = refuse
    if op == "wire":
        assert await call(there.fabricator) == ()
        return
    with pytest.raises(FabricatorError) as refused:
        await call(there.fabricator)
    assert refused.value.key == "not_printing"


async def test_a_process_from_before_there_were_answers(
    process: Scripted, there: Away
) -> None:
    """It takes none, and says so in its own way."""

    def refuse(_: Mapping[str, Any]) -> Any:
        raise Refused("unknown_op")

    process.replies["answer"] = refuse
    with pytest.raises(FabricatorError) as refused:
        await there.fabricator.answer(0)
    assert refused.value.key == "not_supported"


@pytest.mark.parametrize(("call", "op"), [one[:2] for one in CALLS], ids=NAMES)
async def test_without_a_process(away: Away, call: Call, op: str) -> None:
    """Nothing waits for a process to come."""
    if op == "wire":
        assert await call(away.fabricator) == ()
        return
    with pytest.raises(FabricatorError) as refused:
        await call(away.fabricator)
    assert refused.value.key == "not_connected"


async def test_the_log_goes_on_in_the_next_process(
    process: Scripted, there: Away
) -> None:
    """What a person switched on stays on."""
    await there.fabricator.set_gcode_log(True)
    process.hang_up()
    request = await process.until_asked("set_gcode_log", 2)
    assert request["args"] == {"on": True}


# Letting go.


async def test_closed(process: Scripted, there: Away) -> None:
    """The process lets go of the machine; what it says meanwhile is heard, once."""

    def remove(_: Mapping[str, Any]) -> Any:
        process.say({"key": ADA.key, "event": ended(Result.FAILED)})
        return None

    process.replies["remove"] = remove
    await there.fabricator.close()
    await there.fabricator.close()
    assert (await there.ended()).result is Result.FAILED
    process.say({"key": ADA.key, "event": ended(Result.FAILED)})
    await there.stop()
    assert len(there.events) == 1
    assert process.ops().count("remove") == 1
    assert there.fabricator.snapshot.state is MachineState.IDLE


async def test_closed_before_it_was_handed_over(process: Scripted, away: Away) -> None:
    """An answer that comes after the parting says nothing."""
    process.replies["add"] = lambda _: SILENCE
    away.run()
    request = await process.until_asked("add")
    await away.fabricator.close()
    idle = added(Snapshot(state=MachineState.IDLE))
    process.say({"id": request["id"], "result": idle})
    process.hang_up()
    await process.until_asked("add", 2)
    assert [one.state for one in away.snapshots] == [MachineState.CONNECTING]


async def test_it_does_not_let_go(
    process: Scripted,
    there: Away,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is not waited for longer than the farm waits."""
    monkeypatch.setattr(remote, "CLOSE_WITHIN", 0.01)
    process.replies["remove"] = lambda _: SILENCE
    await there.fabricator.close()
    assert "could not be let go" in caplog.text


async def test_left(process: Scripted, there: Away) -> None:
    """Home Assistant goes, the machine stays; nothing is reported any more."""
    there.snapshots.clear()
    await there.fabricator.leave()
    process.say({"key": ADA.key, "event": begun()})
    await there.stop()
    assert (there.snapshots, there.events) == ([], [])
    assert process.ops() == ["add"]
