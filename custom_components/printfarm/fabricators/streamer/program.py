"""How the streaming process is started, and what its end says.

The process must not import Home Assistant, nor anything that the rest of the
integration needs. So our folder is given to it under a package name of its own,
whose `__init__` is nobody's.
"""

from pathlib import Path
import sys
from typing import Final

PROGRAM: Final = """\
import sys, types
package = types.ModuleType("printfarm")
package.__path__ = [sys.argv.pop(1)]
sys.modules["printfarm"] = package
from printfarm.fabricators.streamer.child import main
sys.exit(main())
"""

KINDS: Final = {"marlin": "serial", "virtual": "virtual"}
"""Which process drives which protocol: emulated boards never slow down real ones."""

TAKEN: Final = 3
"""Exit code: another process holds the folder."""
BROKEN: Final = 4
"""Exit code: the folder cannot be used; the log, or stderr, says why."""

LINGER: Final = 60.0
"""Seconds without a print and without a client after which a process ends itself."""


def command(
    folder: Path, kind: str, release: str, *, linger: float = LINGER
) -> tuple[str, ...]:
    """Give the arguments that start the process for the farm in `folder`.

    Its environment needs the parent's `sys.path` as PYTHONPATH.
    """
    package = Path(__file__).parents[2]
    return (
        *(sys.executable, "-P", "-c", PROGRAM, str(package)),
        *("--folder", str(folder), "--kind", kind),
        *("--release", release, "--linger", str(linger)),
    )
