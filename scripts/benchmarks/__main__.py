"""Run the named benchmarks, or all of them."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
import tempfile

from rich.console import Console
from rich.table import Table

from . import farm, gcode, stream, upload
from .measure import Figure

type Benchmark = Callable[[Path], Awaitable[list[Figure]]]

BENCHMARKS: Mapping[str, Benchmark] = {
    "gcode": gcode.run,
    "farm": farm.run,
    "upload": upload.run,
}
STREAM = "stream"
"""Needs a board from outside the project, and gives a table of its own."""
WIDTH = 140
"""Columns where nobody looks: else tables are squeezed into 80."""


async def _figures(name: str, folder: Path) -> Table:
    table = Table("what", "figure", title=name)
    for figure in await BENCHMARKS[name](folder):
        table.add_row(figure.what, f"{figure.value:,.3g} {figure.unit}".strip())
    return table


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench")
    names = (*BENCHMARKS, STREAM)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--board", type=Path, help="C file of the board for stream")
    parser.add_argument("--floor", type=Path, help="C file of a host to compare with")
    options = parser.parse_args()
    if unknown := set(options.names).difference(names):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    if STREAM in options.names and options.board is None:
        parser.error("stream needs --board PATH/fastmarlin.c")
    options.names = options.names or names
    return options


def main() -> None:
    """Print a table of figures per benchmark."""
    options = _options()
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH
    for name in options.names:
        if name == STREAM and options.board is None:
            console.print("stream: left out, it needs --board PATH/fastmarlin.c")
            continue
        with tempfile.TemporaryDirectory(prefix="printfarm-bench-") as folder:
            if name == STREAM:
                task = stream.run(Path(folder), options.board, options.floor)
            else:
                task = _figures(name, Path(folder))
            table = asyncio.run(task)
        console.print(table)


if __name__ == "__main__":
    main()
