"""The aliases in MLflow and our routes follow each other."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow import MlflowClient

from holdfast.loop.aliases import settle
from holdfast.loop.container import replace
from holdfast.loop.reconciler import Reconciler
from holdfast.loop.releasing import Releasing
from holdfast.records import ReleaseState


def _tick(home: Any) -> None:
    container = home.container
    Reconciler(container, Releasing(container, lambda _: None), container.wall).tick()


def test_an_alias_moved_with_plain_mlflow_is_obeyed_and_recorded(live: Any) -> None:
    _tick(live)
    client = MlflowClient(live.container.settings.tracking_uri)
    client.set_registered_model_alias("tiny", "champion", "2")
    for _ in range(3):
        _tick(live)
    route = live.container.ask(live.container.store.routes.current, "tiny")
    assert route.champion.version == 2
    assert [arm.version for arm in route.resident] == [1]
    moved = live.events("alias.moved")
    assert [(e.actor, e.body["version"]) for e in moved] == [("mlflow", 2)]
    assert [e.actor for e in live.events("route.changed")][1:] == ["mlflow"]
    assert live.container.registry.aliases("tiny") == {"champion": 2}


def test_an_alias_on_what_has_no_bundle_leaves_the_live_version_live(
    live: Any, caplog: pytest.LogCaptureFixture
) -> None:
    container = live.container
    client = MlflowClient(container.settings.tracking_uri)
    foreign = client.create_model_version("tiny", str(container.settings.home))
    client.set_registered_model_alias("tiny", "champion", foreign.version)
    reconciler = Reconciler(container, Releasing(container, lambda _: None), container.wall)
    for _ in range(3):
        reconciler.tick()

    route = container.ask(container.store.routes.current, "tiny")
    assert route.champion.version == 1
    said = [record.getMessage() for record in caplog.records if "alias" in record.getMessage()]
    assert len(said) == 1
    assert "stays live" in said[0]
    assert "tiny" not in reconciler._failing, "the rest of the model's pass goes on"
    client.set_registered_model_alias("tiny", "champion", "2")
    reconciler.tick()
    route = container.ask(container.store.routes.current, "tiny")
    assert route.champion.version == 2


def test_a_canary_under_way_ends_when_the_alias_is_moved(live: Any) -> None:
    container = live.container
    release = Releasing(container).start("tiny", version=2, actor="ana", strategy="canary")
    MlflowClient(container.settings.tracking_uri).set_registered_model_alias(
        "tiny", "champion", "3"
    )
    _tick(live)
    assert container.ask(container.store.releases.get, release.id).state == ReleaseState.ABORTED
    assert container.registry.aliases("tiny") == {"champion": 3}


def test_our_own_interrupted_move_is_finished(live: Any) -> None:
    """Killed between the route and MLflow: the alias still names what was live before."""
    container = live.container
    Releasing(container, lambda _: None).start("tiny", version=2, actor="ana")
    assert container.registry.aliases("tiny") == {"champion": 1}
    assert settle(container, "tiny") is None
    assert container.registry.aliases("tiny") == {"champion": 2}
    assert not live.events("alias.moved")


def test_our_own_move_that_was_not_noted_is_not_somebody_elses(live: Any) -> None:
    """Killed between MLflow and the note of what was last seen there."""
    container = live.container
    Releasing(container).start("tiny", version=2, actor="ana")
    with container.store.begin() as tx:
        entry = container.store.models.get(tx, "tiny")
        container.store.models.save(tx, replace(entry, champion=1))
    assert settle(container, "tiny") is None
    assert container.ask(container.store.models.get, "tiny").champion == 2


def test_an_alias_that_was_deleted_is_set_again(live: Any) -> None:
    live.container.registry.delete_alias("tiny", "champion")
    assert settle(live.container, "tiny") is None
    assert live.container.registry.aliases("tiny") == {"champion": 1}


def test_an_interrupted_move_is_ours_though_the_route_has_changed_again(live: Any) -> None:
    """Killed between MLflow and the note; before the next pass another version is released."""
    container = live.container
    container.registry.set_alias("tiny", "champion", 2)
    with container.store.begin() as tx:
        entry = container.store.models.get(tx, "tiny")
        container.store.models.save(tx, replace(entry, champion=1, moving=2))
    Releasing(container, lambda _: None).start("tiny", version=3, actor="ana", force="a test")
    assert settle(container, "tiny") is None
    assert container.registry.aliases("tiny") == {"champion": 3}
    entry = container.ask(container.store.models.get, "tiny")
    assert (entry.champion, entry.moving) == (3, None)
    assert not live.events("alias.moved")


def test_what_another_process_just_moved_is_not_taken_for_a_strangers(
    live: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command moves route and alias while a control plane looks: it looks again, undisturbed."""
    container, registry = live.container, live.container.registry
    look, looked = registry.aliases, []

    def late(model: str) -> dict[str, int]:
        looked.append(model)
        return {"champion": 2} if len(looked) == 1 else look(model)

    monkeypatch.setattr(registry, "aliases", late)
    assert settle(container, "tiny") is None
    assert len(looked) > 1
