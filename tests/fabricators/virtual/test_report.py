"""Greeting, capabilities, questions, settings, and commands without effect."""

import pytest

from custom_components.printfarm.fabricators.virtual.board import (
    DEFAULT_MODEL,
    PROFILES,
    Board,
)

from .host import Host


def test_greeting() -> None:
    """Greeting."""
    assert Host().greeting == [
        "start",
        "PowerUp",
        "Marlin 2.1.2",
        "echo: Last Updated: 2022-12-17 | Author: (none, default config)",
        "echo: Compiled: Nov 20 2026",
        "echo: Free Memory: 0  PlannerBufferBytes: 1472",
        "//action:notification Stored settings retrieved",
        "//action:prompt_end",
    ]
    assert Host("marlin_2_plain").greeting[-1] == (
        "echo:Hardcoded Default Settings Loaded"
    )


def test_what_comes_before_the_greeting_is_lost() -> None:
    """What comes before the greeting is lost."""
    board = Board(PROFILES["marlin_1"])
    board.receive(b"M105\n", 1.0)
    assert board.next_time() == 1.5
    assert b"ok" not in board.advance(2.0)


@pytest.mark.parametrize("model", sorted(PROFILES))
def test_firmware_says_what_it_is_and_can(model: str) -> None:
    """Firmware says what it is and can."""
    profile = PROFILES[model]
    answer = Host(model).ask("M115")
    assert answer[0].startswith(f"FIRMWARE_NAME:{profile.firmware} ")
    assert f"EXTRUDER_COUNT:{profile.extruders} " in answer[0]
    if not profile.capabilities:
        assert len(answer) == 2
        return
    capabilities = dict(
        line.removeprefix("Cap:").split(":") for line in answer if line[:4] == "Cap:"
    )
    assert capabilities["EMERGENCY_PARSER"] == str(int(profile.emergency_parser))
    assert capabilities["SDCARD"] == "0"
    x, y, z = profile.build_volume
    box = f"{{min:{{x:0.00,y:0.00,z:0.00}},max:{{x:{x:.2f},y:{y:.2f},z:{z:.2f}}}}}"
    assert answer[-2] == f"area:{{full:{box},work:{box}}}"


def test_default_model_is_offered() -> None:
    """Default model is offered."""
    assert DEFAULT_MODEL in PROFILES
    assert len({profile.title for profile in PROFILES.values()}) == len(PROFILES)


@pytest.mark.parametrize("command", ["M20", "M21", "M23 X.GCO", "M27", "M29", "G33"])
def test_board_without_card_does_not_know_card_commands(command: str) -> None:
    """Board without card does not know card commands."""
    assert Host().send(command) == [f'echo:Unknown command: "{command}"', "ok"]


@pytest.mark.parametrize("command", ["M84", "M18", "M73 P5", "M201 X5", "M221 S90"])
def test_settings_without_effect_are_accepted(command: str) -> None:
    """Settings without effect are accepted."""
    assert Host("marlin_1").send(command) == ["ok"]


def test_position_reports_by_themselves() -> None:
    """Position reports by themselves."""
    host = Host()
    host.send("M154")
    host.send("M154 S1")
    host.wait(2.5)
    assert host.take() == ["X:0.00 Y:0.00 Z:0.00 E:0.00 Count X:0 Y:0 Z:0"] * 2


def test_keepalive_interval() -> None:
    """Keepalive interval."""
    host = Host()
    assert host.send("M113") == ["echo:M113 S2", "ok"]
    host.send("M113 S1", "G4 S3")
    host.wait(2.5)
    assert host.take().count("echo:busy: processing") == 2
    host.wait(1)
    host.send("M113 S0", "G4 S30")
    host.take()
    host.wait(20)
    assert host.take() == []


def test_keepalive_stopped_within_a_command() -> None:
    """Keepalive stopped within a command."""
    host = Host()
    host.send("G4 S30")
    host.board.reports.busy_interval = 0
    host.wait(20)
    assert host.take().count("echo:busy: processing") == 1


def test_endstops_and_runout_sensor() -> None:
    """Endstops and runout sensor."""
    assert Host().send("M119") == [
        "Reporting endstop status",
        "x_min: TRIGGERED",
        "y_min: TRIGGERED",
        "z_min: TRIGGERED",
        "filament: open",
        "ok",
    ]
    assert Host().send("M412") == ["echo:Filament runout ON", "ok"]
    assert Host().send("M412 S1") == ["ok"]
    assert "filament: open" not in Host("marlin_1").send("M119")


def test_settings_are_shown_stored_and_reset() -> None:
    """Settings are shown stored and reset."""
    host = Host()
    host.ask("M204 P700")
    host.ask("M203 X7")
    assert "echo:  M204 P700.00 T700.00" in host.ask("M503")
    assert host.ask("M500") == [
        "echo:Settings Stored (606 bytes; crc 15286)",
        "//action:notification Settings Stored",
        "//action:notification Settings Stored",
        "ok",
    ]
    assert host.ask("M501")[0].startswith("echo:Stored settings retrieved")
    host.ask("M502")
    assert "echo:  M204 P3000.00 T3000.00" in host.ask("M503")
    assert host.board.motion.max_feedrate[0] == 300


def test_line_number_question_changes_nothing() -> None:
    """Line number question changes nothing."""
    assert Host().send("M110") == ["ok"]


def test_action_lines_only_where_the_build_has_them() -> None:
    """Action lines only where the build has them."""
    host = Host("marlin_2_plain")
    assert host.send("M140 S50") == ["ok"]
    assert host.send("M112") == [
        "echo:M112 Shutdown",
        "Error:Printer halted. kill() called!",
    ]
