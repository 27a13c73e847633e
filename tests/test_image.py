"""The picture of what lies on the bed."""

from dataclasses import replace
from http import HTTPStatus
from unittest.mock import patch

from homeassistant.const import STATE_UNKNOWN, Platform
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.printfarm.farm.errors import StorageError
from custom_components.printfarm.farm.library import Library
from custom_components.printfarm.farm.model import FabricatorStatus

from .edge_fixtures import LONG, Home, until

IMAGE = Platform.IMAGE
# A picture of one black pixel, as slicers write it.
PICTURE = b"""; thumbnail begin 1x1 92
; iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJg
; gg==
; thumbnail end
"""


async def test_picture(home: Home, hass_client: ClientSessionGenerator) -> None:
    """It shows the job's picture, the same after a reload, until the bed is cleared."""
    assert home.state(IMAGE, "thumbnail", "Ada").state == STATE_UNKNOWN
    job = await home.print_on("Ada", PICTURE + LONG)
    claimed = (await home.job(job.id)).claimed_at
    assert claimed is not None
    await until(
        lambda: home.state(IMAGE, "thumbnail", "Ada").state == claimed.isoformat()
    )
    client = await hass_client()
    url = home.state(IMAGE, "thumbnail", "Ada").attributes["entity_picture"]
    answer = await client.get(url)
    assert answer.status == HTTPStatus.OK
    assert answer.content_type == "image/png"
    assert (await answer.read()).startswith(b"\x89PNG")

    await home.farm.cancel(home.key("Ada"))
    await until(lambda: home.view("Ada").status is FabricatorStatus.FINISHED)
    await home.reload()
    assert home.state(IMAGE, "thumbnail", "Ada").state == claimed.isoformat()

    await home.farm.release(home.key("Ada"))
    await until(lambda: home.state(IMAGE, "thumbnail", "Ada").state == STATE_UNKNOWN)


async def test_no_picture(home: Home) -> None:
    """A file without one shows none."""
    await home.print_on("Ada")
    await home.hass.async_block_till_done()
    state = home.state(IMAGE, "thumbnail", "Ada")
    assert state.state == STATE_UNKNOWN
    assert "entity_picture" not in state.attributes


async def test_picture_cannot_be_read(home: Home) -> None:
    """A picture is never worth an error."""
    with patch.object(Library, "thumbnail", side_effect=StorageError("storage_failed")):
        await home.print_on("Ada", PICTURE + LONG)
        await home.hass.async_block_till_done()
    assert home.state(IMAGE, "thumbnail", "Ada").state == STATE_UNKNOWN


async def test_next_job_is_quicker(home: Home) -> None:
    """A picture that comes late is not shown with the next job."""
    await home.print_on("Ada", PICTURE + LONG)
    image = home.entity_object(IMAGE, "thumbnail", "Ada")
    await until(lambda: image._picture)
    job = home.view("Ada").job
    assert job is not None

    async def slow(*_: object) -> bytes:
        await home.show("Ada", job=replace(job, id=job.id + 1, file_id=None))
        return b"late"

    with patch.object(Library, "thumbnail", slow):
        await image._fetch()
    await home.hass.async_block_till_done()
    assert image._picture is None
