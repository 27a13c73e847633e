"""Read the values that slicers write: numbers, durations, lists, colours."""

import math
import re

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|m|s)")
_SECONDS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_LONGEST = 3e8
"""Seconds, almost ten years. Nothing prints longer; such a remark is none."""


def number(text: str) -> float | None:
    """Read the first number; `35%` is no number of its own."""
    found = _NUMBER.match(text.strip().strip('"[]'))
    if not found or text.strip().endswith("%"):
        return None
    value = float(found[0])
    return value if math.isfinite(value) else None


def positive(text: str) -> float | None:
    """Read the first number, where nought means that it is not set."""
    value = number(text)
    return value if value is not None and value > 0 else None


def count(text: str) -> int | None:
    """Read a whole number above nought."""
    value = positive(text)
    return int(value) if value is not None and value < 1e9 else None


def seconds(text: str) -> float | None:
    """Read plain seconds."""
    value = positive(text)
    return value if value is not None and value <= _LONGEST else None


def duration(text: str) -> float | None:
    """Read `1d 2h 3m 4s`, any part of it, as seconds."""
    parts = _DURATION.findall(text)
    if not parts:
        return None
    total = sum(float(value) * _SECONDS[unit] for value, unit in parts)
    return total if 0 < total <= _LONGEST else None


def word(text: str) -> str | None:
    """Read one text, without its quotes."""
    return text.strip().strip('"').strip()[:200] or None


def words(text: str) -> tuple[str, ...]:
    """Read a list of texts: `PLA;PETG`, with or without quotes."""
    split = text.split(";") if ";" in text else text.split(",")
    return tuple(part.strip().strip('"').strip() for part in split)


def numbers(text: str) -> tuple[float, ...]:
    """Read a list of numbers: `1.5, 0`, `1.5;0` or `[1.5, 0]`."""
    return tuple(number(part) or 0.0 for part in words(text.strip().strip("[]")))


def metres(text: str) -> tuple[float, ...]:
    """Read a list of lengths in metres, `1.2m, 0.3m`, as millimetres."""
    return tuple(value * 1000 for value in numbers(text))


def colour(text: str) -> str | None:
    """Read `#RRGGBB` or `#RRGGBBAA` as the former."""
    found = re.fullmatch(r"#([0-9A-Fa-f]{6})(?:[0-9A-Fa-f]{2})?", text)
    return f"#{found[1].upper()}" if found else None
