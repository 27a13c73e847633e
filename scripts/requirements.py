"""Print the packages that Home Assistant's components need, one a line.

Home Assistant installs the requirements of a component when it is first used. Tests
and the demo do not wait for that, so they are read here from the manifests of the
installed Home Assistant: those of the components named in pyproject.toml, of the kinds
of entity (every start sets them up), of all that these depend on, and of this
integration.
"""

from collections.abc import Iterable
from importlib.util import find_spec
import json
from pathlib import Path
import sys
import tomllib
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = ROOT / "custom_components" / "printfarm" / "manifest.json"


def installed_components() -> Path:
    """Find Home Assistant's components without importing it (it may lack parts)."""
    spec = find_spec("homeassistant")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("Home Assistant is not installed here")
    return Path(spec.submodule_search_locations[0]) / "components"


def read_manifest(components: Path, name: str) -> dict[str, Any]:
    """Read the manifest of one component."""
    path = components / name / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def entity_components(components: Path) -> list[str]:
    """Give the components that are a kind of entity: sensor, camera and the like."""
    return [
        path.parent.name
        for path in components.glob("*/manifest.json")
        if json.loads(path.read_text(encoding="utf-8")).get("integration_type")
        == "entity"
    ]


def requirements(start: Iterable[str], components: Path) -> set[str]:
    """Gather the requirements of `start` and of all that these depend on."""
    found: set[str] = set()
    seen: set[str] = set()
    left = list(start)
    while left:
        if (name := left.pop()) in seen:
            continue
        seen.add(name)
        manifest = read_manifest(components, name)
        found |= set(manifest.get("requirements", ()))
        left += manifest.get("dependencies", ())
    return found


def main() -> None:
    """Print them in order."""
    with (ROOT / "pyproject.toml").open("rb") as project:
        settings = tomllib.load(project)["tool"]["printfarm"]
    own = json.loads(MANIFEST.read_text(encoding="utf-8"))
    components = installed_components()
    start = [
        *settings["components"],
        *entity_components(components),
        *own.get("dependencies", ()),
        *own.get("after_dependencies", ()),
    ]
    wanted = {
        requirement
        for requirement in requirements(start, components) | set(own["requirements"])
        if requirement.split("==")[0] not in settings["left_out"]
    }
    sys.stdout.write("".join(f"{line}\n" for line in sorted(wanted)))


if __name__ == "__main__":
    main()
