"""What a run was and what became of it: plain data, and how it changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..interface import (
    Checkpoint,
    MachineEvent,
    MachineEventType,
    Result,
    StartOutcome,
    Task,
)
from ..marlin.checkpoint import after_death
from . import messages

FORMAT = 1
"""Of the file; a newer one is not understood."""
MOST_EVENTS = 200
"""Events kept for a client that is away; the oldest go first."""
EVERY = 2.0
"""Seconds after which a checkpoint is kept at the latest."""
AT_MOST = 0.5
"""Seconds that lie at least between two checkpoints."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The last run of one machine; without `run` it never had one here."""

    run: int | None = None
    task: Mapping[str, Any] = field(default_factory=dict)
    """As `messages` writes it."""
    begun_at: float | None = None
    """Unix time at which it was handed to the driver."""
    started_at: float | None = None
    """Unix time at which the machine was seen to work on it."""
    checkpoint: Checkpoint | None = None
    end: MachineEvent | None = None
    foreseen: MachineEvent | None = None
    """The end that is on disk already, while the machine is still being parked."""
    events: tuple[MachineEvent, ...] = ()
    """Not told to anybody yet; the end is not among them."""
    forgotten: bool = False
    """The client has written the end down for good."""

    @property
    def open(self) -> bool:
        """Whether there is a run that has no end."""
        return self.run is not None and self.end is None

    @property
    def announced(self) -> MachineEvent | None:
        """The end, if it is to be told to whoever comes.

        The end of a run that was never seen to start is only given to who asks for it.
        """
        if self.forgotten or self.end is None or self.started_at is None:
            return None
        return self.end

    @property
    def lost(self) -> Checkpoint | None:
        """Where the run was cut off, as long as nobody has settled it."""
        if self.forgotten or self.end is None or self.end.result is not Result.FAILED:
            return None
        return self.end.checkpoint


def begun(task: Task, at: float) -> Story:
    """Begin the story of a run."""
    return Story(run=task.run, task=messages.task_to_json(task), begun_at=at)


def noted(story: Story, event: MachineEvent) -> Story:
    """Keep an event for whoever comes."""
    return replace(story, events=(*story.events, event)[-MOST_EVENTS:])


def unstarted(story: Story, outcome: StartOutcome, at: float) -> Story:
    """End a run that the machine refused, or of which nobody knows whether it began."""
    refused = outcome is StartOutcome.REFUSED
    result = Result.NOT_STARTED if refused else Result.UNKNOWN
    end = MachineEvent(type=MachineEventType.ENDED, run=story.run, result=result, at=at)
    return replace(story, end=end)


def startable(story: Story, run: int) -> bool:
    """Whether this run may begin: it never did, as far as the farm still counts.

    A start that was refused may be tried again. What is forgotten was written down by
    a farm that will not start it again, unless it goes on from a backup and now counts
    its runs from there: then it is another run.
    """
    if story.run != run or story.forgotten:
        return True
    return story.end is not None and story.end.result is Result.NOT_STARTED


def became(story: Story) -> StartOutcome:
    """What came of the one start that this run had."""
    if story.started_at is not None:
        return StartOutcome.STARTED
    if story.end is not None and story.end.result is Result.NOT_STARTED:
        return StartOutcome.REFUSED
    return StartOutcome.UNKNOWN


def foreseen(story: Story, checkpoint: Checkpoint | None, at: float) -> Story:
    """Put down how the run is about to end, in case we are killed before it has.

    Only of one that was seen to start: any other is found cut off, which is as true.
    """
    if not story.open or story.started_at is None:
        return story
    return replace(story, foreseen=stopped(story, checkpoint, at))


def stopped(
    story: Story, checkpoint: Checkpoint | None, at: float, reason: str = "stopped"
) -> MachineEvent:
    """Make the end of a run that was brought to a stop."""
    return MachineEvent(
        type=MachineEventType.ENDED,
        run=story.run,
        result=Result.FAILED,
        reason=reason,
        at=at,
        checkpoint=checkpoint or story.checkpoint,
    )


def widowed(story: Story, tape: Sequence[tuple[int, int]], at: float) -> Story:
    """End a run whose process died. The tape knows more than the last checkpoint."""
    known = story.checkpoint
    end = MachineEvent(
        type=MachineEventType.ENDED,
        run=story.run,
        result=Result.FAILED,
        reason="streamer_died",
        at=at,
        checkpoint=None if known is None else after_death(known, tape),
    )
    # Whether it was seen to start or not: it may have begun, and its end is to be told.
    return replace(story, end=end, started_at=story.started_at or story.begun_at)


def worth_keeping(known: Checkpoint | None, new: Checkpoint) -> bool:
    """Whether this checkpoint is to be written: a new height, or some time later."""
    if known is None:
        return True
    since = new.at - known.at
    if since < AT_MOST or new.position == known.position:
        # The clock may have been put back: then the position alone counts.
        return since < 0 and new.position != known.position
    return since >= EVERY or new.data.get("z") != known.data.get("z")


# To JSON and back.


def to_json(key: str, story: Story) -> dict[str, Any]:
    """Write the story of a machine."""
    checkpoint, end = story.checkpoint, story.end or story.foreseen
    return {
        "format": FORMAT,
        "key": key,
        "run": story.run,
        "task": dict(story.task),
        "begun_at": story.begun_at,
        "started_at": story.started_at,
        "checkpoint": checkpoint and messages.checkpoint_to_json(checkpoint),
        "end": end and messages.event_to_json(end),
        "events": [messages.event_to_json(event) for event in story.events],
        "forgotten": story.forgotten,
    }


def from_json(data: Mapping[str, Any]) -> tuple[str, Story]:
    """Read a story. Raises `ValueError`, `TypeError` or `KeyError` where it is none."""
    if data["format"] > FORMAT:
        raise ValueError(f"format {data['format']} is newer than {FORMAT}")
    checkpoint, end = data["checkpoint"], data["end"]
    return str(data["key"]), Story(
        run=data["run"],
        task=data["task"],
        begun_at=data["begun_at"],
        started_at=data["started_at"],
        checkpoint=checkpoint and messages.checkpoint_from_json(checkpoint),
        end=end and messages.event_from_json(end),
        events=tuple(messages.event_from_json(event) for event in data["events"]),
        forgotten=data["forgotten"],
    )
