"""A release is what HACS unpacks, with the version that it was asked for."""

import json
from pathlib import Path
import zipfile

import pytest

from scripts.release import ReleaseError, notes, pack

from .conftest import Checkout

CHANGELOG = """# Changelog

## [0.2.0] - unreleased

### Added

- Two.

## [0.1.0] - 2026-12-01

- One.

[0.2.0]: https://example.org/2
"""


def test_the_zip_holds_the_integration(checkout: Checkout, tmp_path: Path) -> None:
    """Files at the top, the version stamped, nothing compiled, the same bytes again."""
    checkout.write("__pycache__/sensor.cpython-314.pyc", "x")
    first, second = tmp_path / "first.zip", tmp_path / "second.zip"
    pack(checkout.root, "0.3.0b1", first)
    pack(checkout.root, "0.3.0b1", second)
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
        manifest = json.loads(archive.read("manifest.json"))
    assert {"manifest.json", "sensor.py", "brand/icon.png"} <= set(names)
    assert not any(name.endswith(".pyc") for name in names)
    assert manifest["version"] == "0.3.0b1"
    assert list(manifest)[:2] == ["domain", "name"]


def test_a_version_that_is_none(checkout: Checkout, tmp_path: Path) -> None:
    """Home Assistant could not compare it."""
    with pytest.raises(ReleaseError, match="not a version"):
        pack(checkout.root, "next", tmp_path / "x.zip")


def test_the_notes_are_the_changelogs() -> None:
    """One section, without its heading and without the links at the end."""
    assert notes(CHANGELOG, "0.2.0") == "### Added\n\n- Two.\n"
    assert notes(CHANGELOG, "0.1.0") == "- One.\n"
    with pytest.raises(ReleaseError, match="no section"):
        notes(CHANGELOG, "0.3.0")
