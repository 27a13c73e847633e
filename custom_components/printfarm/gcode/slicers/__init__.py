"""What each slicer writes into its files: one table per family."""

from .bambu import BAMBUSTUDIO, ORCASLICER
from .cura import CURA
from .description import Remarks, Slicer, Source, first
from .ideamaker import IDEAMAKER
from .slic3r import PRUSASLICER, SUPERSLICER

__all__ = ["SLICERS", "Remarks", "Slicer", "Source", "detect", "first"]

SLICERS = (BAMBUSTUDIO, ORCASLICER, SUPERSLICER, PRUSASLICER, CURA, IDEAMAKER)


def detect(head: str) -> tuple[Slicer, str | None] | None:
    """Return the slicer that a file's begin names, and its version."""
    for slicer in SLICERS:
        if found := slicer.sign.search(head):
            return slicer, found[1] or None
    return None
