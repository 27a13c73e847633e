"""What was read out of a file, as JSON and back.

Reading is lenient: a field or word that this version does not know is left out, so
that a file analysed by another version stays readable.
"""

import base64
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from .model import (
    Analysis,
    Box,
    Filament,
    FileKind,
    Flag,
    Plate,
    Report,
    Thumbnail,
    TimeSource,
)
from .moment import Moment


def plate_to_json(plate: Analysis) -> dict[str, Any]:
    """Turn an analysis into what `json` can write, without what is not known."""
    return {key: value for key, value in asdict(plate).items() if value is not None}


def plate_from_json(stored: Mapping[str, Any]) -> Analysis:
    """Turn stored JSON back into an analysis."""
    known = _known(Analysis, stored)
    box = known.get("box")
    source = known.get("time_source", "")
    return Analysis(
        **known
        | {
            "filaments": tuple(
                Filament(**_known(Filament, each))
                for each in known.get("filaments", ())
            ),
            "box": Box(**_known(Box, box)) if box else None,
            "time_source": TimeSource(source) if source in TimeSource else None,
            "nozzle_temperatures": tuple(known.get("nozzle_temperatures", ())),
            "flags": tuple(
                Flag(each) for each in known.get("flags", ()) if each in Flag
            ),
        }
    )


def report_from_json(answer: Mapping[str, Any]) -> Report:
    """Turn what `child.describe` wrote back into a report."""
    return Report(
        kind=FileKind(answer["kind"]),
        plates=tuple(
            Plate(
                analysis=plate_from_json(plate["analysis"]),
                gcode=Path(plate["gcode"]),
                index=None if plate["index"] is None else Path(plate["index"]),
            )
            for plate in answer["plates"]
        ),
        thumbnails=tuple(
            Thumbnail(
                picture["width"],
                picture["height"],
                picture["format"],
                base64.b64decode(picture["data"]),
            )
            for picture in answer["thumbnails"]
        ),
    )


def moment_to_json(moment: Moment) -> dict[str, Any]:
    """Turn what a file has set up into what `json` can write."""
    return asdict(moment)


def moment_from_json(answer: Mapping[str, Any]) -> Moment:
    """Turn it back."""
    known = _known(Moment, answer)
    return Moment(
        **known
        | {
            name: tuple(known[name])
            for name in ("positioning", "setup")
            if name in known
        }
    )


def _known(kind: type, stored: Mapping[str, Any]) -> dict[str, Any]:
    names = {item.name for item in fields(kind)}
    return {key: value for key, value in stored.items() if key in names}
