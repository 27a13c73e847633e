"""What each slicer says is read; what it does not say is counted."""

from pathlib import Path

import pytest

from custom_components.printfarm.gcode import (
    Filament,
    Flag,
    LayerIndex,
    TimeSource,
    analyse,
    quick,
)
from custom_components.printfarm.gcode.remarks import said
from custom_components.printfarm.gcode.slicers import values

from . import slicers
from .conftest import SLICED, Analyse


@pytest.mark.parametrize(
    ("name", "time", "layers", "filaments"),
    [
        ("coin", 216, 9, [(227.89, 0.68)]),
        ("vase", 836, 104, [(1270.71, 3.79)]),
        ("fine", 64, 11, [(18.27, 0.05)]),
        ("limits", 30, 3, [(25.39, 0.08)]),
        ("one_by_one", 33, 6, [(16.12, 0.05)]),
        ("spiral", 96, 16, [(55.70, 0.17)]),
        ("supports", 212, 18, [(241.87, 0.72)]),
        ("two_tools", 62, 5, [(32.70, 0.10), (36.72, 0.11)]),
    ],
)
def test_prusaslicer(
    name: str,
    time: float,
    layers: int,
    filaments: list[tuple[float, float]],
    fixtures: Path,
    tmp_path: Path,
) -> None:
    """Numbers are those of PrusaSlicer's own footer, and the moves agree with them."""
    path = fixtures / f"{name}.gcode"
    assert quick(path).time == time
    plate = analyse(path, path.name, tmp_path).plates[0]
    found = plate.analysis
    assert plate.gcode == path
    assert (found.slicer, found.slicer_version) == ("PrusaSlicer", "2.5.0")
    assert (found.time, found.time_source) == (time, TimeSource.SLICER)
    assert [(one.length, one.weight) for one in found.filaments] == filaments
    assert found.layers == layers
    assert found.flags == ()
    assert found.size == path.stat().st_size
    assert found.lines == path.read_bytes().count(b"\n")
    assert plate.index
    index = LayerIndex.load(plate.index)
    assert index.total == pytest.approx(time)
    total = sum(length for length, _ in filaments)
    assert index.at(found.size).extruded == pytest.approx(total, rel=0.01)
    assert index.at(found.size).layers == layers


def test_prusaslicer_in_full(fixtures: Path, tmp_path: Path) -> None:
    """Every field of a file with two tools."""
    path = fixtures / "two_tools.gcode"
    found = analyse(path, path.name, tmp_path).plates[0].analysis
    assert found.filaments == (
        Filament(tool=0, length=32.7, weight=0.1, type="PLA", colour="#102030",
                 cost=0.0, diameter=1.75),
        Filament(tool=1, length=36.72, weight=0.11, type="PETG", colour="#A0B0C0",
                 cost=0.0, diameter=1.75),
    )  # fmt: skip
    assert found.nozzle_temperatures == (210.0, 240.0)
    assert found.bed_temperature == 60
    assert found.chamber_temperature is None
    assert found.layer_height == 0.3
    assert found.first_layer_height == 0.35
    assert found.nozzle_diameter == 0.4
    assert found.flavour == "marlin2"
    assert found.height == 1.55
    assert found.box
    assert found.box.max_z == 1.55
    # The second nozzle sits 18 mm beside the first; the box is what is commanded.
    assert 77 < found.box.min_x < found.box.max_x < 113
    assert found.filament_length == pytest.approx(69.42)
    assert found.filament_weight == pytest.approx(0.21)


@pytest.mark.parametrize("name", SLICED)
def test_without_remarks_the_moves_tell(
    name: str, fixtures: Path, analysed: Analyse
) -> None:
    """Time within 10 % of PrusaSlicer's, filament within 1 %, layers exact."""
    path = fixtures / f"{name}.gcode"
    spoken = quick(path)
    bare = b"".join(
        line.split(b";")[0].rstrip() + b"\n" for line in path.read_bytes().splitlines()
    )
    with_remarks = analysed(path.read_bytes()).plates[0].analysis
    found = analysed(bare).plates[0].analysis
    assert spoken.time
    assert found.slicer is None
    assert found.time_source is TimeSource.MOVES
    assert found.time == pytest.approx(spoken.time, rel=0.1)
    assert found.filament_length == pytest.approx(spoken.filament_length, rel=0.01)
    assert found.layers == with_remarks.layers
    assert found.height == pytest.approx(with_remarks.height)
    assert found.layer_height == pytest.approx(with_remarks.layer_height, abs=0.01)


