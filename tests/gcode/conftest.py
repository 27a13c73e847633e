"""Files to read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from custom_components.printfarm.gcode import Report, analyse

FIXTURES = Path(__file__).parent.parent / "fixtures" / "gcode"
SLICED = sorted(path.stem for path in FIXTURES.glob("*.gcode"))

type Analyse = Callable[..., Report]


@pytest.fixture
def fixtures() -> Path:
    """Return the folder of real slicer output."""
    return FIXTURES


@pytest.fixture
def analysed(tmp_path: Path) -> Analyse:
    """Return a function that writes bytes to a file and analyses it."""

    def write(content: bytes, name: str = "part.gcode", **options: int) -> Report:
        path = tmp_path / "stored"
        path.write_bytes(content)
        return analyse(path, name, tmp_path / "work", **options)

    return write
