"""What holds for every test."""

from collections.abc import Iterator

from hypothesis import settings
import pytest
from pytest_socket import socket_allow_hosts

# Before anything else looks for custom components: the test plugin brings a package of
# that name too, and whichever is imported first is the one that Home Assistant searches.
import custom_components  # noqa: F401

from .texts import Texts, watched_texts

pytest_plugins = ["tests.edge_fixtures"]

# A slow machine is not a failure, and a failure must come again when looked for.
settings.register_profile("printfarm", deadline=None, derandomize=True)
settings.load_profile("printfarm")


@pytest.fixture
def unix_sockets() -> None:
    """Let a test speak over Unix sockets, which lead nowhere else."""
    socket_allow_hosts(["127.0.0.1"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def watched(request: pytest.FixtureRequest) -> Iterator[Texts | None]:
    """Load this integration and watch its texts, where a test uses Home Assistant."""
    if "hass" not in request.fixturenames:
        yield None
        return
    request.getfixturevalue("enable_custom_integrations")
    with watched_texts() as texts:
        yield texts
    assert texts.missing == []
