"""Settings that a file makes and its later lines rely on, as the commands that made them.

A command is forgotten once a later one of its kind sets all that it has set. What is
left, sent in its order, leads to the same settings.
"""

from dataclasses import dataclass, field
from functools import lru_cache
import re
from typing import Final, NamedTuple

from .words import code

_WORD = re.compile(r"([A-Z])\s*([-+]?(?:\d+\.?\d*|\.\d+))?")
_NOT_SENT = re.compile(rb"\([^()]*\)|;.*|\*\d+\s*$", re.DOTALL)

_ONE_OF: Final = dict.fromkeys(("G17", "G18", "G19"), "plane")
"""Commands of which the last one alone counts."""
_CHOOSES: Final = {
    "M92": "T",
    "M200": "T",
    "M201": "T",
    "M203": "T",
    "M204": "",
    "M205": "",
    "M206": "",
    "M207": "",
    "M208": "",
    "M209": "",
    "M211": "",
    "M218": "T",
    "M301": "E",
    "M302": "",
    "M304": "",
    "M309": "",
    "M412": "",
    "M425": "",
    "M569": "TI",
    "M572": "D",
    "M593": "T",
    "M665": "",
    "M666": "",
    "M900": "T",
    "M906": "TI",
    "M907": "",
    "M913": "TI",
}
"""Settings, and the parameters that choose what each of them is about."""
_OF_TOOL: Final = frozenset({"M200", "M900"})
"""Those that mean the tool in use unless they name another."""
SETTINGS: Final = tuple(code(name) for name in (*_CHOOSES, *_ONE_OF))


class _Line(NamedTuple):
    text: str
    about: tuple[str, ...]
    """Equal for commands that may replace each other."""
    sets: frozenset[str]


@lru_cache(maxsize=512)
def _read(raw: bytes, tool: int | None) -> _Line | None:
    """Read a line; None where it sets nothing."""
    text = _NOT_SENT.sub(b"", raw).decode("ascii", "replace").upper()
    found = _WORD.findall(text)
    (letter, number), *words = found[found[0][0] == "N" :]
    name = f"{letter}{round(float(number), 1):g}"
    if name in _ONE_OF:
        return _Line(name, (_ONE_OF[name],), frozenset())
    given = dict(words)
    if name in _OF_TOOL and tool is not None and words:
        given.setdefault("T", str(tool))
    # A letter without a number chooses as well: the axes of `M593 X F40`.
    chosen = {k for k, v in given.items() if k in _CHOOSES[name] or not v}
    sets = frozenset(given) - chosen
    if not sets:
        return None
    return _Line(
        " ".join((name, *(k + v for k, v in given.items()))),
        (name, *sorted(k + given[k] for k in chosen)),
        sets,
    )


@dataclass(slots=True)
class Setup:
    """The settings in force."""

    _lines: list[tuple[_Line, bool]] = field(default_factory=list)

    def add(self, raw: bytes, tool: int | None, inches: bool) -> None:
        """Take note of a command; `tool` is the one in use, where one was chosen."""
        line = _read(raw, tool)
        if line is None:
            return
        self._lines = [
            (old, unit)
            for old, unit in self._lines
            if old.about != line.about or not old.sets <= line.sets
        ]
        self._lines.append((line, inches))

    def commands(self) -> tuple[str, ...]:
        """Return what leads to these settings, on a machine that counts in mm."""
        return tuple(
            text
            for line, inches in self._lines
            for text in (("G20", line.text, "G21") if inches else (line.text,))
        )
