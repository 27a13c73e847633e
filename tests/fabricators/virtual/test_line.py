"""The receiving side: numbers, checksums, buffers, and what gets lost."""

from dataclasses import replace

from hypothesis import given, strategies as st
import pytest

from custom_components.printfarm.fabricators.virtual.board import PROFILES, Faults

from .host import Host, numbered

_MARLIN_2 = PROFILES["marlin_2"]


def _executed(host: Host) -> list[tuple[int | None, str]]:
    commands: list[tuple[int | None, str]] = []
    host.board.executed = lambda number, command: commands.append((number, command))
    return commands


def test_old_marlin_asks_again_for_a_repeated_line() -> None:
    """Old Marlin asks again for a repeated line."""
    host = Host("marlin_1")
    host.send(numbered(1, "G21"))
    assert host.send(numbered(1, "G21")) == [
        "Error:Line Number is not Last Line Number+1, Last Line: 1",
        "Resend: 2",
        "ok",
    ]


@pytest.mark.parametrize("number", [4, 5])
def test_last_line_and_the_one_before_are_dropped_silently(number: int) -> None:
    """Last line and the one before are dropped silently."""
    host = Host()
    for line in range(1, 6):
        host.send(numbered(line, "G21"))
    commands = _executed(host)
    assert host.send(numbered(number, "G1 X1")) == []
    assert commands == []


def test_the_line_before_those_is_refused() -> None:
    """The line before those is refused."""
    host = Host()
    for line in range(1, 6):
        host.send(numbered(line, "G21"))
    assert host.send(numbered(3, "G21"))[1] == "Resend: 6"


def test_line_number_is_set_anywhere() -> None:
    """Line number is set anywhere."""
    host = Host()
    assert host.send(numbered(7, "M110 N41")) == ["ok"]
    assert host.send(numbered(42, "G21")) == ["ok"]
    assert host.send("M110 N99") == ["ok"]
    assert host.send(numbered(100, "G21")) == ["ok"]


def test_corrupt_line_number_setting_is_refused() -> None:
    """Corrupt line number setting is refused."""
    assert Host().send("N0 M110 N0*1") == [
        "Error:checksum mismatch, Last Line: 0",
        "Resend: 1",
        "ok",
    ]


def test_unnumbered_line_needs_no_checksum_and_loses_it() -> None:
    """Unnumbered line needs no checksum and loses it."""
    host = Host()
    commands = _executed(host)
    assert host.send("G21*7") == ["ok"]
    assert commands == [(None, "G21")]


def test_long_line_is_cut() -> None:
    """Long line is cut."""
    host = Host()
    answer = host.send("M118 " + "x" * 200)
    assert answer == ["x" * (_MARLIN_2.max_line - 1 - len("M118 ")), "ok"]


def test_carriage_return_ends_a_line_too() -> None:
    """Carriage return ends a line too."""
    host = Host()
    host.raw(b"M118 a\r\nM118 b\r\n")
    assert host.take() == ["a", "ok", "b", "ok"]


def test_line_without_end_is_waited_for() -> None:
    """Line without end is waited for."""
    host = Host()
    host.raw(b"M118 a")
    host.wait(10)
    assert host.take() == []
    host.raw(b"b\n")
    assert host.take() == ["ab", "ok"]


def test_error_flushes_the_ring_mid_line() -> None:
    """What did not fit into the ring arrives as the tail of a line, without number."""
    host = Host(replace(_MARLIN_2, rx_buffer=32))
    host.raw(b"N1 G21*0\n" + b"N2 G1 X12.679 Y40.366 F3000*00\n")
    answer = host.take()
    assert answer[:3] == ["Error:checksum mismatch, Last Line: 0", "Resend: 1", "ok"]
    assert answer[3] == 'echo:Unknown command: "3000"'


def test_bytes_wait_in_the_link_for_a_busy_board() -> None:
    """Bytes wait in the link for a busy board."""
    host = Host()
    host.send("G4 S10")
    host.raw(b"".join(b"M118 %d\n" % number for number in range(100)))
    host.wait(11)
    answers = [line for line in host.take() if line.isdigit()]
    assert answers == [str(number) for number in range(100)]


