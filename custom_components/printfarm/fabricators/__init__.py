"""Fabricators: one driver for each protocol, behind one interface."""

from .registry import FACTORIES, make

__all__ = ["FACTORIES", "make"]
