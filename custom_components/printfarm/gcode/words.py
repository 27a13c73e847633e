"""Split G-code into words, a whole chunk at a time.

Files of a gigabyte are read in a Home Assistant's spare time, so nothing here walks
over lines in Python: a chunk of some megabytes is one numpy array, and every step is
one operation over all its letters.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import re
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

type Bytes = NDArray[np.uint8]
type Ints = NDArray[np.int64]
type Floats = NDArray[np.float64]
type Mask = NDArray[np.bool_]

CHUNK: Final = 2 << 20
"""Bytes per chunk: large enough for numpy to pay, small enough to stay in 100 MB."""

_SHORT = 9
"""Characters that nearly all numbers have at most; so many digits fit 32 bits."""
_LONGEST = 24
"""Characters of a number that are read; a longer one is no number for a printer."""
_EXACT = 18
"""Digits that fit a 64-bit integer; more of them are cut."""
_NEWLINE, _SEMICOLON, _SPACE, _CR, _TAB = 10, 59, 32, 13, 9
_PLUS, _MINUS, _POINT, _ZERO = 43, 45, 46, 48
_POWERS = 10.0 ** np.arange(_LONGEST + 1)
_BRACKETS = re.compile(rb"\([^()\r\n]*\)")
_SPOKEN = np.array([ord(letter) for letter in "GMT"])


def code(word: str) -> int:
    """Return the number that stands for a command, such as `G1` or `G29.1`."""
    return _numbered(ord(word[0]), float(word[1:]))


def _numbered(letter: int, number: float) -> int:
    return letter * 1_000_000 + round(number * 10)


@dataclass(frozen=True, slots=True)
class Words:
    """The commands of one chunk, one row for each line that holds one."""

    lines: int
    """All lines, also those without a command."""
    starts: Ints
    """Where each row's line begins, in bytes from the chunk's start."""
    ends: Ints
    """Where the line after it begins."""
    codes: Ints
    """The command as `code` numbers it; 0 where it is none that a machine knows."""
    numbers: Floats
    """The command's number: 1 in `T1`."""
    remarks: Ints
    """Where the lines begin that hold nothing but a remark."""
    odd: Ints
    """Where the lines begin that hold bytes no G-code has."""
    commands: int
    """Rows whose command is a G, M or T."""
    _letters: Bytes
    _rows: Ints
    _values: Floats

    def column(self, letter: str) -> Floats:
        """Return the value of one parameter per row, NaN where a row has none."""
        values = np.full(self.codes.size, np.nan)
        here = np.flatnonzero(self._letters == ord(letter))
        values[self._rows[here]] = self._values[here]
        return values

    def named(self, letter: str) -> Mask:
        """Say per row whether a parameter stands there, with or without a value."""
        found = np.zeros(self.codes.size, bool)
        found[self._rows[self._letters == ord(letter)]] = True
        return found

    def blank(self, letters: str) -> Mask:
        """Say per row whether one of these parameters stands there without a value."""
        found = np.zeros(self.codes.size, bool)
        here = np.flatnonzero(np.isnan(self._values))
        wanted = np.isin(self._letters[here], np.frombuffer(letters.encode(), np.uint8))
        found[self._rows[here[wanted]]] = True
        return found


def chunks(stream: BinaryIO, size: int = CHUNK) -> Iterator[bytes]:
    """Yield the stream in chunks that end with a line, the last one as it is.

    A line longer than a chunk is cut: no printer would take it as one either.
    """
    rest = b""
    while block := stream.read(size):
        cut = block.rfind(b"\n") + 1
        if not cut:
            rest += block
            if len(rest) >= 2 * size:
                yield rest
                rest = b""
            continue
        yield rest + block[:cut]
        rest = block[cut:]
    if rest:
        yield rest


def without_mark(chunk: bytes) -> bytes:
    """Blank a file's byte order mark: its bytes stay, so that offsets do."""
    mark = b"\xef\xbb\xbf"
    return b"   " + chunk[3:] if chunk.startswith(mark) else chunk


