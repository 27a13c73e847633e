"""The tape: what was written last survives, and nothing else is believed."""

import mmap
from pathlib import Path
from random import Random

from hypothesis import given, strategies as st
import pytest

from custom_components.printfarm.fabricators.marlin.tape import Tape

from .bench import Bench

SLOT = Tape.SIZE // 32


def test_keeps_the_last_lines() -> None:
    """The ring holds the newest 32 lines, in order."""
    tape = Tape(bytearray(Tape.SIZE))
    assert tape.entries() == ()
    for number in range(2, 102):
        tape.note(number, 10 * number)
    assert tape.entries() == tuple((n, 10 * n) for n in range(70, 102))
    tape.clear()
    assert tape.entries() == ()


def test_outlives_its_writer(tmp_path: Path) -> None:
    """What lies in the file is read by the next one who maps it."""
    path = tmp_path / "tape"
    path.write_bytes(bytes(Tape.SIZE))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), Tape.SIZE) as memory:
        Tape(memory).note(7, 5_000_000_000)
        assert Tape(bytearray(path.read_bytes())).entries() == ((7, 5_000_000_000),)
        Tape(memory).clear()
    assert path.read_bytes() == bytes(Tape.SIZE)


@given(
    number=st.integers(33, 1_000_000),
    length=st.integers(1, 4000),
    cut=st.integers(1, SLOT - 1),
)
def test_half_written_entry_counts_as_none(number: int, length: int, cut: int) -> None:
    """An entry that was cut off in the middle is no entry; the others stay."""
    old, new = bytearray(Tape.SIZE), bytearray(Tape.SIZE)
    for line in range(number - 32, number):
        Tape(old).note(line, line * length)
    new[:] = old
    Tape(new).note(number, number * length)
    at = number % 32 * SLOT
    torn = old[:]
    torn[at : at + cut] = new[at : at + cut]
    # Equal bytes at the end make a cut entry whole.
    assert Tape(torn).entries() in (
        Tape(old).entries() if torn == old else Tape(old).entries()[1:],
        Tape(new).entries() if torn == new else Tape(old).entries()[1:],
    )


def test_garbage_is_no_entry() -> None:
    """Noise and entries in the wrong place are not believed."""
    assert Tape(bytearray(Random(1).randbytes(Tape.SIZE))).entries() == ()
    assert Tape(bytearray(b"\xff" * Tape.SIZE)).entries() == ()
    written = bytearray(Tape.SIZE)
    Tape(written).note(5, 50)
    moved = written[SLOT:] + written[:SLOT]
    assert Tape(moved).entries() == ()


def test_too_small() -> None:
    """A buffer that cannot hold it is refused at once."""
    with pytest.raises(ValueError, match="768"):
        Tape(bytearray(10))


def test_each_file_line_is_noted_before_it_is_written() -> None:
    """Whatever arrives at the board stands on the tape already, with its offset."""
    bench = Bench()
    tape = Tape(bytearray(Tape.SIZE))
    bench.engine._link.tape = tape
    bench.ready()
    file = bench.begin(f"G1 X{step % 90} F6000" for step in range(200))
    offsets = {}
    position = 0
    for command in file:
        position += len(command) + 1
        offsets[position] = command
    seen = []
    write = bench.write

    def writing(data: bytes) -> None:
        for line in data.splitlines():
            number, _, command = line.partition(b"*")[0].decode().partition(" ")
            entry = dict(tape.entries()).get(int(number[1:]))
            if command.startswith("G1"):
                assert offsets[entry] == command
                seen.append(command)
            else:
                assert entry is None
        write(data)

    bench.write = writing
    bench.until(lambda: bench.ending)
    assert seen == file
