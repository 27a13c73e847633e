"""What is kept of a run, and what its story says afterwards."""

from dataclasses import replace
import json

import pytest

from custom_components.printfarm.fabricators.interface import (
    Checkpoint,
    MachineEvent,
    MachineEventType,
    Result,
    StartOutcome,
)
from custom_components.printfarm.fabricators.streamer import messages, story
from custom_components.printfarm.fabricators.streamer.story import Story
from tests.fabricators.streamer.hosted import task

_BEGUN = story.begun(task(), 100.0)
_CHECKPOINT = Checkpoint(position=50, at=110.0, data={"z": 1.2, "numbered": 3})


def _end(result: Result, checkpoint: Checkpoint | None = None) -> MachineEvent:
    return MachineEvent(
        type=MachineEventType.ENDED, run=7, result=result, checkpoint=checkpoint
    )


def test_a_machine_without_a_run() -> None:
    """Has nothing to tell."""
    assert not Story().open
    assert Story().announced is None
    assert Story().lost is None


def test_begins_with_all_that_the_run_was_given() -> None:
    """Enough to say what was being printed."""
    assert _BEGUN.open
    assert (_BEGUN.run, _BEGUN.begun_at, _BEGUN.started_at) == (7, 100.0, None)
    assert messages.task_from_json(_BEGUN.task) == task()


def test_an_end_is_announced_until_it_is_forgotten() -> None:
    """But only if the run was seen to start."""
    end = _end(Result.COMPLETED)
    ended = replace(_BEGUN, started_at=101.0, end=end)
    assert not ended.open
    assert ended.announced is end
    assert replace(ended, forgotten=True).announced is None
    assert replace(ended, started_at=None).announced is None


def test_a_run_that_was_cut_off_is_lost_until_it_is_settled() -> None:
    """A run that ended in another way is not."""
    cut = replace(_BEGUN, end=_end(Result.FAILED, _CHECKPOINT))
    assert cut.lost is _CHECKPOINT
    assert replace(cut, forgotten=True).lost is None
    assert replace(_BEGUN, end=_end(Result.FAILED)).lost is None
    assert replace(_BEGUN, end=_end(Result.CANCELLED, _CHECKPOINT)).lost is None


@pytest.mark.parametrize(
    ("outcome", "result"),
    [
        (StartOutcome.REFUSED, Result.NOT_STARTED),
        (StartOutcome.UNKNOWN, Result.UNKNOWN),
    ],
)
def test_a_start_that_was_not_seen(outcome: StartOutcome, result: Result) -> None:
    """The same start gives the same answer when it is asked for again."""
    ended = story.unstarted(_BEGUN, outcome, 102.0)
    assert ended.end == MachineEvent(
        type=MachineEventType.ENDED, run=7, result=result, at=102.0
    )
    assert story.became(ended) is outcome


def test_what_came_of_a_start() -> None:
    """Nobody knows before the machine has reacted."""
    assert story.became(_BEGUN) is StartOutcome.UNKNOWN
    assert story.became(replace(_BEGUN, started_at=101.0)) is StartOutcome.STARTED


def test_a_run_whose_process_died() -> None:
    """The tape leads on from the last checkpoint; its last line may not have arrived."""
    begun = replace(_BEGUN, started_at=101.0, checkpoint=_CHECKPOINT)
    end = story.widowed(begun, ((4, 60), (5, 70), (6, 80)), 120.0).announced
    assert end is not None
    assert (end.result, end.reason, end.at) == (Result.FAILED, "streamer_died", 120.0)
    assert end.checkpoint is not None
    assert end.checkpoint.position == 70
    assert end.checkpoint.at == _CHECKPOINT.at
    assert end.checkpoint.data["z"] == 1.2


def test_a_run_whose_process_died_before_its_first_checkpoint() -> None:
    """It is told as well: it may have begun."""
    end = story.widowed(_BEGUN, ((1, 10),), 120.0).announced
    assert end is not None
    assert (end.result, end.checkpoint) == (Result.FAILED, None)


def test_keeps_a_bounded_number_of_events() -> None:
    """The newest ones."""
    kept = Story()
    for number in range(story.MOST_EVENTS + 5):
        event = MachineEvent(type=MachineEventType.PROMPT, text=str(number))
        kept = story.noted(kept, event)
    assert len(kept.events) == story.MOST_EVENTS
    assert kept.events[-1].text == str(story.MOST_EVENTS + 4)


@pytest.mark.parametrize(
    ("changes", "worth"),
    [
        ({"position": 60, "at": 110.4, "data": {"z": 1.4}}, False),
        ({"position": 60, "at": 110.5, "data": {"z": 1.4}}, True),
        ({"position": 60, "at": 111.9}, False),
        ({"position": 60, "at": 112.0}, True),
        ({"at": 200.0}, False),
        ({"position": 60, "at": 50.0}, True),
        ({"at": 50.0}, False),
    ],
)
def test_which_checkpoints_are_kept(changes: dict[str, object], worth: bool) -> None:
    """At a new height soon, else every two seconds; a clock put back stops nothing."""
    new = replace(_CHECKPOINT, **changes)  # type: ignore[arg-type]
    assert story.worth_keeping(_CHECKPOINT, new) is worth
    assert story.worth_keeping(None, new)


@pytest.mark.parametrize(
    "known",
    [
        Story(),
        _BEGUN,
        replace(
            _BEGUN,
            started_at=101.0,
            checkpoint=_CHECKPOINT,
            end=_end(Result.FAILED, _CHECKPOINT),
            events=(MachineEvent(type=MachineEventType.PAUSED, run=7, at=105.0),),
            forgotten=True,
        ),
    ],
)
def test_goes_to_json_and_back(known: Story) -> None:
    """Nothing of it is lost."""
    text = json.dumps(story.to_json("a", known))
    assert story.from_json(json.loads(text)) == ("a", known)


def test_a_story_of_a_newer_release_is_not_understood() -> None:
    """Better none than half of one."""
    with pytest.raises(ValueError, match="newer"):
        story.from_json(story.to_json("a", _BEGUN) | {"format": story.FORMAT + 1})


def test_an_end_that_is_foreseen_is_what_others_read() -> None:
    """Whoever has it in memory still waits for the true one."""
    under_way = replace(_BEGUN, started_at=101.0)
    foreseen = story.foreseen(under_way, _CHECKPOINT, 120.0)
    assert foreseen.open
    assert foreseen.announced is None
    _, read = story.from_json(json.loads(json.dumps(story.to_json("a", foreseen))))
    assert read.end is not None
    assert (read.end.reason, read.end.at) == ("stopped", 120.0)
    assert read.announced == read.end
    assert read.lost == _CHECKPOINT
    ended = replace(foreseen, end=_end(Result.COMPLETED))
    assert story.from_json(story.to_json("a", ended))[1].end == ended.end


def test_no_end_is_foreseen_where_nothing_is_under_way() -> None:
    """One that was not seen to start may still turn out as refused."""
    for known in (
        Story(),
        _BEGUN,
        replace(_BEGUN, started_at=101.0, end=_end(Result.COMPLETED)),
    ):
        assert story.foreseen(known, _CHECKPOINT, 120.0) is known


def test_an_end_that_is_foreseen_knows_the_last_checkpoint() -> None:
    """Where the driver gives none any more."""
    known = replace(_BEGUN, started_at=101.0, checkpoint=_CHECKPOINT)
    foreseen = story.foreseen(known, None, 120.0).foreseen
    assert foreseen is not None
    assert foreseen.checkpoint is _CHECKPOINT
