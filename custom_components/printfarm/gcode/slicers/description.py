"""How one slicer writes about its own work: names of remarks, and how to read them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
import re
from typing import Any

from ..layers import Mark

type Remarks = Mapping[str, str]
"""The remarks of a file: `; layer_height = 0.2` is `layer_height`: `0.2`."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one value stands, and how it is read."""

    remark: str
    read: Callable[[str], Any]

    def value(self, remarks: Remarks) -> Any:
        """Return the value, None where the remark is missing or says nothing."""
        text = remarks.get(self.remark)
        return self.read(text) if text is not None else None


type Sources = Mapping[str, tuple[Source, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slicer:
    """One slicer. Fields bear the names that `Analysis` and `Filament` give them."""

    name: str
    sign: re.Pattern[str]
    """Found in the file's begin; its group is the version."""
    fields: Sources = field(default_factory=dict)
    filaments: Sources = field(default_factory=dict)
    """Lists with one entry per tool."""
    slots: Source | None = None
    """Which tools, counted from 1, the lists of lengths and weights are about. Without
    it they are about all tools."""
    density: float = 1.0
    """What makes g/cm^3 of the density that the slicer writes."""
    mark: Mark | None = None
    closing: Callable[[Remarks, bytes], bool] = lambda _remarks, _tail: True
    """Says whether the file is whole, from its remarks and its end."""


def first(sources: Sources, name: str, remarks: Remarks) -> Any:
    """Return the first value that is said, None where none is."""
    values = (source.value(remarks) for source in sources.get(name, ()))
    return next((value for value in values if value is not None), None)
