"""Files over HTTP: in, listed, looked at, out again and away."""

import asyncio
from collections.abc import AsyncIterator
import gzip
from http import HTTPStatus
from pathlib import Path
import tracemalloc
from typing import Any
from unittest.mock import patch

from aiohttp import ClientError, FormData
from aiohttp.test_utils import TestClient
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.printfarm.const import DOMAIN
from custom_components.printfarm.farm.errors import StorageError
from custom_components.printfarm.farm.library import Library
from custom_components.printfarm.farm.model import AnalysisState

from .edge_fixtures import LONG, SHORT, Home, until
from .test_image import PICTURE

VASE = (Path(__file__).parent / "fixtures" / "gcode" / "vase.gcode").read_bytes()
VASE_SAYS = {
    "name": "PrusaSlicer",
    "time": 836.0,
    "filament_length": 1270.71,
    "filament_weight": 3.79,
    "layers": None,
}
URL = "/api/printfarm/files"
BOUNDARY = "frontier"
HEADERS = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture
async def client(home: Home, hass_client: ClientSessionGenerator) -> TestClient:
    """Give a client with a token."""
    for name in ("Ada", "Bob"):
        await home.farm.set_auto_start(home.key(name), False)
    return await hass_client()


def _part(name: str, content: bytes, filename: str | None = None) -> bytes:
    """Give one part of a multipart body."""
    file = "" if filename is None else f'; filename="{filename}"'
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n'
    return head.encode() + b"\r\n" + content + b"\r\n"


