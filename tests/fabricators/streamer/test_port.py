"""The whole way without hardware: a board at a port, and a process that is killed."""

from itertools import accumulate
from pathlib import Path
import signal

import pytest

from custom_components.printfarm.fabricators.interface import FabricatorConfig
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
