"""MLflow's aliases and our routes: each follows the other, and the history says which."""

from __future__ import annotations

from holdfast.loop.container import Container, replace
from holdfast.loop.routing import Router
from holdfast.records import ReleaseState

CHAMPION, CHALLENGER = "champion", "challenger"


def settle(container: Container, model: str, *, protect: bool = False) -> int | None:
    """Brings the aliases in line with the route; level-triggered and idempotent.

    What was last seen in MLflow is remembered, so that after a crash between the two systems an
    unfinished move of ours can be told from a move by somebody else.

    Args:
        container: the wiring.
        model: its name.
        protect: whether an alias that somebody else moved is put back, and the move written down.

    Returns:
        The version to which somebody else moved the alias ``champion``: nothing was changed then,
        and the caller decides. None when all is in line.
    """
    with container.store.read() as tx:
        route = container.store.routes.current(tx, model)
        moving = container.store.releases.moving(tx, model)
        remembered = container.store.models.get(tx, model).champion
    found = container.registry.aliases(model)
    seen = found.get(CHAMPION)
    live = None if route is None else route.champion.version
    if seen is not None and seen not in (live, remembered):
        if not protect or live is None:
            return seen
        text = f"alias champion was moved to version {seen} in MLflow; it is protected and put back"
        Router(container).note(model, "alias.reverted", "mlflow", text, version=seen, kept=live)
    wanted: dict[str, int] = {} if live is None else {CHAMPION: live}
    if moving is not None and moving.state != ReleaseState.PENDING:
        wanted[CHALLENGER] = moving.version
    for alias, number in wanted.items():
        if found.get(alias) != number:
            container.registry.set_alias(model, alias, number)
    if live is not None and CHALLENGER in found and CHALLENGER not in wanted:
        container.registry.delete_alias(model, CHALLENGER)
    if live is not None and remembered != live:
        _remember(container, model, live)
    return None


def _remember(container: Container, model: str, number: int) -> None:
    with container.store.begin() as tx:
        entry = container.store.models.get(tx, model)
        container.store.models.save(tx, replace(entry, champion=number))
