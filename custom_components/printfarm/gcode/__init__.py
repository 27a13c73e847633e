"""Reading print files: analysis, thumbnails, and an index from byte to layer and time.

Pure Python and numpy, without Home Assistant. `analyse` is meant for a worker, `quick`
and `LayerIndex.at` are fast enough to be waited for.
"""

from .analyse import analyse, pictured, quick
from .container import LIMIT, detect, unpack
from .index import LayerIndex, StaleIndexError
from .model import (
    Analysis,
    Box,
    Filament,
    FileKind,
    Flag,
    Plate,
    Position,
    Refusal,
    RefusedError,
    Report,
    Thumbnail,
    TimeSource,
)
from .moment import Moment, ReplayError
from .replay import replay
from .thumbnails import to_png

__all__ = [
    "LIMIT",
    "Analysis",
    "Box",
    "Filament",
    "FileKind",
    "Flag",
    "LayerIndex",
    "Moment",
    "Plate",
    "Position",
    "Refusal",
    "RefusedError",
    "ReplayError",
    "Report",
    "StaleIndexError",
    "Thumbnail",
    "TimeSource",
    "analyse",
    "detect",
    "pictured",
    "quick",
    "replay",
    "to_png",
    "unpack",
]
