"""Stands in for a package that would have to be compiled; see `pymicro_vad` beside it."""


class AudioProcessor:
    """Importable, and no more."""

    def __init__(self, *_: object) -> None:
        """Say that it is not the real one."""
        raise NotImplementedError("The noise filter is not installed here")
