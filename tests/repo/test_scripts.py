"""The scripts beside the checks: what they read, and that they begin at once."""

import os
from pathlib import Path
import subprocess
from time import monotonic

import pytest

from scripts import develop, requirements
from scripts.checks import coverage

ROOT = Path(__file__).resolve().parents[2]


def _module(statements: int, percent: float) -> dict[str, dict[str, float]]:
    return {"summary": {"num_statements": statements, "percent_covered": percent}}


def test_each_module_is_held_to_the_coverage() -> None:
    """A module without statements cannot fall short."""
    files = {"a.py": _module(9, 94.9), "b.py": _module(9, 95), "c.py": _module(0, 0)}
    assert coverage.below({"files": files}, 95) == {"a.py": 94.9}


def test_requirements_follow_dependencies(tmp_path: Path) -> None:
    """What a component depends on is needed too, each once, in circles as well."""
    for name, manifest in {
        "a": '{"dependencies": ["b"], "requirements": ["one==1"]}',
        "b": '{"dependencies": ["a", "c"]}',
        "c": '{"requirements": ["two==2"], "integration_type": "entity"}',
        "d": '{"requirements": ["three==3"]}',
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(manifest, encoding="utf-8")
    assert requirements.requirements(["a"], tmp_path) == {"one==1", "two==2"}
    assert requirements.entity_components(tmp_path) == ["c"]


def test_develop_hands_on_what_is_home_assistants() -> None:
    """Ours stands before the two dashes."""
    options = develop.arguments(["--port", "8200", "--", "--debug"])
    assert (options.port, options.rest) == (8200, ["--debug"])


@pytest.mark.parametrize("script", ["setup", "python"])
def test_the_second_time_is_quick(script: str) -> None:
    """Every other script calls setup, which must not be felt."""
    environment = os.environ | {"PRINTFARM_VENV": str(ROOT / ".venv")}
    command = [str(ROOT / "scripts" / script)]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    began = monotonic()
    subprocess.run(command, check=True, env=environment, capture_output=True)
    assert monotonic() - began < 2