def test_bytes_are_lost_without_flow_control() -> None:
    """Bytes are lost without flow control."""
    host = Host("marlin_1")
    host.send("G4 S10")
    host.raw(b"".join(b"M118 %03d\n" % number for number in range(100)))
    host.wait(11)
    answers = [line for line in host.take() if line.isdigit()]
    # Three lines fit into the queue beside the dwell, 128 bytes into the ring.
    assert answers == [f"{number:03}" for number in range(3 + 128 // 9)]


def test_emergency_parser_sees_only_what_is_in_the_ring() -> None:
    """Emergency parser sees only what is in the ring."""
    host = Host()
    host.send("M109 S200")
    host.raw(b"G1 X1.000 Y1.000 Z1.000 F1000\n" * 20 + b"M108\n")
    host.wait(5)
    assert not [line for line in host.take() if line.startswith("ok")]


@pytest.mark.parametrize("line", ["M108", "N5 M108*1", " M108"])
def test_emergency_parser_takes_m108_with_and_without_number(line: str) -> None:
    """Emergency parser takes M108 with and without number."""
    host = Host()
    host.send("M0")
    assert "ok" in host.send(line)


def test_emergency_command_in_pieces() -> None:
    """Emergency command in pieces."""
    host = Host()
    host.send("M0")
    host.raw(b"M1")
    assert host.take() == []
    host.raw(b"08\n")
    assert host.take() == ["ok", "ok"]


def test_without_emergency_parser_m108_waits_for_its_place_in_the_queue() -> None:
    """Without emergency parser M108 waits for its place in the queue."""
    host = Host("marlin_2_plain")
    host.send("M0")
    assert host.send("M108") == ["ok", "ok"]
    host.send("M0 again", "G21", "G21", "G21")
    assert host.send("M108") == []


def test_without_emergency_parser_a_full_queue_keeps_m112_out() -> None:
    """Without emergency parser a full queue keeps M112 out."""
    host = Host("marlin_2_plain")
    host.send("G4 S5", "G21", "G21", "G21")
    assert host.send("M112") == []
    host.wait(6)
    assert host.take()[-1] == "Error:Printer halted. kill() called!"
    assert host.board.killed


def test_numbered_m112_kills_when_it_is_executed() -> None:
    """Numbered M112 kills when it is executed."""
    host = Host("marlin_2_plain")
    host.send(numbered(1, "M112"))
    assert host.board.killed


def test_m999_asks_for_the_next_line() -> None:
    """M999 asks for the next line."""
    host = Host()
    host.send(numbered(1, "G21"))
    assert host.send("M999") == ["Resend: 2", "ok", "ok"]
    assert host.send("M999 S1") == ["ok"]


@given(st.binary(max_size=300), st.integers(1, 40))
def test_any_bytes_are_survived(noise: bytes, size: int) -> None:
    """Whatever comes in, the board goes on and answers the next good line."""
    host = Host("marlin_2_plain")
    for start in range(0, len(noise), size):
        host.raw(noise[start : start + size])
    host.raw(b"\n")
    host.board.reset(host.now)
    host.wait(1)
    host.take()
    assert host.send("M118 still here") == ["still here", "ok"]


@given(st.integers(2, 9), st.integers(0, 1000), st.integers(1, 6))
def test_every_line_arrives_once_with_one_in_flight(
    every: int, state: int, merge: int
) -> None:
    """A host that answers resends and repeats after silence loses and doubles nothing."""
    faults = Faults(random_state=state, corrupt_every=every, merge_every=every + merge)
    host = Host(faults=faults)
    commands = _executed(host)
    wanted = [f"G1 X{number}.5 F9000" for number in range(1, 31)]
    number = 1
    for _ in range(2000):
        if number > len(wanted):
            break
        answer = host.send(numbered(number, wanted[number - 1]))
        host.wait(0.2)
        answer += host.take()
        again = [line for line in answer if line.startswith("Resend: ")]
        if again:
            number = int(again[-1].removeprefix("Resend: "))
        elif "ok" in answer:
            number += 1
    assert [text for line, text in commands if line is not None] == wanted
