"""The reading of files as a program of its own: one file in, one line of JSON out.

Started by the farm's worker with only this package on its path, so that neither Home
Assistant nor the farm is loaded for it.
"""

import base64
import json
import os
from pathlib import Path
import sys
from typing import Any

from .analyse import analyse
from .model import RefusedError, Report
from .moment import ReplayError
from .replay import replay
from .serial import moment_to_json, plate_to_json

_POLITE = 10


def main() -> None:
    """Analyse `PATH NAME WORK` of the command line and print the outcome."""
    path, name, work = sys.argv[1:4]
    os.nice(_POLITE)
    try:
        answer = describe(analyse(Path(path), name, Path(work)))
    except RefusedError as err:
        answer = {"refused": err.reason.value, "detail": err.detail}
    except OSError as err:
        answer = {"errno": err.errno or 0, "detail": err.strerror or str(err)}
    json.dump(answer, sys.stdout)


def main_replay() -> None:
    """Follow `PATH` up to byte `POSITION` and print what it has set up."""
    path, position = sys.argv[1:3]
    os.nice(_POLITE)
    try:
        answer = moment_to_json(replay(Path(path), int(position)))
    except ReplayError as err:
        answer = {"unknowable": err.command, "offset": err.offset}
    except OSError as err:
        answer = {"errno": err.errno or 0, "detail": err.strerror or str(err)}
    json.dump(answer, sys.stdout)


def describe(report: Report) -> dict[str, Any]:
    """Turn a report into what `json` can write."""
    return {
        "kind": report.kind.value,
        "plates": [
            {
                "analysis": plate_to_json(plate.analysis),
                "gcode": str(plate.gcode),
                "index": None if plate.index is None else str(plate.index),
            }
            for plate in report.plates
        ],
        "thumbnails": [
            {
                "width": picture.width,
                "height": picture.height,
                "format": picture.format,
                "data": base64.b64encode(picture.data).decode(),
            }
            for picture in report.thumbnails
        ],
    }
