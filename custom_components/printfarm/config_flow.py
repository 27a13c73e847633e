"""Setting up the farm, and its fabricators one by one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, override

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryFlow,
    FlowType,
    SubentryFlowContext,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME, CONF_PORT, CONF_PROTOCOL
from homeassistant.core import callback
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import TextSelector
import probatio

from .const import (
    CONF_DB_URL,
    CONF_FOLDER,
    CONF_USB,
    DOMAIN,
    SECTION_ADVANCED,
    SUBENTRY_FABRICATOR,
)
from .coordinator import FarmConfigEntry
from .fabricators.interface import FabricatorConfig, FabricatorError
from .farm.errors import ConflictError, FarmError, InvalidError
from .opening import async_check
from .protocols import PROTOCOLS, ProtocolForm, async_port_taken, async_usb
from .translated import text_of

_STORAGE = probatio.Schema(
    {
        probatio.Optional(SECTION_ADVANCED, default=dict): section(
            probatio.Schema(
                {
                    probatio.Optional(CONF_FOLDER): TextSelector(),
                    probatio.Optional(CONF_DB_URL): TextSelector(),
                }
            ),
            {"collapsed": True},
        )
    }
)


class PrintfarmConfigFlow(ConfigFlow, domain=DOMAIN):
    """Sets up the one farm of this Home Assistant."""

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Say that a farm has fabricators."""
        return {SUBENTRY_FABRICATOR: FabricatorSubentryFlow}

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for nothing but consent; where the data lie can be chosen."""
        if self._async_current_entries(include_ignore=False):
            return self.async_abort(reason="single_farm")
        errors: dict[str, str] = {}
        if user_input is not None:
            data = _places(user_input)
            if not (errors := await self._check(data, in_use=None)):
                return self.async_create_entry(title="Print farm", data=data)
        return self._form("user", user_input, errors)

    @override
    async def async_on_create_entry(self, result: ConfigFlowResult) -> ConfigFlowResult:
        """Go on with the first fabricator: a farm without any is of little use."""
        first = await self.hass.config_entries.subentries.async_init(
            (result["result"].entry_id, SUBENTRY_FABRICATOR),
            context=SubentryFlowContext(source=SOURCE_USER),
        )
        result["next_flow"] = (FlowType.CONFIG_SUBENTRIES_FLOW, first["flow_id"])
        return result

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Move the farm to another folder or database."""
        entry: FarmConfigEntry = self._get_reconfigure_entry()
        loaded = entry.state is ConfigEntryState.LOADED
        if loaded and entry.runtime_data.farm.farm_view().printing:
            return self.async_abort(reason="farm_printing")
        errors: dict[str, str] = {}
        if user_input is not None:
            data = _places(user_input)
            in_use = entry.data if loaded else None
            if not (errors := await self._check(data, in_use=in_use)):
                return self.async_update_and_abort(entry, data=data)
        return self._form(
            "reconfigure", user_input or {SECTION_ADVANCED: dict(entry.data)}, errors
        )

    async def _check(
        self, data: Mapping[str, Any], *, in_use: Mapping[str, Any] | None
    ) -> dict[str, str]:
        """Try to keep data there, and say what is wrong."""
        try:
            await async_check(self.hass, data, in_use=in_use)
        except FarmError as error:
            return {"base": text_of(error)[0]}
        return {}

    @callback
    def _form(
        self,
        step: str,
        suggested: Mapping[str, Any] | None,
        errors: dict[str, str],
    ) -> ConfigFlowResult:
        return self.async_show_form(
            step_id=step,
            data_schema=self.add_suggested_values_to_schema(_STORAGE, suggested),
            errors=errors,
        )


def _places(user_input: Mapping[str, Any]) -> dict[str, str]:
    """Give folder and database where they were chosen; an empty field is no choice."""
    given = user_input.get(SECTION_ADVANCED, {})
    return {name: value.strip() for name, value in given.items() if value.strip()}


