"""What goes along with a bug report shows the machine, and not what people print."""

import pytest

from custom_components.printfarm.redaction import REDACTED as X, redacted

AT = "2026-11-20T12:00:00.000+00:00"


def _lines(*texts: str) -> list[str]:
    return [f"{AT} {text}" for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        "> N5 G1 X10.5 Y-3 E.2 F3000*97",
        "> M105",
        "> N12 M104 S215 T0*33",
        "> N1 G28 X Y*12",
        "> M117",
        "> M117*99",
        "> M110 N0",
        "< ok T:21.3 /0.0 B:21.0 /0.0 T0:21.3 /0.0 @:0 B@:0",
        "< Error:Heating failed, system stopped! Heater_ID: 0",
        "< Error:Line Number is not Last Line Number+1, Last Line: 4",
        "< Resend: 5",
        "< echo:busy: processing",
        '< echo:Unknown command: "M900 K0.2"',
        "< FIRMWARE_NAME:Marlin 2.1.2 MACHINE_TYPE:Ender-3 EXTRUDER_COUNT:1",
        "< //action:paused",
    ],
)
def test_numbers_and_faults_stay(text: str) -> None:
    """They are what a report is read for."""
    assert redacted(_lines(text)) == _lines(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("> M117 Gift for Ada", f"> M117 {X}"),
        ("> N7 M117 Gift for Ada*44", f"> N7 M117 {X}*44"),
        ("> m117 Gift", f"> m117 {X}"),
        ("> M117 B1", f"> M117 {X}"),
        ("> M23 GIFT.GCO", f"> M23 {X}"),
        ("> M28 B1", f"> M28 {X}"),
        ("> M0 Ada, change the filament", f"> M0 {X}"),
        ('> M587 S"home" P"hunter2"', f"> M587 {X}"),
        ("> EXCLUDE_OBJECT_START NAME=gift", f"> EXCLUDE_OBJECT_START {X}"),
        ("> @OBJECT gift", f"> {X}"),
        ("< File opened: GIFT.GCO Size: 12", f"< File opened: {X}"),
        ("< echo:Now fresh file: gift.gco", f"< echo:Now fresh file: {X}"),
        ("< open failed, File: gift.gco.", f"< open failed, File: {X}"),
        ("< //action:notification Gift", f"< //action:notification {X}"),
        ("< //action:prompt_begin Ada", f"< //action:prompt_begin {X}"),
        ('< echo:Unknown command: "M117 Gift"', f'< echo:Unknown command: "M117 {X}"'),
        ("< Cap: UUID:cede2a2f-41a2", f"< Cap: UUID:{X}"),
        ("< WIFI: 192.168.1.20 at 00:1b:44:11:3a:b7", f"< WIFI: {X} at {X}"),
    ],
)
def test_names_go(text: str, shown: str) -> None:
    """Names of files, networks and people are nobody's business."""
    assert redacted(_lines(text)) == _lines(shown)


def test_what_the_machine_repeats() -> None:
    """A text that was sent comes back in many forms."""
    lines = _lines(
        "> N8 M118 E1 Ada is waiting*12",
        "< Ada is waiting",
        "< echo:Ada is waiting",
        "> M117 ok",
        "< ok",
        "< ok",
    )
    assert redacted(lines) == _lines(
        f"> N8 M118 {X}*12",
        f"< {X}",
        f"< echo:{X}",
        f"> M117 {X}",
        "< ok",
        "< ok",
    )


def test_known_names() -> None:
    """What is known to be private goes wherever it stands."""
    lines = _lines("< echo:Printing vase.gcode now", "< done with gift")
    assert redacted(lines, ["vase.gcode", "", "gift"]) == _lines(
        f"< echo:Printing {X} now", f"< done with {X}"
    )


def test_card() -> None:
    """The list of files on a card goes, and only that."""
    lines = _lines(
        "> M20",
        "< Begin file list",
        "< GIFT.GCO 1234",
        "< ok",
        "< End file list",
        "< ok",
        "< Done",
    )
    shown = redacted(lines)
    assert shown[2] == f"{AT} < {X}"
    assert shown[:2] + shown[3:] == lines[:2] + lines[3:]


def test_a_list_that_does_not_end() -> None:
    """Nothing after it is shown but that commands were done."""
    lines = _lines("< Begin file list", "< GIFT.GCO", "< ok")
    assert redacted(lines) == _lines("< Begin file list", f"< {X}", "< ok")


def test_what_is_no_line() -> None:
    """What has not the form of a line is not shown at all."""
    assert redacted(["gift"]) == [X]
