"""What the integration's Python says about texts: keys named in calls and classes."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .paths import INTEGRATION


@dataclass(frozen=True, slots=True)
class Call:
    """A call with the literal values of its arguments; others are left out."""

    module: str
    function: str
    positional: tuple[str, ...]
    keywords: dict[str, str]
    line: int


def modules(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """Parse every module, named by its path inside the integration."""
    for path in sorted((root / INTEGRATION).rglob("*.py")):
        name = str(path.relative_to(root / INTEGRATION))
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def calls(root: Path) -> Iterator[Call]:
    """Give every call, with constants of the same module resolved."""
    for name, tree in modules(root):
        constants = _constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield Call(
                    module=name,
                    function=_last_name(node.func),
                    positional=tuple(
                        value
                        for argument in node.args
                        if (value := _literal(argument, constants)) is not None
                    ),
                    keywords={
                        keyword.arg: value
                        for keyword in node.keywords
                        if keyword.arg
                        and (value := _literal(keyword.value, constants)) is not None
                    },
                    line=node.lineno,
                )


def literals(root: Path) -> set[str]:
    """Give every text that stands in the code."""
    return {
        node.value
        for _, tree in modules(root)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def class_attributes(root: Path, attribute: str) -> Iterator[tuple[str, str]]:
    """Give (module, value) for each class that sets `attribute` to a literal."""
    for name, tree in modules(root):
        constants = _constants(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for statement in node.body:
                    for target, value in _assigned(statement):
                        text = _literal(value, constants)
                        if target == attribute and text is not None:
                            yield name, text


def _assigned(statement: ast.stmt) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            if isinstance(target, ast.Name):
                yield target.id, statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        if isinstance(statement.target, ast.Name):
            yield statement.target.id, statement.value


def _constants(tree: ast.Module) -> dict[str, str]:
    return {
        name: value.value
        for statement in tree.body
        for name, value in _assigned(statement)
        if isinstance(value, ast.Constant) and isinstance(value.value, str)
    }


def _literal(node: ast.expr, constants: dict[str, str]) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return constants.get(node.id)
    # `given or "a default"`: the default is what can be known.
    if isinstance(node, ast.BoolOp):
        return _literal(node.values[-1], constants)
    return None


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
