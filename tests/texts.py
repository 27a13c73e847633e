"""Holds every flow step, refusal and error that a test meets to the English texts.

The checks of the repository read the code; this watches it run, and so also sees keys
that are put together, fields of forms, and what is filled into a text.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from homeassistant.components.repairs.issue_handler import RepairsFlowManager
from homeassistant.config_entries import (
    ConfigEntriesFlowManager,
    ConfigSubentryFlowManager,
    OptionsFlowManager,
)
from homeassistant.core import HomeAssistant, ServiceRegistry
from homeassistant.data_entry_flow import (
    FlowHandler,
    FlowManager,
    FlowResultType,
    section,
)
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
import probatio

from scripts.checks.paths import INTEGRATION, read_json
from scripts.checks.placeholders import flatten, placeholders

DOMAIN = "printfarm"
EN = Path(__file__).resolve().parents[1] / INTEGRATION / "translations" / "en.json"


class Texts:
    """The English texts, and what was asked of them in vain."""

    def __init__(self, path: Path = EN) -> None:
        """Read them."""
        self.known = flatten(read_json(path))
        self.missing: list[str] = []

    def need(self, key: str, given: Mapping[str, Any] | None = None) -> None:
        """Note `key` if it has no text, or one with more to fill in than `given`."""
        if key not in self.known:
            self.missing.append(f"{key} has no text")
        elif lacking := placeholders(self.known[key]) - (given or {}).keys():
            self.missing.append(f"{key} is not given {sorted(lacking)}")

    def check_flow(self, where: str, result: Mapping[str, Any]) -> None:
        """Look up everything that one answer of a flow shows."""
        given = result.get("description_placeholders")
        step = f"{where}.step.{result.get('step_id')}"
        match result["type"]:
            case FlowResultType.FORM:
                self._optional(step, given)
                self._check_fields(step, result.get("data_schema"))
                for error in (result.get("errors") or {}).values():
                    self.need(f"{where}.error.{error}", given)
            case FlowResultType.MENU:
                self._optional(step, given)
                for option in result["menu_options"]:
                    self.need(f"{step}.menu_options.{option}", given)
            # Some reasons are Home Assistant's own, with texts of its own.
            case FlowResultType.ABORT if not result.get("translation_domain"):
                self.need(f"{where}.abort.{result['reason']}", given)

    def _optional(self, step: str, given: Mapping[str, Any] | None) -> None:
        """A step needs a title or a description, and for each what is filled in."""
        present = [
            key for key in ("title", "description") if f"{step}.{key}" in self.known
        ]
        if not present:
            self.missing.append(f"{step} has neither title nor description")
        for key in present:
            self.need(f"{step}.{key}", given)

    def _check_fields(self, step: str, schema: probatio.Schema | None) -> None:
        for key, value in (schema.schema if schema else {}).items():
            if isinstance(value, section):
                self.need(f"{step}.sections.{key}.name")
                self._check_fields(f"{step}.sections.{key}", value.schema)
            else:
                self.need(f"{step}.data.{key}")
                self.need(f"{step}.data_description.{key}")


def _section_of(manager: FlowManager[Any, Any, Any], flow: Any) -> str | None:
    """Give the section of the texts that a flow takes its own from, if it is ours."""
    hass: HomeAssistant = manager.hass
    match manager:
        case ConfigEntriesFlowManager():
            return "config" if flow.handler == DOMAIN else None
        case ConfigSubentryFlowManager():
            entry_id, kind = flow.handler
            section_name = f"config_subentries.{kind}"
        case OptionsFlowManager():
            entry_id, section_name = flow.handler, "options"
        case RepairsFlowManager():
            issue = ir.async_get(hass).async_get_issue(flow.handler, flow.issue_id)
            if flow.handler != DOMAIN or issue is None:
                return None
            return f"issues.{issue.translation_key}.fix_flow"
        case _:
            return None
    entry = hass.config_entries.async_get_known_entry(entry_id)
    return section_name if entry.domain == DOMAIN else None


@contextmanager
def watched_texts() -> Iterator[Texts]:
    """Watch flows and actions for as long as the block runs."""
    texts = Texts()
    handle_step = FlowManager._async_handle_step
    call = ServiceRegistry.async_call

    async def watch_step(
        manager: FlowManager[Any, Any, Any],
        flow: FlowHandler[Any, Any, Any],
        *arguments: Any,
    ) -> Any:
        result = await handle_step(manager, flow, *arguments)
        if where := _section_of(manager, flow):
            texts.check_flow(where, result)
        return result

    async def watch_call(*arguments: Any, **options: Any) -> Any:
        try:
            return await call(*arguments, **options)
        except HomeAssistantError as error:
            if error.translation_domain == DOMAIN:
                texts.need(
                    f"exceptions.{error.translation_key}.message",
                    error.translation_placeholders,
                )
            raise

    with (
        patch.object(FlowManager, "_async_handle_step", watch_step),
        patch.object(ServiceRegistry, "async_call", watch_call),
    ):
        yield texts
