"""Heaters: the model, waiting, cancelling, faults."""

from hypothesis import given, strategies as st
import pytest

from custom_components.printfarm.fabricators.virtual.board.heater import AMBIENT, Heater

from .host import Host


def _heater() -> Heater:
    return Heater("E0", rise=360, tau=180, limit=260)


@given(
    st.lists(st.tuples(st.floats(0, 300), st.floats(0, 2000)), min_size=1, max_size=6)
)
def test_temperature_stays_between_room_and_highest_target(
    steps: list[tuple[float, float]],
) -> None:
    """Temperature stays between room and highest target."""
    heater = _heater()
    now = highest = 0.0
    for target, pause in steps:
        heater.set_target(target, now)
        highest = max(highest, heater.target)
        before = heater.temperature(now)
        now += pause
        level = heater.temperature(now)
        low, high = sorted((before, max(heater.target, AMBIENT)))
        assert low - 1e-6 <= level <= high + 1e-6
        assert AMBIENT - 1e-6 <= level <= max(highest, AMBIENT) + 1e-6


@given(st.floats(30, 260), st.floats(30, 260))
def test_time_of_arrival_is_when_the_temperature_is_there(
    first: float, second: float
) -> None:
    """Time of arrival is when the temperature is there."""
    heater = _heater()
    heater.set_target(first, 0)
    heater.set_target(second, 5000)
    arrival = heater.within_at(1)
    assert abs(heater.temperature(arrival) - heater.target) <= 1.001
    if arrival > 5001:
        assert abs(heater.temperature(arrival - 1) - heater.target) > 0.999


def test_target_is_cut_to_the_limit() -> None:
    """Target is cut to the limit."""
    heater = _heater()
    heater.set_target(500, 0)
    assert heater.target == 260


def test_power_says_heating_holding_cooling_off() -> None:
    """Power says heating holding cooling off."""
    heater = _heater()
    assert heater.power(0) == 0
    heater.set_target(200, 0)
    assert heater.power(1) == 127
    assert 40 < heater.power(1000) < 80
    heater.set_target(100, 1000)
    assert heater.power(1001) == 0
    heater.set_target(10, 5000)
    assert heater.power(20000) == 0


def test_room_temperature_target_is_never_reached_from_above() -> None:
    """Room temperature target is never reached from above."""
    heater = _heater()
    heater.set_target(200, 0)
    heater.set_target(10, 1000)
    assert heater.within_at(1) == float("inf")


def test_waiting_counts_the_seconds_at_temperature() -> None:
    """Waiting counts the seconds at temperature."""
    host = Host()
    answer = host.ask("M109 S200")
    waits = [line.rpartition("W:")[2] for line in answer if " W:" in line]
    assert waits[:3] == ["?", "?", "?"]
    assert [int(wait) for wait in waits if wait != "?"][0] in {9, 10}
    assert answer[-1] == "ok"
    assert host.now == pytest.approx(133, abs=5)
    assert host.board.temperatures["E0"] == (pytest.approx(200, abs=0.5), 200)


def test_bed_says_what_it_does() -> None:
    """Bed says what it does."""
    host = Host()
    assert host.send("M140 S60") == ["//action:notification Bed Heating...", "ok"]
    host.wait(300)
    host.take()
    assert host.send("M190 S40") == ["//action:notification Bed Cooling...", "ok"]
    assert host.board.temperatures["bed"][1] == 40


def test_waiting_for_a_cooler_nozzle() -> None:
    """Waiting for a cooler nozzle."""
    host = Host()
    host.ask("M109 S100")
    assert host.ask("M109 S50") == ["ok"]
    begin = host.now
    host.ask("M109 R40")
    assert host.now - begin > 100
    assert host.board.temperatures["E0"][0] < 42


def test_nobody_waits_for_a_nozzle_that_cannot_get_so_cold() -> None:
    """Nobody waits for a nozzle that cannot get so cold."""
    host = Host()
    host.ask("M109 S60")
    assert host.ask("M109 R5")[-1] == "ok"


def test_m108_ends_waiting_and_both_are_acknowledged() -> None:
    """M108 ends waiting and both are acknowledged."""
    host = Host()
    host.send("M190 S100")
    host.wait(30)
    host.take()
    assert host.send("M108") == ["ok", "ok"]
    assert host.board.temperatures["bed"][1] == 100