class FabricatorSubentryFlow(ConfigSubentryFlow):
    """Adds a fabricator to the farm, or changes one. Neither reloads anything."""

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask how the machine is driven."""
        return self.async_show_menu(step_id="user", menu_options=list(PROTOCOLS))

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show the form that the fabricator was made with."""
        subentry = self._get_reconfigure_subentry()
        return await self._form(subentry.data[CONF_PROTOCOL], None)

    async def async_step_virtual(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """A fabricator without a machine."""
        return await self._form("virtual", user_input)

    async def async_step_marlin(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """A machine with Marlin on a serial port."""
        return await self._form("marlin", user_input)

    async def _form(
        self, protocol: str, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        """Show a protocol's form until what it says works."""
        form = PROTOCOLS[protocol]
        errors: dict[str, str] = {}
        if user_input is not None:
            try:
                config = await self._known_by(self._config(protocol, user_input))
                await self._try(form, config)
            except (FabricatorError, FarmError) as error:
                key, _ = text_of(error)
                errors = {form.field_of.get(key, "base"): key}
            else:
                return self._keep(config)
        return self.async_show_form(
            step_id=protocol,
            data_schema=self.add_suggested_values_to_schema(
                form.schema, user_input or self._current()
            ),
            errors=errors,
        )

    def _config(self, protocol: str, given: Mapping[str, Any]) -> FabricatorConfig:
        """Make a configuration out of what was filled in."""
        if not (name := given[CONF_NAME].strip()):
            raise InvalidError("name_missing")
        return FabricatorConfig(
            key=self._own_id or "",
            name=name,
            protocol=protocol,
            options=PROTOCOLS[protocol].options(given),
        )

    async def _known_by(self, config: FabricatorConfig) -> FabricatorConfig:
        """Add by what its machine is known again under another name of the port.

        Under the name that it has already something else may be plugged in by now.
        """
        if (port := config.options.get(CONF_PORT)) is None:
            return config
        current = self._current() or {}
        device = current.get(CONF_USB) if port == current.get(CONF_PORT) else None
        if device is None:
            device = await async_usb(self.hass, str(port))
        if device is None:
            return config
        return replace(config, options={**config.options, CONF_USB: device})

    async def _try(self, form: ProtocolForm, config: FabricatorConfig) -> None:
        """Try the connection. Raises what is wrong with it."""
        current = self._current() or {}
        if await async_port_taken(self.hass, config.options, self._others()):
            raise ConflictError("port_taken")
        # The port that the fabricator has now is its own: nobody else can try it.
        if config.options.get(CONF_PORT) != current.get(CONF_PORT):
            await form.probe(config.options)
        if current:
            await self._change(config)

    async def _change(self, config: FabricatorConfig) -> None:
        """Let the farm decide whether the change may be made now.

        Once it has, the subentry that follows says nothing new to it.
        """
        entry: FarmConfigEntry = self._get_entry()
        if entry.state is ConfigEntryState.LOADED:
            await entry.runtime_data.farm.change_fabricator(config)

    @property
    def _own_id(self) -> str | None:
        """The subentry that is being changed, None for a new one."""
        if self.source != SOURCE_RECONFIGURE:
            return None
        return self._reconfigure_subentry_id

    def _others(self) -> list[Mapping[str, Any]]:
        """Give what the other fabricators were set up with."""
        return [
            subentry.data
            for subentry in self._get_entry().subentries.values()
            if subentry.subentry_id != self._own_id
        ]

    def _current(self) -> dict[str, Any] | None:
        """Give what the fabricator was set up with, None for a new one."""
        if self._own_id is None:
            return None
        subentry = self._get_reconfigure_subentry()
        return {**subentry.data, CONF_NAME: subentry.title}

    @callback
    def _keep(self, config: FabricatorConfig) -> SubentryFlowResult:
        """Make the subentry, or change it."""
        data = {CONF_PROTOCOL: config.protocol, **config.options}
        if self._own_id is None:
            return self.async_create_entry(title=config.name, data=data)
        return self.async_update_and_abort(
            self._get_entry(),
            self._get_reconfigure_subentry(),
            title=config.name,
            data=data,
        )
