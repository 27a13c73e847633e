"""Read what the slicer says about its work, from a file's begin and end alone."""

from dataclasses import dataclass
from itertools import zip_longest
import math
from pathlib import Path
import re
from typing import Any, BinaryIO, Final

from .model import Analysis, Filament, TimeSource
from .slicers import Slicer, detect, first
from .slicers.ideamaker import collected
from .slicers.values import colour

HEAD: Final = 1 << 20
"""Bytes at the begin: Bambu's settings stand there, behind the thumbnails."""
TAIL: Final = 1 << 19
"""Bytes at the end: PrusaSlicer's settings stand there."""

_REMARK = re.compile(
    rb"\n;[ \t]{0,3}([A-Za-z][^=:\r\n]{0,60}?)[ \t]*[=:][ \t]*([^\r\n]{0,4096})"
)


@dataclass(frozen=True, slots=True)
class Said:
    """A file's begin and end, and the remarks in them."""

    head: bytes
    tail: bytes
    """Empty where `head` is all of the file."""
    remarks: dict[str, str]
    slicer: Slicer | None
    version: str | None

    @property
    def end(self) -> bytes:
        """The last of the file."""
        return self.tail or self.head

    @property
    def whole(self) -> bool:
        """Whether the slicer's closing block is there, as far as one is known."""
        return self.slicer is None or self.slicer.closing(self.remarks, self.end)


def ends(path: Path) -> tuple[bytes, bytes]:
    """Return the first and the last bytes of a file, without overlap."""
    with path.open("rb") as file:
        return both_ends(file, path.stat().st_size)


def both_ends(file: BinaryIO, size: int) -> tuple[bytes, bytes]:
    """Return the first and the last bytes of an open file, without overlap."""
    head = file.read(HEAD)
    if size <= len(head):
        return head, b""
    file.seek(max(size - TAIL, len(head)))
    return head, file.read(TAIL)


def gather(text: bytes) -> dict[str, str]:
    """Return the remarks of the form `; name = value` or `;name:value`.

    The first of one name counts.
    """
    found: dict[str, str] = {}
    for match in _REMARK.finditer(b"\n" + text.removeprefix(b"\xef\xbb\xbf")):
        name = match[1].decode("utf-8", "replace")
        if name not in found:
            found[name] = match[2].decode("utf-8", "replace").strip()
    return found


def said(head: bytes, tail: bytes) -> Said:
    """Read the remarks at both ends of a file. What the end says counts more."""
    remarks = gather(head) | gather(tail)
    text = head.removeprefix(b"\xef\xbb\xbf").decode("latin-1").replace("\r", "")
    # Cura's older Griffin files name themselves at the end only.
    slicer, version = detect(text) or detect(tail.decode("latin-1")) or (None, None)
    return Said(head, tail, remarks | collected(remarks), slicer, version)


def described(said: Said) -> Analysis:
    """Return what the slicer says, and nothing else."""
    slicer, remarks = said.slicer, said.remarks
    if slicer is None:
        return Analysis()

    def field(name: str) -> Any:
        return first(slicer.fields, name, remarks)

    time = field("time")
    return Analysis(
        slicer=slicer.name,
        slicer_version=said.version,
        flavour=field("flavour"),
        printer_model=field("printer_model"),
        nozzle_diameter=field("nozzle_diameter"),
        time=time,
        time_source=TimeSource.SLICER if time is not None else None,
        filaments=_filaments(slicer, remarks),
        layer_height=field("layer_height"),
        first_layer_height=field("first_layer_height"),
        layers=field("layers"),
        height=field("height"),
        nozzle_temperatures=tuple(field("nozzle_temperatures") or ()),
        bed_temperature=field("bed_temperature"),
        chamber_temperature=field("chamber_temperature"),
    )


def _filaments(slicer: Slicer, remarks: dict[str, str]) -> tuple[Filament, ...]:
    """Make one filament of each tool that uses some."""
    lists = {name: first(slicer.filaments, name, remarks) for name in slicer.filaments}
    lengths, weights = lists.get("length") or (), lists.get("weight") or ()
    costs = lists.get("cost") or ()
    used = slicer.slots.value(remarks) if slicer.slots else None
    if used and len(used) == max(len(lengths), len(weights)):
        tools = [int(slot) - 1 for slot in used]
    else:
        tools = list(range(max(len(lengths), len(weights))))

    def of(name: str, tool: int) -> Any:
        values = lists.get(name) or ()
        # One value for several tools is a value for all of them.
        index = tool if tool < len(values) else 0
        return values[index] or None if values and tool >= 0 else None

    found = []
    for tool, length, weight, cost in zip_longest(
        tools, lengths, weights, costs[: len(tools)]
    ):
        if len(tools) > 1 and not length and not weight:
            continue
        density, diameter = of("density", tool), of("diameter", tool)
        if weight is None and length and density and diameter:
            area = math.pi / 4 * diameter**2
            weight = length * area * density * slicer.density / 1000
        if cost is None and weight and (price := of("price", tool)):
            cost = weight * price / 1000
        shade = of("colour", tool)
        found.append(
            Filament(
                tool=tool,
                length=length,
                weight=weight,
                type=of("type", tool),
                colour=colour(shade) if shade else None,
                cost=cost,
                diameter=diameter,
            )
        )
    return tuple(found)
