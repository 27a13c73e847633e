"""What is particular about single G-code commands, as tables."""

import re

URGENT = frozenset({b"M108", b"M112", b"M410", b"M876"})
"""Act when they arrive, so they overtake everything and carry no number."""

NUMBERING = frozenset({b"M110"})
"""Only the link itself may set line numbers."""

ASKS_HOST = frozenset({b"M0", b"M1", b"M25"})
"""In a file: pause here. Never sent, because M0 and M1 would block the firmware."""

MOVES = frozenset({b"G0", b"G1", b"G2", b"G3", b"G5"})

HEATS = frozenset({b"M109", b"M190", b"M191", b"M192", b"M116", b"M303"})

WAITS_FOR_PERSON = frozenset(
    {b"M0", b"M1", b"M125", b"M226", b"M600", b"M701", b"M702"}
)

INTERRUPTIBLE = HEATS | WAITS_FOR_PERSON
"""M108 ends these early."""

LONG = INTERRUPTIBLE | {
    b"G4",
    b"G28",
    b"G29",
    b"G30",
    b"G32",
    b"G33",
    b"G34",
    b"G35",
    b"G76",
    b"M48",
    b"M400",
}
"""May take minutes before their `ok`."""

TEXT = frozenset({b"M0", b"M1", b"M117", b"M118", b"M486", b"M23", b"M28", b"M30"})
"""End in free text that may be cut short."""

_CODE = re.compile(rb"\s*([A-Za-z])\s*(\d+(?:\.\d+)?)")


def code(command: bytes) -> bytes:
    """Name of a command: `G1` of `G1 X10`, `M104` of `M104S200`; empty if it has none."""
    match = _CODE.match(command)
    return match[1].upper() + (match[2].lstrip(b"0") or b"0") if match else b""


def same(said: bytes, sent: bytes) -> bool:
    """Whether firmware that repeats a command means this one; some write it anew."""
    return (code(said) or said.split()[:1]) == (code(sent) or sent.split()[:1])
