"""One command as the firmware reads it: a code and its words."""

import re

_CODE = re.compile(r"\s*([GMT])\s*(\d+)(?:\.\d+)?\s*")
_WORD = re.compile(r"([A-Z])\s*([-+]?(?:\d+\.?\d*|\.\d+))?")


class Command:
    """A parsed command line, without line number and checksum.

    `code` is empty where the line begins with nothing that Marlin knows (lower case
    included); `text` is everything after the code, for commands that take a message.
    """

    __slots__ = ("_words", "code", "line", "text")

    def __init__(self, line: str) -> None:
        """Read the code; the words wait until they are asked for."""
        self.line = line
        match = _CODE.match(line)
        self.code = match[1] + match[2] if match else ""
        self.text = line[match.end() :] if match else ""
        self._words: dict[str, float | None] | None = None

    @property
    def words(self) -> dict[str, float | None]:
        """The words after the code; the value is None for a bare letter."""
        if self._words is None:
            self._words = {
                letter: float(number) if number else None
                for letter, number in _WORD.findall(self.text)
            }
        return self._words

    def value(self, letter: str) -> float | None:
        """The number behind a letter, None without letter or number."""
        return self.words.get(letter)

    def has(self, letter: str) -> bool:
        """Whether the letter is there, with or without number."""
        return letter in self.words
