"""The conventions that tools do not check; each list of exceptions may only become shorter."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "holdfast"
TESTS = Path(__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
NOT_OURS = ("migrations/versions", "templates/files")

LONG_FILES: set[str] = set()
LONG_FUNCTIONS: set[str] = set()
UNDOCUMENTED: set[str] = set()
UNTESTED: set[str] = set()


def _name(file: Path) -> str:
    return file.relative_to(SOURCE).as_posix()


def _ours() -> list[Path]:
    return [file for file in FILES if not any(part in _name(file) for part in NOT_OURS)]


def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _defined(
    body: list[ast.stmt], inside: str = ""
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Functions and classes of a module, and the members of classes."""
    for node in body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield f"{inside}{node.name}", node
        if isinstance(node, ast.ClassDef):
            yield from _defined(node.body, f"{inside}{node.name}.")


def test_no_file_is_long() -> None:
    found = {_name(f) for f in _ours() if len(f.read_text().splitlines()) > 400}
    assert found == LONG_FILES


def test_no_function_is_long() -> None:
    found = {
        f"{_name(file)}:{node.name}"
        for file in _ours()
        for node in ast.walk(_tree(file))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno + 1 > 80
    }
    assert found == LONG_FUNCTIONS


def test_what_is_public_is_documented() -> None:
    found = set()
    for file in _ours():
        tree = _tree(file)
        found |= {_name(file)} if ast.get_docstring(tree) is None else set()
        found |= {
            f"{_name(file)}:{name}"
            for name, node in _defined(tree.body)
            if not any(part.startswith("_") for part in name.split("."))
            and not _is_overload(node)
            and ast.get_docstring(node) is None
        }
    assert found == UNDOCUMENTED


def _is_overload(node: ast.AST) -> bool:
    return any(
        isinstance(one, ast.Name) and one.id == "overload"
        for one in getattr(node, "decorator_list", [])
    )


@pytest.mark.parametrize("file", _ours(), ids=_name)
def test_exported_names_are_sorted(file: Path) -> None:
    for node in _tree(file).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            names = ast.literal_eval(node.value)
            # As ruff has it: constants, then classes, then the rest.
            order = sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
            assert list(names) == order


def test_every_folder_of_the_source_has_tests() -> None:
    folders = {file.relative_to(SOURCE).parts[0] for file in _ours() if file.parent != SOURCE}
    tested = {folder.name for folder in TESTS.iterdir() if any(folder.glob("test_*.py"))}
    assert folders - tested - {"integrations", "__pycache__"} == UNTESTED


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("holdfast.cli", "numpy polars pandas sklearn mlflow sqlalchemy fastapi"),
        ("holdfast.errors", "numpy polars pandas sklearn mlflow sqlalchemy"),
        ("holdfast.records", "numpy polars pandas sklearn mlflow sqlalchemy"),
        ("holdfast.recording.spool", "polars pandas sklearn mlflow sqlalchemy"),
        ("holdfast.recording.segments", "polars pandas sklearn mlflow sqlalchemy"),
        ("holdfast.loop.serve", "polars pandas sklearn mlflow sqlalchemy scipy"),
        ("holdfast.serving.process", "polars pandas sklearn mlflow sqlalchemy scipy"),
    ],
)
def test_what_starts_often_imports_little(module: str, heavy: str) -> None:
    code = f"import sys, {module}; print(*sorted(set({heavy.split()!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []


def test_the_examples_in_docstrings_hold() -> None:
    """In a process of its own, so that ``src`` is collected without being a test path."""
    ignored = [f"--ignore={SOURCE / part}" for part in
               ("store/migrations/versions", "store/migrations/env.py", "cli/templates/files",
                "cli/__main__.py")]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--doctest-modules", "-q", "-p", "no:cacheprovider",
         *ignored, str(SOURCE)],
        cwd=SOURCE.parents[1], capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
