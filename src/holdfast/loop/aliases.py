"""MLflow's aliases and our routes: each follows the other, and the history says which."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from holdfast.loop.container import Container, replace
from holdfast.ports import faults
from holdfast.records import ReleaseState
from holdfast.store.models import ModelEntry

CHAMPION, CHALLENGER = "champion", "challenger"


def settle(container: Container, model: str) -> int | None:
    """Brings the aliases in line with the route; level-triggered and idempotent.

    What was last seen in MLflow is remembered, and so is what a move is about before it is made: so
    after a crash between the two systems an unfinished move of ours can be told from a move by
    somebody else, even if the route has changed again since.

    Args:
        container: the wiring.
        model: its name.

    Returns:
        The version to which somebody else moved the alias ``champion``: nothing was changed then,
        and the caller decides. None when all is in line.
    """
    with container.store.read() as tx:
        entry, wanted = container.store.models.get(tx, model), _wanted(container, tx, model)
    found = container.registry.aliases(model)
    live, seen = wanted.get(CHAMPION), found.get(CHAMPION)
    if _is_ours(seen, entry, live):
        done = entry.champion == live and entry.moving is None and _in_line(found, wanted)
        if live is None or done:
            return None
    # Within write transactions: nobody else changes route or alias meanwhile, and a control plane
    # that no longer leads is refused before it moves an alias on what it read long ago.
    with container.store.begin("alias.plan") as tx:
        entry, wanted = container.store.models.get(tx, model), _wanted(container, tx, model)
        live, seen = wanted.get(CHAMPION), container.registry.aliases(model).get(CHAMPION)
        if not _is_ours(seen, entry, live):
            return seen
        if live is None:
            return None
        container.store.models.save(tx, replace(entry, champion=seen, moving=live))
    with container.store.begin("alias.note") as tx:
        entry, wanted = container.store.models.get(tx, model), _wanted(container, tx, model)
        found = container.registry.aliases(model)
        if entry.moving == wanted[CHAMPION] and _is_ours(found.get(CHAMPION), entry, entry.moving):
            _move(container, model, found, wanted)
            entry = replace(entry, champion=entry.moving, moving=None)
            container.store.models.save(tx, entry)
    return None


def _is_ours(seen: int | None, entry: ModelEntry, live: int | None) -> bool:
    """Whether nobody else moved the alias: it is where we saw it, or where we were moving it."""
    return seen is None or seen in (live, entry.champion, entry.moving)


def _wanted(container: Container, tx: Connection, model: str) -> dict[str, int]:
    """The version of each alias, as the route says."""
    route = container.store.routes.current(tx, model)
    moving = container.store.releases.moving(tx, model)
    wanted: dict[str, int] = {} if route is None else {CHAMPION: route.champion.version}
    if moving is not None and moving.state != ReleaseState.PENDING:
        wanted[CHALLENGER] = moving.version
    return wanted


def _in_line(found: Mapping[str, int], wanted: Mapping[str, int]) -> bool:
    return all(found.get(alias) == wanted.get(alias) for alias in (CHAMPION, CHALLENGER))


def _move(
    container: Container, model: str, found: Mapping[str, int], wanted: Mapping[str, int]
) -> None:
    for alias, number in wanted.items():
        if found.get(alias) != number:
            with faults.step("alias.move"):
                container.registry.set_alias(model, alias, number)
    if CHALLENGER in found and CHALLENGER not in wanted:
        container.registry.delete_alias(model, CHALLENGER)
