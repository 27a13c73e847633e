"""Taking a file in over HTTP: part by part to the disk, never whole in memory."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv, device_registry as dr
import probatio

from .coordinator import FarmConfigEntry
from .devices import key_of_device
from .farm.errors import InvalidError
from .farm.model import Job, StoredFile
from .farm.upload import Upload
from .fields import COPIES, NUMBER, PRIORITY, moment
from .gcode import Analysis, RefusedError, pictured, quick

CHUNK = 256 * 1024
"""Bytes read at a time."""
FIELD_LIMIT = 4096
"""Bytes that a text field may have."""

ANY = "any"
SHORTEST = "shortest"

FIELDS = probatio.Schema(
    {
        probatio.Optional("queue", default=False): cv.boolean,
        probatio.Optional("name"): cv.string,
        probatio.Optional("plate", default=1): NUMBER,
        probatio.Optional("copies", default=1): COPIES,
        probatio.Optional("priority", default=0): PRIORITY,
        probatio.Optional("target", default=ANY): cv.string,
        probatio.Optional("hold", default=False): cv.boolean,
        probatio.Optional("not_before"): moment,
    }
)
"""What may stand beside the file. All but `queue` is about the jobs."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a first look at a file shows, long before it is read in full."""

    said: Analysis
    """What its slicer says about its first plate."""
    thumbnail: bool


@dataclass(frozen=True, slots=True)
class Received:
    """What an upload led to."""

    file: StoredFile
    look: Look | None
    """None where the file turns out to be unreadable."""
    jobs: tuple[Job, ...]


async def receive(
    hass: HomeAssistant, entry: FarmConfigEntry, request: web.Request
) -> Received:
    """Take the one file of a multipart request, and queue it if that is asked.

    Fields may stand before or after the file. Until everything has arrived and makes
    sense nothing is kept. Raises `FarmError` and `RefusedError`.
    """
    if request.content_type != "multipart/form-data":
        raise InvalidError("upload_not_multipart")
    upload, wanted = await _take_in(hass, entry, request)
    # The client has done its part; that it leaves now must not tear ours apart.
    return await asyncio.shield(
        hass.async_create_task(
            _keep(hass, entry, upload, wanted), f"Keep {upload.name}"
        )
    )


async def _take_in(
    hass: HomeAssistant, entry: FarmConfigEntry, request: web.Request
) -> tuple[Upload, dict[str, Any] | None]:
    """Give the upload and what shall be queued, once the last byte is here."""
    fields: dict[str, str] = {}
    upload: Upload | None = None
    async with AsyncExitStack() as stack:
        with _well_formed():
            reader = await request.multipart()
        while (part := await _next(reader)) is not None:
            if part.filename is None:
                fields[_field_name(part, fields)] = await _text(part)
            elif upload is None:
                library = entry.runtime_data.farm.library
                upload = library.new_upload(part.filename)
                await stack.enter_async_context(upload)
                await _stream(part, upload)
            else:
                raise InvalidError("upload_one_file_only")
        if upload is None:
            raise InvalidError("upload_without_file")
        wanted = _checked(hass, entry, fields)
        stack.pop_all()
    return upload, wanted


async def _keep(
    hass: HomeAssistant,
    entry: FarmConfigEntry,
    upload: Upload,
    wanted: dict[str, Any] | None,
) -> Received:
    farm = entry.runtime_data.farm
    async with upload:
        file = await upload.finish()
    jobs = () if wanted is None else await farm.add_jobs(file_id=file.id, **wanted)
    look = await hass.async_add_executor_job(
        _look_at, farm.library.path(file), file.name
    )
    return Received(file, look, jobs)


def _look_at(path: Path, name: str) -> Look | None:
    """Take a first look. What is wrong with the file, its analysis will say."""
    try:
        return Look(quick(path, name), pictured(path, name))
    except RefusedError, OSError:
        return None


@contextmanager
def _well_formed() -> Iterator[None]:
    """Blame the client for what the parser cannot make sense of."""
    try:
        yield
    except (ValueError, RuntimeError, HttpProcessingError) as error:
        raise InvalidError("upload_broken") from error


async def _next(reader: MultipartReader) -> BodyPartReader | None:
    """Give the next part; parts within parts are nothing that we asked for."""
    with _well_formed():
        part = await reader.next()
    if part is None or isinstance(part, BodyPartReader):
        return part
    raise InvalidError("upload_broken")


async def _chunk(part: BodyPartReader) -> bytes:
    with _well_formed():
        return bytes(await part.read_chunk(CHUNK))


async def _stream(part: BodyPartReader, upload: Upload) -> None:
    """Move a part to the disk, no faster than the disk takes it."""
    while chunk := await _chunk(part):
        await upload.write(chunk)


async def _text(part: BodyPartReader) -> str:
    """Read a short text field."""
    value = bytearray()
    while chunk := await _chunk(part):
        value += chunk
        if len(value) > FIELD_LIMIT:
            raise InvalidError("upload_field_invalid", field=part.name or "")
    with _well_formed():
        return value.decode()


def _field_name(part: BodyPartReader, known: Mapping[str, str]) -> str:
    """Give the name of a field that is ours and was not given before."""
    name = part.name
    if name is None or name in known or name not in FIELDS.schema:
        raise InvalidError("upload_field_invalid", field=name or "")
    return name


def _checked(
    hass: HomeAssistant, entry: FarmConfigEntry, fields: Mapping[str, str]
) -> dict[str, Any] | None:
    """Give what `Farm.add_jobs` shall be told, None where nothing is queued."""
    try:
        values: dict[str, Any] = FIELDS(dict(fields))
    except probatio.Invalid as error:
        name = str(error.path[0]) if error.path else ""
        raise InvalidError("upload_field_invalid", field=name) from error
    if not values.pop("queue"):
        return None
    target = values.pop("target")
    if target == SHORTEST:
        return values | {"shortest": True}
    if target == ANY:
        return values
    device = dr.async_get(hass).async_get(target)
    key = None if device is None else key_of_device(device)
    if key not in entry.runtime_data.fabricators:
        raise InvalidError("upload_field_invalid", field="target")
    return values | {"target": key}
