"""The file of a print is closed, whoever gives up when."""

import asyncio
from pathlib import Path
import threading
from typing import Any

import pytest

from custom_components.printfarm.fabricators.interface import Task
from custom_components.printfarm.fabricators.marlin import stream as module
from custom_components.printfarm.fabricators.marlin.source import Source
from custom_components.printfarm.fabricators.marlin.stream import Stream


class SlowSource(Source):
    """A file on a disk that answers when the test lets it, and knows if it is closed."""

    made: list[SlowSource]
    opening: threading.Event
    reading: threading.Event

    def __init__(self, path: Path, start: int = 0) -> None:
        """Open as soon as the test says so."""
        self.opening.wait(20)
        super().__init__(path, start)
        self.closings = 0
        self.made.append(self)

    def fetch(self) -> bool:
        """Read as soon as the test says so."""
        self.reading.wait(20)
        return super().fetch()

    def close(self) -> None:
        """Count."""
        self.closings += 1
        super().close()


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> type[SlowSource]:
    """Put slow files in the place of the real ones."""
    SlowSource.made = []
    SlowSource.opening, SlowSource.reading = threading.Event(), threading.Event()
    monkeypatch.setattr(module, "Source", SlowSource)
    return SlowSource


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Give a print of one move."""
    path = tmp_path / "a.gcode"
    path.write_bytes(b"G1 X1\n")
    return Task(run=1, name="a", source=path, gcode=path)


def ignored(*_: Any) -> None:
    """Take a block that nobody wants."""


async def until_closed(slow: type[SlowSource]) -> None:
    """Wait for the thread and what follows from it."""
    async with asyncio.timeout(20):
        while not slow.made or not slow.made[0].closings:
            await asyncio.sleep(0.001)
    assert slow.made[0].closings == 1


async def test_given_up_while_opening(slow: type[SlowSource], task: Task) -> None:
    """The thread opens the file for nobody."""
    opening = asyncio.create_task(Stream(task).open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    slow.opening.set()
    await until_closed(slow)


async def test_given_up_before_it_could_be_opened(
    slow: type[SlowSource], task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to close where there was nothing to open."""

    def fail(*_: object) -> None:
        slow.opening.wait()
        raise FileNotFoundError

    monkeypatch.setattr(module, "_open", fail)
    opening = asyncio.create_task(Stream(task).open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    slow.opening.set()
    await asyncio.get_running_loop().run_in_executor(None, ignored)
    assert slow.made == []


async def test_closed_while_reading(slow: type[SlowSource], task: Task) -> None:
    """The read under way closes the file when it comes back."""
    slow.opening.set()
    stream = Stream(task)
    await stream.open()
    stream.read(ignored)
    await asyncio.sleep(0)
    stream.close()
    assert slow.made[0].closings == 0
    slow.reading.set()
    await until_closed(slow)


async def test_given_up_while_reading(slow: type[SlowSource], task: Task) -> None:
    """The file is not taken from under the thread, and is closed behind it."""
    slow.opening.set()
    stream = Stream(task)
    await stream.open()
    stream.read(ignored)
    await asyncio.sleep(0)
    assert stream._reading is not None
    stream._reading.cancel()
    await asyncio.wait([stream._reading])
    assert slow.made[0].closings == 0
    slow.reading.set()
    await until_closed(slow)


async def test_given_up_between_two_portions(
    slow: type[SlowSource], task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no thread is at it, the file is closed at once."""
    slow.opening.set()
    slow.reading.set()
    stream = Stream(task)
    await stream.open()
    taken = asyncio.Event()

    def take(_: Source) -> list[tuple[int, bytes]]:
        taken.set()
        return []

    monkeypatch.setattr(slow, "take", take)
    stream.read(ignored)
    await taken.wait()
    assert stream._reading is not None
    stream._reading.cancel()
    await asyncio.wait([stream._reading])
    assert slow.made[0].closings == 1


async def test_waits_for_the_thread(
    slow: type[SlowSource], task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever lets go of a print waits for what is read, but not for a dead disk."""
    slow.opening.set()
    stream = Stream(task)
    await stream.gone()
    await stream.open()
    stream.read(ignored)
    stream.close()
    monkeypatch.setattr(module, "DISK_GRACE", 0.01)
    await stream.gone()
    assert slow.made[0].closings == 0
    monkeypatch.setattr(module, "DISK_GRACE", 10.0)
    asyncio.get_running_loop().call_soon(slow.reading.set)
    await stream.gone()
    assert slow.made[0].closings == 1
