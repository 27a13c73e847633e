"""What only a person can put right."""

from typing import TYPE_CHECKING, cast

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import probatio

from .const import DOMAIN
from .farm.errors import FarmError
from .farm.model import JobStatus, Rating
from .farm.view import FabricatorView
from .translated import text_of

if TYPE_CHECKING:
    from .coordinator import FarmConfigEntry

_SETTLE = probatio.Schema(
    {
        probatio.Required("result"): SelectSelector(
            SelectSelectorConfig(
                options=[str(rating) for rating in Rating],
                mode=SelectSelectorMode.LIST,
                translation_key="result",
            )
        )
    }
)


def _issue_id(key: str) -> str:
    return f"outcome_unknown_{key}"


@callback
def check_issues(hass: HomeAssistant, view: FabricatorView) -> None:
    """Ask a person to look where nobody can tell how a print ended."""
    if view.job is None or view.job.status is not JobStatus.UNKNOWN:
        forget_issues(hass, view.key)
        return
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(view.key),
        data={"key": view.key},
        is_fixable=True,
        severity=ir.IssueSeverity.WARNING,
        translation_key="outcome_unknown",
        translation_placeholders={"fabricator": view.name, "job": view.job.name},
    )


@callback
def forget_issues(hass: HomeAssistant, key: str) -> None:
    """Take back what was asked about a fabricator."""
    ir.async_delete_issue(hass, DOMAIN, _issue_id(key))


class OutcomeUnknownFlow(RepairsFlow):
    """Asks how a print came out, and releases the bed."""

    def __init__(self, key: str) -> None:
        """Keep whose print it was."""
        self._key = key

    async def async_step_init(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Go straight to the question."""
        return await self.async_step_settle()

    async def async_step_settle(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Ask for the result, with the bed cleared."""
        entries: list[FarmConfigEntry] = self.hass.config_entries.async_loaded_entries(
            DOMAIN
        )
        if not entries:
            return self.async_abort(reason="farm_not_loaded")
        errors: dict[str, str] = {}
        if user_input is not None:
            farm = entries[0].runtime_data.farm
            try:
                await farm.release(self._key, Rating(user_input["result"]))
            except FarmError as error:
                errors["base"] = text_of(error)[0]
            else:
                return self.async_create_entry(data={})
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        return self.async_show_form(
            step_id="settle",
            data_schema=_SETTLE,
            errors=errors,
            description_placeholders=(
                None if issue is None else issue.translation_placeholders
            ),
        )


async def async_create_fix_flow(
    hass: HomeAssistant,
    issue_id: str,
    data: dict[str, str | int | float | None] | None,
) -> RepairsFlow:
    """Give the flow that settles the issue."""
    return OutcomeUnknownFlow(cast(dict[str, str], data)["key"])
