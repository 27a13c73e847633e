"""Every line of the wire in a text file."""

import asyncio
import logging
from pathlib import Path

import pytest

from custom_components.printfarm.fabricators.marlin import gcodelog
from custom_components.printfarm.fabricators.marlin.gcodelog import GcodeLog
from custom_components.printfarm.fabricators.marlin.wirelog import WireLog


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcodelog, "INTERVAL", 0.005)


def _texts(path: Path) -> list[str]:
    return [line.partition(" ")[2] for line in path.read_text().splitlines()]


async def _until(done: object) -> None:
    async with asyncio.timeout(10):
        while not done():
            await asyncio.sleep(0.005)


async def test_writes_while_it_is_on(tmp_path: Path) -> None:
    """Both directions, in order, whole lines; nothing before and nothing after."""
    path = tmp_path / "gcode-1.log"
    wire = WireLog()
    log = GcodeLog(path, wire)
    wire.sent(1.0, b"M105\n")
    log.begin()
    log.begin()
    wire.sent(2.0, b"N1 G28*18\n")
    wire.heard(3.0, b"o")
    await _until(path.exists)
    wire.heard(4.0, b"k\nwait")
    await log.end()
    wire.sent(5.0, b"M115\n")
    await log.end()
    assert _texts(path) == ["> N1 G28*18", "< ok"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(wire.lines()) == 5
    log.begin()
    wire.sent(6.0, b"M114\n")
    await log.end()
    assert _texts(path)[-1] == "> M114"


async def test_begins_new_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three files at most, the newest without a number."""
    monkeypatch.setattr(gcodelog, "LIMIT", 60)
    path = tmp_path / "gcode-1.log"
    wire = WireLog()
    log = GcodeLog(path, wire)
    for turn in range(5):
        log.begin()
        wire.sent(1.0, b"N%d G1 X1.000 Y1.000 E0.0001*1\n" % turn)
        await log.end()
    # Each line fills a file, and none was begun after the last.
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "gcode-1.log.1",
        "gcode-1.log.2",
    ]
    assert _texts(tmp_path / "gcode-1.log.1")[0].startswith("> N4")
    assert _texts(tmp_path / "gcode-1.log.2")[0].startswith("> N3")


async def test_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It says so once, and the machine goes on without."""
    wire = WireLog()
    log = GcodeLog(tmp_path / "missing" / "gcode.log", wire)
    with caplog.at_level(logging.WARNING):
        log.begin()
        wire.sent(1.0, b"M105\n")
        await _until(lambda: "not written any more" in caplog.text)
        wire.sent(2.0, b"M105\n")
        await log.end()
    assert caplog.text.count("not written any more") == 1
    assert len(wire.lines()) == 2
