"""The dialogs in which people put right what only they can."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from homeassistant.components.repairs import RepairsFlow, RepairsFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
import probatio

from .const import DOMAIN
from .fabricators.interface import FabricatorError
from .farm.errors import FarmError
from .farm.farm import Farm
from .farm.model import Rating
from .gcode.model import RefusedError
from .issues import PRINT_INTERRUPTED
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
_NOTHING = probatio.Schema({})


class FabricatorRepair(RepairsFlow):
    """Asks something about one fabricator and does as it is told."""

    def __init__(self, key: str) -> None:
        """Keep which fabricator it is about."""
        self._key = key

    async def _ask(
        self,
        step: str,
        schema: probatio.Schema,
        user_input: dict[str, Any] | None,
        deed: Callable[[Farm, dict[str, Any]], Awaitable[object]],
    ) -> RepairsFlowResult:
        """Show a form until what it asks for is done."""
        errors: dict[str, str] = {}
        if user_input is not None:
            entries: list[FarmConfigEntry] = (
                self.hass.config_entries.async_loaded_entries(DOMAIN)
            )
            if not entries:
                return self.async_abort(reason="farm_not_loaded")
            try:
                await deed(entries[0].runtime_data.farm, user_input)
            except (FarmError, FabricatorError, RefusedError) as error:
                errors["base"] = text_of(error)[0]
            else:
                return self.async_create_entry(data={})
        return self.async_show_form(
            step_id=step,
            data_schema=schema,
            errors=errors,
            description_placeholders=self._known,
        )

    @property
    def _known(self) -> dict[str, str] | None:
        """What the issue says, to be said again in each step."""
        issue = ir.async_get(self.hass).async_get_issue(DOMAIN, self.issue_id)
        return None if issue is None else issue.translation_placeholders


class OutcomeUnknownFlow(FabricatorRepair):
    """Asks how a print came out, and releases the bed."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Go straight to the question."""
        return await self.async_step_settle()

    async def async_step_settle(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask for the result, with the bed cleared."""
        return await self._ask(
            "settle",
            _SETTLE,
            user_input,
            lambda farm, given: farm.release(self._key, Rating(given["result"])),
        )


class PrintInterruptedFlow(FabricatorRepair):
    """Lets a print that was cut off go on, or gives it up."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Say what is known, and ask what to do."""
        return self.async_show_menu(
            step_id="init",
            menu_options=["recover", "give_up"],
            description_placeholders=self._known,
        )

    async def async_step_recover(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Say what the machine is about to do, and have it done."""
        return await self._ask(
            "recover", _NOTHING, user_input, lambda farm, _: farm.recover(self._key)
        )

    async def async_step_give_up(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Have the bed cleared, and count the part as bad."""
        return await self._ask(
            "give_up",
            _NOTHING,
            user_input,
            lambda farm, _: farm.release(self._key, Rating.BAD),
        )


async def async_create_fix_flow(
    hass: HomeAssistant,
    issue_id: str,
    data: dict[str, str | int | float | None] | None,
) -> RepairsFlow:
    """Give the flow that settles the issue."""
    key = cast(dict[str, str], data)["key"]
    if issue_id.startswith(PRINT_INTERRUPTED):
        return PrintInterruptedFlow(key)
    return OutcomeUnknownFlow(key)
