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
from typing import Any

from ..gcode.model import Refusal, RefusedError, Report
from ..gcode.moment import Moment, ReplayError
from ..gcode.serial import moment_from_json, report_from_json

_LOGGER = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parent.parent
_PROGRAM = (
    "import sys; sys.path.append(sys.argv.pop(1)); from gcode import child; "
    "getattr(child, sys.argv.pop(1))()"
)
"""Our folder goes last: some of our platforms bear names of standard modules."""

LONGEST = 3600.0
"""Seconds after which a file is given up, so that others are read."""


class AnalysisError(OSError):
    """The reading process died or made no sense."""


class CpuWorker:
    """Reads files, one at a time."""

    def __init__(self) -> None:
        """Start nothing yet."""
        self._turn = asyncio.Lock()

    async def analyse(self, path: Path, name: str, work: Path) -> Report:
        """Read a file; what is made from it lies in `work`.

        Raises `RefusedError` for what is no print, `OSError` for what cannot be read.
        """
        answer = await self._read("main", path, name, work)
        if "refused" in answer:
            raise RefusedError(Refusal(answer["refused"]), answer["detail"])
        return report_from_json(answer)

    async def replay(self, path: Path, position: int) -> Moment:
        """Tell what a plain G-code file has set up to this byte.

        Raises `ReplayError` where only the machine could tell, `OSError` for what
        cannot be read.
        """
        answer = await self._read("main_replay", path, position)
        if "unknowable" in answer:
            raise ReplayError(answer["unknowable"], answer["offset"])
        return moment_from_json(answer)

    async def _read(self, program: str, path: Path, *words: object) -> dict[str, Any]:
        """Have a process of its own read a file; gives its answer."""
        async with self._turn:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-c",
                _PROGRAM,
                str(_ROOT),
                program,
                str(path),
                *map(str, words),
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
            _LOGGER.error("Reading %s failed: %s", path, err.decode()[-2000:])
            raise AnalysisError(f"the analysis ended with {child.returncode}")
        answer: dict[str, Any] = json.loads(out)
        if "errno" in answer:
            raise OSError(answer["errno"], answer["detail"])
        return answer