def test_bambu(analysed: Analyse) -> None:
    """The total counts the preparation; filaments are named by their slots."""
    found = analysed(slicers.bambu().encode()).plates[0].analysis
    assert (found.slicer, found.slicer_version) == ("BambuStudio", "01.09.07.52")
    assert found.time == 20 * 60 + 23
    assert found.layers == slicers.LAYERS
    assert found.layer_height == 0.2
    assert found.height == 0.8
    assert found.printer_model == "Bambu Lab A1"
    assert found.nozzle_temperatures == (250.0,)
    assert found.bed_temperature == 70
    assert [
        (one.tool, one.length, one.weight, one.type, one.colour)
        for one in found.filaments
    ] == [
        (1, 12.0, 0.04, "PETG", "#FF0000"),
        (3, 4.0, 0.01, "PLA-CF", "#C0C0C0"),
    ]
    assert found.cost == pytest.approx(0.04 * 20 / 1000 + 0.01 * 30 / 1000)
    assert found.flags == ()


def test_orca(analysed: Analyse) -> None:
    """Sums at the end, as PrusaSlicer has them."""
    report = analysed(slicers.orca().encode())
    found = report.plates[0].analysis
    assert (found.slicer, found.slicer_version) == ("OrcaSlicer", "2.2.0")
    assert found.time == 3725
    assert found.layers == slicers.LAYERS
    assert found.filaments == (
        Filament(tool=0, length=16.0, weight=0.04, type="ABS", colour="#F2754E",
                 cost=0.01, diameter=1.75),
    )  # fmt: skip
    assert found.first_layer_height == 0.2
    assert found.flavour == "klipper"
    assert found.bed_temperature == 100
    assert found.flags == ()
    assert len(report.thumbnails) == 1


def test_orca_for_bambus_printers(analysed: Analyse) -> None:
    """Written like Bambu's own, but named otherwise."""
    text = slicers.bambu().replace(
        "; BambuStudio 01.09.07.52", "; generated by OrcaSlicer 2.2.0 on 2026-04-15"
    )
    found = analysed(text.encode()).plates[0].analysis
    assert found.slicer == "OrcaSlicer"
    assert found.time == 20 * 60 + 23
    assert found.layers == slicers.LAYERS
    assert [one.tool for one in found.filaments] == [1, 3]
    assert found.flags == ()


def test_reprapfirmware(analysed: Analyse) -> None:
    """M203 of a file for RepRapFirmware is in mm/min."""
    text = slicers.superslicer().replace("M83", "M203 X600 Y600\nM83")
    slow = text.replace("layer_height", "gcode_flavor = reprapfirmware\n; layer_height")
    cut = len("; estimated printing time (normal mode) = 1d 2h 35m 0s")
    times = []
    for each in (text, slow):
        at = each.index("; estimated")
        times.append(analysed((each[:at] + each[at + cut :]).encode()).plates[0])
    assert (times[1].analysis.time or 0) > 2 * (times[0].analysis.time or 0)


def test_superslicer(analysed: Analyse) -> None:
    """Days count; a height in percent is none in millimetres."""
    found = analysed(slicers.superslicer().encode()).plates[0].analysis
    assert (found.slicer, found.slicer_version) == ("SuperSlicer", "2.5.59")
    assert found.time == 26 * 3600 + 35 * 60
    assert found.layers == slicers.LAYERS
    assert found.first_layer_height == 0.2
    assert found.nozzle_diameter == 0.6
    assert found.filaments[0].type == "ABS"
    assert found.flags == ()


def test_cura(analysed: Analyse) -> None:
    """Metres become millimetres, heights come from the moves."""
    report = analysed(slicers.cura().encode())
    found = report.plates[0].analysis
    assert (found.slicer, found.slicer_version) == ("Cura", "4.10.0")
    assert found.time == 49
    assert found.layers == slicers.LAYERS
    assert found.filaments == (Filament(tool=0, length=16.0),)
    assert found.printer_model == "Creality Ender-3"
    assert found.first_layer_height == 0.2
    assert found.height == 0.8
    assert found.nozzle_temperatures == (200.0,)
    assert found.flags == ()
    text = slicers.cura()
    index = LayerIndex.load(report.plates[0].index or Path())
    for layer, height in enumerate(slicers.HEIGHTS):
        place = index.at(text.index(f";LAYER:{layer}\n") + 3)
        assert (place.layer, place.height) == (layer + 1, height)
        assert place.layer_height == pytest.approx(0.2)
    assert index.at(text.index(";LAYER:0") - 1).layer == 0


def test_curas_placeholders(analysed: Analyse) -> None:
    """CuraEngine alone writes 6666 seconds and no metres: the moves tell instead."""
    text = slicers.cura().replace(";TIME:49", ";TIME:6666").replace("0.016m", "0m")
    text = text.replace(";Layer height", ";Filament type = PLA\n;Layer height")
    found = analysed(text.encode()).plates[0].analysis
    assert found.time_source is TimeSource.MOVES
    assert 10 < (found.time or 0) < 60
    (filament,) = found.filaments
    # The line to clean the nozzle with is filament too.
    assert filament.length == pytest.approx(31)
    assert filament.type == "PLA"


