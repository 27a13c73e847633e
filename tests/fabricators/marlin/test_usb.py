"""Ports by what is plugged in: never by guess."""

from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from custom_components.printfarm.fabricators.marlin.usb import (
    UsbIdentity,
    find,
    identity,
)

BOARD = UsbIdentity(0x1D50, 0x6029, "0700A00C", 0)
CLONE = UsbIdentity(0x1A86, 0x7523, None, 0)


@dataclass(frozen=True)
class Plugged:
    """A port as serialx lists it."""

    resolved_device: str
    vid: int | None = 0x1A86
    pid: int | None = 0x7523
    serial_number: str | None = None
    interface_num: int | None = 0
    by_id: str | None = None

    @property
    def device(self) -> str:
        """The path to open."""
        return self.by_id or self.resolved_device


def board(path: str, interface: int = 0) -> Plugged:
    """A board with a number of its own."""
    return Plugged(path, 0x1D50, 0x6029, "0700A00C", interface, f"{path}-by-id")


def test_identity(tmp_path: Path) -> None:
    """By any name that leads to the port."""
    port = tmp_path / "ttyACM0"
    port.touch()
    link = tmp_path / "by-id"
    link.symlink_to(port)
    ports = [Plugged("/dev/ttyUSB9"), board(str(port))]
    assert identity(str(link), lambda: ports) == BOARD
    assert identity(str(port), lambda: ports) == BOARD
    assert identity(str(tmp_path / "ttyACM1"), lambda: ports) is None
    assert identity("socket://127.0.0.1:1", lambda: ports) is None
    native = [Plugged("/dev/ttyS0", None, None)]
    assert identity("/dev/ttyS0", lambda: native) is None
    clone = [Plugged("/dev/ttyUSB0", serial_number="")]
    assert identity("/dev/ttyUSB0", lambda: clone) == CLONE


def test_identity_on_this_machine() -> None:
    """What the system lists can be asked; no port is there."""
    assert identity("/dev/null") is None
    assert find(BOARD) is None


@pytest.mark.parametrize(
    ("wanted", "ports", "found"),
    [
        (BOARD, [], None),
        (BOARD, [Plugged("/dev/a"), board("/dev/b")], "/dev/b-by-id"),
        (BOARD, [board("/dev/a"), board("/dev/b")], None),
        (BOARD, [board("/dev/a"), board("/dev/b", 2)], "/dev/a-by-id"),
        (UsbIdentity(0x1D50, 0x6029, "0700A00C"), [board("/dev/a", 2)], "/dev/a-by-id"),
        (UsbIdentity(0x1D50, 0x6029, "0700A00D"), [board("/dev/a")], None),
        (UsbIdentity(0x1D50, 0x6029), [board("/dev/a")], None),
        (CLONE, [Plugged("/dev/a")], "/dev/a"),
        (CLONE, [Plugged("/dev/a"), Plugged("/dev/b")], None),
        (CLONE, [Plugged("/dev/a", None, None)], None),
    ],
)
def test_find(wanted: UsbIdentity, ports: list[Plugged], found: str | None) -> None:
    """One port that has it, or none at all; none that is somebody else's."""
    assert find(wanted, lambda: ports) == found
    taken = {"/dev/a", "/dev/b"}
    assert find(wanted, lambda: ports, taken=taken) is None


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (asdict(BOARD), BOARD),
        ({"vid": 1, "pid": 2}, UsbIdentity(1, 2)),
        ({"vid": 1, "pid": 2, "serial_number": 3, "interface": "x"}, UsbIdentity(1, 2)),
        ({"vid": "1", "pid": 2}, None),
        ({}, None),
        (None, None),
    ],
)
def test_stored(stored: object, expected: UsbIdentity | None) -> None:
    """As it lies in options; what is not one is none."""
    assert UsbIdentity.read(stored) == expected


def test_numbers_that_tell_nothing() -> None:
    """Makers of adapters that give all of them the same one."""
    assert BOARD.unique
    assert not CLONE.unique
    assert not UsbIdentity(0x10C4, 0xEA60, "0001").unique
