"""Figures, and how they are taken."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
import threading
import time


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of a result."""

    what: str
    value: float
    unit: str


@dataclass(slots=True)
class Watch:
    """A stopwatch's answer, there when its block is over."""

    seconds: float = 0.0


@contextmanager
def stopwatch() -> Iterator[Watch]:
    """Time a block by the wall clock."""
    watch = Watch()
    start = time.perf_counter()
    yield watch
    watch.seconds = time.perf_counter() - start


@dataclass(slots=True)
class Lag:
    """How late the event loop came to what was due, in milliseconds."""

    samples: list[float] = field(default_factory=list)

    @property
    def p99(self) -> float:
        """The 99th percentile."""
        ordered = sorted(self.samples) or [0.0]
        return ordered[int(0.99 * (len(ordered) - 1))]

    @property
    def worst(self) -> float:
        """The latest that it ever was."""
        return max(self.samples, default=0.0)

    def figures(self, when: str) -> list[Figure]:
        """Give the worst and the 99th percentile."""
        return [
            Figure(f"loop lag {when}, p99", self.p99, "ms"),
            Figure(f"loop lag {when}, worst", self.worst, "ms"),
        ]


_EVERY = 0.002


@asynccontextmanager
async def loop_lag() -> AsyncIterator[Lag]:
    """Look every two milliseconds how late the loop is, as long as the block runs."""
    lag = Lag()

    async def look() -> None:
        while True:
            due = time.perf_counter() + _EVERY
            await asyncio.sleep(_EVERY)
            lag.samples.append(max(0.0, time.perf_counter() - due) * 1000)

    task = asyncio.create_task(look())
    try:
        yield lag
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextmanager
def busy(*, wanted: bool) -> Iterator[None]:
    """Keep the interpreter of this process busy on another thread."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=work)
    if wanted:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if wanted:
            thread.join()


def memory(pid: int, *, most: bool = False) -> float:
    """Give a process's resident memory in MB, now or the most it ever had."""
    wanted = "VmHWM:" if most else "VmRSS:"
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith(wanted):
            return int(line.split()[1]) / 1024
    raise LookupError(wanted)


def repeated(source: Path, target: Path, size: int) -> Path:
    """Write a file of at least `size` bytes: one with its middle many times over."""
    whole = source.read_bytes()
    start = whole.index(b"\n", len(whole) // 5) + 1
    end = whole.index(b"\n", len(whole) * 4 // 5) + 1
    with target.open("wb") as file:
        file.write(whole[:start])
        while file.tell() + len(whole) - end < size:
            file.write(whole[start:end])
        file.write(whole[end:])
    return target
