"""Who may import whom: the domain never sees Home Assistant, and arrows run one way."""

import ast
from collections.abc import Iterator
from pathlib import Path

from .paths import INTEGRATION

LONGEST = 500
BANNED = frozenset({"homeassistant", "voluptuous", "probatio"})

# The rooms of the domain, and what each may import of the integration beside itself.
# What is not named here is the edge, which may import everything.
ROOMS: dict[str, tuple[str, ...]] = {
    "gcode": (),
    "fabricators": ("gcode",),
    "farm": ("fabricators", "gcode"),
    # What the farm hands over to be kept is partly made of these.
    "store": ("farm", "gcode.model", "gcode.serial", "fabricators.interface"),
}

PURE = "fabricators/marlin/engine.py"
"""Takes bytes and the time, and gives bytes: so does all that it imports beside it."""
IO = frozenset(
    {"asyncio", "io", "logging", "os", "pathlib", "selectors", "serialx", "socket"}
    | {"subprocess", "threading", "time"}
)


def imported_modules(source: str, package: str) -> Iterator[str]:
    """Give the absolute names that a module of `package` imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join(
                [*parts, *((node.module or "").split(".") if node.module else [])]
            )
            # `from .. import store` names the room only in its second half.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _allowed(module: str, room: str) -> bool:
    root = ".".join(INTEGRATION.parts)
    if module.split(".", maxsplit=1)[0] in BANNED:
        return False
    if not f"{module}.".startswith(f"{root}."):
        return True
    inner = module.removeprefix(root).removeprefix(".")
    return any(f"{inner}.".startswith(f"{name}.") for name in (room, *ROOMS[room]))


def _impure(root: Path) -> Iterator[str]:
    """Follow the imports of what is pure through its folder."""
    start = root / INTEGRATION / PURE
    waiting = [start] if start.exists() else []
    seen = set(waiting)
    package = ".".join(start.relative_to(root).parent.parts)
    while waiting:
        path = waiting.pop()
        for module in imported_modules(path.read_text(encoding="utf-8"), package):
            if module.split(".", maxsplit=1)[0] in IO:
                where = path.relative_to(root)
                yield f"{where}: is a part of {PURE} and must not import {module}"
            name = module.removeprefix(f"{package}.").split(".", maxsplit=1)[0]
            beside = start.with_name(f"{name}.py")
            if module.startswith(f"{package}.") and beside not in seen:
                seen.add(beside)
                waiting += [beside] if beside.exists() else []


def check(root: Path) -> Iterator[str]:
    """Check the imports of every room, and the length of every file."""
    yield from _impure(root)
    for room in ROOMS:
        for path in sorted((root / INTEGRATION / room).rglob("*.py")):
            package = ".".join(path.relative_to(root).parent.parts)
            where = path.relative_to(root)
            for module in imported_modules(path.read_text(encoding="utf-8"), package):
                if not _allowed(module, room):
                    yield f"{where}: {room}/ must not import {module}"
    for folder in (INTEGRATION, Path("scripts"), Path("tests")):
        for path in sorted((root / folder).rglob("*.py")):
            lines = len(path.read_text(encoding="utf-8").splitlines())
            if lines > LONGEST:
                yield f"{path.relative_to(root)}: {lines} lines, at most {LONGEST}"