def split(chunk: bytes) -> Words:
    """Split whole lines into commands and their parameters."""
    if b"(" in chunk:
        chunk = _BRACKETS.sub(lambda found: b" " * len(found[0]), chunk)
    text = np.frombuffer(chunk + b"\n" * (_LONGEST + 2), np.uint8)
    size = len(chunk)
    ends = np.flatnonzero(text[:size] == _NEWLINE)
    if not ends.size or ends[-1] != size - 1:
        ends = np.append(ends, size)
    starts = np.empty_like(ends)
    starts[0] = 0
    starts[1:] = ends[:-1] + 1
    stops = _code_ends(text[:size], starts, ends)

    letters = np.flatnonzero(((text[:size] | 32) - np.uint8(97)) < 26)
    first = np.searchsorted(letters, starts)
    last = np.searchsorted(letters, stops)
    per_line = last - first
    lines = np.flatnonzero(per_line)
    letters = letters[_runs(first[lines], per_line[lines])]
    rows = np.repeat(np.arange(lines.size), per_line[lines])
    values = _numbers(text, letters + 1)
    names: Bytes = text[letters] & np.uint8(0xDF)

    heads = np.cumsum(per_line[lines]) - per_line[lines]
    # A line number comes before the command; the next word is the command then.
    numbered = (names[heads] == ord("N")) & (per_line[lines] > 1)
    commands = heads + numbered
    arguments = np.ones(names.size, bool)
    arguments[heads] = False
    arguments[commands] = False
    whole = np.nan_to_num(values[commands], nan=-1.0, posinf=-1.0)
    known = (whole >= 0) & (whole < 99_999)
    codes = np.where(
        known,
        names[commands].astype(np.int64) * 1_000_000
        + np.rint(whole * 10).astype(np.int64),
        0,
    )
    return Words(
        lines=int(ends.size),
        starts=starts[lines],
        ends=np.minimum(ends[lines] + 1, size),
        codes=codes,
        numbers=whole,
        remarks=starts[(text[starts] == _SEMICOLON) & (starts < size)],
        odd=_odd_lines(text[:size], starts, stops),
        commands=int(np.isin(codes // 1_000_000, _SPOKEN).sum()),
        _letters=names[arguments],
        _rows=rows[arguments],
        _values=values[arguments],
    )


def _code_ends(text: Bytes, starts: Ints, ends: Ints) -> Ints:
    """Return where each line's code ends: at its first semicolon or with the line."""
    semicolons = np.flatnonzero(text == _SEMICOLON)
    if not semicolons.size:
        return ends
    lines = np.searchsorted(starts, semicolons, "right") - 1
    first = np.ones(lines.size, bool)
    first[1:] = lines[1:] != lines[:-1]
    stops = ends.copy()
    stops[lines[first]] = semicolons[first]
    return stops


def _runs(first: Ints, lengths: Ints) -> Ints:
    """Return the indices of all runs one after another."""
    total = int(lengths.sum())
    shift = first - (np.cumsum(lengths) - lengths)
    runs: Ints = np.arange(total) + np.repeat(shift, lengths)
    return runs


def _odd_lines(text: Bytes, starts: Ints, stops: Ints) -> Ints:
    """Return where the lines begin whose code holds bytes that no command has."""
    # Whatever is not printable ASCII; numbers below 32 wrap around.
    odd = np.flatnonzero(text - np.uint8(32) > 94)
    byte = text[odd]
    odd = odd[(byte != _NEWLINE) & (byte != _CR) & (byte != _TAB)]
    lines = np.searchsorted(starts, odd, "right") - 1
    found: Ints = starts[np.unique(lines[odd < stops[lines]])]
    return found


def _numbers(text: Bytes, at: Ints) -> Floats:
    """Read the numbers that begin at these places, NaN where there is none.

    Digit after digit over all words at once. Digits gather in integers and are divided
    once, so that the result is the very float that Python's own `float` makes of up to
    fifteen digits.
    """
    at = at + (text[at] == _SPACE)
    signs = text[at]
    at = at + ((signs == _MINUS) | (signs == _PLUS))
    digits, places, some, going = _digits(text, at, _SHORT, np.dtype(np.int32))
    result: Floats = digits / _POWERS[places]
    # Nearly all numbers are short; the few others are read again, in full.
    if (rest := np.flatnonzero(going)).size:
        digits, places, some[rest], going = _digits(
            text, at[rest], _LONGEST, np.dtype(np.int64)
        )
        result[rest] = digits / _POWERS[places]
        some[rest[going]] = False
    np.negative(result, where=signs == _MINUS, out=result)
    result[~some] = np.nan
    return result


def _digits(
    text: Bytes, at: Ints, width: int, integer: np.dtype[Any]
) -> tuple[NDArray[Any], NDArray[np.uint8], Mask, Mask]:
    """Read up to `width` characters of each number.

    Returns the digits as one integer, how many of them stand behind the point, whether
    there is any, and whether the number goes on.
    """
    value = np.zeros(at.size, integer)
    behind = np.zeros(at.size, np.uint8)
    count = np.zeros(at.size, np.uint8)
    pointed = np.zeros(at.size, bool)
    going = np.ones(at.size, bool)
    for place in range(width):
        byte = text[place:][at]
        digit = byte - np.uint8(_ZERO)
        is_digit = digit < 10
        is_point = (byte == _POINT) & ~pointed
        going &= is_digit | is_point
        taken = is_digit & going & (count < _EXACT)
        value = np.where(taken, value * 10 + digit, value)
        behind += taken & pointed
        count += is_digit & going
        pointed |= is_point & going
    return value, behind, count > 0, going
