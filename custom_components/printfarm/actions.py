"""What each action does. The farm decides; this asks and reports."""

import asyncio
from collections.abc import Awaitable, Callable
from types import EllipsisType
from typing import Any, cast

from homeassistant.const import ATTR_NAME
from homeassistant.core import ServiceCall, ServiceResponse
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.util.json import JsonValueType

from .const import DOMAIN
from .coordinator import FarmConfigEntry
from .farm.errors import NotFoundError
from .farm.farm import Farm
from .farm.model import Job, JobFilter
from .payloads import job_payload, queued_payload
from .targets import has_target, targeted_fabricators
from .translated import translated_errors

ATTR_ANY = "any_fabricator"
ATTR_CHOICE = "choice"
ATTR_COMMANDS = "commands"
ATTR_COPIES = "copies"
ATTR_FILE = "file"
ATTR_FORCE = "force"
ATTR_HOLD = "hold"
ATTR_JOB = "job_id"
ATTR_LIMIT = "limit"
ATTR_NOT_BEFORE = "not_before"
ATTR_OFFSET = "offset"
ATTR_PLATE = "plate"
ATTR_POSITION = "position"
ATTR_PRIORITY = "priority"
ATTR_RESULT = "result"
ATTR_SHORTEST = "shortest_queue"
ATTR_SINCE = "since"
ATTR_STATUS = "status"
ATTR_TEXT = "text"
ATTR_UNTIL = "until"

type Deed = Callable[[Farm, str], Awaitable[JsonValueType]]


def _refuse(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders=placeholders or None,
    )


async def _on_each(
    call: ServiceCall, entry: FarmConfigEntry, deed: Deed
) -> ServiceResponse:
    """Do something on every fabricator that is meant, and report by device.

    One that refuses does not keep the others from it: the error comes once all are
    through, and says whose it was.
    """
    farm = entry.runtime_data.farm
    targets = targeted_fabricators(call.hass, entry, call.data)
    names = {key: farm.view(key).name for key in targets}

    async def one(key: str) -> JsonValueType | HomeAssistantError:
        try:
            with translated_errors():
                return await deed(farm, key)
        except HomeAssistantError as error:
            return error

    outcomes = dict(zip(targets, await asyncio.gather(*map(one, targets)), strict=True))
    failed = {
        names[key]: outcome
        for key, outcome in outcomes.items()
        if isinstance(outcome, HomeAssistantError)
    }
    if len(failed) == len(targets) == 1:
        raise next(iter(failed.values()))
    if failed:
        callers_fault = all(
            isinstance(error, ServiceValidationError) for error in failed.values()
        )
        raise (ServiceValidationError if callers_fault else HomeAssistantError)(
            translation_domain=DOMAIN,
            translation_key="some_fabricators_failed",
            translation_placeholders={
                "failed": "; ".join(f"{name}: {err}" for name, err in failed.items()),
                "done": str(len(targets) - len(failed)),
                "all": str(len(targets)),
            },
        )
    return {
        "devices": {
            targets[key]: cast(JsonValueType, outcome)
            for key, outcome in outcomes.items()
        }
    }


def _about(call: ServiceCall, entry: FarmConfigEntry, job: Job | None) -> JsonValueType:
    return {"job": None if job is None else job_payload(call.hass, entry, job)}


def _one_target(call: ServiceCall, entry: FarmConfigEntry) -> str | None:
    """Give the one fabricator that is meant, None where nothing is said."""
    if not has_target(call.data):
        return None
    keys = list(targeted_fabricators(call.hass, entry, call.data))
    if len(keys) > 1:
        raise _refuse("one_fabricator_only")
    return keys[0]


def _wanted_target(
    call: ServiceCall, entry: FarmConfigEntry
) -> str | EllipsisType | None:
    """Give where a job shall go: a fabricator, any (None), or as it is (...)."""
    target = _one_target(call, entry)
    if call.data[ATTR_ANY]:
        if target is not None:
            raise _refuse("target_or_any")
        return None
    return ... if target is None else target


