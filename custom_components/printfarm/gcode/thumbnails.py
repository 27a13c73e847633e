"""Pictures of the print that slicers put into their files."""

import base64
import binascii
from io import BytesIO
import re
from typing import Final

from PIL import Image

from .model import Thumbnail

_LARGEST: Final = 4096
"""Pixels along an edge: more is no thumbnail but a bomb."""

_BLOCK: Final = re.compile(
    rb"^;[ \t]*(thumbnail(?:_(?:PNG|JPG|QOI))?|png|jpg)[ \t]+begin[ \t]+"
    rb"(\d{1,5})[x*, ](\d{1,5})[ \t]+\d+[^\r\n]*\r?\n"
    rb"((?:;[^\r\n]*\r?\n)*?)"
    rb";[ \t]*\1[ \t]+end",
    re.MULTILINE,
)
"""PrusaSlicer's blocks, which most slicers write; Creality's begin with the format and
count with an asterisk."""
_BEGIN: Final = re.compile(rb"^; ?(?:thumbnail(?:_\w+)?|png|jpg) begin ", re.MULTILINE)

_FORMATS: Final = {
    b"thumbnail": "png",
    b"thumbnail_PNG": "png",
    b"thumbnail_JPG": "jpg",
    b"thumbnail_QOI": "qoi",
    b"png": "png",
    b"jpg": "jpg",
}
_SIGNS: Final = {"png": b"\x89PNG", "jpg": b"\xff\xd8\xff", "qoi": b"qoif"}


def find(text: bytes) -> tuple[list[Thumbnail], int]:
    """Return the thumbnails in G-code, and how many others cannot be read."""
    found = []
    for kind, width, height, body in _BLOCK.findall(text):
        try:
            data = base64.b64decode(
                b"".join(line.strip(b"; \t\r") for line in body.split(b"\n")),
                validate=True,
            )
        except binascii.Error:
            continue
        format_ = _FORMATS[kind]
        if data.startswith(_SIGNS[format_]):
            found.append(Thumbnail(int(width), int(height), format_, data))
    return found, len(_BEGIN.findall(text)) - len(found)


def largest_first(thumbnails: list[Thumbnail]) -> tuple[Thumbnail, ...]:
    """Return the thumbnails by area."""
    return tuple(sorted(thumbnails, key=lambda one: -one.width * one.height))


def from_picture(data: bytes) -> Thumbnail | None:
    """Make a thumbnail of a picture file, None where it is none of ours."""
    format_ = next((f for f, sign in _SIGNS.items() if data.startswith(sign)), None)
    if format_ is None:
        return None
    try:
        with Image.open(BytesIO(data), formats=_PILLOW[format_]) as picture:
            width, height = picture.size
    except OSError, ValueError, SyntaxError, Image.DecompressionBombError:
        return None
    return Thumbnail(width, height, format_, data)


_PILLOW: Final = {"png": ["PNG"], "jpg": ["JPEG"], "qoi": ["QOI"]}


def to_png(thumbnail: Thumbnail) -> bytes:
    """Return a thumbnail as PNG, which browsers and Home Assistant show.

    Raises ValueError where the picture is broken.
    """
    try:
        with Image.open(
            BytesIO(thumbnail.data), formats=_PILLOW[thumbnail.format]
        ) as picture:
            if max(picture.size) > _LARGEST:
                raise ValueError(f"a thumbnail of {picture.size} pixels")
            picture.load()
            if thumbnail.format == "png":
                return thumbnail.data
            out = BytesIO()
            picture.save(out, "PNG")
            return out.getvalue()
    except (
        OSError,
        SyntaxError,
        EOFError,
        IndexError,
        Image.DecompressionBombError,
    ) as err:
        raise ValueError(f"the thumbnail cannot be read: {err}") from err
