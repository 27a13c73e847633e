"""Hold each module, not only their total, to the coverage that pyproject.toml asks for.

Run after the tests: `python -m scripts.checks.coverage coverage.json`.
"""

import json
from pathlib import Path
import sys
import tomllib
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def below(report: dict[str, Any], least: float) -> dict[str, float]:
    """Give the modules that have statements and less than `least` per cent of them."""
    shares = {
        name: float(module["summary"]["percent_covered"])
        for name, module in report["files"].items()
        if module["summary"]["num_statements"]
    }
    return {name: share for name, share in sorted(shares.items()) if share < least}


def main() -> int:
    """Print the modules that fall short; 1 where there are any."""
    with (ROOT / "pyproject.toml").open("rb") as project:
        least = tomllib.load(project)["tool"]["coverage"]["report"]["fail_under"]
    report = Path(sys.argv[1])
    if not report.exists():
        print(f"{report}: no coverage was measured")
        return 1
    short = below(json.loads(report.read_text(encoding="utf-8")), least)
    for name, share in short.items():
        print(f"{name}: {share:.1f} % covered, {least} % wanted")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
