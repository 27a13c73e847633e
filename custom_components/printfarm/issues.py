"""What is asked of people, or told to them, on Home Assistant's page of repairs."""

from collections.abc import Iterable
from datetime import datetime
from itertools import product

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.translation import async_get_cached_translations
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .fabricators.streamer.process import Streamers, Trouble
from .fabricators.streamer.program import KINDS
from .farm.model import JobStatus
from .farm.view import FabricatorView, Offer

OUTCOME_UNKNOWN = "outcome_unknown"
PRINT_INTERRUPTED = "print_interrupted"

_STREAMER_TROUBLES = ("streamer_outdated", "streamer_unproven", "streamer_failed")
_REASONS = f"component.{DOMAIN}.entity.event.print.state_attributes.reason.state"
_NOT_KNOWN = "?"


@callback
def check_issues(hass: HomeAssistant, view: FabricatorView) -> None:
    """Ask people for what the farm needs to know about a fabricator, and no more."""
    job = view.job
    if job is not None and job.status is JobStatus.UNKNOWN:
        _ask(hass, view, OUTCOME_UNKNOWN, {"job": job.name})
    else:
        _take_back(hass, view.key, OUTCOME_UNKNOWN)
    if view.offer is not None:
        known = _interrupted(hass, view, view.offer)
        _ask(hass, view, PRINT_INTERRUPTED, known)
    else:
        _take_back(hass, view.key, PRINT_INTERRUPTED)


@callback
def forget_issues(hass: HomeAssistant, key: str) -> None:
    """Take back what was asked about a fabricator."""
    for kind in (OUTCOME_UNKNOWN, PRINT_INTERRUPTED):
        _take_back(hass, key, kind)


def _ask(
    hass: HomeAssistant, view: FabricatorView, kind: str, known: dict[str, str]
) -> None:
    ir.async_create_issue(
        hass,
        DOMAIN,
        f"{kind}_{view.key}",
        data={"key": view.key},
        is_fixable=True,
        severity=ir.IssueSeverity.WARNING,
        translation_key=kind,
        translation_placeholders={"fabricator": view.name} | known,
    )


def _take_back(hass: HomeAssistant, key: str, kind: str) -> None:
    ir.async_delete_issue(hass, DOMAIN, f"{kind}_{key}")


def _interrupted(
    hass: HomeAssistant, view: FabricatorView, offer: Offer
) -> dict[str, str]:
    """Say what is known of a print that was cut off."""
    return {
        "job": offer.name,
        "file": view.file_name or _NOT_KNOWN,
        "progress": _number(offer.progress),
        "layer": _number(offer.layer),
        "layers": _number(view.layers),
        "height": _number(offer.height, 2),
        "when": _moment(offer.ended),
        "reason": _reason(hass, offer.reason),
    }


def _number(value: float | None, digits: int = 0) -> str:
    return _NOT_KNOWN if value is None else f"{value:.{digits}f}"


def _moment(at: datetime | None) -> str:
    """Give a moment by Home Assistant's clock, in a form that all languages read."""
    return _NOT_KNOWN if at is None else f"{dt_util.as_local(at):%Y-%m-%d %H:%M}"


def _reason(hass: HomeAssistant, code: str | None) -> str:
    """Give the text of a reason: texts cannot be put into texts by the frontend."""
    if code is None:
        return _NOT_KNOWN
    texts = async_get_cached_translations(hass, hass.config.language, "entity", DOMAIN)
    return texts.get(f"{_REASONS}.{code}", code)


@callback
def watch_streamers(hass: HomeAssistant, streamers: Streamers) -> CALLBACK_TYPE:
    """Keep people told of what is wrong with the processes; gives the end of it."""

    @callback
    def check() -> None:
        _check_streamers(hass, streamers.troubles)

    forget = streamers.on_trouble(check)
    check()

    @callback
    def end() -> None:
        forget()
        _check_streamers(hass, ())

    return end


def _check_streamers(hass: HomeAssistant, troubles: Iterable[Trouble]) -> None:
    """Say which process cannot be spoken to, and why."""
    wanted = {(trouble.code, trouble.kind): trouble for trouble in troubles}
    for code, kind in product(_STREAMER_TROUBLES, KINDS.values()):
        issue_id = f"{code}_{kind}"
        if (trouble := wanted.get((code, kind))) is None:
            ir.async_delete_issue(hass, DOMAIN, issue_id)
            continue
        ir.async_create_issue(
            hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key=code,
            translation_placeholders={
                "kind": kind,
                "prints": "\n".join(f"- {run}" for run in trouble.runs) or _NOT_KNOWN,
            },
        )
