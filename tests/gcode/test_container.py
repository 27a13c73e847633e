"""What a file is told by its content; packed files are unpacked with care."""

import gzip
from io import BytesIO
from pathlib import Path
import pickle
import zipfile

import pytest

from custom_components.printfarm.gcode import (
    FileKind,
    LayerIndex,
    Refusal,
    RefusedError,
    analyse,
    detect,
    pictured,
    quick,
    unpack,
)

from . import slicers
from .conftest import Analyse

PLAIN = slicers.plain().encode()


def zipped(members: dict[str, bytes]) -> bytes:
    """Pack files as a 3MF is packed."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def sliced_3mf() -> bytes:
    """Pack two plates with their pictures."""
    return zipped(
        {
            "[Content_Types].xml": b"<Types/>",
            "3D/3dmodel.model": b"<model/>",
            "Metadata/plate_2.gcode": PLAIN,
            "Metadata/plate_1.gcode": slicers.bambu().encode(),
            "Metadata/plate_1.gcode.md5": b"0",
            "Metadata/plate_1.png": slicers.picture("PNG", 64, 64),
            "Metadata/plate_1_small.png": slicers.picture("PNG", 16, 16),
        }
    )


def refusal(content: bytes, name: str, tmp_path: Path, **options: int) -> Refusal:
    """Return why a file is not taken."""
    path = tmp_path / "stored"
    path.write_bytes(content)
    with pytest.raises(RefusedError) as raised:
        analyse(path, name, tmp_path / "work", **options)
    return raised.value.reason


@pytest.mark.parametrize(
    "name", ["part.gcode", "part.gco", "part.g", "part.nc", "part.txt", "part", "a.3mf"]
)
def test_plain_text_is_known_by_its_content(name: str, analysed: Analyse) -> None:
    """Names help nobody who names a file wrongly."""
    assert analysed(PLAIN, name).kind is FileKind.GCODE


def test_gzip(analysed: Analyse, tmp_path: Path) -> None:
    """One plate, unpacked beside its index; can be unpacked again."""
    packed = gzip.compress(slicers.orca().encode())
    report = analysed(packed, "part.gcode.gz")
    assert report.kind is FileKind.GCODE_GZ
    (plate,) = report.plates
    assert plate.gcode.read_bytes() == slicers.orca().encode()
    assert plate.gcode.parent == tmp_path / "work"
    assert plate.analysis.time == 3725
    assert len(report.thumbnails) == 1
    plate.gcode.unlink()
    unpack(tmp_path / "stored", report.kind, 1, plate.gcode)
    assert plate.gcode.read_bytes() == slicers.orca().encode()
    assert quick(tmp_path / "stored").slicer == "OrcaSlicer"
    assert pictured(tmp_path / "stored")


def test_3mf(analysed: Analyse, tmp_path: Path) -> None:
    """Every plate has its own analysis, G-code and index."""
    report = analysed(sliced_3mf(), "two.gcode.3mf")
    assert report.kind is FileKind.THREEMF
    assert [plate.analysis.plate for plate in report.plates] == [1, 2]
    first, second = report.plates
    assert first.analysis.slicer == "BambuStudio"
    assert second.analysis.slicer is None
    assert second.gcode.read_bytes() == PLAIN
    assert second.index
    assert LayerIndex.load(second.index).at(len(PLAIN)).layers == slicers.LAYERS
    assert [(one.width, one.format) for one in report.thumbnails] == [
        (64, "png"),
        (16, "png"),
    ]
    assert quick(tmp_path / "stored").time == 1223
    assert pictured(tmp_path / "stored")
    unpack(tmp_path / "stored", report.kind, 2, tmp_path / "again" / "p.gcode")
    assert (tmp_path / "again" / "p.gcode").read_bytes() == PLAIN
    with pytest.raises(RefusedError) as raised:
        unpack(tmp_path / "stored", report.kind, 3, tmp_path / "no.gcode")
    assert raised.value.reason is Refusal.NO_GCODE
    assert not (tmp_path / "no.gcode").exists()


def test_plain_files_are_copied(tmp_path: Path) -> None:
    """Unpacking is the same for every kind."""
    (tmp_path / "a").write_bytes(PLAIN)
    unpack(tmp_path / "a", FileKind.GCODE, 1, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == PLAIN


def test_pictures_that_are_none(analysed: Analyse, tmp_path: Path) -> None:
    """A plate's picture may be broken, or another kind of file."""
    png = slicers.picture("PNG")
    broken = {
        "Metadata/plate_1.gcode": PLAIN,
        "Metadata/plate_1.png": png[:20],
        "Metadata/plate_1_small.png": b"GIF89a",
    }
    assert analysed(zipped(broken), "a.3mf").thumbnails == ()
    assert not pictured(tmp_path / "stored")


