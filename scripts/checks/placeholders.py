"""The texts themselves: plain, whole, and with the same placeholders in each language."""

from collections.abc import Iterator
from pathlib import Path
import re
from typing import Any

from .paths import INTEGRATION, read_json

HTML = re.compile(r"</?[a-zA-Z][^>]*>")
PLACEHOLDER = re.compile(r"\{([^{},]*)")


def flatten(texts: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Turn nested texts into one level of dotted keys."""
    flat: dict[str, str] = {}
    for key, value in texts.items():
        name = f"{prefix}{key}"
        flat |= flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def placeholders(text: str) -> set[str]:
    """Give the names that a text has filled in."""
    return set(PLACEHOLDER.findall(text))


def check(root: Path) -> Iterator[str]:
    """Check every language, and all others against English."""
    folder = root / INTEGRATION / "translations"
    english = flatten(read_json(folder / "en.json"))
    for path in sorted(folder.glob("*.json")):
        texts = flatten(read_json(path))
        for key, text in texts.items():
            for problem in _problems(text):
                yield f"{path.name}: {key} {problem}"
        for key in texts.keys() ^ english.keys():
            yield f"{path.name}: {key} is not in both this file and en.json"
        for key in texts.keys() & english.keys():
            if placeholders(texts[key]) != placeholders(english[key]):
                yield f"{path.name}: {key} has other placeholders than in en.json"


def _problems(text: str) -> Iterator[str]:
    if not isinstance(text, str) or not text.strip():
        yield "is not a text"
        return
    if text != text.strip():
        yield "begins or ends with a space"
    if HTML.search(text):
        yield "holds HTML"
    if "[%key" in text:
        yield "refers to another text, which only Home Assistant's own build resolves"
    if text.count("{") != text.count("}"):
        yield "has an unbalanced brace"
    for name in placeholders(text):
        if not name.isidentifier():
            yield f"has the placeholder {name!r}, which is not a name"
    if re.search(r"'\{[^}]*\}'", text):
        yield "has a placeholder in single quotes, which would print its name"
