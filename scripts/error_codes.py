"""Finds every error that the code of Holdfast can raise, by reading its syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from holdfast import errors

SOURCE = Path(__file__).resolve().parents[1] / "src" / "holdfast"


class Fault(NamedTuple):
    """One place where an error is raised."""

    code: str
    kind: str
    message: str
    fix: str


def kinds() -> list[type[errors.HoldfastError]]:
    """The classes of the error tree, root first."""
    return [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.HoldfastError)
    ]


KINDS = {kind.__name__ for kind in kinds()}


def faults() -> Iterator[Fault]:
    """Every place where an error is made, in the order of the files."""
    for file in sorted(SOURCE.rglob("*.py")):
        if file.name == "errors.py" or "templates" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            fault = _raised(node) or _written(node)
            if fault is not None:
                yield fault


def _raised(node: ast.AST) -> Fault | None:
    """An error that is made: ``DataError("data.empty", message, fix)``."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
        return None
    code = node.args[0]
    if node.func.id not in KINDS or not isinstance(code, ast.Constant):
        return None
    message, fix = (*(_text(argument) for argument in node.args[1:3]), "", "")[:2]
    return Fault(str(code.value), node.func.id, message, fix)


def _written(node: ast.AST) -> Fault | None:
    """An error in its JSON form: ``{"code": …, "message": …, "fix": …}``."""
    if not isinstance(node, ast.Dict):
        return None
    parts = {key.value: value for key, value in zip(node.keys, node.values, strict=True)
             if isinstance(key, ast.Constant)}  # fmt: skip
    if parts.keys() != {"code", "message", "fix"} or not isinstance(parts["code"], ast.Constant):
        return None
    code = str(parts["code"].value)
    return Fault(code, "HoldfastError", _text(parts["message"]), _text(parts["fix"]))


def _text(node: ast.expr) -> str:
    """The fixed words of an expression; ``…`` for the rest."""
    if isinstance(node, ast.Constant):
        text = str(node.value)
    elif isinstance(node, ast.JoinedStr):
        text = "".join(_text(part) for part in node.values)
    elif isinstance(node, ast.BinOp):
        text = _text(node.left) + _text(node.right)
    else:
        text = "…"
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
