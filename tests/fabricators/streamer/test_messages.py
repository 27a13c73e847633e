"""What the two sides say to each other: nothing is lost, and newer ones say more."""

from collections.abc import Callable, Mapping
from dataclasses import fields
import json
from pathlib import Path
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.printfarm.fabricators.interface import (
    Capabilities,
    Checkpoint,
    FabricatorConfig,
    MachineEvent,
    MachineEventType,
    MachineState,
    Prompt,
    Result,
    Resume,
    Snapshot,
    Task,
    Temperature,
)
from custom_components.printfarm.fabricators.streamer import messages

_floats = st.floats(allow_nan=False, allow_infinity=False)
_ints = st.integers(min_value=0, max_value=2**53)
_texts = st.text(max_size=20)
_json = st.recursive(
    st.none() | st.booleans() | _ints | _floats | _texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3)
    ),
    max_leaves=6,
)
_data = st.dictionaries(_texts, _json, max_size=4)
_temperatures = st.builds(Temperature, st.none() | _floats, st.none() | _floats)
_checkpoints = st.builds(Checkpoint, position=_ints, at=_floats, data=_data)
_paths = st.sampled_from([Path("/files/a b.gcode"), Path("/files/ä")])
_numbers = st.dictionaries(_texts, _floats, max_size=3)
_lines = st.lists(_texts, max_size=3).map(tuple)
_resumes = st.builds(
    Resume,
    checkpoint=_checkpoints,
    x=st.none() | _floats,
    y=st.none() | _floats,
    z=st.none() | _floats,
    e=_floats,
    highest=st.none() | _floats,
    positioning=_lines,
    inches=st.booleans(),
    feedrate=st.none() | _floats,
    tool=st.none() | _texts,
    fans=_numbers,
    nozzles=_numbers,
    bed=st.none() | _floats,
    chamber=st.none() | _floats,
    speed_factor=st.none() | _floats,
    flow_factor=st.none() | _floats,
    extruded=st.booleans(),
    retracted=_floats,
    leveling=st.booleans(),
    setup=_lines,
)
_snapshots = st.builds(
    Snapshot,
    state=st.sampled_from(MachineState),
    seen=st.none() | _floats,
    run=st.none() | _ints,
    file_name=st.none() | _texts,
    position=st.none() | _ints,
    size=st.none() | _ints,
    progress=st.none() | _floats,
    layer=st.none() | _ints,
    layers=st.none() | _ints,
    elapsed=st.none() | _floats,
    remaining=st.none() | _floats,
    nozzles=st.lists(_temperatures, max_size=3).map(tuple),
    bed=st.none() | _temperatures,
    chamber=st.none() | _temperatures,
    message=st.none() | _texts,
    prompt=st.none() | st.builds(Prompt, _texts, _lines, _floats),
    error=st.none() | _texts,
    firmware=st.none() | _texts,
    model=st.none() | _texts,
    resends=st.none() | _ints,
)
_capabilities = st.builds(
    Capabilities,
    accepts=st.frozensets(_texts, max_size=3),
    build_volume=st.none() | st.tuples(_floats, _floats, _floats),
    tools=st.none() | _ints,
    bed=st.booleans(),
    chamber=st.booleans(),
    pause=st.booleans(),
    gcode=st.booleans(),
    temperatures=st.booleans(),
    position=st.booleans(),
    gcode_log=st.booleans(),
)
_events = st.builds(
    MachineEvent,
    type=st.sampled_from(MachineEventType),
    run=st.none() | _ints,
    result=st.none() | st.sampled_from(Result),
    reason=st.none() | _texts,
    text=st.none() | _texts,
    choices=_lines,
    at=st.none() | _floats,
    checkpoint=st.none() | _checkpoints,
)
_tasks = st.builds(
    Task,
    run=_ints,
    name=_texts,
    source=_paths,
    gcode=st.none() | _paths,
    plate=_ints,
    resume=st.none() | _resumes,
)
_configs = st.builds(
    FabricatorConfig, key=_texts, name=_texts, protocol=_texts, options=_data
)

_SHAPES = {
    Snapshot: (_snapshots, messages.snapshot_to_json, messages.snapshot_from_json),
    Capabilities: (
        _capabilities,
        messages.capabilities_to_json,
        messages.capabilities_from_json,
    ),
    Checkpoint: (
        _checkpoints,
        messages.checkpoint_to_json,
        messages.checkpoint_from_json,
    ),
    MachineEvent: (_events, messages.event_to_json, messages.event_from_json),
    Task: (_tasks, messages.task_to_json, messages.task_from_json),
    FabricatorConfig: (_configs, messages.config_to_json, messages.config_from_json),
}
_KINDS = st.sampled_from(list(_SHAPES))

