"""The home that develop, demo and live tests use is a real, open Home Assistant."""

from http import HTTPStatus
from pathlib import Path
import socket

from aiohttp import ClientSession
import pytest

from scripts.devhome import LOOPBACK, HomeError, boot, free_port, write_home

pytestmark = [
    pytest.mark.live,
    pytest.mark.usefixtures("socket_enabled", "unix_sockets"),
]


async def test_it_opens_without_a_login(tmp_path: Path) -> None:
    """The token serves programs, and the trusted network lets a browser in."""
    home = write_home(tmp_path / "home", free_port())
    async with await boot(home) as running:
        async with running.session.get("/api/config") as response:
            config = await response.json()
        assert config["state"] == "RUNNING"
        assert {"camera", "frontend", "recorder"} <= set(config["components"])
        async with ClientSession(running.url) as stranger:
            async with stranger.get("/api/config") as response:
                assert response.status == HTTPStatus.UNAUTHORIZED
            # Home Assistant does not even offer it once all of it is done.
            async with stranger.get("/api/onboarding") as response:
                assert response.status == HTTPStatus.NOT_FOUND
            login = {
                "client_id": f"{running.url}/",
                "handler": ["trusted_networks", None],
                "redirect_uri": f"{running.url}/?auth_callback=1",
            }
            async with stranger.post("/auth/login_flow", json=login) as response:
                assert (await response.json())["type"] == "create_entry"
    assert running.process.returncode == 0


async def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    """A second start, on another port, keeps user, token and what was set up."""
    folder = tmp_path / "home"
    first = write_home(folder, free_port())
    async with await boot(first) as running:
        created = {"name": "Kept", "initial": True}
        await _command(running.session, "input_boolean/create", created)
    second = write_home(folder, free_port())
    async with await boot(second) as running:
        async with running.session.get("/api/states/input_boolean.kept") as response:
            assert response.status == HTTPStatus.OK
        assert await running.kill() != 0


async def test_a_home_that_does_not_start_says_why(tmp_path: Path) -> None:
    """The error carries what the process printed."""
    home = write_home(tmp_path / "home", free_port())
    with pytest.raises(HomeError, match="ended with code 2(.|\n)*--no-such-option"):
        await boot(home, arguments=["--no-such-option"])


async def test_a_taken_port_is_said_at_once(tmp_path: Path) -> None:
    """Home Assistant itself would go on without a server."""
    with socket.create_server((LOOPBACK, 0)) as other:
        home = write_home(tmp_path / "home", other.getsockname()[1])
        with pytest.raises(HomeError, match=f"Port {home.port} is taken"):
            await boot(home)


async def test_a_home_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    """Patience ends, and nothing is left running."""
    home = write_home(tmp_path / "home", free_port())
    with pytest.raises(HomeError, match="not up after 0.01 s"):
        await boot(home, patience=0.01)


async def _command(
    session: ClientSession, kind: str, arguments: dict[str, object]
) -> None:
    """Send one command over the websocket API."""
    token = session.headers["Authorization"].removeprefix("Bearer ")
    async with session.ws_connect("/api/websocket") as channel:
        assert (await channel.receive_json())["type"] == "auth_required"
        await channel.send_json({"type": "auth", "access_token": token})
        assert (await channel.receive_json())["type"] == "auth_ok"
        await channel.send_json({"id": 1, "type": kind, **arguments})
        assert (await channel.receive_json())["success"]
