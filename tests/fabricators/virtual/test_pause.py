"""Waiting for a person: dialogs, parking, filament changes."""

from dataclasses import replace

import pytest

from custom_components.printfarm.fabricators.virtual.board import PROFILES

from .host import Host


def _hot() -> Host:
    host = Host()
    host.ask("G28")
    host.ask("M109 S200")
    host.ask("G1 X100 Y100 Z10 F6000")
    return host


def _quiet(lines: list[str]) -> list[str]:
    """Leave out what only shows that time goes by."""
    return [line for line in lines if "busy" not in line and " W:" not in line]


def _dialog(title: str, *buttons: str) -> list[str]:
    return [
        "//action:prompt_end",
        f"//action:prompt_begin {title}",
        *(f"//action:prompt_button {button}" for button in buttons),
        "//action:prompt_show",
    ]


def test_filament_change_with_dialogs() -> None:
    """Filament change with dialogs."""
    host = _hot()
    host.raw(b"M600\n")
    host.wait(40)
    assert _quiet(host.take()) == [
        "//action:paused",
        *_dialog("Pause", "Dismiss"),
        "X:10.00 Y:190.00 Z:20.00 E:-2.00 Count X:800 Y:15200 Z:8000",
        "echo:Insert filament and send M108",
        *_dialog("Nozzle Parked", "Continue"),
    ]
    host.raw(b"M876 S1\n")
    host.wait(20)
    assert _quiet(host.take()) == _dialog("Paused", "PurgeMore", "Continue")
    host.send("M876 S0")
    host.wait(20)
    assert _quiet(host.take()) == _dialog("Paused", "PurgeMore", "Continue")
    host.raw(b"M876 S1\n")
    host.wait(30)
    # The filament change is acknowledged, and each answer that came meanwhile.
    assert _quiet(host.take()) == [
        "//action:prompt_end",
        "//action:resumed",
        *_dialog("Resuming", "Dismiss"),
        *["ok"] * 4,
    ]
    assert host.ask("M114")[0] == (
        "X:100.00 Y:100.00 Z:10.00 E:0.00 Count X:8000 Y:8000 Z:4000"
    )


def test_m108_does_not_answer_the_purge_dialog() -> None:
    """M108 does not answer the purge dialog."""
    host = _hot()
    host.raw(b"M600\n")
    host.wait(40)
    host.send("M108")
    host.wait(20)
    assert _quiet(host.take()) == _dialog("Paused", "PurgeMore", "Continue")
    host.send("M108")
    host.wait(60)
    assert set(host.take()) == {"echo:busy: paused for user"}
    assert host.board.console.paused_for_user


def test_heater_rests_when_nobody_comes() -> None:
    """Heater rests when nobody comes."""
    host = _hot()
    host.raw(b"M600\n")
    host.wait(90)
    assert _dialog("HeaterTimeout", "Reheat") == _quiet(host.take())[-4:]
    assert host.board.temperatures["E0"][1] == 0
    host.wait(300)
    assert host.board.temperatures["E0"][0] < 100
    host.send("M108")
    host.wait(200)
    assert _quiet(host.take())[-4:] == _dialog("Reheat Done", "Continue")
    assert host.board.temperatures["E0"][1] == 200
    host.send("M108")
    host.wait(20)
    assert _quiet(host.take()) == _dialog("Paused", "PurgeMore", "Continue")


def test_park_and_wait_heats_a_cold_nozzle_to_purge() -> None:
    """Park and wait heats a cold nozzle to purge."""
    host = Host()
    host.raw(b"M125\n")
    host.wait(100)
    assert _quiet(host.take()) == [
        "//action:paused",
        "X:10.00 Y:190.00 Z:10.00 E:0.00 Count X:800 Y:15200 Z:4000",
        "echo:Send M108 to resume",
        *_dialog("Nozzle Parked", "Continue"),
    ]
    host.send("M108")
    host.wait(200)
    assert _quiet(host.take()) == _dialog("Paused", "PurgeMore", "Continue")
    assert host.board.temperatures["E0"] == (pytest.approx(170, abs=1), 170)
    host.raw(b"M876 S1\n")
    host.wait(60)
    assert _quiet(host.take())[1] == "//action:resumed"
    assert host.board.position[:3] == (0, 0, 0)


def test_runout_parks_by_itself_and_is_no_command_of_the_host() -> None:
    """Runout parks by itself and is no command of the host."""
    host = _hot()
    host.board.run_out()
    host.wait(60)
    lines = _quiet(host.take())
    assert lines[:4] == [
        *_dialog("FilamentRunout 0"),
        "//action:paused filament_runout 0",
    ]
    assert lines[-4:] == _dialog("Nozzle Parked", "Continue")
    host.send("M108")
    host.wait(20)
    assert _quiet(host.take()) == _dialog("Paused", "PurgeMore", "DisableRunout")
    host.raw(b"M876 S1\n")
    host.wait(60)
    # Two answers of the host, two oks: the change itself has none.
    assert host.take().count("ok") == 2


def test_runout_without_sensor_is_not_noticed() -> None:
    """Runout without sensor is not noticed."""
    host = Host("marlin_1")
    host.board.run_out()
    assert not [line for line in host.send("G21") if line != "ok"]


def test_stop_names_itself_without_text() -> None:
    """Stop names itself without text."""
    host = Host()
    assert host.send("M0") == _dialog("M0 Stop", "Continue")


def test_stop_for_a_time() -> None:
    """Stop for a time."""
    host = Host()
    host.send("M0 P1500")
    host.wait(1.49)
    assert "ok" not in host.take()
    host.wait(0.02)
    assert host.take() == ["ok"]


def test_stop_waits_for_the_moves_before_it() -> None:
    """Stop waits for the moves before it."""
    host = Host()
    host.send("G1 X50 F600", "M0 Look")
    assert host.take() == []
    host.wait(5.2)
    assert "echo:Look" in host.take()


def test_build_without_dialogs_asks_in_plain_words() -> None:
    """Build without dialogs asks in plain words."""
    host = Host("marlin_2_plain")
    assert host.send("M0 Look") == ["echo:Look"]
    assert host.send("M108") == ["ok", "ok"]
    assert host.send("M600")[0] == 'echo:Unknown command: "M600"'
    assert host.send("M876 S0")[0] == 'echo:Unknown command: "M876 S0"'


def test_dialog_answers_without_emergency_parser_are_queued() -> None:
    """Dialog answers without emergency parser are queued."""
    host = Host(replace(PROFILES["marlin_2"], emergency_parser=False))
    host.send("M0")
    assert host.send("M876 S0") == []
    assert host.send("M108") == ["ok", "ok", "ok"]
