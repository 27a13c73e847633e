"""Takes what is private out of the lines that went over a wire.

What we send is shown as far as it is numbers; what a machine says, except where it
repeats our texts or names files, networks and itself.
"""

from collections.abc import Iterable, Iterator, Sequence
import re

REDACTED = "**REDACTED**"

_LINE = re.compile(r"(?P<head>\S+ (?P<way>[<>]) )(?P<text>.*)", re.DOTALL)
_SENT = re.compile(
    r"(?P<head>(?:N\d+ ?)?)(?P<command>[A-Za-z][A-Za-z_]*[\d.]*)"
    r"(?P<rest>.*?)(?P<checksum>(?:\*\d+)?)"
)
_WORDS = re.compile(r"(?: *[A-Za-z](?:[-+]?[\d.]+)?)* *")
_TEXTS = frozenset({
    *("M0", "M1", "M16", "M23", "M28", "M30", "M32", "M33", "M117", "M118", "M486"),
    *("M587", "M588", "M589", "M928"),
})  # fmt: skip
"""Commands whose arguments are names and words for people."""
_WHERE = re.compile(r"\A(?:[APE]\d+ +)*")
"""What M118 may say before its text: where the text goes."""
_SHORTEST = 3
"""Characters of a text that is looked for elsewhere: an `ok` is no secret."""

_QUOTED = re.compile(r'(?<=")[^"]+(?=")')
_NAMING = re.compile(
    r"(?<=//action:notification ).+|(?<=//action:prompt_begin ).+"
    r"|(?<=[Ff]ile: ).+|(?<=[Ff]ile:)(?! ).+|(?<=File opened: ).+"
    r"|(?<=UUID:)\S+|(?<=MACHINE_NAME:)\S+|(?<=SSID: ).+"
    r"|\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}\b"
)
_BEGIN_LIST, _END_LIST = "Begin file list", "End file list"


def redacted(lines: Sequence[str], private: Iterable[str] = ()) -> list[str]:
    """Give lines `TIME > TEXT` (sent) and `TIME < TEXT` (heard) without private words.

    `private` are words that are known to be so, wherever they stand.
    """
    texts = {text for text in (*private, *_texts(lines)) if len(text) >= _SHORTEST}
    # The longest first: one may be a part of another.
    return list(_redacted(lines, sorted(texts, key=len, reverse=True)))


def _texts(lines: Sequence[str]) -> Iterator[str]:
    """Give the texts that we sent: machines repeat them in ways of their own."""
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None or match["way"] != ">":
            continue
        sent = _SENT.fullmatch(match["text"])
        if sent is not None and sent["command"].upper() in _TEXTS:
            rest = sent["rest"].strip()
            yield from (rest, _WHERE.sub("", rest))


def _redacted(lines: Sequence[str], texts: Sequence[str]) -> Iterator[str]:
    listing = False
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            yield REDACTED
            continue
        text = match["text"]
        if match["way"] == ">":
            shown = _sent(text)
        elif text.startswith(_END_LIST):
            listing, shown = False, text
        elif listing:
            shown = text if text.startswith("ok") else REDACTED
        else:
            listing, shown = text.startswith(_BEGIN_LIST), _heard(text)
        for private in texts:
            shown = shown.replace(private, REDACTED)
        yield match["head"] + shown


def _sent(text: str) -> str:
    """Keep the command, and what follows as far as it is letters with numbers."""
    sent = _SENT.fullmatch(text)
    if sent is None:
        return REDACTED
    rest = sent["rest"]
    if sent["command"].upper() in _TEXTS or not _WORDS.fullmatch(rest):
        rest = f" {REDACTED}" if rest.strip() else rest
    return f"{sent['head']}{sent['command']}{rest}{sent['checksum']}"


def _heard(text: str) -> str:
    """Keep all but names; what the machine quotes is what it was sent."""
    quoted = _QUOTED.sub(lambda found: _sent(found[0]), text)
    return _NAMING.sub(REDACTED, quoted)
