"""What a board says of itself after a print was cut off."""

import pytest

from custom_components.printfarm.fabricators.interface import Checkpoint
from custom_components.printfarm.fabricators.marlin import greeting
from custom_components.printfarm.fabricators.marlin.checkpoint import (
    BEYOND,
    Heard,
    after_death,
    placed,
)
from custom_components.printfarm.fabricators.marlin.engine import Engine
from custom_components.printfarm.fabricators.marlin.lookout import Lookout
from custom_components.printfarm.fabricators.marlin.session import Phase

DATA = {"numbered": 500, "lines": [[498, 5000], [499, 5010], [501, 5030]]}


def _point(position: int = 4000, **data: object) -> Checkpoint:
    return Checkpoint(position=position, at=1.0, data={**DATA, **data})


@pytest.mark.parametrize(
    ("last", "heard"),
    [
        (0, Heard(reset=True)),
        (3, Heard()),
        (499, Heard()),
        (500, Heard(reset=False, last=500)),
        (501 + BEYOND, Heard(reset=False, last=501 + BEYOND)),
        (502 + BEYOND, Heard()),
    ],
)
def test_numbers(last: int, heard: Heard) -> None:
    """Only a number that the board can have come to since is believed."""
    lookout = Lookout()
    lookout.answered(7)
    lookout.started_anew()
    assert lookout.heard == Heard()
    assert lookout.question is None
    lookout.cut_off(DATA)
    assert lookout.question > 501 + BEYOND + 1
    lookout.answered(last)
    assert lookout.heard == heard


def test_started_anew_later() -> None:
    """What it said once holds until it counts from nought again."""
    lookout = Lookout()
    lookout.cut_off(DATA)
    lookout.answered(501)
    lookout.counted(12, 12)
    lookout.answered(13)
    assert lookout.heard == Heard(reset=False, last=501)
    lookout.counted(20, 20)
    lookout.answered(0)
    assert lookout.heard == Heard(reset=True)
    assert lookout.question is None
    lookout.settled()
    assert lookout.heard == Heard()


@pytest.mark.parametrize(
    ("heard", "position"),
    [
        (Heard(reset=False, last=498), 5000),
        (Heard(reset=False, last=500), 5010),
        (Heard(reset=False, last=560), 5030),
        (Heard(reset=False, last=400), 4000),
        (Heard(reset=False), 4000),
        (Heard(reset=True), 4000),
        (Heard(), 4000),
    ],
)
def test_placed(heard: Heard, position: int) -> None:
    """The last line that it took says how far the print came."""
    located = placed(_point(parked={"move": [0, 0, 9]}), heard)
    assert located.position == position
    assert located.data["reset"] is heard.reset
    assert (located.data["parked"] is None) is (position > 4000)


def test_placed_while_it_was_taken_up() -> None:
    """A board in the middle of a recovery counts as one that knows nothing."""
    assert placed(_point(astray=True), Heard(False, 501)).data["reset"] is True


@pytest.mark.parametrize(
    ("entries", "position"),
    [((), 4000), (((9, 9000),), 4000), (((8, 8000), (9, 9000)), 8000)],
)
def test_after_death(entries: tuple[tuple[int, int], ...], position: int) -> None:
    """The newest line on the tape may not have arrived, the one before it has."""
    lost = after_death(_point(), entries)
    assert lost.position == position
    if entries:
        assert lost.data["lines"] == [[*entry] for entry in entries]


class Board:
    """Says what it is told to."""

    def __init__(self) -> None:
        """Connect an engine that lost a print."""
        self.engine = Engine(lost=_point())
        self.now = 0.0
        self.written = self.engine.open(0.0)

    def says(self, *lines: bytes) -> bytes:
        """Let the board speak."""
        data = b"".join(line + b"\n" for line in lines)
        out = self.engine.receive(data, self.now)
        return out + self.engine.upkeep(self.now)

    def wait(self) -> bytes:
        """Let the time come at which something is due."""
        assert self.engine.deadline is not None
        self.now = self.engine.deadline
        return self.engine.tick(self.now)


