"""Modes, parking, dialogues and codes: the pure parts."""

import pytest

from custom_components.printfarm.fabricators.interface import Temperature
from custom_components.printfarm.fabricators.marlin import parking, view
from custom_components.printfarm.fabricators.marlin.answers import (
    Action,
    PositionReport,
    Reading,
)
from custom_components.printfarm.fabricators.marlin.commands import code
from custom_components.printfarm.fabricators.marlin.dialog import Dialog
from custom_components.printfarm.fabricators.marlin.events import (
    Firmware,
    Notification,
    Prompt,
    Runout,
)
from custom_components.printfarm.fabricators.marlin.modal import Modal

SPACE = Firmware("Marlin 2", minimum=(0.0, 0.0, 0.0), maximum=(200.0, 180.0, 150.0))


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (b"G1 X1", b"G1"),
        (b"g01x1", b"G1"),
        (b"M104S200", b"M104"),
        (b"G38.2 Z1", b"G38.2"),
        (b"T0", b"T0"),
        (b"M0", b"M0"),
        (b"Tx", b""),
        (b"", b""),
    ],
)
def test_code(command: bytes, name: bytes) -> None:
    """Names of commands, however they are written."""
    assert code(command) == name


@pytest.mark.parametrize(
    ("commands", "modal"),
    [
        ([b"G91"], Modal((b"M82", b"G91"))),
        ([b"G91", b"M82"], Modal((b"G91", b"M82"))),
        ([b"M83", b"G90"], Modal((b"M83", b"G90"))),
        ([b"G91", b"M83", b"M82", b"G90"], Modal((b"M82", b"G90"))),
        ([b"M83"], Modal((b"G90", b"M83"))),
        ([b"G20"], Modal(inches=True)),
        ([b"G20", b"G21"], Modal()),
        ([b"G28 X", b"T1"], Modal(homed=True, tool=b"T1")),
        ([b"M106"], Modal(fans={b"0": b"255"})),
        ([b"M106 P1 S12.5", b"M107"], Modal(fans={b"1": b"12.5", b"0": b"0"})),
        ([b"G1 X1 F1200.5 E2"], Modal(feedrate=b"1200.5", moved=True, extruded=True)),
        ([b"G0X1F900"], Modal(feedrate=b"900", moved=True)),
        ([b"G2 I1 F60"], Modal(feedrate=b"60", moved=True)),
        ([b"G10", b"G17", b"M117 F5"], Modal()),
    ],
)
def test_modal(commands: list[bytes], modal: Modal) -> None:
    """Modes are followed as the firmware does."""
    seen = Modal()
    for command in commands:
        seen.apply(command)
    assert seen == modal


def test_next_print() -> None:
    """What a print leaves behind on the board is still there for the next one."""
    modal = Modal()
    for command in (b"G28", b"M83", b"G20", b"T1", b"M106", b"G1 X1 E1 F90"):
        modal.apply(command)
    left = Modal((b"G90", b"M83"), inches=True, feedrate=b"90", tool=b"T1")
    assert modal.begin() == left


def test_copy_is_apart() -> None:
    """What is remembered does not change with what goes on."""
    modal = Modal(fans={b"0": b"1"})
    kept = modal.copy()
    modal.apply(b"M106 S255")
    assert kept.fans == {b"0": b"1"}


@pytest.mark.parametrize(
    ("modal", "z", "move"),
    [
        (Modal(moved=True, homed=True), 20.0, (-45.0, 125.0, 10.0)),
        (Modal(moved=True, homed=True), 145.0, (-45.0, 125.0, 5.0)),
        (Modal(moved=True, homed=True), 160.0, (-45.0, 125.0, 0.0)),
        (Modal(moved=True), 20.0, (0.0, 0.0, 2.0)),
        (Modal(), 20.0, (0.0, 0.0, 0.0)),
    ],
)
def test_where_to_park(
    modal: Modal, z: float, move: tuple[float, float, float]
) -> None:
    """Up as far as there is room, aside only when it is known where that is."""
    position = PositionReport(50.0, 50.0, z, 1.0)
    assert parking.rest(modal, position, SPACE, {}, 200.0).move == move


