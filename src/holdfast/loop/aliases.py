"""MLflow's aliases and our routes: each follows the other, and the history says which."""

from __future__ import annotations

from holdfast.loop.container import Container, replace
from holdfast.records import ReleaseState

CHAMPION, CHALLENGER = "champion", "challenger"


def settle(container: Container, model: str) -> None:
    """Brings the aliases in line with the route; idempotent.

    What was last seen in MLflow is remembered, so that after a crash between the two systems an
    unfinished move of ours can be told from a move by somebody else.
    """
    with container.store.read() as tx:
        route = container.store.routes.current(tx, model)
        moving = container.store.releases.moving(tx, model)
    if route is None:
        return
    wanted = {CHAMPION: route.champion.version}
    if moving is not None and moving.state != ReleaseState.PENDING:
        wanted[CHALLENGER] = moving.version
    found = container.registry.aliases(model)
    for alias, number in wanted.items():
        if found.get(alias) != number:
            container.registry.set_alias(model, alias, number)
    if CHALLENGER in found and CHALLENGER not in wanted:
        container.registry.delete_alias(model, CHALLENGER)
    _remember(container, model, wanted[CHAMPION])


def outside_move(container: Container, model: str) -> int | None:
    """The version to which somebody else moved the alias ``champion``; None when nobody did.

    A move of ours that a crash interrupted is finished here.
    """
    found = container.registry.aliases(model).get(CHAMPION)
    if found is None:
        return None
    with container.store.read() as tx:
        route = container.store.routes.current(tx, model)
        remembered = container.store.models.get(tx, model).champion
    if route is not None and route.champion.version == found:
        _remember(container, model, found)
        return None
    if route is not None and remembered == found:
        settle(container, model)
        return None
    return found


def _remember(container: Container, model: str, number: int) -> None:
    with container.store.read() as tx:
        if container.store.models.get(tx, model).champion == number:
            return
    with container.store.begin() as tx:
        entry = container.store.models.get(tx, model)
        container.store.models.save(tx, replace(entry, champion=number))
