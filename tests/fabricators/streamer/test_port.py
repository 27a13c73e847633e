"""The whole way without hardware: a board at a port, and a process that is killed."""

import asyncio
from itertools import accumulate
from pathlib import Path
import signal

import pytest

from custom_components.printfarm.fabricators.interface import FabricatorConfig
from custom_components.printfarm.fabricators.streamer.shelf import Shelf
from tests.emulators.pty_board import PtyBoard
from tests.fabricators.streamer.real import Process, Virtual
from tests.fabricators.watched import endless

pytestmark = pytest.mark.usefixtures("unix_sockets")


class _Printer(Virtual):
    """A machine at a port, with the same client."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.config = FabricatorConfig(
            key="a",
            name="A",
            protocol="marlin",
            options={"port": path, "baudrate": 115200},
        )


async def test_a_board_outlives_its_process(tmp_path: Path) -> None:
    """The next one asks it how far the print came: to the line, without a guess."""
    file = endless(tmp_path, 7).gcode
    assert file is not None
    executed: list[str] = []
    with PtyBoard("marlin_2", speed=20) as board:
        board.board.executed = lambda _, command: executed.append(command)
        machine = _Printer(board.path)
        killed = Process(tmp_path, "serial")
        following = None
        try:
            first = await killed.peer()
            await machine.add(first)
            await machine.start(first, file)
            await first.until(
                lambda one: (one.get("snapshot", {}).get("position") or 0) > 500
            )
            killed.signal(signal.SIGKILL)
            await killed.ended()
            await first.close()

            following = Process(tmp_path, "serial")
            second = await following.peer()
            await machine.add(second)
            end = next(one["event"] for one in second.news if "event" in one)
            assert end["reason"] == "streamer_died"
            located = await second.ask("locate", "a", checkpoint=end["checkpoint"])
            position = located["result"]["checkpoint"]["position"]
            await second.ask("command", "a", line="M400")
            await second.close()
        finally:
            await killed.end()
            if following is not None:
                await following.end()
    lines = file.read_text().splitlines(keepends=True)
    printed = [command for command in executed if command[:2] == "G1"]
    taken = list(accumulate(len(line) for line in lines))[len(printed)]
    assert end["checkpoint"]["position"] <= position
    assert position == taken


async def test_everybody_is_killed_before_the_board_is_parked(tmp_path: Path) -> None:
    """As in a container that stops: the heaters are off by then, the end is written."""
    file = tmp_path / "slow.gcode"
    file.write_text("M104 S200\nM140 S60\nG91\n" + "G1 X1 F60\nG1 X-1 F60\n" * 1000)
    executed: list[str] = []
    with PtyBoard("marlin_2", speed=1) as board:
        board.board.executed = lambda _, command: executed.append(command)
        machine = _Printer(board.path)
        killed = Process(tmp_path, "serial")
        following = None
        try:
            first = await killed.peer()
            await machine.add(first)
            await machine.start(first, file)
            # More moves than the board can plan: those under way take a quarter minute.
            await first.until(
                lambda one: (one.get("snapshot", {}).get("position") or 0) > 220
            )
            killed.signal(signal.SIGTERM)
            story = Shelf(killed.folder)
            async with asyncio.timeout(30):
                while story.read_all()["a"].end is None or "M140 S0" not in executed:
                    await asyncio.sleep(0.01)
            killed.signal(signal.SIGKILL)
            assert await killed.ended() == -signal.SIGKILL
            await first.close()

            following = Process(tmp_path, "serial")
            second = await following.peer()
            await machine.add(second)
            end = next(one["event"] for one in second.news if "event" in one)
            assert (end["result"], end["reason"]) == ("failed", "stopped")
            assert 220 < end["checkpoint"]["position"] < 1000
            await second.close()
        finally:
            await killed.end()
            if following is not None:
                await following.end()
    assert [target for _, target in board.board.temperatures.values()] == [0, 0]
