"""A real Home Assistant with this checkout, in a folder of its own, on loopback only.

`write_home` lays down a configuration that opens without onboarding or login and has
a token for programs; `boot` starts it as a process and waits until it is up. Used by
`scripts/develop`, `scripts/demo` and the live tests.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
import json
import os
from pathlib import Path
import secrets
import socket
import sys
from typing import Any, Self
from uuid import uuid4

from aiohttp import ClientError, ClientSession
import jwt

from custom_components.printfarm.const import DOMAIN
from custom_components.printfarm.fabricators.streamer.process import Streamers

ROOT = Path(__file__).resolve().parents[1]
LOOPBACK = "127.0.0.1"

CONFIGURATION = """\
homeassistant:
  name: Print Farm
  time_zone: Europe/Amsterdam
  country: NL
  currency: EUR
  latitude: 52.37
  longitude: 4.9
  unit_system: metric
  auth_providers:
    - type: trusted_networks
      trusted_networks: ["127.0.0.1", "::1"]
      allow_bypass_login: true
    - type: homeassistant
frontend:
history:
logbook:
logger:
  default: warning
  logs:
    custom_components.printfarm: info
"""

_POLL = 0.1
_STOP_PATIENCE = 60.0
_TAIL = 4000


class HomeError(Exception):
    """Home Assistant did not start, or went away; says why, as far as it is known."""


@dataclass(frozen=True, slots=True)
class Home:
    """A configuration folder, and how to reach what runs from it."""

    folder: Path
    port: int
    token: str
    """A long-lived access token of the one user, an administrator."""

    @property
    def url(self) -> str:
        """The address in a browser and the base of every request."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def output(self) -> Path:
        """Where everything that the process prints goes."""
        return self.folder / "output.log"


def free_port() -> int:
    """Give a loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _is_taken(port: int) -> bool:
    """Tell whether something listens; one that has just ended does not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def write_home(
    folder: Path,
    port: int,
    *,
    configuration: str = CONFIGURATION,
    components: Path = ROOT / "custom_components",
) -> Home:
    """Lay down a configuration, and leave alone what an earlier run set up.

    The port is always the given one: in 2026.10 it lives in storage, and `http:` in
    YAML would only be a trial that a restart ends after five minutes.
    """
    folder = folder.resolve()
    storage = folder / ".storage"
    storage.mkdir(parents=True, exist_ok=True)
    link = folder / "custom_components"
    if not link.is_symlink():
        link.symlink_to(components.resolve(), target_is_directory=True)
    yaml = folder / "configuration.yaml"
    if not yaml.exists():
        yaml.write_text(configuration, encoding="utf-8")
    _store(storage, "http", 1, {"server_host": [LOOPBACK], "server_port": port})
    if not (storage / "onboarding").exists():
        done = ["user", "core_config", "analytics", "integration"]
        _store(storage, "onboarding", 4, {"done": done})
    if not (storage / "auth").exists():
        _store(storage, "auth", 1, _one_administrator())
    return Home(folder, port, _access_token(storage))


def _store(storage: Path, key: str, version: int, data: dict[str, Any]) -> None:
    content = {"version": version, "minor_version": 1, "key": key, "data": data}
    path = storage / key
    path.write_text(json.dumps(content), encoding="utf-8")
    path.chmod(0o600)


def _one_administrator() -> dict[str, Any]:
    """Give Home Assistant's record of one user and one long-lived token.

    One user only, because the trusted network lets a browser in without asking who
    it is when there is nobody else to be.
    """
    user = uuid4().hex
    return {
        "users": [
            {
                "id": user,
                "group_ids": ["system-admin"],
                "is_owner": True,
                "is_active": True,
                "name": "Developer",
                "system_generated": False,
                "local_only": False,
            }
        ],
        "groups": [
            {"id": "system-admin", "name": "Administrators"},
            {"id": "system-users", "name": "Users"},
            {"id": "system-read-only", "name": "Read Only"},
        ],
        "credentials": [],
        "refresh_tokens": [
            {
                "id": uuid4().hex,
                "user_id": user,
                "client_id": None,
                "client_name": "Scripts",
                "client_icon": None,
                "token_type": "long_lived_access_token",
                "created_at": datetime.now(UTC).isoformat(),
                "access_token_expiration": timedelta(days=3650).total_seconds(),
                "token": secrets.token_hex(64),
                "jwt_key": secrets.token_hex(64),
                "last_used_at": None,
                "last_used_ip": None,
                "expire_at": None,
                "credential_id": None,
                "version": None,
            }
        ],
    }


