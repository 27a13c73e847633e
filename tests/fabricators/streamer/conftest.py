"""A host in a folder of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from .hosted import Hosted

type Next = Callable[[], Awaitable[Hosted]]


@pytest.fixture
async def following(tmp_path: Path) -> AsyncIterator[Next]:
    """Start hosts that follow each other in one folder."""
    hosts: list[Hosted] = []

    async def make() -> Hosted:
        host = Hosted(tmp_path)
        hosts.append(host)
        await host.host.load()
        return host

    yield make
    for host in hosts:
        await host.close()


@pytest.fixture
async def hosted(following: Next) -> Hosted:
    """Start a host with one machine, that the client listens to."""
    host = await following()
    await host.add()
    return host
