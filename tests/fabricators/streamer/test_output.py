"""The log of the streaming process: all that is said goes there, and it stays small."""

import os
from pathlib import Path
import re
import subprocess
import sys

from custom_components.printfarm.fabricators.streamer.output import LARGEST

_PROGRAM = """\
import logging, os, sys
from pathlib import Path
from custom_components.printfarm.fabricators.streamer.output import log_to
listener = log_to(Path(sys.argv[1]))
logger = logging.getLogger("test")
logger.debug("not worth it")
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("broken")
os.write(1, b"printed\\n")
os.write(2, b"from a library\\n")
for _ in range(int(sys.argv[2])):
    logger.info("x" * 1000)
listener.stop()
os.write(2, b"at last\\n")
assert os.read(0, 1) == b""
"""


def _run(path: Path, lines: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(path), str(lines)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        input=b"typed",
        check=True,
        text=False,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == (b"", b"")
    return path.read_text()


def test_takes_all_that_is_said(tmp_path: Path) -> None:
    """With its time, and tracebacks; whoever started it hears nothing."""
    text = _run(tmp_path / "log", 0)
    # A thread writes the log, so it has no order with what does not come through it.
    assert re.search(r"^20\S+ \S+ ERROR test: broken\nTraceback", text, re.MULTILINE)
    assert "ZeroDivisionError" in text
    assert "printed\n" in text
    assert "from a library\n" in text
    assert "not worth it" not in text
    assert text.endswith("at last\n")


def test_stays_small(tmp_path: Path) -> None:
    """The old part is kept once; what a library says follows the new one."""
    text = _run(tmp_path / "log", 2500)
    assert len(text) <= LARGEST + 1000
    assert text.endswith("at last\n")
    assert {path.name for path in tmp_path.iterdir()} == {"log", "log.1"}
    assert (tmp_path / "log.1").stat().st_size <= LARGEST
