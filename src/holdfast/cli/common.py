"""Options and output that every command shares."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from holdfast.loop.container import Container

F = TypeVar("F", bound=Callable[..., Any])


class Context:
    """What a command was called with.

    Args:
        project: folder of ``holdfast.toml``.
        json: print one JSON document instead of text.
        verbose: say more on stderr.
    """

    def __init__(self, project: Path, json: bool, verbose: bool) -> None:
        self.project = project
        self.json = json
        self.verbose = verbose

    @functools.cached_property
    def container(self) -> Container:
        """The wiring of this installation; the project's own code gets all threads."""
        from holdfast.loop.threads import few

        os.environ.update(few(os.environ))  # before NumPy is there
        from holdfast.loop.container import Container

        return Container.open(self.project)

    def model(self, name: str | None) -> str:
        """The model meant: the one named, or the project's own."""
        return self.known(name) or self.container.default_model()

    def known(self, name: str | None) -> str | None:
        """The name given, if one was.

        Raises:
            NotFoundError: when there is no such model.
        """
        if name is not None:
            self.container.ask(self.container.store.models.get, name)
        return name

    def progress(self, text: str) -> None:
        """One line about long work, on stderr, at a terminal or when asked to say more."""
        if self.verbose or sys.stderr.isatty():
            print(f"… {text}", file=sys.stderr)

    def emit(self, value: Any, text: Callable[[], Iterable[str]]) -> None:
        """Prints ``value`` as JSON, or the lines of ``text``."""
        if self.json:
            import msgspec

            print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
            return
        for line in text():
            print(line)


def common(command: F) -> F:
    """Adds ``--project``, ``--json`` and ``-v`` and passes a :class:`Context` first."""

    @click.option(
        "--project",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        help="Folder of holdfast.toml.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @click.option("-v", "--verbose", is_flag=True, help="Say more, on stderr.")
    @functools.wraps(command)
    def wrapper(*args: Any, project: Path, as_json: bool, verbose: bool, **kwargs: Any) -> Any:
        if verbose:
            _say_more()
        return command(Context(project, as_json, verbose), *args, **kwargs)

    return wrapper  # type: ignore[return-value]


def _say_more() -> None:
    """Shows what Holdfast logs; of libraries, what they warn of."""
    import logging

    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("holdfast").setLevel(logging.INFO)


model_option = click.option("--model", metavar="NAME", help="Model, when the home holds several.")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterable[str]:
    """Lines of a plain table, columns aligned, numbers to the right.

    >>> for line in table(["a", "rows"], [["x", 7], ["yy", 12]]):
    ...     print(line)
    a   rows
    x      7
    yy    12
    """
    cells = [[str(name) for name in header]]
    right = [True] * len(header)
    for row in rows:
        for index, value in enumerate(row):
            right[index] = right[index] and isinstance(value, int | float)
        cells.append(["–" if value is None else str(value) for value in row])
    widths = [max(len(line[index]) for line in cells) for index in range(len(header))]
    for line in cells:
        parts = [
            cell.rjust(width) if to_right and len(cells) > 1 else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ]
        yield "  ".join(parts).rstrip()


def when(moment: datetime | None) -> str:
    """A time as people read it, in UTC.

    >>> from datetime import UTC
    >>> when(datetime(2013, 4, 1, 6, 0, tzinfo=UTC))
    '2013-04-01 06:00:00'
    """
    return "–" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}"


def who() -> str:
    """The name of whoever runs the command."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "operator"


def parse_time(text: str) -> datetime:
    """Reads an ISO 8601 time; without a zone it is UTC.

    Raises:
        click.BadParameter: when it is no time.
    """
    from datetime import UTC

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"'{text}' is not a time; write it like 2026-03-03T14:30:00Z"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
