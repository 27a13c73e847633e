"""Read a print file: what its slicer says, and what its commands come to."""

from dataclasses import replace
import itertools
from pathlib import Path
from typing import Final

from . import container, thumbnails
from .model import (
    Analysis,
    Filament,
    FileKind,
    Flag,
    Plate,
    Refusal,
    RefusedError,
    Report,
    Thumbnail,
    TimeSource,
)
from .remarks import Said, described, ends, said
from .walk import Walked, walk

_LONGEST: Final = 3e8
"""Seconds, almost ten years: no clock further on shall reckon with more."""
_MOST_BAD: Final = 1 / 1000
"""Share of lines that may be unreadable before people are told."""
_QUICK: Final = 1 << 20


def quick(path: Path, name: str = "") -> Analysis:
    """Return what the slicer says about a file's first plate, and nothing else.

    Reads both ends of a plain file, and the begin of a packed one; takes milliseconds.
    Raises RefusedError where the file is nothing that prints.
    """
    _, _, (head, tail) = _first_plate(path, name)
    return replace(described(said(head, tail)), plate=1)


def pictured(path: Path, name: str = "") -> bool:
    """Say whether there is a picture of a file's first plate, as quickly as `quick`."""
    kind, plate, (head, _) = _first_plate(path, name)
    if thumbnails.find(head)[0]:
        return True
    return kind is FileKind.THREEMF and any(
        map(thumbnails.from_picture, container.pictures(path, plate))
    )


def _first_plate(path: Path, name: str) -> tuple[FileKind, int, tuple[bytes, bytes]]:
    """Return what a file is, and its first plate with its begin and its end."""
    kind = container.detect(path, name or path.name)
    plate = container.plates(path, kind)[0]
    if kind is FileKind.GCODE:
        return kind, plate, ends(path)
    with container.opened(path, kind, plate) as file:
        return kind, plate, (file.read(_QUICK), b"")


def analyse(path: Path, name: str, work: Path, limit: int = container.LIMIT) -> Report:
    """Read a print file in full.

    `name` is what the file was called by whoever sent it. `work` is a folder for this
    file alone: packed plates are unpacked into it as `plate_<n>.gcode`, and indexes
    are written to it as `plate_<n>.index.npz`. `limit` is the greatest size in bytes,
    of the file and of each plate in it. Raises RefusedError where the file cannot be
    taken, and OSError where the disk fails. Runs in any thread or process.
    """
    container.check_size(path, limit)
    kind = container.detect(path, name)
    work.mkdir(parents=True, exist_ok=True)
    plates, pictures = [], []
    for plate in container.plates(path, kind):
        gcode = path
        if kind is not FileKind.GCODE:
            gcode = work / f"plate_{plate}.gcode"
            container.unpack(path, kind, plate, gcode, limit)
        done, found = _plate(gcode, plate, work)
        plates.append(done)
        if kind is FileKind.THREEMF:
            packed = map(thumbnails.from_picture, container.pictures(path, plate))
            found = [picture for picture in packed if picture] + found
        pictures.append(found)
    # The first plate that has pictures stands for the file.
    shown = next(filter(None, pictures), [])
    return Report(kind, tuple(plates), thumbnails.largest_first(shown))


def _plate(gcode: Path, number: int, work: Path) -> tuple[Plate, list[Thumbnail]]:
    """Read the plain G-code of one plate."""
    spoken = said(*ends(gcode))
    walked = walk(gcode, spoken.slicer, spoken.remarks)
    if not walked.commands:
        raise RefusedError(Refusal.NO_GCODE)
    found, broken = thumbnails.find(spoken.head)
    analysis = _merged(described(spoken), walked, number)
    flags = tuple(itertools.compress(Flag, _flags(spoken, walked, broken)))
    analysis = replace(analysis, flags=flags)
    index = None
    if walked.moves:
        index = work / f"plate_{number}.index.npz"
        walked.index.build(walked.size, walked.layers, analysis.time).save(index)
    return Plate(analysis, gcode, index), found


def _merged(spoken: Analysis, walked: Walked, number: int) -> Analysis:
    """Let the slicer speak first, and the commands where it says nothing.

    Layers, heights and heaters are counted in the commands: they are what is printed.
    """
    layers = walked.layers
    time, source = spoken.time, spoken.time_source
    if time is None and walked.moves:
        time, source = min(walked.time, _LONGEST), TimeSource.MOVES
    thickness = layers.thickness
    return replace(
        spoken,
        plate=number,
        time=time,
        time_source=source,
        filaments=spoken.filaments if _says(spoken) else _fed(spoken, walked),
        layer_height=spoken.layer_height or _usual(thickness.tolist()),
        first_layer_height=spoken.first_layer_height
        or (float(thickness[0]) if thickness.size else None),
        layers=layers.starts.size or spoken.layers,
        height=float(layers.z.max()) if layers.z.size else spoken.height,
        box=walked.box,
        nozzle_temperatures=_per_tool(walked.nozzles) or spoken.nozzle_temperatures,
        bed_temperature=walked.bed or spoken.bed_temperature,
        chamber_temperature=walked.chamber or spoken.chamber_temperature,
        size=walked.size,
        lines=walked.lines,
    )


def _says(spoken: Analysis) -> bool:
    """Say whether the slicer tells how much it uses: nought is a placeholder."""
    return bool(spoken.filament_length or spoken.filament_weight)


def _fed(spoken: Analysis, walked: Walked) -> tuple[Filament, ...]:
    """Count the filament of each tool; what kind it is, the slicer may still say."""
    known = {filament.tool: filament for filament in spoken.filaments}
    return tuple(
        replace(known.get(tool, Filament(tool=tool)), length=length)
        for tool, length in sorted(walked.fed.items())
    )


def _usual(thickness: list[float]) -> float | None:
    """Return the thickness that most layers after the first have."""
    rounded = [round(value, 4) for value in thickness[1:] or thickness]
    return max(rounded, key=rounded.count, default=None)


def _per_tool(targets: dict[int, float]) -> tuple[float, ...]:
    """Return one target per tool up to the highest; 0 where a tool stays cold."""
    return tuple(targets.get(tool, 0.0) for tool in range(max(targets, default=-1) + 1))


def _flags(spoken: Said, walked: Walked, broken: int) -> tuple[bool, ...]:
    """Say of each flag whether it is up, in the order of `Flag`."""
    raised = {
        Flag.TRUNCATED: not spoken.whole,
        Flag.NO_EXTRUSION: not walked.fed,
        Flag.NO_MOVES: not walked.moves,
        Flag.BAD_LINES: walked.bad > walked.lines * _MOST_BAD,
        Flag.BAD_THUMBNAIL: broken > 0,
        Flag.NOT_INDEXED: not walked.moves,
    }
    return tuple(raised[flag] for flag in Flag)
