"""A small client of a running Home Assistant: flows, actions, uploads, live news."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any, Self

from aiohttp import ClientSession, ClientWebSocketResponse, FormData

_FLOWS = "/api/config/config_entries/flow"
_SUBENTRY_FLOWS = "/api/config/config_entries/subentries/flow"

_POLL = 0.1
_PATIENCE = 30.0


class ClientError(Exception):
    """Home Assistant said no; the text says what it said."""


class HomeClient:
    """Speaks to one Home Assistant over HTTP and its websocket."""

    def __init__(self, session: ClientSession, token: str) -> None:
        """`session` has the base address and the token in its headers."""
        self._session = session
        self._token = token
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._news: dict[int, asyncio.Queue[dict[str, Any]]] = {}
        self._socket: ClientWebSocketResponse | None = None
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def connect(cls, session: ClientSession, token: str) -> AsyncIterator[Self]:
        """Open the websocket and log in."""
        client = cls(session, token)
        async with session.ws_connect("/api/websocket", max_msg_size=0) as socket:
            client._socket = socket
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": token})
            if (answer := await socket.receive_json())["type"] != "auth_ok":
                raise ClientError(str(answer))
            client._reader = asyncio.create_task(client._read())
            try:
                yield client
            finally:
                client._reader.cancel()
                await asyncio.gather(client._reader, return_exceptions=True)

    async def _read(self) -> None:
        assert self._socket is not None
        async for message in self._socket:
            item = message.json()
            if item["type"] == "result" and item["id"] in self._answers:
                answer = self._answers.pop(item["id"])
                # Whoever asked may have given up meanwhile.
                if not answer.done():
                    answer.set_result(item)
            elif item["type"] == "event":
                self._news[item["id"]].put_nowait(item["event"])

    async def _send(self, message: Mapping[str, Any]) -> tuple[int, Any]:
        assert self._socket is not None
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self._news[number] = asyncio.Queue()
        await self._socket.send_json({"id": number, **message})
        result = await answer
        if not result["success"]:
            raise ClientError(result["error"]["message"])
        return number, result["result"]

    async def ask(self, **message: Any) -> Any:
        """Send one websocket command and give its result."""
        return (await self._send(message))[1]

    async def listen(self, **message: Any) -> asyncio.Queue[dict[str, Any]]:
        """Send a websocket subscription; its events arrive in the queue."""
        number, _ = await self._send(message)
        return self._news[number]

    async def act(
        self, action: str, data: Mapping[str, Any], device: str | None = None
    ) -> Any:
        """Perform an action of the farm and give its response."""
        target = {"target": {"device_id": device}} if device else {}
        answer = await self.ask(
            type="call_service",
            domain="printfarm",
            service=action,
            service_data=dict(data),
            return_response=True,
            **target,
        )
        return answer["response"]

    async def add_farm(self) -> str:
        """Set the farm up as a person would, and give its entry id."""
        flow = await self._post(_FLOWS, {"handler": "printfarm"})
        if flow["type"] == "form":
            flow = await self._post(f"{_FLOWS}/{flow['flow_id']}", {})
        if flow["type"] != "create_entry":
            raise ClientError(str(flow))
        return str(flow["result"]["entry_id"])

    async def add_fabricator(
        self, entry: str, protocol: str, fields: Mapping[str, Any]
    ) -> None:
        """Add a fabricator through its form."""
        flow = await self._post(_SUBENTRY_FLOWS, {"handler": [entry, "fabricator"]})
        step = f"{_SUBENTRY_FLOWS}/{flow['flow_id']}"
        await self._post(step, {"next_step_id": protocol})
        flow = await self._post(step, dict(fields))
        if flow["type"] != "create_entry":
            raise ClientError(str(flow))
        await self._until_shown(fields["name"])

    async def _until_shown(self, name: str) -> None:
        """Wait for the device and its entities, which appear behind the form."""
        try:
            async with asyncio.timeout(_PATIENCE):
                while not await self._is_shown(name):
                    await asyncio.sleep(_POLL)
        except TimeoutError:
            raise ClientError(f"{name} did not appear within {_PATIENCE:g} s") from None

    async def _is_shown(self, name: str) -> bool:
        devices = await self.ask(type="config/device_registry/list")
        entities = await self.ask(type="config/entity_registry/list")
        shown = {item["device_id"] for item in entities}
        return any(item["name"] == name and item["id"] in shown for item in devices)

    async def upload(self, path: Path, **fields: str) -> dict[str, Any]:
        """Upload a file, with form fields such as `queue` and `copies`."""
        form = FormData()
        for name, value in fields.items():
            form.add_field(name, value)
        with path.open("rb") as file:
            form.add_field("file", file, filename=path.name)
            async with self._session.post("/api/printfarm/files", data=form) as answer:
                if answer.status != HTTPStatus.CREATED:
                    raise ClientError(await answer.text())
                return dict(await answer.json())

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        async with self._session.post(path, json=body) as answer:
            if answer.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
                raise ClientError(f"{path}: {answer.status} {await answer.text()}")
            return dict(await answer.json())
