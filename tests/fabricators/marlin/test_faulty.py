"""Whole prints over a bad wire: the board executes what the file says, and only that."""

from collections.abc import Callable
from dataclasses import replace
import re

import pytest

from custom_components.printfarm.fabricators.marlin.events import Ending, RunEnded
from custom_components.printfarm.fabricators.virtual.board import PROFILES, BoardProfile

from .faulty import FaultyBench, digest, file_of

NEW = PROFILES["marlin_2"]
OLD = replace(PROFILES["marlin_1"], wait_interval=0.0)

BOARDS: dict[str, BoardProfile] = {
    "repeated lines are dropped": NEW,
    "repeated lines are errors": OLD,
    "says wait": PROFILES["marlin_1"],
    "forgets the ok": replace(NEW, resend_ok=False),
    "old, and forgets the ok": replace(OLD, resend_ok=False),
    "says which line is ok": PROFILES["idex"],
    "says which line is ok, and wait": replace(
        NEW,
        advanced_ok=True,
        wait_interval=1.0,
        busy_interval=0.0,
        auto_report=False,
        capabilities=False,
    ),
    "never says busy": replace(NEW, busy_interval=0.0),
}

LINES = 20_000

RESEND = re.compile(rb"Resend: (\d+)")
REFUSAL = re.compile(rb"(?:Error:.*Last Line.*\n)Resend: \d+\n(?:ok\n)?")


@pytest.mark.parametrize("state", [1, 2])
@pytest.mark.parametrize("board", BOARDS)
def test_executed_is_what_the_file_says(board: str, state: int) -> None:
    """Twenty thousand lines, one exchange in twenty spoiled, and not one line amiss.

    Nor is time wasted: a fault costs about a second at most, whatever it was.
    """
    file = file_of(LINES)
    bench = FaultyBench(BOARDS[board], state)
    bench.print(file)
    assert bench.ending == RunEnded(Ending.COMPLETED)
    assert bench.digest == digest(file)
    faults = sum(bench.faults.values())
    assert faults > LINES / 25
    assert set(bench.faults) == {
        f"{kind} {way}"
        for kind in ("lose", "double", "change", "delay")
        for way in ("out", "back")
    }
    assert bench.now < CLEAN + 1.2 * faults


CLEAN = 1100.0
"""Seconds of firmware time that the moves of this file take."""


def _glued(pattern: bytes) -> Callable[[bytes], bytes]:
    return lambda data: RESEND.sub(pattern, data)


ACCENTS: dict[str, Callable[[bytes], bytes]] = {
    "Resend:n": _glued(rb"Resend:\1"),
    "Resend:N:n": _glued(rb"Resend:N:\1"),
    "rs N n": _glued(rb"rs N \1"),
    "rs n": _glued(rb"rs \1"),
    "doubled": lambda data: REFUSAL.sub(lambda found: 2 * found[0], data),
    "no reason": lambda data: re.sub(rb"Error:.*Last Line.*\n", b"", data),
    "expected line": lambda data: re.sub(
        rb"Error:.*Last Line: (\d+)\n", rb"Error:expected line \1 got 0\n", data
    ),
    "carriage return": lambda data: data.replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("board", ["repeated lines are errors", "forgets the ok"])
@pytest.mark.parametrize("accent", ACCENTS)
def test_accents(board: str, accent: str) -> None:
    """However a line is asked for again, it comes, and once."""
    file = file_of(2000)
    bench = FaultyBench(BOARDS[board], 3, accent=ACCENTS[accent])
    bench.print(file)
    assert bench.ending == RunEnded(Ending.COMPLETED)
    assert bench.done == file


@pytest.mark.parametrize("board", BOARDS)
def test_lines_asked_for_again_are_counted(board: str) -> None:
    """Lines that arrived damaged are counted; a clean wire needs none of that."""
    clean = FaultyBench(BOARDS[board], 1, every=1_000_000)
    clean.print(file_of(500))
    assert clean.engine._link.resends == 0
    bench = FaultyBench(BOARDS[board], 1, kinds=("change",))
    bench.print(file_of(500))
    assert bench.engine._link.resends >= bench.faults["change out"] / 2
