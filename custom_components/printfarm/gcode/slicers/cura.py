"""Cura: sums at the begin, in the Marlin header's form and in the Griffin one's."""

import re

from ..layers import Mark
from .description import Slicer, Source
from .values import count, metres, positive, seconds, word, words

_PLACEHOLDER = 6666
"""CuraEngine alone, without the program around it, cannot know the time yet when it
writes the header."""


def _time(text: str) -> float | None:
    value = seconds(text)
    return None if value == _PLACEHOLDER else value


CURA = Slicer(
    name="Cura",
    sign=re.compile(
        r"^;(?:Generated with Cura_SteamEngine |GENERATOR\.VERSION:)([\w.+-]*)",
        re.MULTILINE,
    ),
    fields={
        "time": (Source("TIME", _time), Source("PRINT.TIME", seconds)),
        "layers": (Source("LAYER_COUNT", count),),
        "layer_height": (Source("Layer height", positive),),
        "first_layer_height": (Source("MINZ", positive),),
        "height": (Source("MAXZ", positive),),
        "nozzle_diameter": (
            Source("Nozzle diameter", positive),
            Source("EXTRUDER_TRAIN.0.NOZZLE.DIAMETER", positive),
        ),
        "printer_model": (
            Source("TARGET_MACHINE.NAME", word),
            Source("Machine Name", word),
        ),
        "flavour": (Source("FLAVOR", word),),
        "bed_temperature": (Source("BUILD_PLATE.INITIAL_TEMPERATURE", positive),),
    },
    filaments={
        "length": (Source("Filament used", metres),),
        "type": (Source("Filament type", words),),
    },
    mark=Mark.LAYER,
    closing=lambda _remarks, tail: b";End of Gcode" in tail,
)