def _access_token(storage: Path) -> str:
    """Sign an access token as Home Assistant does for the stored refresh token."""
    stored = json.loads((storage / "auth").read_text(encoding="utf-8"))["data"]
    refresh = next(
        token
        for token in stored["refresh_tokens"]
        if token["token_type"] == "long_lived_access_token"
    )
    issued = datetime.now(UTC)
    return jwt.encode(
        {
            "iss": refresh["id"],
            "iat": issued,
            "exp": issued + timedelta(seconds=refresh["access_token_expiration"]),
        },
        refresh["jwt_key"],
        algorithm="HS256",
    )


class RunningHome:
    """A Home Assistant process, and a session that is logged in to it."""

    def __init__(self, home: Home, process: asyncio.subprocess.Process) -> None:
        """Take over `process`, which was started from `home`."""
        self.home = home
        self.url = home.url
        self.token = home.token
        self.process = process
        self.session = ClientSession(
            base_url=home.url, headers={"Authorization": f"Bearer {home.token}"}
        )

    async def __aenter__(self) -> Self:
        """Be stopped at the end of the block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and leave nothing behind.

        Where Home Assistant was ended before, what it had printed goes on without it.
        """
        if self.process.returncode is None:
            await self.stop()
            await dismiss(self.home)
        await self.session.close()

    async def until_up(self, patience: float) -> None:
        """Wait until every integration is set up.

        Raises:
            HomeError: the process ended, or is not up after `patience` seconds.
        """
        try:
            async with asyncio.timeout(patience):
                while await self._state() != "RUNNING":
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise self._failure(f"is not up after {patience:g} s") from None

    async def _state(self) -> str:
        if self.process.returncode is not None:
            raise self._failure(f"ended with code {self.process.returncode}")
        with suppress(ClientError, ConnectionError):
            async with self.session.get("/api/config") as response:
                if response.status == HTTPStatus.OK:
                    return str((await response.json())["state"])
        return "NOT_RUNNING"

    def _failure(self, what: str) -> HomeError:
        printed = self.home.output.read_text(encoding="utf-8", errors="replace")
        return HomeError(f"Home Assistant {what}. It last said:\n{printed[-_TAIL:]}")

    async def stop(self) -> int:
        """Ask it to stop, insist after a minute, and give its exit code."""
        return await self._end(self.process.terminate)

    async def kill(self) -> int:
        """End it as a power cut would, and give its exit code."""
        return await self._end(self.process.kill)

    async def _end(self, end: Callable[[], None]) -> int:
        await self.session.close()
        if self.process.returncode is None:
            end()
        try:
            async with asyncio.timeout(_STOP_PATIENCE):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()


async def dismiss(home: Home) -> None:
    """End what prints for the farm of this home, in a process of its own."""
    await Streamers(home.folder / DOMAIN, "").dismiss()


async def boot(
    home: Home,
    *,
    patience: float = 180.0,
    arguments: Sequence[str] = ("--skip-pip",),
    to_terminal: bool = False,
) -> RunningHome:
    """Start Home Assistant and wait until it is up.

    It gets a session of its own, so that Ctrl-C in a terminal reaches only the
    program that started it, which then stops it in order. What it prints goes to
    `home.output`, or `to_terminal`.

    Raises:
        HomeError: it did not start; nothing is left running.
    """
    # It would start all the same, without its server, and never be up.
    if _is_taken(home.port):
        raise HomeError(f"Port {home.port} is taken by another program")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE"
    }
    with home.output.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "homeassistant", "--config", str(home.folder), *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=None if to_terminal else output,
            stderr=None if to_terminal else asyncio.subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )
    running = RunningHome(home, process)
    try:
        await running.until_up(patience)
    except BaseException:
        await running.stop()
        raise
    return running
