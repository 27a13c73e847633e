"""Runs a farm that is killed: the program that `test_i6_kill.py` starts.

The package of the integration imports Home Assistant, which the domain does not need
and which takes seconds to load. So an empty package stands in for it here.
"""

import importlib
from pathlib import Path
import sys
import types

_NAME = "custom_components.printfarm"


def main() -> None:
    """Stand in for the package, then run."""
    stub = types.ModuleType(_NAME)
    stub.__path__ = [
        str(Path(__file__).resolve().parents[2].joinpath(*_NAME.split(".")))
    ]
    sys.modules[_NAME] = stub
    importlib.import_module("tests.farm.kill_run").main()
    if "homeassistant" in sys.modules:
        raise SystemExit("the domain loaded Home Assistant")


if __name__ == "__main__":
    main()
