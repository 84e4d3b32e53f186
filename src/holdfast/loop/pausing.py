"""Pause and resume: a person halts the loop of one model, and lets it go on."""

from __future__ import annotations

from holdfast.loop.container import Container, replace
from holdfast.loop.routing import Router, quoted, said
from holdfast.store.models import ModelEntry


def pause(container: Container, model: str, *, actor: str, reason: str) -> ModelEntry:
    """Halts the loop of a model: nothing is trained, released or moved forward by it.

    What is live is watched as before, and what is bad is stopped and taken back: a pause never
    stands in the way of safety.

    Raises:
        NotFoundError: when there is no such model.
    """
    return _set(container, model, actor, reason, paused=True)


def resume(container: Container, model: str, *, actor: str, reason: str = "") -> ModelEntry:
    """Lets the loop go on. A step that was under way begins anew, with its whole time.

    Raises:
        NotFoundError: when there is no such model.
    """
    return _set(container, model, actor, reason, paused=False)


def _set(container: Container, model: str, actor: str, reason: str, *, paused: bool) -> ModelEntry:
    store, word = container.store, "paused" if paused else "resumed"
    with store.begin() as tx:
        if store.models.get(tx, model).paused == paused:
            return store.models.get(tx, model)
        entry = store.models.pause(tx, model, paused=paused, note=reason if paused else "")
        text = f"{actor} {word} the loop{quoted(reason)}"
        Router(container).event(tx, f"model.{word}", model, actor, text)
        release = store.releases.moving(tx, model)
        if release is not None:
            notes = (*release.notes, *said(actor, f"{word}{quoted(reason)}"))
            began = release.step_at if paused else container.clock.now()
            store.releases.save(tx, replace(release, notes=notes, step_at=began))
    return entry
