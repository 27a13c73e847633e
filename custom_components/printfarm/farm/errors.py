"""What can go wrong in the farm, each with a key that the edges translate."""

from collections.abc import Mapping


class FarmError(Exception):
    """Something the farm will not or cannot do. Nothing was changed.

    `key` is a translation key, `placeholders` its named values.
    """

    def __init__(self, key: str, /, **placeholders: str) -> None:
        """Keep key and values; the text is for logs only."""
        values = ", ".join(f"{name}={value}" for name, value in placeholders.items())
        super().__init__(f"{key} ({values})" if values else key)
        self.key = key
        self.placeholders: Mapping[str, str] = placeholders


class NotFoundError(FarmError):
    """There is no such fabricator, job or file."""


class InvalidError(FarmError):
    """The caller's input makes no sense."""


class ConflictError(FarmError):
    """Not in this state: an invariant forbids it now."""


class StorageError(FarmError):
    """The store could not keep a change, so the change did not happen."""


class StaleError(StorageError):
    """Somebody else changed the row first."""