def _body(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


FILE = _part("file", SHORT, "a.gcode")


async def _post(client: TestClient, body: Any) -> tuple[HTTPStatus, dict[str, Any]]:
    answer = await client.post(URL, data=body, headers=HEADERS)
    return HTTPStatus(answer.status), await answer.json()


def _left_over(home: Home) -> list[Path]:
    """Give what lies where uploads arrive."""
    return list(Path(home.hass.config.path("printfarm", "files", "incoming")).iterdir())


async def test_upload(home: Home, client: TestClient) -> None:
    """A file comes in by a plain form, and once more gives the same file."""
    form = FormData()
    form.add_field("file", SHORT, filename="a.gcode")
    answer = await client.post(URL, data=form)
    assert answer.status == HTTPStatus.CREATED
    made = await answer.json()
    assert made["name"] == "a.gcode"
    assert made["size"] == len(SHORT)
    assert len(made["sha256"]) == 64
    assert made["jobs"] == []
    assert answer.headers["Location"] == f"{URL}/{made['id']}"
    status, again = await _post(client, _body(FILE))
    assert status is HTTPStatus.CREATED
    assert again["id"] == made["id"]
    assert await home.jobs() == ()
    assert _left_over(home) == []


@pytest.mark.parametrize(
    ("content", "name", "slicer", "thumbnail"),
    [
        (VASE, "vase.gcode", VASE_SAYS, False),
        (PICTURE + VASE, "vase.gcode", VASE_SAYS, True),
        (gzip.compress(PICTURE + VASE), "vase.gcode.gz", VASE_SAYS, True),
        (SHORT, "a.gcode", dict.fromkeys(VASE_SAYS), False),
    ],
)
async def test_what_the_slicer_says_comes_at_once(
    home: Home,
    client: TestClient,
    content: bytes,
    name: str,
    slicer: dict[str, Any],
    thumbnail: bool,
) -> None:
    """The answer to an upload does not wait until the file was read in full."""

    def unread(*_: object) -> None:
        """Nobody reads it, so nothing can be known from that."""

    with patch.object(Library, "_read", unread):
        status, made = await _post(client, _body(_part("file", content, name)))
    assert status is HTTPStatus.CREATED
    assert made["slicer"] == slicer | {"thumbnail": thumbnail}
    file = await home.farm.library.file(made["id"])
    assert file.state is AnalysisState.PENDING


async def test_nothing_is_said_of_a_broken_archive(
    home: Home, client: TestClient
) -> None:
    """It is taken in as before; its analysis says what is wrong."""
    body = _body(_part("file", gzip.compress(LONG)[:99], "a.gcode.gz"))
    status, made = await _post(client, body)
    assert status is HTTPStatus.CREATED
    assert made["slicer"] is None
    file = await home.farm.library.analysed(made["id"])
    assert file.error == "file_corrupt"


@pytest.mark.parametrize("before", [True, False])
async def test_upload_and_queue(home: Home, client: TestClient, before: bool) -> None:
    """Fields beside the file make jobs, wherever they stand."""
    fields = b"".join(
        _part(name, value.encode())
        for name, value in {
            "queue": "true",
            "name": "Für Ada",
            "copies": "2",
            "priority": "3",
            "hold": "yes",
            "target": home.device("Bob"),
            "not_before": "2036-11-20T12:00:00+00:00",
        }.items()
    )
    body = _body(fields, FILE) if before else _body(FILE, fields)
    status, made = await _post(client, body)
    assert status is HTTPStatus.CREATED
    jobs = await home.jobs()
    assert made["jobs"] == [job.id for job in jobs]
    assert len(jobs) == 2
    assert {job.name for job in jobs} == {"Für Ada"}
    assert {job.priority for job in jobs} == {3}
    assert {job.target for job in jobs} == {home.view("Bob").id}
    assert all(job.hold and job.not_before for job in jobs)


async def test_targets(home: Home, client: TestClient) -> None:
    """Jobs are for any fabricator, or for the one with the shortest queue."""
    queue = _part("queue", b"1")
    await _post(client, _body(FILE, queue))
    await _post(client, _body(FILE, queue, _part("target", b"any")))
    await _post(client, _body(FILE, queue, _part("target", b"shortest")))
    assert [job.target for job in await home.jobs()] == [
        None,
        None,
        home.view("Ada").id,
    ]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (_body(), 400, "upload_without_file"),
        (_body(_part("queue", b"1")), 400, "upload_without_file"),
        (_body(FILE, FILE), 400, "upload_one_file_only"),
        (_body(FILE, _part("colour", b"red")), 400, "upload_field_invalid"),
        (_body(FILE, _part("copies", b"two")), 400, "upload_field_invalid"),
        (_body(FILE, _part("copies", b"0")), 400, "upload_field_invalid"),
        (
            _body(FILE, _part("copies", b"1"), _part("copies", b"2")),
            400,
            "upload_field_invalid",
        ),
        (_body(FILE, _part("name", b"x" * 5000)), 400, "upload_field_invalid"),
        (
            _body(FILE, _part("queue", b"1"), _part("plate", b"9" * 25)),
            400,
            "upload_field_invalid",
        ),
        (
            _body(
                FILE,
                _part("queue", b"1"),
                _part("not_before", b"0001-01-01T00:00+14:00"),
            ),
            400,
            "upload_field_invalid",
        ),
        (_body(FILE, _part("name", b"\xff\xfe")), 400, "upload_broken"),
        (
            _body(FILE, _part("queue", b"1"), _part("target", b"nobody")),
            400,
            "upload_field_invalid",
        ),
        (_body(_part("file", SHORT, "../..")), 400, "name_invalid"),
        (_body(_part("file", b"", "a.gcode")), 422, "file_empty"),
        (_body(_part("file", b"\0\1\2" * 99, "a.gcode")), 422, "file_binary"),
        (b"no boundary here", 400, "upload_broken"),
        (FILE, 400, "upload_broken"),
        (FILE[:-40], 400, "upload_broken"),
        (
            b"--frontier\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x--\r\n",
            400,
            "upload_broken",
        ),
    ],
)
async def test_refused(
    home: Home, client: TestClient, body: bytes, status: int, code: str
) -> None:
    """What makes no sense is refused in words, and nothing of it stays."""
    answer = await client.post(URL, data=body, headers=HEADERS)
    assert answer.status == status
    said = await answer.json()
    assert said["code"] == code
    assert said["message"] not in ("", code)
    assert await home.jobs() == ()
    assert _left_over(home) == []


