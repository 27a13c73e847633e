"""How far a print came, as plain data that outlives whoever took it. Pure functions.

A checkpoint is made cheaply and often; what it cannot know is found out afterwards: the
firmware counts the lines that it takes, and says the number of the last one when it is
given one out of turn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..interface import Checkpoint, JsonValue
from .answers import PositionReport
from .modal import Modal
from .parking import Rest

LINES = 8
"""Lines whose number and offset are kept; only those in flight are in doubt."""
BEYOND = 64
"""Numbers given to other commands after the checkpoint was taken, at most."""

type Lines = Sequence[tuple[int, int]]
"""Numbers of lines and offsets behind them, in order."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a board says of itself after a cut. Both None: nobody knows."""

    reset: bool | None = None
    """Whether it was started anew since then, so that it knows nothing any more."""
    last: int | None = None
    """Number of the last line that it has taken."""


def after_death(saved: Checkpoint, entries: Lines) -> Checkpoint:
    """Bring the last checkpoint of a process that died up to what is on its tape.

    A line is noted before it is written, so the newest one may not have arrived.
    """
    if not entries:
        return saved
    position = entries[-2][1] if len(entries) > 1 else saved.position
    data: dict[str, JsonValue] = {
        **saved.data,
        "lines": [[*entry] for entry in entries],
    }
    if position > saved.position:
        data |= {"parked": None, "still": False}
    return replace(saved, position=max(saved.position, position), data=data)


def numbers(data: Mapping[str, Any]) -> tuple[int, int]:
    """Range that the board's last line number is in, if it was not started anew."""
    answered = int(data.get("numbered") or 0)
    newest = max((number for number, _ in data.get("lines", ())), default=0)
    return max(answered, 1), max(answered, newest) + BEYOND


def placed(saved: Checkpoint, heard: Heard) -> Checkpoint:
    """Say where the print stopped, with what the board knows of it.

    A print that was being taken up when it was cut off has lost its place on the board.
    """
    reset = True if saved.data.get("astray") else heard.reset
    position = saved.position
    if reset is False and heard.last is not None:
        last = heard.last
        taken = [offset for number, offset in _lines(saved.data) if number <= last]
        position = max([position, *taken])
    data: dict[str, JsonValue] = {**saved.data, "reset": reset}
    if position > saved.position:
        # It had gone on since then.
        data |= {"parked": None, "still": False}
    return replace(saved, position=position, data=data)


def _lines(data: Mapping[str, Any]) -> list[tuple[int, int]]:
    return [(int(number), int(offset)) for number, offset in data.get("lines", ())]


# What the driver knows, to JSON and back


def modal_to_json(modal: Modal) -> dict[str, JsonValue]:
    """Write the modes in force."""
    return {
        "positioning": [mode.decode() for mode in modal.positioning],
        "inches": modal.inches,
        "feedrate": _text(modal.feedrate),
        "tool": _text(modal.tool),
        "fans": {fan.decode(): speed.decode() for fan, speed in modal.fans.items()},
        "homed": modal.homed,
        "moved": modal.moved,
        "extruded": modal.extruded,
        "speed_factor": _text(modal.speed_factor),
        "flow_factor": _text(modal.flow_factor),
    }


def modal_from_json(data: Mapping[str, Any]) -> Modal:
    """Read the modes in force."""
    return Modal(
        positioning=tuple(mode.encode() for mode in data["positioning"]),
        inches=data["inches"],
        feedrate=_bytes(data["feedrate"]),
        tool=_bytes(data["tool"]),
        fans={fan.encode(): speed.encode() for fan, speed in data["fans"].items()},
        homed=data["homed"],
        moved=data["moved"],
        extruded=data["extruded"],
        speed_factor=_bytes(data["speed_factor"]),
        flow_factor=_bytes(data["flow_factor"]),
    )


def rest_to_json(rest: Rest | None) -> JsonValue:
    """Write how the head was parked."""
    if rest is None:
        return None
    position = rest.position
    return {
        "modal": modal_to_json(rest.modal),
        "position": None
        if position is None
        else [position.x, position.y, position.z, position.e],
        "move": [*rest.move],
        "retracted": rest.retracted,
        "targets": dict(rest.targets),
        "hold": rest.hold,
    }


def rest_from_json(data: Any) -> Rest | None:
    """Read how the head was parked."""
    if data is None:
        return None
    position = data["position"]
    x, y, z = data["move"]
    return Rest(
        modal_from_json(data["modal"]),
        None if position is None else PositionReport(*position),
        (x, y, z),
        data["retracted"],
        dict(data["targets"]),
        data["hold"],
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("ascii", "replace")


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else value.encode()
