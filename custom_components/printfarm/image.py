"""The picture of what lies on the bed."""

from dataclasses import dataclass
from typing import override

from homeassistant.components.image import ImageEntity, ImageEntityDescription
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import LOGGER
from .coordinator import FabricatorCoordinator, FarmConfigEntry
from .entity import FabricatorDescription, FabricatorEntity, add_fabricator_entities
from .farm.errors import FarmError

PARALLEL_UPDATES = 0


@dataclass(frozen=True, kw_only=True)
class FabricatorImageDescription(FabricatorDescription, ImageEntityDescription):
    """Describes an image of a fabricator."""


THUMBNAIL = FabricatorImageDescription(key="thumbnail", translation_key="thumbnail")


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FarmConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Make the images."""
    add_fabricator_entities(entry, async_add_entities, [THUMBNAIL], ThumbnailImage)


class ThumbnailImage(FabricatorEntity, ImageEntity):
    """Shows the slicer's picture of the fabricator's job.

    It stays until the bed is cleared, and its time is that of the job's claim, so a
    restart or a reload shows the same picture as the same state.
    """

    _attr_content_type = "image/png"

    def __init__(
        self,
        coordinator: FabricatorCoordinator,
        description: FabricatorImageDescription,
    ) -> None:
        """Begin without a picture."""
        FabricatorEntity.__init__(self, coordinator, description)
        ImageEntity.__init__(self, coordinator.hass)
        self._picture: bytes | None = None
        self._shown: int | None = None

    @property
    def _wanted(self) -> int | None:
        """The job whose picture belongs here."""
        return None if self.view.job is None else self.view.job.id

    @override
    async def async_added_to_hass(self) -> None:
        """Fetch the picture of a job that is under way already."""
        await super().async_added_to_hass()
        await self._fetch()

    @property
    @override
    def entity_picture(self) -> str | None:
        """Name no address where it would answer with an error; then the icon shows."""
        return None if self._picture is None else super().entity_picture

    @override
    async def async_image(self) -> bytes | None:
        """Give the picture."""
        return self._picture

    @override
    @callback
    def _handle_coordinator_update(self) -> None:
        """Fetch another picture when there is another job."""
        if self._shown != self._wanted:
            self.coordinator.config_entry.async_create_task(
                self.hass, self._fetch_and_show(), f"{self.entity_id} picture"
            )
        super()._handle_coordinator_update()

    async def _fetch_and_show(self) -> None:
        await self._fetch()
        self.async_write_ha_state()

    async def _fetch(self) -> None:
        """Replace the picture by that of the job that is there now."""
        job = self.view.job
        shown = self._shown = self._wanted
        picture = None
        if job is not None and job.file_id is not None:
            try:
                picture = await self.coordinator.farm.library.thumbnail(job.file_id)
            except FarmError as error:
                LOGGER.debug("No picture of job %s: %s", job.id, error)
        if self._shown != shown:
            # Another job came meanwhile; its own fetch is on the way.
            return
        self._picture = picture
        self._attr_image_last_updated = (
            None if job is None or picture is None else job.claimed_at
        )
