"""ideaMaker: what filaments are at the begin, what they come to at the end."""

import re

from ..layers import Mark
from .description import Remarks, Slicer, Source
from .values import number, positive, seconds, word

_MOST_TOOLS = 4


def _nozzle(text: str) -> float | None:
    """Read the fourth number: after the machine's width, depth and height."""
    parts = text.split()
    return positive(parts[3]) if len(parts) > 3 else None


def _top(text: str) -> float | None:
    """Read the last of least and greatest X, Y and Z."""
    parts = text.split()
    return number(parts[5]) if len(parts) > 5 else None


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(number(part) or 0.0 for part in text.split(";"))


def _texts(text: str) -> tuple[str, ...]:
    return tuple(text.split(";"))


def closed(remarks: Remarks, _tail: bytes) -> bool:
    """Say whether the sums are there, which ideaMaker writes last."""
    return "Print Time" in remarks


IDEAMAKER = Slicer(
    name="ideaMaker",
    sign=re.compile(r"^;Sliced by ideaMaker\s+([\w.+-]*)", re.MULTILINE),
    fields={
        "time": (Source("Print Time", seconds),),
        "nozzle_diameter": (Source("Dimension", _nozzle),),
        "printer_model": (Source("Printer Type", word),),
        "height": (Source("Bounding Box", _top),),
    },
    filaments={
        # One remark per tool instead of one list: `collected` makes the lists.
        "length": (Source("Material Used", _numbers),),
        "type": (Source("Filament Type", _texts),),
        "diameter": (Source("Filament Diameter", _numbers),),
        "density": (Source("Filament Density", _numbers),),
    },
    density=0.001,
    mark=Mark.LAYER,
    closing=closed,
)


def collected(remarks: Remarks) -> dict[str, str]:
    """Return `Filament Type #1`, `#2` and so on as one list, `Filament Type`."""
    lists = {}
    for name, pattern in (
        ("Material Used", "Material#{} Used"),
        ("Filament Type", "Filament Type #{}"),
        ("Filament Diameter", "Filament Diameter #{}"),
        ("Filament Density", "Filament Density #{}"),
    ):
        values = [
            remarks.get(pattern.format(tool), "") for tool in range(1, _MOST_TOOLS + 1)
        ]
        if any(values):
            lists[name] = ";".join(values)
    return lists
