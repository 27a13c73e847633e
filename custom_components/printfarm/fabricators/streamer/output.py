"""Where the streaming process writes what it has to say: a log that stays small."""

import logging
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
import os
from pathlib import Path
from queue import SimpleQueue
import time
from typing import override

LARGEST = 1024 * 1024
"""Bytes of a log before it is put aside, in place of the one put aside before."""


class _Log(RotatingFileHandler):
    """Takes along what does not come through `logging`."""

    @override
    def doRollover(self) -> None:
        super().doRollover()
        self.take_output()

    def take_output(self) -> None:
        """Send stdout and stderr here."""
        assert self.stream is not None
        for output in (1, 2):
            os.dup2(self.stream.fileno(), output)


def log_to(path: Path) -> QueueListener:
    """Log to this file from now on. Raises `OSError`.

    A thread does the writing: a disk that has no time holds up no nozzle.
    """
    log = _Log(path, maxBytes=LARGEST, backupCount=1, encoding="utf-8")
    form = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    form.converter = time.gmtime
    log.setFormatter(form)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    log.take_output()
    # A full disk is no reason to fill stderr, which goes to the same disk.
    logging.raiseExceptions = False
    queue: SimpleQueue[logging.LogRecord] = SimpleQueue()
    root = logging.getLogger()
    root.handlers = [QueueHandler(queue)]
    root.setLevel(logging.INFO)
    listener = QueueListener(queue, log)
    listener.start()
    return listener
