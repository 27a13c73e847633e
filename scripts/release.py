"""Pack a release: `python -m scripts.release 1.2.3`.

Writes `dist/printfarm.zip`, what HACS unpacks into `custom_components/printfarm`, and
`dist/notes.md`, what the changelog says about that version.
"""

import json
from pathlib import Path
import re
import sys
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from .checks.paths import INTEGRATION, read_json

ROOT = Path(__file__).resolve().parents[1]
VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")
LEFT_OUT = {".pyc", ".pyo"}


class ReleaseError(Exception):
    """The release cannot be made as asked."""


def notes(changelog: str, version: str) -> str:
    """Give the changelog's section about `version`, without its heading.

    Raises:
        ReleaseError: there is none.
    """
    pattern = rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## \[|^\[[^\]]+\]: |\Z)"
    section = re.search(pattern, changelog, re.MULTILINE | re.DOTALL)
    if section is None or not section[1].strip():
        raise ReleaseError(f"CHANGELOG.md has no section [{version}]")
    return f"{section[1].strip()}\n"


def pack(root: Path, version: str, target: Path) -> None:
    """Zip the integration with `version` in its manifest.

    The same tree gives the same bytes: files in order, dates left at the zip's zero.

    Raises:
        ReleaseError: `version` is not one that Home Assistant can compare.
    """
    if not VERSION.fullmatch(version):
        raise ReleaseError(f"{version!r} is not a version like 1.2.3 or 1.2.3b1")
    source = root / INTEGRATION
    manifest = read_json(source / "manifest.json") | {"version": version}
    with ZipFile(target, "w") as archive:
        for path in sorted(source.rglob("*")):
            if not path.is_file() or path.suffix in LEFT_OUT:
                continue
            content = path.read_bytes()
            if path == source / "manifest.json":
                content = f"{json.dumps(manifest, indent=2)}\n".encode()
            entry = ZipInfo(path.relative_to(source).as_posix())
            entry.compress_type = ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)


def main() -> None:
    """Write both files into dist/."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m scripts.release VERSION")
    version = sys.argv[1]
    folder = ROOT / "dist"
    folder.mkdir(exist_ok=True)
    try:
        text = notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version)
        pack(ROOT, version, folder / "printfarm.zip")
    except ReleaseError as error:
        sys.exit(f"release: {error}")
    (folder / "notes.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
