"""What a process is told when its farm is removed."""

from pathlib import Path
from typing import Any

import pytest

from custom_components.printfarm.fabricators.interface import FabricatorError
from custom_components.printfarm.fabricators.streamer.process import Streamers


class Told:
    """A process that does what it is told, or not."""

    def __init__(self, version: int | None = 1, *, deaf: bool = False) -> None:
        """Be there, with two machines."""
        self.version = version
        self.open = True
        self.said: list[tuple[str, str | None]] = []
        self._deaf = deaf

    async def request(
        self, op: str, key: str | None = None, args: object = None, *, within: float
    ) -> Any:
        """Note what is asked."""
        self.said.append((op, key))
        if op == "remove" and self._deaf:
            raise FabricatorError("streamer_failed")
        self.open = op != "quit"
        return {"machines": [{"key": "a"}, {"key": "b"}]}

    async def gone(self) -> None:
        """Be gone by now."""


@pytest.mark.parametrize("deaf", [False, True])
async def test_machines_are_removed_first(tmp_path: Path, deaf: bool) -> None:
    """A process that is only told to end leaves warm what was chosen to stay so."""
    streamers = Streamers(tmp_path, "1")
    client = Told(deaf=deaf)
    streamers._supervisors["serial"]._client = client  # type: ignore[assignment]
    await streamers.dismiss()
    assert client.said[0] == ("machines", None)
    assert set(client.said[1:3]) == {("remove", "a"), ("remove", "b")}
    assert client.said[3:] == [("quit", None)]


async def test_one_that_speaks_otherwise_just_ends(tmp_path: Path) -> None:
    """It understands nothing else."""
    streamers = Streamers(tmp_path, "1")
    client = Told(version=None)
    streamers._supervisors["serial"]._client = client  # type: ignore[assignment]
    await streamers.dismiss()
    assert client.said == [("quit", None)]
