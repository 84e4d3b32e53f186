"""``init`` and ``check``."""

from __future__ import annotations

from pathlib import Path

import click

from holdfast.cli.common import Context, common
from holdfast.errors import UsageError


@click.command(epilog="Example:  holdfast init churn && cd churn && holdfast train")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--name", help="Name of the model; the folder's name by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def init(folder: Path, name: str | None, as_json: bool) -> None:
    """Scaffold a project in FOLDER that trains as it is, to be made your own.

    Existing files are never overwritten.
    """
    from holdfast.cli.templates import scaffold

    written = scaffold(folder, name or _model_name(folder))
    if as_json:
        import msgspec

        print(msgspec.json.encode({"folder": str(folder), "files": written}).decode())
        return
    for file in written:
        print(f"wrote {folder / file}")
    go = "" if folder == Path() else f"cd {folder} && "
    print(f"next: {go}holdfast check && holdfast train && holdfast gate && holdfast up")


def _model_name(folder: Path) -> str:
    text = folder.absolute().name.lower().replace("_", "-").replace(" ", "-")
    name = "".join(c for c in text if c.isascii() and (c.isalnum() or c in ".-")).strip(".-")
    if not name:
        raise UsageError(
            "init.name", f"no model name can be made of '{folder}'", "Give one with --name."
        )
    return name[:63]


@click.command(epilog="Example:  holdfast check")
@common
def check(context: Context) -> None:
    """Validate spec, data contract and user code without training.

    Exit status 0 when all is in order, 1 when something is wrong.
    """
    from holdfast.loop.checking import check_project

    report = check_project(context.container)
    context.emit(report, report.lines)
