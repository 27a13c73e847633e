"""Draw the project's icon and logo: `python -m scripts.brand`.

Four machines in a grid, each further with its part than the one before: a farm at
work. Drawn several times too large and scaled down, which smooths every edge.
"""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .checks.paths import INTEGRATION

FOLDER = Path(__file__).resolve().parents[1] / INTEGRATION / "brand"
SCALE = 8
SIDE = 256
"""The icon's own units; the files are 256 and 512 pixels wide."""

TILE, GAP, ROUND = 120, 16, 26
WHITE = "#ffffff"
DONE = 4
LAYER, STEP = 8, 11
INK = {"": "#1f2d3d", "dark_": "#f4f7fa"}


@dataclass(frozen=True, slots=True)
class Tile:
    """One machine: where it stands, its colour, and how many layers are done."""

    column: int
    row: int
    colour: str
    layers: int


TILES = (
    Tile(0, 0, "#00a1b4", 1),
    Tile(1, 0, "#0084c7", 2),
    Tile(0, 1, "#0084c7", 3),
    Tile(1, 1, "#f28c28", DONE),
)


def _scaled(*numbers: float) -> list[float]:
    return [number * SCALE for number in numbers]


def _draw_tile(draw: ImageDraw.ImageDraw, tile: Tile) -> None:
    left = tile.column * (TILE + GAP)
    top = tile.row * (TILE + GAP)
    middle = left + TILE / 2
    draw.rounded_rectangle(
        _scaled(left, top, left + TILE, top + TILE), ROUND * SCALE, fill=tile.colour
    )
    bed = top + TILE - 18
    draw.rounded_rectangle(
        _scaled(left + 18, bed - 7, left + TILE - 18, bed), 3.5 * SCALE, fill=WHITE
    )
    for layer in range(tile.layers):
        base = bed - 11 - layer * STEP
        draw.rounded_rectangle(
            _scaled(middle - 27, base - LAYER, middle + 27, base),
            LAYER / 2 * SCALE,
            fill=WHITE,
        )
    # The nozzle stands just above what it has laid down.
    tip = bed - 11 - tile.layers * STEP - 1
    block = tip - 13
    draw.polygon(
        [
            tuple(_scaled(middle - 12, block)),
            tuple(_scaled(middle + 12, block)),
            tuple(_scaled(middle + 4, tip)),
            tuple(_scaled(middle - 4, tip)),
        ],
        fill=WHITE,
    )
    shaft = block - 22
    draw.rounded_rectangle(
        _scaled(middle - 16, shaft, middle + 16, block), 4 * SCALE, fill=WHITE
    )


def draw_icon() -> Image.Image:
    """Draw the icon, `SCALE` times its size, on nothing."""
    image = Image.new("RGBA", (SIDE * SCALE, SIDE * SCALE))
    draw = ImageDraw.Draw(image)
    for tile in TILES:
        _draw_tile(draw, tile)
    return image


def draw_logo(ink: str) -> Image.Image:
    """Draw the icon with the name beside it, trimmed to what is drawn."""
    icon = draw_icon()
    font = ImageFont.load_default(118 * SCALE)
    weight = 3 * SCALE
    left, top, right, bottom = font.getbbox("Print Farm", stroke_width=weight)
    gap = 40 * SCALE
    width = icon.width + gap + int(right - left)
    logo = Image.new("RGBA", (width, icon.height))
    logo.paste(icon)
    ImageDraw.Draw(logo).text(
        (icon.width + gap - left, (icon.height - (bottom - top)) / 2 - top),
        "Print Farm",
        font=font,
        fill=ink,
        stroke_width=weight,
        stroke_fill=ink,
    )
    return logo


def _save(image: Image.Image, name: str, height: int) -> None:
    for suffix, times in (("", 1), ("@2x", 2)):
        width = round(image.width * height * times / image.height)
        small = image.resize((width, height * times), Image.Resampling.LANCZOS)
        small.save(FOLDER / f"{name}{suffix}.png", optimize=True)


def main() -> None:
    """Write every picture that Home Assistant looks for."""
    FOLDER.mkdir(exist_ok=True)
    for prefix, ink in INK.items():
        _save(draw_icon(), f"{prefix}icon", SIDE)
        _save(draw_logo(ink), f"{prefix}logo", 128)


if __name__ == "__main__":
    main()