async def test_not_multipart(client: TestClient) -> None:
    """Other bodies are not guessed at, nor one whose boundary is not named."""
    answer = await client.post(URL, json={"file": "G28"})
    assert answer.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert (await answer.json())["code"] == "upload_not_multipart"
    answer = await client.post(
        URL, data=b"x", headers={"Content-Type": "multipart/form-data"}
    )
    assert answer.status == HTTPStatus.BAD_REQUEST
    assert (await answer.json())["code"] == "upload_broken"


async def test_too_large(home: Home, client: TestClient) -> None:
    """A file that is too large is refused while it comes in."""
    with patch.object(home.farm.library, "max_size", 1000):
        status, said = await _post(client, _body(_part("file", LONG, "a.gcode")))
    assert status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert said["code"] == "file_too_large"
    assert _left_over(home) == []


@pytest.mark.parametrize(
    ("key", "status"),
    [
        ("storage_full", HTTPStatus.INSUFFICIENT_STORAGE),
        ("storage_failed", HTTPStatus.SERVICE_UNAVAILABLE),
    ],
)
async def test_no_storage(
    home: Home, client: TestClient, key: str, status: HTTPStatus
) -> None:
    """What the disk has against it is told."""
    with patch.object(Library, "keep", side_effect=StorageError(key)):
        got, said = await _post(client, _body(FILE))
    assert got is status
    assert said["code"] == key
    assert _left_over(home) == []


async def test_client_hangs_up(home: Home, client: TestClient) -> None:
    """A client that leaves in the middle leaves nothing behind."""
    begun = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield _part("file", SHORT * 40000, "a.gcode")[:-2]
        begun.set()
        await asyncio.sleep(60)

    post = asyncio.create_task(client.post(URL, data=body(), headers=HEADERS))
    await begun.wait()
    await until(lambda: _left_over(home))
    post.cancel()
    with pytest.raises((asyncio.CancelledError, ClientError)):
        await post
    await until(lambda: not _left_over(home))
    assert (await home.farm.library.files()).total == 0


async def test_client_leaves_after_the_last_byte(
    home: Home, client: TestClient
) -> None:
    """What has arrived whole is kept whole: the file, and the jobs that were asked."""
    keep, go = Library.keep, asyncio.Event()
    reached = asyncio.Event()

    async def slow(*arguments: Any) -> Any:
        reached.set()
        await go.wait()
        return await keep(*arguments)

    with patch.object(Library, "keep", slow):
        post = asyncio.create_task(
            client.post(URL, data=_body(FILE, _part("queue", b"1")), headers=HEADERS)
        )
        await reached.wait()
        post.cancel()
        with pytest.raises(asyncio.CancelledError):
            await post
        server = client.server.runner.server
        await until(lambda: not server.connections)
        go.set()
        await home.hass.async_block_till_done()
    assert len(await home.jobs()) == 1
    assert _left_over(home) == []


async def test_flat_memory(home: Home, client: TestClient) -> None:
    """However large the file, only a little of it is ever in memory."""
    megabyte = (b"G1 X100 Y10 E5 F600\n" * 60000)[: 1024 * 1024]
    size = 64

    async def body() -> AsyncIterator[bytes]:
        yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"'.encode()
        yield b'; filename="large.gcode"\r\n\r\n'
        for _ in range(size):
            yield megabyte
        yield f"\r\n--{BOUNDARY}--\r\n".encode()

    def unread(*_: object) -> None:
        """Reading so much G-code takes a while, and is not what is looked at."""

    with patch.object(Library, "_read", unread):
        tracemalloc.start()
        try:
            status, made = await _post(client, body())
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert status is HTTPStatus.CREATED
    assert made["size"] == size * 1024 * 1024
    assert peak < 16 * 1024 * 1024


