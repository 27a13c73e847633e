"""Faults come when they were asked for, and the same way each time."""

import pytest

from custom_components.printfarm.fabricators.virtual.board import Faults

from .host import Host, numbered


def _run(faults: Faults, lines: int = 40) -> list[list[str]]:
    host = Host(faults=faults)
    return [host.send(f"M118 {number}") for number in range(lines)]


def test_no_faults_by_default() -> None:
    """No faults by default."""
    assert all(answer[1:] == ["ok"] for answer in _run(Faults()))


def test_corrupted_lines_are_the_same_each_time() -> None:
    """Corrupted lines are the same each time."""

    def conversation(state: int) -> list[str]:
        host = Host(faults=Faults(random_state=state, corrupt_every=3))
        for number in range(1, 30):
            host.raw(f"{numbered(number, 'M118 abcdefgh')}\n".encode())
        return host.take()

    assert conversation(1) == conversation(1)
    assert conversation(1) != conversation(2)
    assert any("Resend" in line for line in conversation(1))


def test_lost_line_end_glues_two_lines_together() -> None:
    """Lost line end glues two lines together."""
    host = Host(faults=Faults(merge_every=2))
    assert host.send(numbered(1, "G21")) == ["ok"]
    assert host.send(numbered(2, "G21")) == []
    assert host.send(numbered(2, "G21"))[0].startswith("Error:checksum mismatch")


def test_lost_ok() -> None:
    """Lost `ok`."""
    oks = [answer.count("ok") for answer in _run(Faults(lose_ok_every=5))]
    assert [index for index, count in enumerate(oks, 1) if count == 0] == [
        *range(5, 41, 5)
    ]


def test_doubled_ok() -> None:
    """Doubled `ok`."""
    oks = [answer.count("ok") for answer in _run(Faults(double_ok_every=7))]
    assert [index for index, count in enumerate(oks, 1) if count == 2] == [
        *range(7, 41, 7)
    ]


def test_late_ok() -> None:
    """Late `ok`."""
    host = Host(faults=Faults(ok_delay=0.25))
    assert host.send("M118 a") == ["a"]
    host.wait(0.24)
    assert host.take() == []
    host.wait(0.02)
    assert host.take() == ["ok"]


def test_reset_in_the_middle() -> None:
    """Reset in the middle."""
    host = Host(faults=Faults(reset_at=3))
    host.ask("M109 S100")
    host.send("G1 X50 F600")
    assert host.send("G1 X60", "G1 X70") == []
    host.wait(1)
    assert host.take()[0] == "start"
    assert host.board.position == (0, 0, 0, 0)
    actual, target = host.board.temperatures["E0"]
    assert actual > 90
    assert target == 0
    assert host.send(numbered(1, "G21")) == ["ok"]
    assert [host.send("G21") for _ in range(5)] == [["ok"]] * 5


def test_kill_in_the_middle() -> None:
    """Kill in the middle."""
    host = Host(faults=Faults(kill_at=2))
    host.send("M104 S100")
    assert host.send("G1 X5") == [
        "Error:Thermal Runaway, system stopped! Heater_ID: E0"
    ]
    assert host.send("G1 X6") == []
    assert host.board.temperatures["E0"][1] == 0
    host.wait(5)
    assert host.take() == [
        "Error:Printer halted. kill() called!",
        "//action:poweroff",
    ]
    assert not host.board.listening


def test_silence_in_the_middle() -> None:
    """Silence in the middle."""
    host = Host(faults=Faults(silence_at=2))
    host.send("M155 S1")
    assert host.send("M118 a") == []
    host.wait(100)
    assert host.take() == []
    assert not host.board.killed
    host.board.reset(host.now)
    host.wait(1)
    assert host.take()[0] == "start"


def test_runout_in_the_middle() -> None:
    """Runout in the middle."""
    host = Host(faults=Faults(runout_at=2))
    host.send("G21")
    assert "//action:paused filament_runout 0" in host.send("G21")


@pytest.mark.parametrize("heater", ["E0", "bed"])
def test_cold_heater(heater: str) -> None:
    """Cold heater."""
    host = Host(faults=Faults(cold_heater=heater))
    host.send("M104 S200", "M140 S60")
    host.wait(41)
    assert f"Error:Heating failed, system stopped! Heater_ID: {heater}" in host.take()


def test_executed_commands_are_counted_and_hashed() -> None:
    """Executed commands are counted and hashed."""
    first, second, third = Host(), Host("idex"), Host()
    for host in (first, second):
        host.send("G21", numbered(1, "G90"))
    third.send("G90", "G21")
    assert first.board.executed_count == 2
    assert first.board.executed_digest == second.board.executed_digest
    assert first.board.executed_digest != third.board.executed_digest


def test_executed_hook_hears_number_and_command() -> None:
    """Executed hook hears number and command."""
    host = Host()
    heard: list[tuple[int | None, str]] = []
    host.board.executed = lambda number, command: heard.append((number, command))
    host.send("G21 ; metric", numbered(1, "G1 X5"), numbered(5, "G1 X6"))
    assert heard == [(None, "G21 "), (1, "G1 X5")]
