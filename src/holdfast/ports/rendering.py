"""What turns a version into the files of another product: found by entry point, never imported.

A target is an object under the entry point ``holdfast.render``. It takes a subject and options and
returns files; it neither writes nor asks anything, so that its output can be tested as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from holdfast.records import BundleManifest, Version

Content = str | bytes | Path
"""Of a file: text, bytes, or the file or folder to copy."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The version to render.

    Args:
        folder: its verified bundle.
        digest: the bundle's content address.
        manifest: what the bundle says of itself.
        trusted: its pickle, if it has one, was sealed by this installation or is trusted by name.
        version: number and lineage; ``None`` when only the bundle is known.
        lock: the environment of the training, ``name==version`` a line.
    """

    folder: Path
    digest: str
    manifest: BundleManifest
    trusted: bool
    version: Version | None
    lock: str


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """What a target made.

    Args:
        files: path in the folder → content.
        next: what to do with them, a line each; ``{folder}`` stands for the folder.
    """

    files: Mapping[str, Content]
    next: Sequence[str] = ()


class Target(Protocol):
    """A product that versions can be rendered for.

    Its ``options`` is a msgspec Struct whose every field has a default and, in its annotation, a
    :class:`msgspec.Meta` with a description: the command line is made from it.
    """

    @property
    def summary(self) -> str:
        """One sentence: what the files are."""
        ...

    @property
    def example(self) -> str:
        """A command that shows it at work."""
        ...

    @property
    def options(self) -> type[msgspec.Struct]:
        """What can be chosen."""
        ...

    @property
    def of_version(self) -> bool:
        """Whether it renders a version; else it gets no subject."""
        ...

    def render(self, subject: Subject | None, options: Any) -> Rendering:
        """The files.

        Raises:
            UsageError: when a value cannot be written safely.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Built:
    """An image that answered as the version did at registration.

    Args:
        image: its id.
        tags: its names.
        size: bytes, the base included.
        base_size: bytes of the base alone.
        ready_seconds: from the start of the container to readiness.
        rows: golden rows that were answered right.
    """

    image: str
    tags: tuple[str, ...]
    size: int
    base_size: int
    ready_seconds: float
    rows: int


@dataclass(frozen=True, kw_only=True)
class BuildOrder:
    """What to build.

    Args:
        context: a rendered folder.
        tags: names of the image.
        base: the base image.
        network: of the build, as the engine names it.
        say: told what happens.
    """

    context: Path
    tags: tuple[str, ...]
    base: str
    network: str | None
    say: Callable[[str], None]


class Build(Protocol):
    """Under the entry point ``holdfast.build``: builds a rendered folder and tries the image."""

    def __call__(self, subject: Subject, order: BuildOrder) -> Built:
        """Builds the image, starts it, and asks it the golden rows.

        Raises:
            UnavailableError: when there is no engine, or it is not running.
            BundleError: when the image does not answer as the version did.
        """
        ...
