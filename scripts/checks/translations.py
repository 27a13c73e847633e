"""Every text that the code asks for is there, and no text is left over."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from homeassistant.const import Platform

from .paths import INTEGRATION, read_json
from .source import Call, calls, class_attributes, literals

SECTIONS = {
    "common", "conditions", "config", "config_panel", "config_subentries", "device",
    "device_automation", "entity", "exceptions", "issues", "options",
    "preview_features", "selector", "services", "system_health", "title", "triggers",
}  # fmt: skip
# How the names of exceptions end, Home Assistant's and ours.
EXCEPTIONS = ("Error", "Failed", "NotReady")
# The domain's own, whose first argument is the key.
KEYED = {
    "ConflictError", "FabricatorError", "InvalidError", "NotFoundError", "StaleError",
    "StorageError",
}  # fmt: skip
# Who hands on a code that the print event shows as its reason.
REASONED = {"RunEnded", "RunPaused", "_give_back"}
ISSUES = {"async_create_issue", "create_issue"}
FLOW_TEXTS = {
    "async_show_form": ("step_id", "step"),
    "async_show_menu": ("step_id", "step"),
    "async_show_progress": ("step_id", "step"),
    "async_abort": ("reason", "abort"),
}


def check(root: Path) -> Iterator[str]:
    """Check flows, exceptions, issues and entities against translations/en.json."""
    texts = read_json(root / INTEGRATION / "translations" / "en.json")
    if not texts:
        yield "en.json: is missing"
        return
    for section in texts.keys() - SECTIONS:
        yield f"en.json: {section} is not a section that Home Assistant reads"
    found = list(calls(root))
    for complaint in (
        *_exceptions(found, texts),
        *_reasons(found, texts),
        *_issues(found, texts),
        *_flows(found, texts),
        *_flow_forms(texts),
        *_entities(root, found, texts),
        *_left_over(root, texts),
    ):
        yield f"en.json: {complaint}"


def entity_keys(root: Path, found: list[Call]) -> Iterator[tuple[str, str]]:
    """Give (platform, translation key) of the entities, as far as they are literal."""
    for call in found:
        platform = call.module.removesuffix(".py")
        if platform in Platform and call.function.endswith("EntityDescription"):
            key = call.keywords.get("translation_key", call.keywords.get("key"))
            if key and "device_class" not in call.keywords:
                yield platform, key
    for module, key in class_attributes(root, "_attr_translation_key"):
        platform = module.removesuffix(".py")
        if platform in Platform:
            yield platform, key


def _exceptions(found: list[Call], texts: dict[str, Any]) -> Iterator[str]:
    known = {
        key for key, text in texts.get("exceptions", {}).items() if "message" in text
    }
    in_forms = {key for flow in _all_flows(texts) for key in flow.get("error", {})}
    for call in found:
        if call.function in KEYED:
            key, shown = next(iter(call.positional), None), known | in_forms
        elif call.function.endswith(EXCEPTIONS):
            key, shown = call.keywords.get("translation_key"), known
        else:
            continue
        if key and key not in shown:
            yield f"exceptions.{key} is raised in {call.module}:{call.line}"


def _reasons(found: list[Call], texts: dict[str, Any]) -> Iterator[str]:
    """Look up the codes that the rooms of the domain give as reasons."""
    event = texts.get("entity", {}).get("event", {}).get("print", {})
    known = event.get("state_attributes", {}).get("reason", {}).get("state", {})
    for call in found:
        if "/" not in call.module:
            continue
        given = [call.keywords["reason"]] if "reason" in call.keywords else []
        if call.function in REASONED:
            given += call.positional
        for code in given:
            if code not in known:
                yield f"the reason {code} is given in {call.module}:{call.line}"


def _issues(found: list[Call], texts: dict[str, Any]) -> Iterator[str]:
    for call in found:
        key = call.keywords.get("translation_key")
        if call.function in ISSUES and key and key not in texts.get("issues", {}):
            yield f"issues.{key} is made in {call.module}:{call.line}"


def _flows(found: list[Call], texts: dict[str, Any]) -> Iterator[str]:
    """Look a step or a reason up in whichever flow has it: the code does not say whose."""
    flows = _all_flows(texts)
    for call in found:
        argument, section = FLOW_TEXTS.get(call.function, ("", ""))
        key = call.keywords.get(argument)
        if key and not any(key in flow.get(section, {}) for flow in flows):
            yield f"{section}.{key} is shown by {call.module}:{call.line}"


def _all_flows(texts: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        texts.get("config", {}),
        texts.get("options", {}),
        *texts.get("config_subentries", {}).values(),
        *(issue.get("fix_flow", {}) for issue in texts.get("issues", {}).values()),
    ]


def _flow_forms(texts: dict[str, Any]) -> Iterator[str]:
    """Check that every field of a step is named and explained."""
    flows = {"config": texts.get("config", {}), "options": texts.get("options", {})}
    for name, flow in texts.get("config_subentries", {}).items():
        flows[f"config_subentries.{name}"] = flow
        for key in ("entry_type", "initiate_flow"):
            if key not in flow:
                yield f"config_subentries.{name}.{key} is missing"
    for name, flow in flows.items():
        for step_name, step in flow.get("step", {}).items():
            for place, form in {"": step, **step.get("sections", {})}.items():
                fields = (
                    form.get("data", {}).keys()
                    ^ form.get("data_description", {}).keys()
                )
                where = ".".join(
                    part for part in (name, "step", step_name, place) if part
                )
                for field in sorted(fields):
                    yield f"{where}: {field} lacks its name or its description"


def _entities(root: Path, found: list[Call], texts: dict[str, Any]) -> Iterator[str]:
    named = texts.get("entity", {})
    for platform, key in sorted(set(entity_keys(root, found))):
        if key not in named.get(platform, {}):
            yield f"entity.{platform}.{key} is missing"


def _left_over(root: Path, texts: dict[str, Any]) -> Iterator[str]:
    """Check that the key of each text stands somewhere in the code."""
    known = literals(root)
    used = {
        "exceptions": texts.get("exceptions", {}),
        "issues": texts.get("issues", {}),
        **{f"entity.{name}": keys for name, keys in texts.get("entity", {}).items()},
    }
    for section, keys in used.items():
        for key in sorted(set(keys) - known):
            yield f"{section}.{key} is used by nothing"
