"""Whole prints on emulated boards under simulated time, with everything going wrong."""

from itertools import product
from pathlib import Path
from random import Random

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.printfarm.fabricators.marlin.events import (
    Ending,
    RunEnded,
    RunStarted,
)
from custom_components.printfarm.fabricators.marlin.source import Source
from custom_components.printfarm.fabricators.virtual.board import PROFILES, Faults

from .bench import Bench

GCODE = Path(__file__).parents[2] / "fixtures" / "gcode"

FAULTS = {
    "none": Faults(),
    "corrupt": Faults(corrupt_every=23),
    "merge": Faults(merge_every=47),
    "lost_ok": Faults(lose_ok_every=41),
    "double_ok": Faults(double_ok_every=7),
    "late_ok": Faults(ok_delay=0.05),
    "all": Faults(
        corrupt_every=31, merge_every=43, lose_ok_every=57, double_ok_every=29
    ),
}


def commands(name: str) -> list[str]:
    """Commands of a file."""
    source = Source(GCODE / name)
    found = []
    while source.ready or source.fetch():
        found += [command.decode() for _, command in source.take()]
    source.close()
    return found


@pytest.mark.parametrize(("profile", "fault"), product(PROFILES, FAULTS))
def test_every_command_once(profile: str, fault: str) -> None:
    """A sliced file is executed command by command, whatever happens on the way."""
    bench = Bench(profile, faults=FAULTS[fault])
    bench.ready()
    file = bench.print(commands("coin.gcode"))
    assert bench.ending == RunEnded(Ending.COMPLETED)
    assert bench.from_file == file
    assert bench.engine.position == sum(len(command) + 1 for command in file)
    assert len(bench.of_type(RunStarted)) == 1


@settings(max_examples=40)
@given(
    profile=st.sampled_from(sorted(PROFILES)),
    corrupt=st.integers(0, 40),
    merge=st.integers(0, 40),
    lost=st.integers(0, 40),
    double=st.integers(0, 40),
    state=st.integers(0, 1000),
)
def test_never_skips_nor_repeats(
    profile: str, corrupt: int, merge: int, lost: int, double: int, state: int
) -> None:
    """No mixture of faults makes a line be skipped or executed twice."""
    # Every line damaged or every answer lost leaves nothing to go by.
    faults = Faults(
        random_state=state,
        corrupt_every=corrupt and corrupt + 4,
        merge_every=merge and merge + 4,
        lose_ok_every=lost and lost + 4,
        double_ok_every=double and double + 1,
    )
    bench = Bench(profile, faults=faults)
    bench.until(lambda: bench.engine.firmware, 1000)
    bench.until(lambda: bench.engine.phase.name == "READY", 1000)
    bench.wait(60.0)
    bench.executed.clear()
    file = bench.print(
        ["G28", "G90", *(f"G1 X{step / 10} F3000" for step in range(150)), "M84"]
    )
    done = bench.from_file
    assert done == file[: len(done)]
    if bench.ending == RunEnded(Ending.COMPLETED):
        assert done == file
    else:
        assert bench.ending.reason in {"no_answer", "out_of_step"}


@pytest.mark.parametrize("fault", ["none", "corrupt", "merge", "lost_ok"])
def test_chunks_do_not_matter(fault: str) -> None:
    """Answers that arrive in pieces lead to the same events and the same prints."""
    runs = []
    for chunk in (None, Random(1), Random(2)):
        bench = Bench(faults=FAULTS[fault], chunk=chunk)
        bench.ready()
        bench.print(commands("coin.gcode")[:400])
        runs.append((bench.events, bench.executed))
    assert runs[0] == runs[1] == runs[2]
