"""The project that ``holdfast init`` writes: small, complete, and trainable as it is."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from holdfast.errors import ConflictError, UsageError
from holdfast.spec import FILE_NAME

NAME = "my-model"
"""The model's name in the template files; replaced by the user's."""

# File of the project to file of the package: a real .gitignore here would be obeyed by git.
FILES = {
    FILE_NAME: FILE_NAME,
    "model.py": "model.py",
    "tests/behaviour/test_behaviour.py": "tests/behaviour/test_behaviour.py",
    "README.md": "README.md",
    ".gitignore": "gitignore",
}


def scaffold(folder: Path, name: str) -> list[str]:
    """Writes a project that trains as it is; files that exist are left alone.

    Args:
        folder: of the project; made if need be.
        name: of the model.

    Returns:
        The files that were written, relative to ``folder``.

    Raises:
        ConflictError: when the folder is a project already.
        UsageError: when the name is no model's name, or the folder cannot be written.
    """
    if (folder / FILE_NAME).exists():
        raise ConflictError(
            "init.exists",
            f"{folder / FILE_NAME} is there already",
            "Choose another folder: holdfast init FOLDER.",
        )
    contents = {target: _content(source, name) for target, source in FILES.items()}
    _check_name(contents[FILE_NAME], name)
    written = []
    try:
        for target, content in contents.items():
            path = folder / target
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_text(content, encoding="utf-8")
                written.append(target)
    except OSError as error:
        raise UsageError(
            "init.folder",
            f"the project cannot be written to {folder}: {error.strerror}",
            "Name a folder that you may write to.",
        ) from None
    return written


def _content(source: str, name: str) -> str:
    file = resources.files(__package__ or __name__) / "files" / source
    return file.read_text(encoding="utf-8").replace(NAME, name)


def _check_name(spec: str, name: str) -> None:
    from holdfast.errors import SpecError
    from holdfast.spec import parse_spec

    try:
        parse_spec(spec)
    except SpecError:
        raise UsageError(
            "init.name",
            f"'{name}' is no name for a model",
            "Use lower-case letters, digits, '.', '_' and '-', at most 63.",
        ) from None
