"""One worker for what costs processor time, in a process of its own.

Reading a large file keeps an interpreter busy for seconds. In a thread that would be
Home Assistant's interpreter, and whatever is printed from it would stutter.
"""

import asyncio
import json
import logging
import os
from pathlib import Path
import sys

from ..gcode.model import Refusal, RefusedError, Report
from ..gcode.serial import report_from_json

_LOGGER = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parent.parent
_PROGRAM = (
    "import sys; sys.path.append(sys.argv.pop(1)); from gcode.child import main; main()"
)
"""Our folder goes last: some of our platforms bear names of standard modules."""

LONGEST = 3600.0
"""Seconds after which a file is given up, so that others are read."""


class AnalysisError(OSError):
    """The analysing process died or made no sense."""


class CpuWorker:
    """Analyses files, one at a time."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._turn = asyncio.Lock()

    async def analyse(self, path: Path, name: str, work: Path) -> Report:
        """Read a file; what is made from it lies in `work`.

        Raises `RefusedError` for what is no print, `OSError` for what cannot be read.
        """
        async with self._turn:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-c",
                _PROGRAM,
                str(_ROOT),
                str(path),
                name,
                str(work),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
            try:
                async with asyncio.timeout(LONGEST):
                    out, err = await child.communicate()
            except TimeoutError:
                raise AnalysisError("the analysis took too long") from None
            finally:
                if child.returncode is None:
                    child.kill()
                    await child.wait()
        if child.returncode != 0:
            _LOGGER.error("Analysis of %s failed: %s", name, err.decode()[-2000:])
            raise AnalysisError(f"the analysis ended with {child.returncode}")
        answer = json.loads(out)
        if "refused" in answer:
            raise RefusedError(Refusal(answer["refused"]), answer["detail"])
        if "errno" in answer:
            raise OSError(answer["errno"], answer["detail"])
        return report_from_json(answer)
