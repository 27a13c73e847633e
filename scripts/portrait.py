"""Gives a sliced file the picture that a slicer with a screen would have put into it.

PrusaSlicer's command line has no graphics and writes no thumbnails. What a machine
would extrude is drawn here instead, and inserted in the slicer's own format.
"""

import base64
from io import BytesIO
import math
from pathlib import Path
import re

from PIL import Image, ImageDraw

SIZE = (400, 300)
_FINE = 3
"""Drawn this many times larger and shrunk, for smooth lines."""
_WORD = re.compile(r"([XYZE])(-?[\d.]+)")
_LINE = 78

type Stroke = tuple[float, float, float, float, float]


def portrayed(source: Path, target: Path) -> Path:
    """Write `source` with a picture of itself to `target`, and give `target`."""
    text = source.read_text(encoding="utf-8")
    head, rest = text.split("\n", 1)
    target.write_text(f"{head}\n\n{_block(_picture(text))}\n{rest}", encoding="utf-8")
    return target


def _block(picture: bytes) -> str:
    coded = base64.b64encode(picture).decode()
    lines = [coded[start : start + _LINE] for start in range(0, len(coded), _LINE)]
    inside = "\n".join(f"; {line}" for line in lines)
    return (
        f";\n; thumbnail begin {SIZE[0]}x{SIZE[1]} {len(coded)}\n"
        f"{inside}\n; thumbnail end\n;\n"
    )


def _strokes(text: str) -> list[Stroke]:
    """Give the extruding moves of absolute G-code, seen from a corner above."""
    at = {"X": 0.0, "Y": 0.0, "Z": 0.0, "E": 0.0}
    strokes: list[Stroke] = []
    for line in text.splitlines():
        if not line.startswith(("G0 ", "G1 ", "G92 ")):
            continue
        new = at | {axis: float(value) for axis, value in _WORD.findall(line)}
        moved = (new["X"], new["Y"]) != (at["X"], at["Y"])
        if line.startswith("G1") and moved and new["E"] > at["E"]:
            strokes.append((*_seen(at), *_seen(new), new["Z"]))
        at = new
    return strokes


def _seen(at: dict[str, float]) -> tuple[float, float]:
    across, along = at["X"] - at["Y"], at["X"] + at["Y"]
    return across * math.cos(math.pi / 6), -at["Z"] - along * math.sin(math.pi / 6)


def _picture(text: str) -> bytes:
    strokes = _strokes(text)
    xs = [x for stroke in strokes for x in (stroke[0], stroke[2])]
    ys = [y for stroke in strokes for y in (stroke[1], stroke[3])]
    top = max(stroke[4] for stroke in strokes)
    width, height = (side * _FINE for side in SIZE)
    scale = 0.85 * min(width / (max(xs) - min(xs)), height / (max(ys) - min(ys)))
    middle = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            width / 2 + (x - middle[0]) * scale,
            height / 2 + (y - middle[1]) * scale,
        )

    image = Image.new("RGBA", (width, height))
    pen = ImageDraw.Draw(image)
    for x1, y1, x2, y2, z in strokes:
        light = 0.55 + 0.45 * z / top
        colour = tuple(round(channel * light) for channel in (255, 152, 64))
        pen.line([place(x1, y1), place(x2, y2)], fill=colour, width=_FINE)
    buffer = BytesIO()
    image.resize(SIZE, Image.Resampling.LANCZOS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
