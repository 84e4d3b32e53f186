"""Which files of a project some of its modules import, read from their text: nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path


def files_of(modules: Iterable[str], root: Path) -> frozenset[Path]:
    """The files of modules below ``root``, and of everything below it that they import.

    Imports within functions count too, and the ``__init__.py`` of every package on the way. What
    is not below ``root`` is installed, and the environment's lock speaks of it. A module whose name
    is made up at run time is not found; ``[model] code`` names such files.

    Args:
        modules: dotted names, as from a file in ``root``.
        root: the project's folder.
    """
    found: set[Path] = set()
    waiting = list(modules)
    while waiting:
        for path, package in _locate(waiting.pop(), root):
            if path not in found:
                found.add(path)
                waiting += _imported(path, package)
    return frozenset(found)


def _locate(name: str, root: Path) -> Iterator[tuple[Path, str]]:
    """The files that importing a dotted name runs, each with the package it is in."""
    folder = root
    parts = name.split(".")
    for i, part in enumerate(parts):
        package = ".".join(parts[: i + 1])
        module = folder / f"{part}.py"
        folder = folder / part
        if (folder / "__init__.py").is_file():
            yield folder / "__init__.py", package
        elif module.is_file():
            yield module, ".".join(parts[:i])
            return
        elif not folder.is_dir():
            return


def _imported(path: Path, package: str) -> Iterator[str]:
    """Dotted names that a file imports; none when it is not Python."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            if base is not None:
                yield base
                # Each name may be a module of its own.
                yield from (f"{base}.{alias.name}".lstrip(".") for alias in node.names)


def _base(node: ast.ImportFrom, package: str) -> str | None:
    """The module that ``from … import`` names; None when it leaves the project."""
    if not node.level:
        return node.module
    parts = package.split(".") if package else []
    if node.level - 1 > len(parts):
        return None
    parts = parts[: len(parts) - (node.level - 1)]
    return ".".join([*parts, *([node.module] if node.module else [])])
