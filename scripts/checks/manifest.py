"""The manifest, as hassfest and HACS want it for a custom integration."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
import tomllib
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from .paths import INTEGRATION, read_json

REQUIRED = {
    "domain": str,
    "name": str,
    "codeowners": list,
    "config_flow": bool,
    "dependencies": list,
    "documentation": str,
    "integration_type": str,
    "iot_class": str,
    "issue_tracker": str,
    "requirements": list,
    "version": str,
}
OPTIONAL = {
    "after_dependencies", "bluetooth", "dhcp", "disabled", "homekit", "import_executor",
    "loggers", "mqtt", "preview_features", "single_config_entry", "ssdp", "usb",
    "zeroconf",
}  # fmt: skip
VALUES = {
    "domain": {"printfarm"},
    "integration_type": {"device", "hub", "service"},
    "iot_class": {
        "assumed_state", "calculated", "cloud_polling", "cloud_push", "local_polling",
        "local_push",
    },
}  # fmt: skip


def check(root: Path) -> Iterator[str]:
    """Check keys, their order and their values, and hacs.json beside it."""
    manifest = read_json(root / INTEGRATION / "manifest.json")
    hacs = read_json(root / "hacs.json")
    with (root / "pyproject.toml").open("rb") as project:
        project_version = tomllib.load(project)["project"]["version"]
    for complaint in chain(
        _keys(manifest),
        _order(manifest),
        _values(manifest, project_version),
        _requirements(manifest.get("requirements", ())),
    ):
        yield f"manifest.json: {complaint}"
    for complaint in _hacs(hacs):
        yield f"hacs.json: {complaint}"


def _keys(manifest: dict[str, Any]) -> Iterator[str]:
    for key, kind in REQUIRED.items():
        if key not in manifest:
            yield f"{key} is missing"
        elif not isinstance(manifest[key], kind):
            yield f"{key} is not a {kind.__name__}"
    for key in manifest.keys() - REQUIRED.keys() - OPTIONAL:
        yield f"{key} is not a key that Home Assistant knows"


def _order(manifest: dict[str, Any]) -> Iterator[str]:
    first = ["domain", "name"]
    if list(manifest) != first + sorted(key for key in manifest if key not in first):
        yield "keys stand in another order than domain, name, then the alphabet's"


def _values(manifest: dict[str, Any], project_version: str) -> Iterator[str]:
    for key, allowed in VALUES.items():
        if manifest.get(key) not in allowed:
            yield f"{key} is none of {', '.join(sorted(allowed))}"
    for key in ("documentation", "issue_tracker"):
        if not str(manifest.get(key)).startswith("https://"):
            yield f"{key} is not an https address"
    if not all(str(owner).startswith("@") for owner in manifest.get("codeowners", ())):
        yield "codeowners holds a name without @"
    if manifest.get("version") != project_version:
        yield f"version is not that of pyproject.toml, {project_version}"
    if manifest.get("single_config_entry"):
        yield "single_config_entry would keep subentry flows from being discovered"


def _requirements(lines: list[str]) -> Iterator[str]:
    for line in lines:
        try:
            requirement = Requirement(line)
            installed = version(requirement.name)
        except InvalidRequirement:
            yield f"requirement {line} cannot be read"
        except PackageNotFoundError:
            yield f"requirement {line} is not installed, so nothing was tested with it"
        else:
            if installed not in requirement.specifier:
                yield f"requirement {line} is tested with {installed}"


def _hacs(hacs: dict[str, Any]) -> Iterator[str]:
    known = {
        "name", "content_in_root", "country", "filename", "hacs", "hide_default_branch",
        "homeassistant", "persistent_directory", "render_readme", "zip_release",
    }  # fmt: skip
    for key in ("name", "homeassistant"):
        if key not in hacs:
            yield f"{key} is missing"
    for key in hacs.keys() - known:
        yield f"{key} is not a key that HACS knows"
    if hacs.get("zip_release") and "filename" not in hacs:
        yield "zip_release without filename"
