"""Where a farm lies while its entry is unloaded and set up again, so that prints go on.

Home Assistant reloads an entry by itself, for one half a minute after somebody enabled
an entity, and it does so by unloading it. That is no reason to end a print. Most prints
need no host and simply go on. A farm with a print that does is kept for a while: it
tells nothing and starts nothing, and the next set-up takes it over as it is. If none
comes, it is closed as it would have been.
"""

from dataclasses import dataclass
from datetime import datetime

from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import CALLBACK_TYPE, Event, HassJob, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN, LOGGER
from .coordinator import FarmConfigEntry
from .opening import OpenFarm, all_end_with, place_of

WAIT = 60.0
"""Seconds for which a farm waits for its entry to be set up again."""


@dataclass(frozen=True, slots=True)
class Berth:
    """A farm that waits, and how to end the waiting."""

    opened: OpenFarm
    forget_timer: CALLBACK_TYPE
    forget_stop: CALLBACK_TYPE


_BERTHS: HassKey[dict[str, Berth]] = HassKey(f"{DOMAIN}_berths")


@callback
def async_keep(hass: HomeAssistant, entry: FarmConfigEntry, opened: OpenFarm) -> None:
    """Keep a farm for the next set-up of its entry."""
    berths = hass.data.setdefault(_BERTHS, {})

    async def late(_: datetime) -> None:
        LOGGER.warning("The farm was not set up again; its prints are ended")
        await async_leave(hass, entry.entry_id)

    async def stopped(_: Event) -> None:
        berth = berths.pop(entry.entry_id)
        berth.forget_timer()
        await berth.opened.close(park=all_end_with(hass))

    opened.farm.hold()
    berths[entry.entry_id] = Berth(
        opened,
        async_call_later(hass, WAIT, HassJob(late, cancel_on_shutdown=True)),
        hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stopped),
    )


async def async_take(hass: HomeAssistant, entry: FarmConfigEntry) -> OpenFarm | None:
    """Give the farm that waits for this entry; one whose data lies elsewhere ends."""
    berth = hass.data.get(_BERTHS, {}).get(entry.entry_id)
    if berth is None:
        return None
    if berth.opened.place != place_of(hass, entry.data):
        await async_leave(hass, entry.entry_id)
        return None
    _pop(hass, entry.entry_id)
    return berth.opened


async def async_leave(hass: HomeAssistant, entry_id: str) -> None:
    """Close the farm that waits for this entry, if one does."""
    if (berth := _pop(hass, entry_id)) is not None:
        await berth.opened.close()


def _pop(hass: HomeAssistant, entry_id: str) -> Berth | None:
    berth = hass.data.get(_BERTHS, {}).pop(entry_id, None)
    if berth is not None:
        berth.forget_timer()
        berth.forget_stop()
    return berth
