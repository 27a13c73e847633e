"""Triggers for what happens in the farm.

They follow the farm's own events, never states: nothing that is restored after a
restart, or seen again after a reload, can be taken for news.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, cast, override

from homeassistant.const import CONF_OPTIONS, CONF_TARGET
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.trigger import (
    Trigger,
    TriggerActionRunner,
    TriggerConfig,
    TriggerNotTriggeredReporter,
)
from homeassistant.helpers.typing import ConfigType
import probatio

from .const import EVENT_PRINTFARM
from .farm.events import (
    BedClearRequired,
    FarmEvent,
    PrintComplete,
    PrinterPrompt,
    PrintFailed,
    PrintStarted,
    QueueEmpty,
)
from .targets import targeted_devices

_FARM_SCHEMA = probatio.Schema({probatio.Optional(CONF_OPTIONS, default=dict): {}})
_FABRICATOR_SCHEMA = _FARM_SCHEMA.extend(
    {probatio.Required(CONF_TARGET): cv.TARGET_FIELDS}
)


class FarmTrigger(Trigger):
    """Fires on one kind of event of the farm."""

    event: ClassVar[type[FarmEvent]]
    schema: ClassVar[probatio.Schema] = _FARM_SCHEMA

    @override
    @classmethod
    async def async_validate_config(
        cls, hass: HomeAssistant, config: ConfigType
    ) -> ConfigType:
        """Check the target, where one belongs there."""
        return cast(ConfigType, cls.schema(config))

    def __init__(self, hass: HomeAssistant, config: TriggerConfig) -> None:
        """Keep the target."""
        super().__init__(hass, config)
        self._target = config.target

    @override
    async def async_attach_runner(
        self,
        run_action: TriggerActionRunner,
        did_not_trigger: TriggerNotTriggeredReporter | None = None,
    ) -> CALLBACK_TYPE:
        """Listen until detached, whether or not the farm is loaded meanwhile."""

        @callback
        def concerns(data: Mapping[str, Any]) -> bool:
            """Devices may have moved since: areas and labels are looked up now."""
            return data["type"] == self.event.type and (
                self._target is None
                or data["device_id"] in targeted_devices(self._hass, self._target)
            )

        @callback
        def fire(event: Event[dict[str, Any]]) -> None:
            run_action(
                {"event": event.data},
                f"{event.data['type']} of the farm",
                event.context,
            )

        return self._hass.bus.async_listen(EVENT_PRINTFARM, fire, event_filter=concerns)


class FabricatorTrigger(FarmTrigger):
    """Fires on one kind of event of the fabricators that are meant."""

    schema = _FABRICATOR_SCHEMA


class PrintCompletedTrigger(FabricatorTrigger):
    """Fires when a print has ended well."""

    event = PrintComplete


class PrintFailedTrigger(FabricatorTrigger):
    """Fires when a print has ended badly."""

    event = PrintFailed


class PrintStartedTrigger(FabricatorTrigger):
    """Fires when a job is seen printing."""

    event = PrintStarted


class BedNeedsClearingTrigger(FabricatorTrigger):
    """Fires when a part lies on the bed and somebody has to take it off."""

    event = BedClearRequired


class PromptOpenedTrigger(FabricatorTrigger):
    """Fires when a machine asks something and waits for an answer."""

    event = PrinterPrompt


class QueueEmptiedTrigger(FarmTrigger):
    """Fires when the last job is over and none is waiting."""

    event = QueueEmpty


TRIGGERS: dict[str, type[Trigger]] = {
    "print_completed": PrintCompletedTrigger,
    "print_failed": PrintFailedTrigger,
    "print_started": PrintStartedTrigger,
    "bed_needs_clearing": BedNeedsClearingTrigger,
    "prompt_opened": PromptOpenedTrigger,
    "queue_emptied": QueueEmptiedTrigger,
}


async def async_get_triggers(hass: HomeAssistant) -> dict[str, type[Trigger]]:
    """Give the triggers."""
    return TRIGGERS
