"""An emulated Marlin board: bytes and firmware time in, bytes out.

Needs the standard library only and nothing else of printfarm, so that it can run in
any process.
"""

from .board import Board
from .faults import Faults
from .profile import DEFAULT_MODEL, PROFILES, BoardProfile

__all__ = ["DEFAULT_MODEL", "PROFILES", "Board", "BoardProfile", "Faults"]
