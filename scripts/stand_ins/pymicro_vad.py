"""Stands in for a package that would have to be compiled.

Home Assistant's frontend asks for all services, and for that every kind of entity is
imported, voice satellites with their voice detector too. Nothing here hears anything.
"""


class MicroVad:
    """Importable, and no more."""

    def __init__(self) -> None:
        """Say that it is not the real one."""
        raise NotImplementedError("The voice detector is not installed here")