def test_a_quick_look_at_a_broken_archive(tmp_path: Path) -> None:
    """Refused as in full."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(PLAIN)[:30])
    with pytest.raises(RefusedError) as raised:
        quick(path)
    assert raised.value.reason is Refusal.CORRUPT


def test_binary_gcode_is_refused_in_words(tmp_path: Path) -> None:
    """Nothing reads it here; what to do about it is said."""
    path = tmp_path / "part.bgcode"
    path.write_bytes(b"GCDE\x01\0\0\0\x01\0" + bytes(100))
    assert detect(path, path.name) is FileKind.BGCODE
    for read in (lambda: quick(path), lambda: analyse(path, path.name, tmp_path)):
        with pytest.raises(RefusedError, match="plain G-code") as raised:
            read()
        assert raised.value.reason is Refusal.UNKNOWN_KIND


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        (b"", "a.gcode", Refusal.EMPTY),
        (bytes(range(256)) * 40, "a.gcode", Refusal.BINARY),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "a.gcode", Refusal.BINARY),
        (PLAIN.decode().encode("utf-16"), "a.gcode", Refusal.BINARY),
        (b"\n\n  \n", "a.gcode", Refusal.NO_GCODE),
        (b"; only remarks\n", "a.gcode", Refusal.NO_GCODE),
        (b"Dear printer,\nplease print.\n", "a.gcode", Refusal.NO_GCODE),
        (b"solid cube\nfacet normal 0 0 1\n", "cube.stl", Refusal.UNKNOWN_KIND),
        (zipped({"3D/3dmodel.model": b"<model/>"}), "a.3mf", Refusal.NO_GCODE),
        (zipped({}), "a.3mf", Refusal.NO_GCODE),
        (zipped({"Metadata/plate_1.gcode": b""}), "a.3mf", Refusal.NO_GCODE),
        (b"PK\x03\x04 and no more", "a.3mf", Refusal.CORRUPT),
        (sliced_3mf()[:900], "a.3mf", Refusal.CORRUPT),
        (gzip.compress(PLAIN)[:-20], "a.gcode.gz", Refusal.CORRUPT),
        (b"\x1f\x8b" + bytes(50), "a.gcode.gz", Refusal.CORRUPT),
        (gzip.compress(b"no code"), "a.gcode.gz", Refusal.NO_GCODE),
        (gzip.compress(bytes(4000)), "a.gcode.gz", Refusal.NO_GCODE),
    ],
    ids=lambda value: f"{len(value)}_bytes" if isinstance(value, bytes) else str(value),
)
def test_refusals(content: bytes, name: str, reason: Refusal, tmp_path: Path) -> None:
    """Each wrong file is refused for its own reason and leaves nothing unpacked."""
    assert refusal(content, name, tmp_path) is reason
    if reason is Refusal.CORRUPT:
        assert not list((tmp_path / "work").glob("*"))


def test_a_refusal_travels(tmp_path: Path) -> None:
    """It comes out of a process as it went in, and says what it means."""
    (tmp_path / "a").write_bytes(b"solid\n")
    with pytest.raises(RefusedError) as raised:
        analyse(tmp_path / "a", "cube.stl", tmp_path)
    copy = pickle.loads(pickle.dumps(raised.value))  # noqa: S301
    assert (copy.reason, str(copy)) == (Refusal.UNKNOWN_KIND, str(raised.value))
    assert "cube.stl" in str(copy)
    assert str(RefusedError(Refusal.EMPTY)) == "file_empty"


def test_a_report_travels(analysed: Analyse) -> None:
    """A report is plain data."""
    report = analysed(PLAIN)
    assert pickle.loads(pickle.dumps(report)) == report  # noqa: S301


def test_too_large(tmp_path: Path) -> None:
    """The limit holds for the file as it came."""
    assert refusal(PLAIN, "a.gcode", tmp_path, limit=100) is Refusal.TOO_LARGE


@pytest.mark.parametrize("pack", [gzip.compress, None])
def test_a_bomb_does_not_go_off(pack: object, tmp_path: Path) -> None:
    """What unpacks to more than the limit stops there and is cleared away."""
    bomb = b"G1 X1\n" * 2_000_000
    packed = gzip.compress(bomb) if pack else zipped({"Metadata/plate_1.gcode": bomb})
    assert len(packed) < 1_000_000
    found = refusal(packed, "bomb", tmp_path, limit=1_000_000)
    assert found is Refusal.TOO_LARGE
    assert not list((tmp_path / "work").glob("*"))


def test_a_zip_that_lies_about_its_sizes(tmp_path: Path) -> None:
    """A size in the directory is no promise."""
    packed = bytearray(zipped({"Metadata/plate_1.gcode": b"G1 X1\n" * 500_000}))
    entry = packed.rindex(b"PK\x01\x02")
    packed[entry + 24 : entry + 28] = (10).to_bytes(4, "little")
    assert refusal(bytes(packed), "a.3mf", tmp_path) is Refusal.CORRUPT


def test_too_many_members(tmp_path: Path) -> None:
    """A directory of thousands is no print."""
    many = {f"f{number}": b"" for number in range(10_001)}
    assert refusal(zipped(many), "a.3mf", tmp_path) is Refusal.CORRUPT
    plates = {f"Metadata/plate_{n}.gcode": PLAIN for n in range(1, 102)}
    assert refusal(zipped(plates), "a.3mf", tmp_path) is Refusal.CORRUPT


def test_encrypted_members(tmp_path: Path) -> None:
    """A password is nothing we have."""
    packed = bytearray(zipped({"Metadata/plate_1.gcode": PLAIN}))
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(sign) + at] |= 1
    assert refusal(bytes(packed), "a.3mf", tmp_path) is Refusal.CORRUPT


def test_a_disk_that_fails_is_no_refusal(tmp_path: Path) -> None:
    """A missing file and an unwritable folder are the disk's fault."""
    with pytest.raises(OSError, match="No such file"):
        analyse(tmp_path / "gone", "gone.gcode", tmp_path)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(PLAIN))
    (tmp_path / "blocked").write_bytes(b"")
    with pytest.raises(OSError, match="exists"):
        analyse(path, "a.gz", tmp_path / "blocked")
