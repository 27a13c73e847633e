"""What the firmware says, in all its accents."""

from hypothesis import given, strategies as st
import pytest

from custom_components.printfarm.fabricators.marlin.answers import (
    Action,
    Answer,
    AreaReport,
    Banner,
    Busy,
    CapabilityReport,
    ErrorReport,
    FirmwareReport,
    Ok,
    PositionReport,
    Reading,
    Resend,
    Severity,
    TemperatureReport,
    Text,
    UnknownCommand,
    Wait,
    parse,
)


def _report(*readings: Reading, waiting: bool = False) -> TemperatureReport:
    return TemperatureReport(readings, waiting)


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("ok", Ok()),
        ("okok", Ok()),
        ("ok 123", Ok(123)),
        ("ok N123 P15 B3", Ok(123, (15, 3))),
        ("ok P15 B31", Ok(None, (15, 31))),
        (
            "ok T:21.95 /0.00 B:-3.5 /60.00 @:0 B@:0",
            Ok(
                temperatures=_report(Reading("T", 21.95, 0.0), Reading("B", -3.5, 60.0))
            ),
        ),
        ("ok X:1.00", Ok()),
        ("okay", Text("okay")),
        ("Resend: 12", Resend(12)),
        ("Resend:12", Resend(12)),
        ("Resend:N:12", Resend(12)),
        ("rs N12", Resend(12)),
        ("rs N 12", Resend(12)),
        ("rs 12", Resend(12)),
        ("echo:busy: processing", Busy("processing")),
        ("busy: paused for user", Busy("paused for user")),
        ("wait", Wait()),
        ("waiting", Text("waiting")),
        ("start", Banner("start")),
        ("PowerUp", Banner("PowerUp")),
        ("External Reset", Banner("External Reset")),
        ("started", Text("started")),
        (
            " T:21.99 /50.00 B:22.03 /0.00 T0:21.91 /0.00 T1:21.99 /50.00 @:127 B@:0",
            _report(
                Reading("T", 21.99, 50.0),
                Reading("B", 22.03, 0.0),
                Reading("T0", 21.91, 0.0),
                Reading("T1", 21.99, 50.0),
            ),
        ),
        (
            " T:25.03 /200.00 B:22.03 /60.00 @:127 B@:0 W:?",
            _report(
                Reading("T", 25.03, 200.0), Reading("B", 22.03, 60.0), waiting=True
            ),
        ),
        ("T:25.0 E:0 W:9", _report(Reading("T", 25.0), waiting=True)),
        (
            "B:60.0 /60.0 T0:nan /0.0",
            _report(Reading("B", 60.0, 60.0), Reading("T0", None, 0.0)),
        ),
        ("C:35.0 /40.0", _report(Reading("C", 35.0, 40.0))),
        ("TargetExtr1:205", _report(Reading("T1", None, 205.0))),
        ("TargetBed:60", _report(Reading("B", None, 60.0))),
        (
            "X:100.00 Y:-1.50 Z:10.00 E:0.25 Count X:8000 Y:8000 Z:4000",
            PositionReport(100.0, -1.5, 10.0, 0.25),
        ),
        ("C: X:1.0 Y:2.0 Z:3.0 E:4.0", PositionReport(1.0, 2.0, 3.0, 4.0)),
        (
            "FIRMWARE_NAME:Marlin 2.1.2 (Nov 20 2026 22:01:57)"
            " SOURCE_CODE_URL:github.com/MarlinFirmware/Marlin PROTOCOL_VERSION:1.0"
            " MACHINE_TYPE:SimRap 1.4 KINEMATICS:Cartesian EXTRUDER_COUNT:2 UUID:ce",
            FirmwareReport("Marlin 2.1.2 (Nov 20 2026 22:01:57)", "SimRap 1.4", 2),
        ),
        ("FIRMWARE_NAME:Smoothie", FirmwareReport("Smoothie", None, None)),
        ("Cap:EMERGENCY_PARSER:1", CapabilityReport("EMERGENCY_PARSER", True)),
        ("Cap:SDCARD:0", CapabilityReport("SDCARD", False)),
        (
            "area:{full:{min:{x:0.00,y:-5.00,z:0.00},max:{x:200.00,y:210.00,z:220.00}},"
            "work:{min:{x:0.00,y:0.00,z:0.00},max:{x:200.00,y:200.00,z:200.00}}}",
            AreaReport((0.0, -5.0, 0.0), (200.0, 210.0, 220.0)),
        ),
        ('echo:Unknown command: "M155 S1"', UnknownCommand("M155 S1")),
        ('echo:Unknown command: ""', UnknownCommand("")),
        (
            "//action:prompt_begin Nozzle Parked",
            Action("prompt_begin", "Nozzle Parked"),
        ),
        ("// action:pause", Action("pause", "")),
        ("echo:SD card ok", Text("echo:SD card ok")),
        ("\x00start", Banner("start")),
        ("\udcffstart", Banner("start")),
    ],
)
def test_line(line: str, answer: Answer) -> None:
    """Each accent is understood."""
    assert parse(line.encode("ascii", "surrogateescape")) == (answer,)


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("checksum mismatch, Last Line: 2", Severity.LINE),
        ("Line Number is not Last Line Number+1, Last Line: 3", Severity.LINE),
        ("No Checksum with line number, Last Line: 4", Severity.LINE),
        ("No Line Number with checksum, Last Line: 4", Severity.LINE),
        ("expected line 4 got 5", Severity.LINE),
        ("Format error", Severity.LINE),
        ("open failed, File: X.", Severity.HARMLESS),
        ('Unknown command: "G5000"', Severity.HARMLESS),
        ("Failed to enable Bed Leveling", Severity.HARMLESS),
        ("Heating failed, system stopped! Heater_ID: E0", Severity.HEATER),
        ("Thermal Runaway, system stopped! Heater_ID: bed", Severity.HEATER),
        ("MINTEMP triggered, system stopped! Heater_ID: 0", Severity.HEATER),
        ("Printer halted. kill() called!", Severity.KILLED),
        ("Probing Failed", Severity.OTHER),
    ],
)
@pytest.mark.parametrize("prefix", ["Error:", "!! ", "fatal: "])
def test_error(prefix: str, text: str, severity: Severity) -> None:
    """Errors are sorted by what they mean for a print, with their full text."""
    assert parse(f"{prefix}{text}".encode()) == (ErrorReport(severity, text),)
    assert severity.fatal == (severity not in {Severity.LINE, Severity.HARMLESS})


@pytest.mark.parametrize(
    ("line", "answers"),
    [
        (
            " T:20.00 /0.00 @:0 B@:0ok",
            (_report(Reading("T", 20.0, 0.0)), Ok()),
        ),
        (
            " T:20.00 /0.00 @1:0 ok N7531 P0 B3",
            (_report(Reading("T", 20.0, 0.0)), Ok(7531, (0, 3))),
        ),
        ("echo:busy: processingok", (Busy("processing"), Ok())),
    ],
)
def test_glued(line: str, answers: tuple[Answer, ...]) -> None:
    """An `ok` behind a report that lost its line end is not lost."""
    assert parse(line.encode()) == answers


@given(st.binary(max_size=120))
def test_noise(line: bytes) -> None:
    """Whatever comes in, reading it does not fail."""
    assert parse(line)
