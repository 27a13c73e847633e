"""Where things lie in a checkout, and how they are read."""

import json
from pathlib import Path
from typing import Any

INTEGRATION = Path("custom_components") / "printfarm"


def read_json(path: Path) -> dict[str, Any]:
    """Read an object; an absent file is an empty one."""
    if not path.exists():
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError(f"{path} does not hold an object")
    return content
