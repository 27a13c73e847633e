"""The board can be lifted out: any process can import it without the rest."""

from pathlib import Path
import shutil
import subprocess
import sys

from custom_components.printfarm.fabricators.virtual import board

_PROGRAM = """
import sys
known = set(sys.modules)
from board import PROFILES, Board
assert Board(PROFILES["marlin_2"]).advance(1.0).startswith(b"start")
foreign = {name.partition(".")[0] for name in set(sys.modules) - known}
print(*sorted(foreign - set(sys.stdlib_module_names) - {"board"}))
"""


def test_board_needs_the_standard_library_only(tmp_path: Path) -> None:
    """Board needs the standard library only."""
    shutil.copytree(Path(board.__file__).parent, tmp_path / "board")
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{_PROGRAM}",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")