def test_autoreport_rests_while_a_command_reports_and_keeps_its_rhythm() -> None:
    """Autoreport rests while a command reports and keeps its rhythm."""
    host = Host()
    host.send("M155 S2")
    start = host.now
    host.wait(1)
    host.ask("M109 S60")
    host.wait(3)
    times = [time for time, line in host.transcript if line.startswith(" T:")]
    assert all((time - start) % 2 == pytest.approx(0, abs=0.002) for time in times)
    assert times
    host.send("M155 S0")
    host.wait(10)
    assert host.take() == []


@pytest.mark.parametrize("command", ["M104 T3 S50", "M109 T3 S50"])
def test_unknown_nozzle(command: str) -> None:
    """Unknown nozzle."""
    code = command[:4]
    assert Host().send(command) == [f"echo:{code} Invalid extruder 3", "ok"]


@pytest.mark.parametrize("command", ["M104", "M109", "M140", "M190", "M155"])
def test_command_without_value_changes_nothing(command: str) -> None:
    """Command without value changes nothing."""
    host = Host()
    assert host.send(command) == ["ok"]
    assert host.board.temperatures["E0"][1] == 0


def test_second_extruder_has_its_own_nozzle() -> None:
    """Second extruder has its own nozzle."""
    host = Host("idex")
    host.send("M104 T1 S50")
    host.wait(60)
    temperatures = host.board.temperatures
    assert temperatures["E0"] == (22, 0)
    assert temperatures["E1"] == (50, 50)


def test_cold_extrusion_can_be_allowed() -> None:
    """Cold extrusion can be allowed."""
    host = Host()
    assert host.send("M302") == [
        "echo:Cold extrudes are disabled (min temp 170C)",
        "ok",
    ]
    host.send("M302 S0")
    assert host.send("G1 E5") == ["ok"]
    host.send("M302 P0 S180")
    assert host.send("M302")[0].endswith("disabled (min temp 180C)")
    assert host.send("G1 E9")[0] == "echo: cold extrusion prevented"


def test_too_long_extrusion_is_prevented() -> None:
    """Too long extrusion is prevented."""
    host = Host()
    host.ask("M109 S200")
    assert host.send("G1 E201")[0] == "echo: too long extrusion prevented"
    assert host.send("G1 E210") == ["ok"]


def test_cold_heater_ends_in_a_halt() -> None:
    """Cold heater ends in a halt."""
    host = Host()
    host.board.thermal.named("E0").fail(host.now)
    host.send("M155 S1", "M104 S200")
    host.wait(100)
    lines = host.take()
    fault = lines.index("Error:Heating failed, system stopped! Heater_ID: E0")
    # The firmware beeps for a while before it falls silent; reports go on.
    assert lines[fault + 1].startswith(" T:22.00 /0.00")
    assert lines[-2:] == [
        "Error:Printer halted. kill() called!",
        "//action:poweroff",
    ]
    assert host.send("M105") == []
    assert host.board.next_time() is None


def test_bed_that_fails_while_hot_runs_away() -> None:
    """Bed that fails while hot runs away."""
    host = Host()
    host.send("M140 S60")
    host.wait(300)
    host.board.thermal.named("bed").fail(host.now)
    host.wait(200)
    lines = host.take()
    assert "Error:Thermal Runaway, system stopped! Heater_ID: bed" in lines
    host.board.reset(host.now)
    host.wait(1)
    assert host.take()[0] == "start"


def test_broken_heater_without_power_does_no_harm() -> None:
    """Broken heater without power does no harm."""
    host = Host()
    host.board.thermal.named("E0").fail(host.now)
    host.send("M104 S10")
    host.wait(1000)
    assert not host.board.killed


@pytest.mark.parametrize(
    ("command", "fan"),
    [("M106", 255), ("M106 S100", 100), ("M106 S999", 255), ("M107", 0)],
)
def test_fan(command: str, fan: int) -> None:
    """Fan."""
    host = Host("large")
    assert host.send(command) == [f"M106 P0 S{fan}", "ok"]
    assert host.board.fan == fan