def test_cold_filament_is_not_pulled() -> None:
    """Below the firmware's limit it would not move anyway."""
    modal = Modal(moved=True, extruded=True)
    for nozzle, pulled in ((None, 0.0), (160.0, 0.0), (170.0, parking.RETRACT)):
        assert parking.rest(modal, None, None, {}, nozzle).retracted == pulled


def test_come_back_after_somebody_moved() -> None:
    """The measured way back counts where the planned one does not fit any more."""
    at = PositionReport(50.0, 50.0, 20.0, 5.0)
    rest = parking.rest(
        Modal(moved=True, homed=True, extruded=True, tool=b"T0"), at, SPACE, {}, 200.0
    )
    now = PositionReport(10.0, 175.004, 30.0, 9.0)
    commands = parking.come_back(rest, Modal(tool=b"T1"), now)
    assert commands[:3] == [b"G21", b"T0", b"G92 E3.00"]
    assert b"G1 X40.00 Y-125.00 F6000" in commands
    assert b"G1 Z-10.00 F600" in commands


def test_reheat() -> None:
    """All heaters are switched on before the first is waited for."""
    rest = parking.rest(
        Modal(), None, None, {"T0": 200.0, "B": 60.0, "C": 40.0, "T1": 210.0}, None
    )
    assert parking.reheat(rest, {"T0": 200.0, "B": 0.0}) == [
        b"M140 S60",
        b"M141 S40",
        b"M104 T1 S210",
        b"M190 S60",
        b"M191 S40",
        b"M109 T1 S210",
    ]


def test_cool() -> None:
    """Every heater and fan that there is goes off."""
    modal = Modal(fans={b"0": b"255", b"1": b"9"}, moved=True, extruded=True)
    assert parking.cool(modal, 2, chamber=True) == [
        b"M104 T0 S0",
        b"M104 T1 S0",
        b"M140 S0",
        b"M141 S0",
        b"M107",
        b"M107 P1",
    ]
    assert parking.cool(Modal(), 1, chamber=False) == [b"M104 S0", b"M140 S0", b"M107"]


def test_abandon() -> None:
    """Up and off, and the modes are those that a slicer expects."""
    relative = [b"G21", b"G91", b"M83"]
    end = [b"G21", b"G90", b"M82", b"M84"]
    assert parking.abandon((0.0, 0.0, 0.0), 0.0) == [*relative, *end]
    assert parking.abandon((-5.0, 7.5, 2.5), 2.0) == [
        *relative,
        b"G1 E-2.00 F2400",
        b"G1 Z2.50 F600",
        b"G1 X-5.00 Y7.50 F6000",
        *end,
    ]


@pytest.mark.parametrize(
    ("option", "tools", "commands"),
    [
        ("off", 1, [b"M104 S0", b"M140 S0", b"M107"]),
        ("None", 1, [b"M104 S0", b"M140 S0", b"M107"]),
        ("bed", 1, [b"M104 S0", b"M107"]),
        ("bed", 2, [b"M104 T0 S0", b"M104 T1 S0", b"M107"]),
        ("warm", 1, [b"M104 T0 S150", b"M107"]),
        ("warm", 3, [b"M104 T0 S150", b"M104 T2 S90", b"M104 T1 S0", b"M107"]),
    ],
)
def test_stand_by(option: str, tools: int, commands: list[bytes]) -> None:
    """What was chosen stays warm, and never more than the print had it."""
    targets = {"T0": 210.0, "B": 60.0} | ({"T2": 90.0} if tools == 3 else {})
    chosen = parking.standby(option)
    assert parking.stand_by(chosen, Modal(), targets, tools) == commands


def test_stand_by_cools_a_chamber() -> None:
    """The chamber goes off with the rest."""
    commands = parking.stand_by(parking.Standby.OFF, Modal(), {"C": 50.0}, 1)
    assert b"M141 S0" in commands


