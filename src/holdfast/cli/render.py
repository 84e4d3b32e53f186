"""``render``: one command for each target that is installed."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli.common import Context, common, model_option

if TYPE_CHECKING:
    from holdfast.ports.rendering import Subject, Target


class Targets(click.Group):
    """A group whose commands are the targets under an entry point."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the targets, sorted."""
        from holdfast.loop.rendering import target_names

        return target_names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a target, made of its options."""
        from holdfast.loop.rendering import find_target

        if cmd_name not in self.list_commands(ctx):
            return None
        return _command(cmd_name, find_target(cmd_name))


@click.group(cls=Targets)
def render() -> None:
    """Write the files that another product needs to run a version."""


version_option = click.option(
    "--version",
    "number",
    type=int,
    metavar="NUMBER",
    help="Version to render; by default the one that is live, else the newest.",
)
bundle_option = click.option(
    "--bundle",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Render this bundle instead; no registry is asked.",
)
pickle_option = click.option(
    "--allow-pickle", is_flag=True, help="With --bundle: trust a pickled model made elsewhere."
)


def _command(name: str, target: Target) -> click.Command:
    @click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
    @common
    def command(
        context: Context,
        folder: Path,
        number: int | None = None,
        bundle: Path | None = None,
        allow_pickle: bool = False,
        model: str | None = None,
        **chosen: Any,
    ) -> None:
        from holdfast.loop.rendering import write

        subject = None
        if target.of_version:
            subject = find_subject(context, number, bundle, allow_pickle, model)
        rendering = target.render(subject, target.options(**chosen))
        files = write(rendering, folder)
        following = [line.format(folder=folder) for line in rendering.next]
        context.emit(
            {"target": name, "folder": str(folder), "files": files, "next": following},
            lambda: [
                *(f"wrote {folder / file}" for file in files),
                *(f"next: {line}" for line in following),
            ],
        )

    command.__doc__ = target.summary
    for option in reversed(options_of(target)):
        command = option(command)
    if target.of_version:
        for option in (model_option, pickle_option, bundle_option, version_option):
            command = option(command)
    return click.command(name, help=target.summary, epilog=f"Example:  {target.example}")(command)


def options_of(target: Target) -> list[Any]:
    """The options of a target as those of a command."""
    hints = typing.get_type_hints(target.options, include_extras=True)
    made = []
    for name, hint in hints.items():
        kind, meta = typing.get_args(hint)
        default = getattr(target.options(), name)
        if kind is bool:
            made.append(click.option(f"--{name.replace('_', '-')}", is_flag=True,
                                     help=meta.description))  # fmt: skip
            continue
        made.append(click.option(
            f"--{name.replace('_', '-')}", type=int if kind is int else str, default=default,
            show_default=default is not None, help=meta.description,
        ))  # fmt: skip
    return made


def find_subject(
    context: Context, number: int | None, bundle: Path | None, allow_pickle: bool, model: str | None
) -> Subject:
    """The version or bundle that is meant.

    Raises:
        HoldfastError: when it does not exist or is corrupt.
    """
    from holdfast.loop.rendering import subject_of_bundle, subject_of_version

    if bundle is None:
        return subject_of_version(context.container, context.model(model), number)
    if number is not None:
        raise click.UsageError("--version and --bundle exclude each other")
    return subject_of_bundle(bundle, allow_pickle=allow_pickle)