type Write = Callable[[Any], dict[str, Any]]
type Read = Callable[[Mapping[str, Any]], object]


@given(st.data(), _KINDS)
def test_goes_over_the_wire_and_back(data: st.DataObject, kind: type) -> None:
    """As one line of JSON, with a word from a newer release in it."""
    values, write, read = _SHAPES[kind]
    value = data.draw(values)
    line = json.dumps(write(value) | {"from_the_future": [1]})
    assert "\n" not in line
    assert read(json.loads(line)) == value


@given(_resumes)
def test_a_resume_of_a_newer_release(resume: Resume) -> None:
    """What lies within a task may say more too."""
    path = Path("/files/a")
    task = Task(run=1, name="a", source=path, gcode=None, resume=resume)
    written = messages.task_to_json(task)
    written["resume"]["from_the_future"] = 1
    written["resume"]["checkpoint"]["from_the_future"] = 1
    assert messages.task_from_json(written) == task


def test_every_field_is_tried() -> None:
    """A new one must be sent too."""
    tried: dict[type, st.SearchStrategy[Any]] = {
        kind: shape[0] for kind, shape in _SHAPES.items()
    } | {Resume: _resumes}
    for kind, strategy in tried.items():
        drawn = strategy.wrapped_strategy  # type: ignore[attr-defined]
        assert set(drawn.kwargs) == {field.name for field in fields(kind)}


@pytest.mark.parametrize(
    ("read", "least", "expected"),
    [
        (
            messages.snapshot_from_json,
            {"state": "idle"},
            Snapshot(state=MachineState.IDLE),
        ),
        (messages.capabilities_from_json, {}, Capabilities()),
        (
            messages.event_from_json,
            {"type": "paused"},
            MachineEvent(type=MachineEventType.PAUSED),
        ),
        (
            messages.checkpoint_from_json,
            {"position": 1, "at": 2.0},
            Checkpoint(position=1, at=2.0),
        ),
        (
            messages.task_from_json,
            {"run": 1, "name": "a", "source": "/a", "gcode": None},
            Task(run=1, name="a", source=Path("/a"), gcode=None),
        ),
    ],
)
def test_an_older_release_may_say_less(
    read: Read, least: dict[str, Any], expected: object
) -> None:
    """What is missing takes its default."""
    assert read(least) == expected


@pytest.mark.parametrize(
    ("read", "nonsense"),
    [
        (messages.snapshot_from_json, {"state": "dancing"}),
        (messages.event_from_json, {"type": "ended", "result": "well"}),
        (messages.checkpoint_from_json, {"position": 1}),
        (messages.config_from_json, {"key": "a"}),
    ],
)
def test_nonsense_is_an_error(read: Read, nonsense: dict[str, Any]) -> None:
    """One that can be told from others."""
    with pytest.raises((ValueError, TypeError)):
        read(nonsense)


@pytest.mark.parametrize(
    ("ours", "theirs", "version"),
    [
        ((1, 1), (1, 1), 1),
        ((1, 3), (2, 5), 3),
        ((2, 5), (1, 3), 3),
        ((1, 5), (2, 3), 3),
        ((2, 3), (1, 1), None),
        ((1, 1), (2, 3), None),
    ],
)
def test_agrees_on_the_newest_version_of_both(
    monkeypatch: pytest.MonkeyPatch,
    ours: tuple[int, int],
    theirs: tuple[int, int],
    version: int | None,
) -> None:
    """Or on none, if there is none."""
    monkeypatch.setattr(messages, "OLDEST", ours[0])
    monkeypatch.setattr(messages, "NEWEST", ours[1])
    assert messages.agree(theirs) == version


def test_a_proof_proves_one_side_in_one_conversation() -> None:
    """Neither the other side's nor an old one will do."""
    proofs = {
        messages.proof(secret, side, nonces)
        for secret in (b"one", b"two")
        for side in ("host", "streamer")
        for nonces in (("a", "b"), ("b", "a"), ("a", "c"))
    }
    assert len(proofs) == 12
    assert messages.proof(b"one", "host", ("a", "b")) in proofs