@pytest.mark.parametrize(
    ("modal", "position", "firmware", "height"),
    [
        (Modal(homed=True), (0.0, 0.0, 20.0, 0.0), SPACE, 10.0),
        (Modal(homed=True), (0.0, 0.0, 147.5, 0.0), SPACE, 2.5),
        (Modal(homed=True), (0.0, 0.0, 151.0, 0.0), SPACE, 0.0),
        (Modal(), (0.0, 0.0, 20.0, 0.0), SPACE, parking.SMALL_LIFT),
        (Modal(homed=True), None, SPACE, parking.SMALL_LIFT),
        (Modal(homed=True), (0.0, 0.0, 20.0, 0.0), None, parking.SMALL_LIFT),
        (
            Modal(homed=True),
            (0.0, 0.0, 20.0, 0.0),
            Firmware("Marlin 1.1.9"),
            parking.SMALL_LIFT,
        ),
    ],
)
def test_lift(
    modal: Modal,
    position: tuple[float, float, float, float] | None,
    firmware: Firmware | None,
    height: float,
) -> None:
    """As high as there is room; hardly at all where that is not known."""
    at = PositionReport(*position) if position else None
    assert parking.lift(modal, at, firmware) == height


def _dialog(*actions: tuple[str, str]) -> tuple[Dialog, list[object]]:
    dialog = Dialog()
    return dialog, [dialog.hear(Action(name, text)) for name, text in actions]


@pytest.mark.parametrize(
    ("buttons", "answer"),
    [
        (("Continue",), b"M876 S0"),
        (("PurgeMore", "Continue"), b"M876 S1"),
        (("PurgeMore", "DisableRunout"), b"M876 S1"),
        (("Reheat",), b"M876 S0"),
        ((), b"M108"),
    ],
)
def test_go_on(buttons: tuple[str, ...], answer: bytes) -> None:
    """The button that means "go on"."""
    dialog, told = _dialog(
        ("prompt_begin", "Paused"),
        *(("prompt_button", button) for button in buttons),
        ("prompt_show", ""),
    )
    assert told[-1] == Prompt("Paused", buttons)
    assert dialog.go_on() == answer
    assert dialog.hear(Action("prompt_end", "")) == Prompt(None)
    assert dialog.hear(Action("prompt_end", "")) is None
    assert dialog.go_on() == b"M108"


def test_words() -> None:
    """Messages and runouts, by whichever word they come."""
    assert _dialog(("notification", "Hi"))[1] == [Notification("Hi")]
    assert _dialog(("prompt_begin", "FilamentRunout 0"))[1] == [
        Runout("FilamentRunout 0")
    ]
    assert _dialog(("out_of_filament", "T1"))[1] == [Runout("T1")]
    assert _dialog(("filament_runout", ""))[1] == [Runout("filament_runout")]
    assert _dialog(("poweroff", ""))[1] == [None]


@pytest.mark.parametrize(
    ("readings", "nozzles"),
    [
        ({}, ()),
        ({"T": (20.0, 0.0), "B": (1.0, 2.0)}, ((20.0, 0.0),)),
        (
            {"T": (9.0, 9.0), "T0": (1.0, 2.0), "T1": (3.0, 4.0)},
            ((1.0, 2.0), (3.0, 4.0)),
        ),
        ({"T": (1.0, 2.0), "T1": (3.0, 4.0)}, ((1.0, 2.0), (3.0, 4.0))),
    ],
)
def test_nozzles(
    readings: dict[str, tuple[float, float]], nozzles: tuple[tuple[float, float], ...]
) -> None:
    """Tools in their order; `T` alone is whichever is in use."""
    known = {name: Reading(name, *values) for name, values in readings.items()}
    assert view.nozzles(known) == tuple(Temperature(*values) for values in nozzles)


def test_unknown_board_rules_nothing_out() -> None:
    """Before M115, and where it says little, everything fits."""
    assert view.capabilities(None, {}).build_volume is None
    assert view.capabilities(Firmware("Old"), {}).tools is None
    assert view.capabilities(Firmware("Old"), {"T": Reading("T", 1.0)}).bed is False
