"""The domain stays free of Home Assistant, and no file grows past reading."""

from pathlib import Path

import pytest

from scripts.checks import layers

ROOT = Path(__file__).resolve().parents[1]


def _tree(root: Path, where: str, source: str) -> None:
    path = root / "custom_components" / "printfarm" / where
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")


def test_this_checkout_keeps_its_layers() -> None:
    """No room imports what it must not, and no file is too long."""
    assert list(layers.check(ROOT)) == []


def test_every_room_is_there() -> None:
    """A room that was renamed would otherwise pass for want of files."""
    for room in layers.ROOMS:
        assert list((ROOT / layers.INTEGRATION / room).rglob("*.py")), room


@pytest.mark.parametrize(
    ("where", "source", "complaint"),
    [
        ("farm/a.py", "import homeassistant.core", "homeassistant.core"),
        ("farm/a.py", "from homeassistant import core", "homeassistant.core"),
        ("gcode/a.py", "import voluptuous as vol", "voluptuous"),
        ("gcode/deep/a.py", "def f():\n    import probatio", "probatio"),
        (
            "fabricators/a.py",
            "from ..farm.model import Job",
            "printfarm.farm.model.Job",
        ),
        ("gcode/a.py", "from .. import farm", "printfarm.farm"),
        ("farm/a.py", "from ..store.repository import R", "printfarm.store"),
        ("farm/a.py", "from ..const import DOMAIN", "printfarm.const"),
        ("farm/a.py", "from .. import DOMAIN", "printfarm.DOMAIN"),
        ("store/a.py", "from ..gcode.reader import read", "printfarm.gcode.reader"),
        (
            "fabricators/marlin/a.py",
            "import custom_components.printfarm.farm",
            "printfarm.farm",
        ),
    ],
)
def test_a_wrong_import_is_seen(
    tmp_path: Path, where: str, source: str, complaint: str
) -> None:
    """Each kind of import, at each depth."""
    _tree(tmp_path, where, source)
    (found,) = layers.check(tmp_path)
    assert where in found
    assert complaint in found


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("farm/a.py", "from ..fabricators.interface import Driver"),
        ("farm/a.py", "from . import model\nfrom .model import Job\nimport json"),
        ("store/a.py", "from ..farm.model import Job\nimport sqlalchemy"),
        ("store/deep/a.py", "from ...gcode.model import Analysis"),
        ("fabricators/marlin/a.py", "from ..interface import Driver"),
        ("sensor.py", "from homeassistant import core\nfrom .farm import Farm"),
    ],
)
def test_a_right_import_passes(tmp_path: Path, where: str, source: str) -> None:
    """What the arrows allow."""
    path = tmp_path / "custom_components" / "printfarm" / where
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    assert list(layers.check(tmp_path)) == []


@pytest.mark.parametrize(
    ("course", "complaint"),
    [
        ("from .engine import x\nfrom time import time", "course.py: is a part of"),
        ("from . import source", "source.py: is a part of"),
        ("import re", None),
        ("from ..source import y", None),
    ],
)
def test_the_engine_does_no_input_or_output(
    tmp_path: Path, course: str, complaint: str | None
) -> None:
    """Nor does any of its parts, however far down; others beside it may."""
    _tree(tmp_path, "fabricators/marlin/engine.py", "from .course import Course")
    folder = tmp_path / layers.INTEGRATION / "fabricators" / "marlin"
    (folder / "course.py").write_text(course, encoding="utf-8")
    (folder / "source.py").write_text("from pathlib import Path", encoding="utf-8")
    found = list(layers.check(tmp_path))
    assert len(found) == (complaint is not None)
    assert all(str(complaint) in one for one in found)


def test_a_long_file_is_seen(tmp_path: Path) -> None:
    """One line past the limit is one too many."""
    _tree(tmp_path, "farm/a.py", "\n" * layers.LONGEST)
    assert list(layers.check(tmp_path)) == []
    (tmp_path / layers.INTEGRATION / "farm" / "a.py").write_text(
        "\n" * (layers.LONGEST + 1), encoding="utf-8"
    )
    (found,) = layers.check(tmp_path)
    assert f"{layers.LONGEST + 1} lines" in found