async def test_list(home: Home, client: TestClient) -> None:
    """Files are listed, newest first, and found by name."""
    await home.upload(SHORT, "First.gcode")
    await home.upload(LONG, "Second.gcode")
    answer = await (await client.get(URL)).json()
    assert [file["name"] for file in answer["files"]] == ["Second.gcode", "First.gcode"]
    assert answer["total"] == 2
    answer = await (await client.get(URL, params={"text": "first"})).json()
    assert [file["name"] for file in answer["files"]] == ["First.gcode"]
    answer = await (await client.get(URL, params={"limit": "1", "offset": "1"})).json()
    assert [file["name"] for file in answer["files"]] == ["First.gcode"]
    for query in ({"limit": "many"}, {"colour": "red"}, {"offset": "9" * 25}):
        refused = await client.get(URL, params=query)
        assert refused.status == HTTPStatus.BAD_REQUEST


async def test_one_file(home: Home, client: TestClient) -> None:
    """A file tells what was read out of it, and goes out as it came in."""
    file = await home.upload(PICTURE + LONG, "Zahnrad ä.gcode")
    url = f"{URL}/{file.id}"
    told = await (await client.get(url)).json()
    assert told["name"] == "Zahnrad ä.gcode"
    assert told["analysis"] == "done"
    assert told["plates"][0]["time"] > 0
    assert [used["tool"] for used in told["plates"][0]["filaments"]] == [0]
    assert "cost" in told["plates"][0]
    picture = await client.get(f"{url}/thumbnail")
    assert picture.content_type == "image/png"
    assert (await picture.read()).startswith(b"\x89PNG")
    content = await client.get(f"{url}/download")
    assert await content.read() == PICTURE + LONG
    assert content.headers["Content-Disposition"] == (
        "attachment; filename*=UTF-8''Zahnrad%20%C3%A4.gcode"
    )
    gone = await client.delete(url)
    assert gone.status == HTTPStatus.NO_CONTENT
    for wanted in (url, f"{url}/thumbnail", f"{url}/download"):
        answer = await client.get(wanted)
        assert answer.status == HTTPStatus.NOT_FOUND
        assert (await answer.json())["code"] == "file_not_found"
    assert (await client.delete(url)).status == HTTPStatus.NOT_FOUND


async def test_file_without_picture(home: Home, client: TestClient) -> None:
    """No picture is no error of ours."""
    file = await home.upload()
    answer = await client.get(f"{URL}/{file.id}/thumbnail")
    assert answer.status == HTTPStatus.NOT_FOUND
    assert (await answer.json())["code"] == "file_without_thumbnail"


async def test_file_in_use(home: Home, client: TestClient) -> None:
    """A file that a job needs stays."""
    (job,) = await home.queue()
    answer = await client.delete(f"{URL}/{job.file_id}")
    assert answer.status == HTTPStatus.CONFLICT
    assert (await answer.json())["code"] == "file_in_use"


async def test_no_farm(home: Home, client: TestClient) -> None:
    """Views outlive the farm, and say that it is away."""
    await home.unload()
    assert home.entry.state is ConfigEntryState.NOT_LOADED
    answer = await client.get(URL)
    assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert (await answer.json())["code"] == "farm_not_loaded"


async def test_needs_a_token(
    hass: HomeAssistant, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """Nothing is given to strangers."""
    assert await async_setup_component(hass, DOMAIN, {})
    client = await hass_client_no_auth()
    for method, url in (
        ("GET", URL),
        ("POST", URL),
        ("GET", f"{URL}/1"),
        ("DELETE", f"{URL}/1"),
        ("GET", f"{URL}/1/thumbnail"),
        ("GET", f"{URL}/1/download"),
    ):
        answer = await client.request(method, url)
        assert answer.status == HTTPStatus.UNAUTHORIZED
