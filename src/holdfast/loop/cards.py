"""Model cards: made of the records at any time, and kept with a version when it is judged."""

from __future__ import annotations

from holdfast.bundle.manifest import read_manifest
from holdfast.data import versions
from holdfast.errors import HoldfastError
from holdfast.gate import card as cards
from holdfast.loop.container import Container
from holdfast.records import DatasetVersion, Version

HTML, MARKDOWN = "card.html", "card.md"


def card_of(container: Container, model: str, number: int | None = None) -> cards.Card:
    """The card of a version, the newest by default.

    Raises:
        NotFoundError: when there is no such version.
        BundleError: when its bundle is not here.
    """
    version = container.newest_version(model) if number is None else container.version(
        model, number
    )  # fmt: skip
    return cards.make_card(
        version,
        read_manifest(version.bundle_path),
        about=container.spec(model).model.about,
        dataset=_dataset(container, version),
        verdict=container.ask(container.store.verdicts.latest, model, version.number),
    )


def keep_card(container: Container, version: Version) -> None:
    """Keeps both forms with the version's run; that a verdict stands does not hang on it."""
    card = card_of(container, version.model, version.number)
    try:
        container.registry.keep(version, HTML, cards.html(card))
        container.registry.keep(version, MARKDOWN, cards.markdown(card))
    except (HoldfastError, OSError) as error:
        container.warn(f"the card of version {version.number} could not be kept: {error}")


def _dataset(container: Container, version: Version) -> DatasetVersion | None:
    try:
        return versions.read_manifest(version.dataset, container.blobs)
    except (HoldfastError, OSError):  # an older installation may have cleaned up
        return None
