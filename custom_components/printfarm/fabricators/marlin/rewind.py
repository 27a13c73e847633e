"""Back in a file to what a board had surely done before it was started anew.

A firmware accepts moves some time before it makes them, and forgets those when it is
started anew. Blocks the caller: for another thread.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
import re

from ..interface import Resume
from .commands import MOVES, code
from .source import BLOCK, MAX_LINE, clean

_WORD = re.compile(rb"([XYZE])\s*(-?(?:\d+\.?\d*|\.\d+))")
_ARCS = frozenset({b"G2", b"G3"})
_INCH = 25.4


def earlier(path: Path, position: int, moves: int, *, relative: bool = False) -> int:
    """Go back by that many moves; give where the first of them begins.

    `relative` says that the file counts from where the head is (G91). A move that may
    lead nowhere does not count: the firmware does not plan it. Raises `OSError`.
    """
    reach = BLOCK
    with path.open("rb") as file:
        while True:
            start = max(0, position - reach)
            file.seek(start)
            *lines, _ = file.read(position - start).split(b"\n")
            if start and lines:
                # It begins somewhere in the middle of a line.
                start += len(lines.pop(0)) + 1
            found, left = position, moves
            for line, moved in zip(
                reversed(lines), reversed([*_moved(lines, relative)]), strict=True
            ):
                if left == 0:
                    break
                found -= len(line) + 1
                left -= moved
            if left == 0 or not start or reach > MAX_LINE:
                return found
            reach *= 4


def with_height(resume: Resume, path: Path) -> Resume:
    """Find out how low the nozzle may stand over a print that lost its last moves.

    Nobody knows which of them was the last. It is better taken for lower than it is:
    the print goes on a hair too high then, while the other way round it would scratch.
    Raises `OSError`.
    """
    checkpoint = resume.checkpoint
    accepted = checkpoint.data.get("accepted")
    if not isinstance(accepted, int) or resume.z is None:
        return resume
    height = lowest(
        path,
        checkpoint.position,
        accepted,
        resume.z,
        relative="G91" in resume.positioning,
        inches=resume.inches,
    )
    data = {**checkpoint.data, "height": height}
    return replace(resume, checkpoint=replace(checkpoint, data=data))


def lowest(
    path: Path, start: int, end: int, z: float, *, relative: bool, inches: bool
) -> float:
    """Lowest height in mm between two places in a file; `z` is the one at the first.

    `relative` and `inches` are the modes there. Raises `OSError`.
    """
    with path.open("rb") as file:
        file.seek(start)
        lines = file.read(end - start).split(b"\n")
    low = z
    for line in lines:
        command = clean(line)
        match name := code(command):
            case b"G90" | b"G91":
                relative = name == b"G91"
            case b"G20" | b"G21":
                inches = name == b"G20"
            case _ if name == b"G92" or name in MOVES:
                height = dict(_WORD.findall(command)).get(b"Z")
                if height is not None:
                    named = float(height) * (_INCH if inches else 1.0)
                    z = z + named if relative and name != b"G92" else named
                    low = min(low, z)
    return low


def _moved(lines: list[bytes], relative: bool) -> Iterator[bool]:
    """Whether each line certainly moves something."""
    last: dict[bytes, float] = {}
    commands = [clean(line) for line in lines]
    relative = relative and not any(code(each) == b"G90" for each in commands)
    for command in commands:
        name = code(command)
        words = {letter: float(value) for letter, value in _WORD.findall(command)}
        if name not in MOVES:
            yield False
            if name in {b"G28", b"G90", b"G91", b"G92"}:
                last.clear()
            continue
        yield name in _ARCS or any(
            bool(value) if relative else last.get(letter, value) != value
            for letter, value in words.items()
        )
        last |= words
