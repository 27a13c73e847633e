"""Telling a USB port by what is plugged in, as its name changes with the socket.

Never by guess: the wrong port is another printer, in the middle of its own print.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
import os
from typing import Protocol, Self

import serialx

_SHARED = frozenset({"0001", "00000000", "12345678", "123456789", "A50285BI"})
"""Serial numbers that makers of adapters give to all of them."""


class UsbPort(Protocol):
    """What is known of a port of this machine; `None` where it is not a USB port's."""

    @property
    def device(self) -> str:
        """Path to open, which names the device where the system offers such names."""

    @property
    def resolved_device(self) -> str:
        """Path that the former leads to."""

    @property
    def vid(self) -> int | None:
        """Vendor."""

    @property
    def pid(self) -> int | None:
        """Product."""

    @property
    def serial_number(self) -> str | None:
        """Serial number."""

    @property
    def interface_num(self) -> int | None:
        """Which port of a device that has several."""


type ListPorts = Callable[[], Iterable[UsbPort]]


@dataclass(frozen=True, slots=True)
class UsbIdentity:
    """What is plugged in, whichever socket and name it has."""

    vid: int
    pid: int
    serial_number: str | None = None
    interface: int | None = None

    @classmethod
    def read(cls, stored: object) -> Self | None:
        """Read it out of stored options; None where they hold none."""
        if not isinstance(stored, Mapping):
            return None
        vid, pid = stored.get("vid"), stored.get("pid")
        if not isinstance(vid, int) or not isinstance(pid, int):
            return None
        serial_number, interface = stored.get("serial_number"), stored.get("interface")
        return cls(
            vid,
            pid,
            serial_number if isinstance(serial_number, str) else None,
            interface if isinstance(interface, int) else None,
        )

    @property
    def unique(self) -> bool:
        """Whether no other device should have it: clones bear no number, or all one."""
        return self.serial_number is not None and self.serial_number not in _SHARED

    def fits(self, other: UsbIdentity) -> bool:
        """Tell whether this is what the other is."""
        return (
            (self.vid, self.pid, self.serial_number)
            == (other.vid, other.pid, other.serial_number)
        ) and self.interface in {None, other.interface}


def _of(port: UsbPort) -> UsbIdentity | None:
    if port.vid is None or port.pid is None:
        return None
    return UsbIdentity(
        port.vid, port.pid, port.serial_number or None, port.interface_num
    )


def identity(url: str, ports: ListPorts | None = None) -> UsbIdentity | None:
    """Return what is plugged in at a path; None where it is no USB port.

    Reads from the disk, as `find` does: call it outside the event loop.
    """
    path = os.path.realpath(url)
    for port in (ports or serialx.list_serial_ports)():
        if os.path.realpath(port.resolved_device) == path:
            return _of(port)
    return None


def find(
    wanted: UsbIdentity,
    ports: ListPorts | None = None,
    *,
    taken: Collection[str] = (),
) -> str | None:
    """Return the path of the one port that has this identity.

    None if there is none, if there are several, or if the one belongs to somebody
    else: `taken` are the real paths of ports that do.
    """
    found = [
        port
        for port in (ports or serialx.list_serial_ports)()
        if (there := _of(port)) is not None and wanted.fits(there)
    ]
    if len(found) != 1 or os.path.realpath(found[0].resolved_device) in taken:
        return None
    return found[0].device
