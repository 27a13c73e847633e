"""The last lines of the wire: in order, readable, and never more than promised."""

from time import monotonic, time

import pytest

from custom_components.printfarm.fabricators.marlin import wirelog
from custom_components.printfarm.fabricators.marlin.wirelog import LINES, WireLog


@pytest.fixture(autouse=True)
def clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Monotonic time 100 is noon of the first of May."""
    monkeypatch.setattr(wirelog, "time", lambda: 1_777_636_900.0)
    monkeypatch.setattr(wirelog, "monotonic", lambda: 200.0)


def test_lines() -> None:
    """Each line has its time of day and its direction."""
    log = WireLog()
    log.sent(100.0, b"N1 G28*18\n")
    log.heard(100.25, b"echo:busy: processing\r\nok\n")
    log.sent(100.5, b"N2 G1 X1*96\n")
    assert log.lines() == (
        "2026-05-01T12:00:00.000+00:00 > N1 G28*18",
        "2026-05-01T12:00:00.250+00:00 < echo:busy: processing",
        "2026-05-01T12:00:00.250+00:00 < ok",
        "2026-05-01T12:00:00.500+00:00 > N2 G1 X1*96",
    )


def test_pieces() -> None:
    """A line that comes in pieces is one line, from the time of its first byte."""
    log = WireLog()
    log.heard(100.0, b"o")
    log.sent(100.125, b"M105\n")
    log.heard(100.25, b"k\nwa")
    log.heard(100.5, b"it")
    assert [line[20:] for line in log.lines()] == [
        "000+00:00 < ok",
        "125+00:00 > M105",
        "250+00:00 < wait",
    ]


def test_noise() -> None:
    """Bytes that are no text can be read all the same, and break no line."""
    log = WireLog()
    log.heard(100.0, b"\x00ok\xff\x1b[2J\x7f\n")
    assert log.lines()[0].endswith(r"< \x00ok\xff\x1b[2J\x7f")


def test_bounded() -> None:
    """Old lines make room for new ones, however they were cut."""
    log = WireLog()
    for number in range(3 * LINES):
        log.sent(float(number), b"%d\n" % number)
    lines = log.lines()
    assert len(lines) == LINES
    assert lines[-1].endswith(f"> {3 * LINES - 1}")
    for _ in range(100_000):
        log.heard(0.0, b".")
    assert len(log._pieces) == wirelog._PIECES


def test_real_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written now is dated now."""
    monkeypatch.setattr(wirelog, "time", time)
    monkeypatch.setattr(wirelog, "monotonic", monotonic)
    log = WireLog()
    log.sent(monotonic(), b"M105\n")
    year = int(log.lines()[0][:4])
    assert year >= 2026