async def start(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Start the next job, or a certain one."""
    job_id: int | None = call.data.get(ATTR_JOB)
    if job_id is not None:
        _one_target(call, entry)

    async def deed(farm: Farm, key: str) -> JsonValueType:
        return _about(call, entry, await farm.start(key, job_id))

    return await _on_each(call, entry, deed)


async def pause(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Pause what prints."""
    return await _tell(call, entry, Farm.pause)


async def resume(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Let a paused print go on."""
    return await _tell(call, entry, Farm.resume)


async def cancel(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """End what prints."""
    return await _tell(call, entry, Farm.cancel)


async def _tell(
    call: ServiceCall,
    entry: FarmConfigEntry,
    command: Callable[[Farm, str], Awaitable[Job | None]],
) -> ServiceResponse:
    async def deed(farm: Farm, key: str) -> JsonValueType:
        return _about(call, entry, await command(farm, key))

    return await _on_each(call, entry, deed)


async def answer_prompt(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Answer what a machine asks."""
    choice: int | str = call.data[ATTR_CHOICE]
    return await _tell(call, entry, lambda farm, key: farm.answer(key, choice))


async def release(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Say that the bed is clear, and how the part came out."""

    async def deed(farm: Farm, key: str) -> JsonValueType:
        view = await farm.release(key, call.data[ATTR_RESULT])
        return {"status": str(view.status)}

    return await _on_each(call, entry, deed)


async def recover(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Go on with a print that was cut off, as a new job."""
    return await _tell(call, entry, Farm.recover)


async def send_gcode(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Send G-code lines; a text of several lines is as good as a list."""
    lines = [line for text in call.data[ATTR_COMMANDS] for line in text.splitlines()]

    async def deed(farm: Farm, key: str) -> JsonValueType:
        answers = await farm.send_gcode(key, lines, force=call.data[ATTR_FORCE])
        return {"answers": [list(answer) for answer in answers]}

    return await _on_each(call, entry, deed)


async def _file_id(farm: Farm, wanted: int | str) -> int:
    """Find a file by its id or its exact name; of several, the newest."""
    if isinstance(wanted, int):
        return wanted
    seen = 0
    while (page := await farm.library.files(text=wanted, offset=seen)).items:
        for file in page.items:
            if file.name.casefold() == wanted.casefold():
                return file.id
        # Newer files whose names contain this one may fill whole pages.
        seen += len(page.items)
    raise NotFoundError("file_not_found", file=wanted)


async def add_job(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Queue copies of a file: for each fabricator that is meant, else for any."""
    farm = entry.runtime_data.farm
    targets: list[str | None] = [None]
    if has_target(call.data):
        targets = list(targeted_fabricators(call.hass, entry, call.data))
        if call.data[ATTR_SHORTEST]:
            raise _refuse("target_or_shortest")
    with translated_errors():
        file_id = await _file_id(farm, call.data[ATTR_FILE])
        added = [
            job
            for target in targets
            for job in await farm.add_jobs(
                file_id=file_id,
                name=call.data.get(ATTR_NAME),
                plate=call.data[ATTR_PLATE],
                copies=call.data[ATTR_COPIES],
                priority=call.data[ATTR_PRIORITY],
                target=target,
                shortest=call.data[ATTR_SHORTEST],
                hold=call.data[ATTR_HOLD],
                not_before=call.data.get(ATTR_NOT_BEFORE),
            )
        ]
    return {"jobs": [job_payload(call.hass, entry, job) for job in added]}


async def move_job(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Put a job elsewhere: another fabricator, priority or place, in this order."""
    farm, job_id = entry.runtime_data.farm, call.data[ATTR_JOB]
    target = _wanted_target(call, entry)
    priority = call.data.get(ATTR_PRIORITY, ...)
    position = call.data.get(ATTR_POSITION)
    if target is ... and priority is ... and position is None:
        raise _refuse("nowhere_to_move")
    with translated_errors():
        if target is not ... or priority is not ...:
            await farm.change_job(job_id, target=target, priority=priority)
        if position is not None:
            await farm.move_job(job_id, position=position)
        return cast(
            dict[str, JsonValueType], _about(call, entry, await farm.job(job_id))
        )


async def hold_job(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Hold a job back, or let it go."""
    return await _changed(call, entry, hold=call.data[ATTR_HOLD])


async def schedule_job(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Let a job start no sooner than this; without a time, whenever it can."""
    return await _changed(call, entry, not_before=call.data.get(ATTR_NOT_BEFORE))


async def _changed(
    call: ServiceCall, entry: FarmConfigEntry, **changes: Any
) -> ServiceResponse:
    farm = entry.runtime_data.farm
    with translated_errors():
        job = await farm.change_job(call.data[ATTR_JOB], **changes)
    return {"job": job_payload(call.hass, entry, job)}


async def remove_job(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Take a job out of the queue."""
    with translated_errors():
        job = await entry.runtime_data.farm.remove_job(call.data[ATTR_JOB])
    return {"job": job_payload(call.hass, entry, job)}


async def requeue(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Queue a job that is over once more."""
    target = _wanted_target(call, entry)
    with translated_errors():
        job = await entry.runtime_data.farm.requeue(call.data[ATTR_JOB], target=target)
    return {"job": job_payload(call.hass, entry, job)}


async def get_queue(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Give the queue in its order, of the farm or of one fabricator."""
    queue = entry.runtime_data.farm.queue(_one_target(call, entry))
    return {"jobs": [queued_payload(call.hass, entry, queued) for queued in queue]}


async def get_jobs(call: ServiceCall, entry: FarmConfigEntry) -> ServiceResponse:
    """Look up jobs, open and over, newest first."""
    farm, data = entry.runtime_data.farm, call.data
    target = _one_target(call, entry)
    wanted = JobFilter(
        statuses=frozenset(data[ATTR_STATUS]),
        fabricator_id=None if target is None else farm.view(target).id,
        text=data.get(ATTR_TEXT),
        since=data.get(ATTR_SINCE),
        until=data.get(ATTR_UNTIL),
        limit=data[ATTR_LIMIT],
        offset=data[ATTR_OFFSET],
    )
    with translated_errors():
        page = await farm.jobs(wanted)
    return {
        "jobs": [job_payload(call.hass, entry, job) for job in page.items],
        "total": page.total,
    }