def test_curas_other_header(analysed: Analyse) -> None:
    """Ultimaker's printers get a header of another form."""
    text = (
        ";START_OF_HEADER\n;HEADER_VERSION:0.1\n;FLAVOR:Griffin\n"
        ";GENERATOR.NAME:Cura_SteamEngine\n;GENERATOR.VERSION:5.2.1\n"
        ";TARGET_MACHINE.NAME:Ultimaker 3\n;EXTRUDER_TRAIN.0.NOZZLE.DIAMETER:0.8\n"
        ";BUILD_PLATE.INITIAL_TEMPERATURE:60\n;PRINT.TIME:4711\n;END_OF_HEADER\n"
        "G1 X1 E1\n"
    )
    found = analysed(text.encode()).plates[0].analysis
    assert (found.slicer, found.slicer_version, found.time) == ("Cura", "5.2.1", 4711)
    assert found.nozzle_diameter == 0.8
    assert found.bed_temperature == 60
    assert Flag.TRUNCATED in found.flags


def test_ideamaker(analysed: Analyse) -> None:
    """One remark per extruder; grams from length, diameter and density."""
    found = analysed(slicers.ideamaker().encode()).plates[0].analysis
    assert (found.slicer, found.slicer_version) == ("ideaMaker", "5.4.2.8790")
    assert found.time == 3725
    assert found.layers == slicers.LAYERS
    assert found.layer_height == 0.2
    assert found.height == 0.8
    assert found.nozzle_diameter == 0.4
    assert found.printer_model == "RAISE3D Pro2 Plus"
    (filament,) = found.filaments
    assert (filament.tool, filament.length, filament.type) == (0, 16.0, "PLA")
    assert filament.weight == pytest.approx(16 * 2.405282 * 1.24 / 1000, rel=1e-4)
    assert found.flags == ()


def test_plain(analysed: Analyse) -> None:
    """No slicer, no remark: everything from the moves, lifted travels left out."""
    found = analysed(slicers.plain().encode()).plates[0].analysis
    assert found.slicer is None
    assert found.time_source is TimeSource.MOVES
    assert found.layers == slicers.LAYERS
    assert found.layer_height == 0.2
    assert found.height == 0.8
    assert found.filaments == (Filament(tool=0, length=pytest.approx(16.0)),)
    assert found.filament_weight is None
    assert found.nozzle_temperatures == (205.0,)
    assert found.bed_temperature == 55
    assert found.box
    assert (found.box.min_x, found.box.max_x) == (100, 120)


@pytest.mark.parametrize(
    "write",
    [slicers.bambu, slicers.orca, slicers.superslicer, slicers.cura, slicers.ideamaker],
)
def test_half_a_file_is_flagged(write: object, analysed: Analyse) -> None:
    """A file that breaks off is kept, and people are told."""
    assert callable(write)
    text = write().encode()
    found = analysed(text[: len(text) * 7 // 10]).plates[0].analysis
    assert Flag.TRUNCATED in found.flags
    assert found.layers
    assert Flag.TRUNCATED not in analysed(text).plates[0].analysis.flags


def test_half_of_prusaslicers_files_is_flagged(
    fixtures: Path, analysed: Analyse
) -> None:
    """Without sums, and with half of the settings."""
    text = (fixtures / "coin.gcode").read_bytes()
    for size in (len(text) // 2, len(text) - 200):
        found = analysed(text[:size]).plates[0].analysis
        assert found.flags == (Flag.TRUNCATED,)


def test_the_end_counts_more_than_the_begin() -> None:
    """Remarks in somebody's own start G-code are not the slicer's last word."""
    found = said(b"; a = 1\n;a:0\n;b:1\n", b"G1 X1\n; a = 2\n")
    assert found.remarks == {"a": "2", "b": "1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1d 2h 3m 4s", 93784.0),
        ("13m 56s", 836.0),
        ("45s", 45.0),
        ("1d", 86400.0),
        ("2.5h", 9000.0),
        ("", None),
        ("soon", None),
        ("0s", None),
        ("99999999d", None),
    ],
)
def test_durations(text: str, expected: float | None) -> None:
    """Any part may be missing; nonsense is no time."""
    assert values.duration(text) == expected


def test_values_are_forgiving() -> None:
    """Units, quotes, lists and nonsense."""
    assert values.number(" 0.4 ") == 0.4
    assert values.number("35%") is None
    assert values.number("none") is None
    assert values.positive("0") is None
    assert values.seconds("1e12") is None
    assert values.count("12.0") == 12
    assert values.word('"Generic PLA"') == "Generic PLA"
    assert values.word('""') is None
    assert values.words('"A";"B"') == ("A", "B")
    assert values.numbers("[1.5, x]") == (1.5, 0.0)
    assert values.metres("1.2m, 0.3m") == (1200.0, 300.0)
    assert values.colour("#12ab34") == "#12AB34"
    assert values.colour("red") is None
