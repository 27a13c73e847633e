"""The board behind a pseudo-terminal, spoken to through the real serial library."""

import asyncio
import os
import subprocess
import sys

import pytest
import serialx

from custom_components.printfarm.fabricators.virtual.board import Faults
from tests.emulators.pty_board import PtyBoard, _arguments

from .test_transport import Listener


async def _connect(path: str) -> tuple[asyncio.Transport, Listener]:
    return await serialx.create_serial_connection(
        asyncio.get_running_loop(), Listener, path, 115200
    )


async def test_serial_library_talks_to_the_board() -> None:
    """Serial library talks to the board."""
    with PtyBoard() as port:
        transport, listener = await _connect(port.path)
        transport.write(b"M109 S200\n")
        await listener.until_line("ok")
        assert listener.lines[-1] == "ok"
        transport.close()
        await listener.lost
    assert port.board.temperatures["E0"][1] == 200


async def test_unplugged_port_is_lost() -> None:
    """Unplugged port is lost."""
    with PtyBoard(faults=Faults(silence_at=1)) as port:
        _, listener = await _connect(port.path)
        port.unplug()
        async with asyncio.timeout(10):
            assert isinstance(await listener.lost, OSError)


def test_command_line_names_models_speed_and_faults() -> None:
    """Command line names models speed and faults."""
    assert _arguments(["--model", "idex", "--speed", "5", "--kill-at", "7"]) == (
        "idex",
        5.0,
        Faults(kill_at=7),
    )
    with pytest.raises(SystemExit):
        _arguments(["--model", "none"])


@pytest.mark.live
def test_board_runs_as_a_program() -> None:
    """Board runs as a program."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.emulators.pty_board", "--speed", "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        path = process.stdout.readline().strip()
        assert os.path.exists(path)
        process.stdin.close()
        assert process.wait(timeout=20) == 0
