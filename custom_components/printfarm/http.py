"""The farm's own HTTP interface. Home Assistant's authentication guards all of it."""

from collections.abc import Callable, Coroutine
from functools import wraps
from http import HTTPStatus
from typing import Any, Concatenate
from urllib.parse import quote

from aiohttp import hdrs, web
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.http import KEY_HASS, HomeAssistantView
import probatio

from .const import DOMAIN
from .coordinator import FarmConfigEntry
from .farm.errors import (
    ConflictError,
    FarmError,
    InvalidError,
    NotFoundError,
    StorageError,
)
from .fields import COUNT, whole
from .gcode.model import Refusal, RefusedError
from .payloads import file_payload, received_payload
from .translated import KnownError, text_of, translated
from .uploads import receive

FILES_URL = f"/api/{DOMAIN}/files"
FILE_URL = FILES_URL + r"/{file_id:\d{1,15}}"

_PAGE = probatio.Schema(
    {
        probatio.Optional("text"): str,
        probatio.Optional("limit", default=100): whole(1, 500),
        probatio.Optional("offset", default=0): COUNT,
    }
)

_STATUS: dict[type[Exception], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    InvalidError: HTTPStatus.BAD_REQUEST,
    ConflictError: HTTPStatus.CONFLICT,
    RefusedError: HTTPStatus.UNPROCESSABLE_ENTITY,
}
_STATUS_BY_KEY = {
    Refusal.TOO_LARGE.value: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "storage_full": HTTPStatus.INSUFFICIENT_STORAGE,
    "upload_not_multipart": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}

type Answer = Coroutine[Any, Any, web.StreamResponse]


def _refusal(error: KnownError) -> web.Response:
    """Say in JSON what is wrong: `code` for programs, `message` for people."""
    key, _ = text_of(error)
    status = _STATUS_BY_KEY.get(
        key, _STATUS.get(type(error), HTTPStatus.SERVICE_UNAVAILABLE)
    )
    return HomeAssistantView.json(
        {"code": key, "message": str(translated(error))}, status
    )


def _with_farm[V, **P](
    handler: Callable[Concatenate[V, web.Request, FarmConfigEntry, P], Answer],
) -> Callable[Concatenate[V, web.Request, P], Answer]:
    """Give a handler the loaded farm, and its errors a status and a text.

    Views cannot be taken back once they are registered, so there may be no farm.
    """

    @wraps(handler)
    async def handle(
        view: V, request: web.Request, /, *args: P.args, **kwargs: P.kwargs
    ) -> web.StreamResponse:
        loaded = request.app[KEY_HASS].config_entries.async_loaded_entries(DOMAIN)
        try:
            if not loaded:
                raise StorageError("farm_not_loaded")
            return await handler(view, request, loaded[0], *args, **kwargs)
        except (FarmError, RefusedError) as error:
            return _refusal(error)

    return handle


class FilesView(HomeAssistantView):
    """All files, and the way in for new ones."""

    url = FILES_URL
    name = f"api:{DOMAIN}:files"

    @_with_farm
    async def get(self, request: web.Request, entry: FarmConfigEntry) -> web.Response:
        """List files, newest first."""
        try:
            page = _PAGE(dict(request.query))
        except probatio.Invalid as error:
            name = str(error.path[0]) if error.path else ""
            raise InvalidError("upload_field_invalid", field=name) from error
        found = await entry.runtime_data.farm.library.files(**page)
        return self.json(
            {
                "files": [file_payload(file) for file in found.items],
                "total": found.total,
            }
        )

    @_with_farm
    async def post(self, request: web.Request, entry: FarmConfigEntry) -> web.Response:
        """Take a file in, and queue it if that is asked."""
        received = await receive(request.app[KEY_HASS], entry, request)
        return self.json(
            received_payload(received),
            HTTPStatus.CREATED,
            {hdrs.LOCATION: f"{FILES_URL}/{received.file.id}"},
        )


class FileView(HomeAssistantView):
    """One file."""

    url = FILE_URL
    name = f"api:{DOMAIN}:file"

    @_with_farm
    async def get(
        self, request: web.Request, entry: FarmConfigEntry, file_id: str
    ) -> web.Response:
        """Give everything about the file."""
        file = await entry.runtime_data.farm.library.file(int(file_id))
        return self.json(file_payload(file))

    @_with_farm
    async def delete(
        self, request: web.Request, entry: FarmConfigEntry, file_id: str
    ) -> web.Response:
        """Delete the file, unless a job still needs it."""
        await entry.runtime_data.farm.library.delete(int(file_id))
        return web.Response(status=HTTPStatus.NO_CONTENT)


class ThumbnailView(HomeAssistantView):
    """The picture of a file."""

    url = f"{FILE_URL}/thumbnail"
    name = f"api:{DOMAIN}:thumbnail"

    @_with_farm
    async def get(
        self, request: web.Request, entry: FarmConfigEntry, file_id: str
    ) -> web.Response:
        """Give the picture as PNG."""
        picture = await entry.runtime_data.farm.library.thumbnail(int(file_id))
        if picture is None:
            raise NotFoundError("file_without_thumbnail")
        return web.Response(body=picture, content_type="image/png")


class DownloadView(HomeAssistantView):
    """The file itself."""

    url = f"{FILE_URL}/download"
    name = f"api:{DOMAIN}:download"

    @_with_farm
    async def get(
        self, request: web.Request, entry: FarmConfigEntry, file_id: str
    ) -> web.FileResponse:
        """Give the file as it was uploaded."""
        library = entry.runtime_data.farm.library
        file = await library.file(int(file_id))
        name = quote(file.name, safe="")
        return web.FileResponse(
            library.path(file),
            headers={
                hdrs.CONTENT_DISPOSITION: f"attachment; filename*=UTF-8''{name}",
                hdrs.CONTENT_TYPE: "application/octet-stream",
            },
        )


@callback
def async_register_views(hass: HomeAssistant) -> None:
    """Register all views."""
    for view in (FilesView, FileView, ThumbnailView, DownloadView):
        hass.http.register_view(view())
