"""Templates and static files, for pages that are served and for those that stand alone."""

from __future__ import annotations

import mimetypes
from dataclasses import fields
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from holdfast.control import words

_HERE = Path(__file__).parent
_FILTERS = ("when", "exactly", "ago", "seconds", "number", "loss", "signed", "share", "short",
            "lasting", "spelled", "state_of", "kind_of")  # fmt: skip


@cache
def static_files() -> dict[str, tuple[bytes, str]]:
    """Every file under ``static``: its bytes and media type, by relative path."""
    root = _HERE / "static"
    return {
        path.relative_to(root).as_posix(): (
            path.read_bytes(),
            mimetypes.guess_type(path.name)[0] or "application/octet-stream",
        )
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def asset(name: str) -> str:
    """Address of a static file, which changes with its content, so that it may be kept."""
    content, _ = static_files()[name]
    return f"/static/{name}?{sha256(content).hexdigest()[:12]}"


def inlined(name: str) -> Markup:
    """The text of a static file, to stand in a page that loads nothing."""
    content, _ = static_files()[name]
    return Markup(content.decode())  # noqa: S704 - a file of this package


@cache
def templates() -> Environment:
    """The Jinja2 environment: everything is escaped, and unknown names are errors."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({name: getattr(words, name) for name in _FILTERS})
    environment.globals.update(asset=asset, inlined=inlined)
    return environment


def filled(name: str, page: Any, **more: Any) -> str:
    """A template with the fields of a dataclass as its names.

    Args:
        name: of the template.
        page: a dataclass; together with ``more`` all that the template knows.
        more: further names.
    """
    values = {field.name: getattr(page, field.name) for field in fields(page)}
    return templates().get_template(name).render(values, **more)


def standalone(name: str, page: Any) -> str:
    """A page as one HTML file: it loads nothing, needs no script, and prints.

    Args:
        name: of a template that extends ``standalone.html``.
        page: a dataclass, all that the template knows; it has a ``title``, and ``at``, the time
            (aware) at which the page was made.
    """
    return filled(name, page)
