"""Deny by default: every route asks for the token, but for the few that are open on purpose."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from starlette.routing import Route

from holdfast.control.app import create_app
from holdfast.control.auth import OPEN_PATHS

OPEN = {
    ("GET", "/api/v1/health"), ("GET", "/sign-in"), ("POST", "/sign-in"),
    ("GET", "/static/{name:path}"), ("POST", "/api/v1/hooks/{model}/train"),
}  # fmt: skip


def flat(routes: Iterable[Any]) -> Iterator[Route]:
    """The routes of an application and of the routers it includes."""
    for one in routes:
        inner = getattr(one, "original_router", None)
        if inner is not None:
            yield from flat(inner.routes)
        else:
            assert isinstance(one, Route)
            yield one


def test_every_route_asks_for_the_token(make_world: Callable[..., Any], run: Any) -> None:
    world = make_world(HOLDFAST_TOKEN="secret-token")
    app = create_app(world.container, reconcile=False)
    routes = [(method, one.path) for one in flat(app.routes) for method in sorted(one.methods)]
    assert ("POST", "/incidents/{incident_id}/close") in routes
    assert ("GET", "/models/{model}/report") in routes
    assert len(routes) > 30
    with run(world.container) as client:
        for method, path in routes:
            address = re.sub(r"\{[^}]*\}", "1", path)
            answer = client.request(method, address)
            if (method, path) in OPEN:
                assert address.startswith(OPEN_PATHS)
            else:
                assert answer.status_code == 401, (method, path)
    world.container.store.close()
