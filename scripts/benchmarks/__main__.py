"""Run the named benchmarks, or all of them."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
import tempfile

from rich.console import Console
from rich.table import Table

from . import farm, gcode, upload
from .measure import Figure

type Benchmark = Callable[[Path], Awaitable[list[Figure]]]

BENCHMARKS: Mapping[str, Benchmark] = {
    "gcode": gcode.run,
    "farm": farm.run,
    "upload": upload.run,
}


def main() -> None:
    """Print a table of figures per benchmark."""
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS])
    console = Console()
    for name in parser.parse_args().names or BENCHMARKS:
        with tempfile.TemporaryDirectory(prefix="printfarm-bench-") as folder:
            figures = asyncio.run(BENCHMARKS[name](Path(folder)))
        table = Table("what", "figure", title=name)
        for figure in figures:
            table.add_row(figure.what, f"{figure.value:,.3g} {figure.unit}".strip())
        console.print(table)


if __name__ == "__main__":
    main()
