"""What was made from files and can be made again: plates, indexes, pictures."""

from dataclasses import dataclass
import json
from pathlib import Path
import shutil

from ..gcode import Report, to_png
from .model import StoredFile

_CONTENTS = "contents.json"
_PICTURE = "thumbnail.png"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Made:
    """One plate in the cache; `gcode` is None where the upload itself is plain."""

    gcode: Path | None
    index: Path | None


class Cache:
    """A folder per file, named by its SHA-256, with a list of what is in it."""

    def __init__(self, folder: Path) -> None:
        """`folder` may be emptied by anybody at any time."""
        self.folder = folder

    def room(self, file: StoredFile) -> Path:
        """Give the folder that a file's analysis works in."""
        return self.folder / file.sha256

    def keep(self, file: StoredFile, report: Report) -> None:
        """Write down what an analysis made, and its largest picture."""
        room = self.room(file)
        room.mkdir(parents=True, exist_ok=True)
        plates = {
            str(plate.analysis.plate): {
                "gcode": self._inside(room, plate.gcode),
                "index": self._inside(room, plate.index),
            }
            for plate in report.plates
        }
        for thumbnail in report.thumbnails:
            try:
                picture = to_png(thumbnail)
            except ValueError, OSError:
                continue
            _replace(room / _PICTURE, picture)
            break
        contents = {"format": _FORMAT, "plates": plates}
        _replace(room / _CONTENTS, json.dumps(contents).encode())

    def find(self, sha256: str, plate: int) -> Made | None:
        """Give what there is of a plate, or None where it must be made (again)."""
        room = self.folder / sha256
        try:
            contents = json.loads((room / _CONTENTS).read_bytes())
            if contents["format"] != _FORMAT:
                return None
            entry = contents["plates"][str(plate)]
        except OSError, ValueError, KeyError, TypeError:
            return None
        made = Made(
            gcode=room / entry["gcode"] if entry["gcode"] else None,
            index=room / entry["index"] if entry["index"] else None,
        )
        parts = (part for part in (made.gcode, made.index) if part is not None)
        return made if all(part.is_file() for part in parts) else None

    def picture(self, sha256: str) -> bytes | None:
        """Give a file's picture as PNG."""
        try:
            return (self.folder / sha256 / _PICTURE).read_bytes()
        except OSError:
            return None

    def forget(self, sha256: str) -> None:
        """Remove all that was made from a file."""
        shutil.rmtree(self.folder / sha256, ignore_errors=True)

    def _inside(self, room: Path, path: Path | None) -> str | None:
        """Name a file of the room; what lies elsewhere is the upload itself."""
        if path is None or room not in path.parents:
            return None
        return str(path.relative_to(room))


def _replace(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    draft = path.with_suffix(".new")
    draft.write_bytes(data)
    draft.replace(path)