def test_asks_before_it_greets() -> None:
    """The greeting would make the board forget the number."""
    board = Board()
    assert b"M110" not in board.written
    assert b"N1565 M105*" in board.written
    # The `ok` of a line of the former process is not the answer.
    assert board.says(b"ok") == b""
    board.says(
        b"Error:Line Number is not Last Line Number+1, Last Line: 501", b"Resend: 502"
    )
    assert board.engine.remembers == Heard(reset=False, last=501)
    assert b"M110 N0" in board.says(b"ok")
    assert board.engine.phase is Phase.IDENTIFYING


def test_answer_without_ok() -> None:
    """Some boards forget the `ok` behind `Resend`."""
    board = Board()
    board.says(b"Resend: 502")
    assert b"M110 N0" in board.wait()
    assert board.now == pytest.approx(greeting.ANSWER_GRACE)


def test_silent_board() -> None:
    """After some tries it is greeted as any other."""
    board = Board()
    asked = 1
    while b"M105" in (out := board.wait()):
        asked += 1
    assert asked == greeting.ASK_TRIES
    assert b"M110 N0" in out
    assert board.engine.remembers == Heard()


def test_board_that_speaks_of_other_things() -> None:
    """One that is busy is given more time, but not for ever."""
    board = Board()
    asked = 1
    while b"M105" in board.wait():
        asked += 1
        board.says(b"echo:busy: processing", b" T:20.00 /0.00 B:20.00 /0.00 @:0 B@:0")
    assert asked == greeting.ASK_LIMIT


def test_board_that_does_not_count() -> None:
    """Klipper takes any line: nothing is to be known from that."""
    board = Board()
    out = board.says(b"ok T:20.0 /0.0 B:20.0 /0.0")
    assert b"M110 N0" in out
    assert board.engine.remembers == Heard()


IDENTIFIED = (
    b"ok",
    b"FIRMWARE_NAME:Klipper EXTRUDER_COUNT:1",
    b"ok",
    b"ok T:200.0 /210.0 B:60.0 /60.0",
    b"ok",
    b"ok",
    b"ok",
    b"ok",
)


def _greeted(board: Board) -> bytes:
    """Have a board say what it is, one answer at a time."""
    return b"".join(board.says(line) for line in IDENTIFIED)


def test_a_board_of_which_nothing_is_known_is_not_left_hot() -> None:
    """It says nothing of its numbers, yet it may heat for the print that was lost."""
    board = Board()
    board.says(b"ok T:200.0 /210.0 B:60.0 /60.0")
    out = _greeted(board)
    assert board.engine.phase is Phase.READY
    assert b"M104 S0" in out
    assert b"M140 S0" in out
    assert b"M84" not in out


def test_a_board_that_started_anew_is_left_alone() -> None:
    """Whoever heats it now has done so since."""
    board = Board()
    board.says(b"Error:Line Number is not Last Line Number+1, Last Line: 0")
    board.says(b"Resend: 1", b"ok")
    out = _greeted(board)
    assert board.engine.phase is Phase.READY
    assert b"M104" not in out


@pytest.mark.parametrize("banner", [b"start", b"External Reset"])
def test_board_that_greets(banner: bytes) -> None:
    """It was started anew."""
    board = Board()
    board.says(banner)
    assert board.engine.remembers == Heard(reset=True)
    if banner == b"start":
        assert b"M110" in board.engine.open(board.now)


def test_garbage() -> None:
    """A wrong baud rate, or noise, proves nothing."""
    board = Board()
    assert board.says(b"\x00\xff\x81Res\xffend", b"\x80ok\x80") == b""
    assert board.engine.phase is Phase.GREETING
    assert board.engine.remembers == Heard()
