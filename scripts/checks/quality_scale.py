"""The ledger of Home Assistant's Integration Quality Scale: every rule, honestly."""

from collections.abc import Iterator
from pathlib import Path

from homeassistant.util.yaml import load_yaml_dict

from .paths import INTEGRATION

RULES = {
    # Bronze
    "action-setup", "appropriate-polling", "brands", "common-modules", "config-flow",
    "config-flow-test-coverage", "dependency-transparency", "docs-actions",
    "docs-conditions", "docs-high-level-description", "docs-installation-instructions",
    "docs-removal-instructions", "docs-triggers", "entity-event-setup",
    "entity-unique-id", "has-entity-name", "runtime-data", "test-before-configure",
    "test-before-setup", "unique-config-entry",
    # Silver
    "action-exceptions", "config-entry-unloading", "docs-configuration-parameters",
    "docs-installation-parameters", "entity-unavailable", "integration-owner",
    "log-when-unavailable", "parallel-updates", "reauthentication-flow",
    "test-coverage",
    # Gold
    "devices", "diagnostics", "discovery", "discovery-update-info", "docs-data-update",
    "docs-examples", "docs-known-limitations", "docs-supported-devices",
    "docs-supported-functions", "docs-troubleshooting", "docs-use-cases",
    "dynamic-devices", "entity-category", "entity-device-class",
    "entity-disabled-by-default", "entity-translations", "exception-translations",
    "icon-translations", "reconfiguration-flow", "repair-issues", "stale-devices",
    # Platinum
    "async-dependency", "inject-websession", "strict-typing",
}  # fmt: skip
STATES = {"done", "exempt", "todo"}


def check(root: Path) -> Iterator[str]:
    """Check that each rule has a state, and a reason where it does not apply."""
    path = root / INTEGRATION / "quality_scale.yaml"
    if not path.exists():
        yield "quality_scale.yaml: is missing"
        return
    rules = load_yaml_dict(str(path)).get("rules")
    if not isinstance(rules, dict):
        yield "quality_scale.yaml: has no rules"
        return
    for rule in sorted(RULES - rules.keys()):
        yield f"quality_scale.yaml: {rule} is missing"
    for rule in sorted(rules.keys() - RULES):
        yield f"quality_scale.yaml: {rule} is not a rule"
    for rule, entry in rules.items():
        status = entry.get("status") if isinstance(entry, dict) else entry
        if status not in STATES:
            yield f"quality_scale.yaml: {rule} is neither done, todo nor exempt"
        elif status == "exempt" and not (
            isinstance(entry, dict) and entry.get("comment")
        ):
            yield f"quality_scale.yaml: {rule} does not say why it is exempt"
