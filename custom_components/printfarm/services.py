"""The actions: what is called, with which fields, and who answers."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from homeassistant.const import ATTR_NAME
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.service import async_get_config_entry
from homeassistant.helpers.typing import VolDictType
import probatio

from . import actions
from .actions import (
    ATTR_ANY,
    ATTR_CHOICE,
    ATTR_COMMANDS,
    ATTR_COPIES,
    ATTR_FILE,
    ATTR_FORCE,
    ATTR_HOLD,
    ATTR_JOB,
    ATTR_LIMIT,
    ATTR_NOT_BEFORE,
    ATTR_OFFSET,
    ATTR_PLATE,
    ATTR_POSITION,
    ATTR_PRIORITY,
    ATTR_RESULT,
    ATTR_SHORTEST,
    ATTR_SINCE,
    ATTR_STATUS,
    ATTR_TEXT,
    ATTR_UNTIL,
)
from .const import DOMAIN
from .coordinator import FarmConfigEntry
from .farm.model import JobStatus, Rating
from .fields import COPIES, COUNT, NUMBER, PRIORITY, moment, whole

JOB: VolDictType = {probatio.Required(ATTR_JOB): NUMBER}
TARGET_OR_ANY: VolDictType = {
    **cv.TARGET_FIELDS,
    probatio.Optional(ATTR_ANY, default=False): cv.boolean,
}


@dataclass(frozen=True, slots=True)
class Action:
    """One action: its fields, who answers, and whether it changes anything."""

    fields: VolDictType
    answer: Callable[[ServiceCall, FarmConfigEntry], Awaitable[ServiceResponse]]
    response: SupportsResponse = SupportsResponse.OPTIONAL


ACTIONS = {
    "start": Action(
        {**cv.TARGET_FIELDS, probatio.Optional(ATTR_JOB): NUMBER}, actions.start
    ),
    "pause": Action(cv.TARGET_FIELDS, actions.pause),
    "resume": Action(cv.TARGET_FIELDS, actions.resume),
    "cancel": Action(cv.TARGET_FIELDS, actions.cancel),
    "answer_prompt": Action(
        {
            **cv.TARGET_FIELDS,
            probatio.Required(ATTR_CHOICE): probatio.Any(COUNT, cv.string),
        },
        actions.answer_prompt,
    ),
    "release": Action(
        {
            **cv.TARGET_FIELDS,
            probatio.Optional(ATTR_RESULT, default=Rating.GOOD): probatio.Coerce(
                Rating
            ),
        },
        actions.release,
    ),
    "recover": Action(cv.TARGET_FIELDS, actions.recover),
    "send_gcode": Action(
        {
            **cv.TARGET_FIELDS,
            probatio.Required(ATTR_COMMANDS): probatio.All(
                probatio.EnsureList(), [cv.string]
            ),
            probatio.Optional(ATTR_FORCE, default=False): cv.boolean,
        },
        actions.send_gcode,
    ),
    "add_job": Action(
        {
            **cv.TARGET_FIELDS,
            probatio.Required(ATTR_FILE): probatio.Any(NUMBER, cv.string),
            probatio.Optional(ATTR_NAME): cv.string,
            probatio.Optional(ATTR_PLATE, default=1): NUMBER,
            probatio.Optional(ATTR_COPIES, default=1): COPIES,
            probatio.Optional(ATTR_PRIORITY, default=0): PRIORITY,
            probatio.Optional(ATTR_SHORTEST, default=False): cv.boolean,
            probatio.Optional(ATTR_HOLD, default=False): cv.boolean,
            probatio.Optional(ATTR_NOT_BEFORE): moment,
        },
        actions.add_job,
    ),
    "move_job": Action(
        {
            **JOB,
            **TARGET_OR_ANY,
            probatio.Optional(ATTR_POSITION): COUNT,
            probatio.Optional(ATTR_PRIORITY): PRIORITY,
        },
        actions.move_job,
    ),
    "hold_job": Action(
        {**JOB, probatio.Optional(ATTR_HOLD, default=True): cv.boolean},
        actions.hold_job,
    ),
    "schedule_job": Action(
        {**JOB, probatio.Optional(ATTR_NOT_BEFORE): moment}, actions.schedule_job
    ),
    "remove_job": Action(JOB, actions.remove_job),
    "requeue": Action({**JOB, **TARGET_OR_ANY}, actions.requeue),
    "get_queue": Action(cv.TARGET_FIELDS, actions.get_queue, SupportsResponse.ONLY),
    "get_jobs": Action(
        {
            **cv.TARGET_FIELDS,
            probatio.Optional(ATTR_STATUS, default=list): probatio.All(
                probatio.EnsureList(), [probatio.Coerce(JobStatus)]
            ),
            probatio.Optional(ATTR_TEXT): cv.string,
            probatio.Optional(ATTR_SINCE): moment,
            probatio.Optional(ATTR_UNTIL): moment,
            probatio.Optional(ATTR_LIMIT, default=100): whole(1, 1000),
            probatio.Optional(ATTR_OFFSET, default=0): COUNT,
        },
        actions.get_jobs,
        SupportsResponse.ONLY,
    ),
}


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions. They are there whether or not a farm is loaded."""
    for name, action in ACTIONS.items():
        _register(hass, name, action)


@callback
def _register(hass: HomeAssistant, name: str, action: Action) -> None:
    async def answer(call: ServiceCall) -> ServiceResponse:
        entry: FarmConfigEntry = async_get_config_entry(hass, DOMAIN, None)
        return await action.answer(call, entry)

    hass.services.async_register(
        DOMAIN,
        name,
        answer,
        schema=probatio.Schema(action.fields),
        supports_response=action.response,
    )
