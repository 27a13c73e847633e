"""Run every check on this checkout and say what is wrong."""

from collections.abc import Callable, Iterable
from pathlib import Path
import sys

from . import (
    icons,
    layers,
    manifest,
    placeholders,
    quality_scale,
    schemas,
    translations,
    tree,
)

CHECKS: tuple[Callable[[Path], Iterable[str]], ...] = (
    manifest.check,
    schemas.check,
    translations.check,
    placeholders.check,
    icons.check,
    quality_scale.check,
    layers.check,
    tree.check,
)


def main() -> int:
    """Print the complaints; 1 where there are any."""
    root = Path(__file__).resolve().parents[2]
    complaints = [complaint for check in CHECKS for complaint in check(root)]
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
