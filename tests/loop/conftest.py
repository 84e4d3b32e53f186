"""Traffic that the real recorder has drained, without servers: a month takes a second."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

FEATURES = ("size", "heat", "kind")


def play(home: Any, days: int, *, wrong: bool = False, rows: int = 240) -> list[str]:
    """Some days of predictions by what is live, with their labels six hours later.

    Args:
        home: the installation; its clock is moved.
        days: how many.
        wrong: the world has turned round: what was true is false.
        rows: a day.

    Returns:
        The ids.
    """
    from holdfast.bundle.columns import from_rows
    from holdfast.bundle.predictor import open_bundle
    from holdfast.loop.outcomes import add_labels
    from holdfast.loop.record import Summarising
    from holdfast.recording.recorder import Recorder
    from holdfast.recording.spool import FileSpool
    from holdfast.records.prediction import PredictionBatch
    from holdfast.serving.cache import RouteCache

    container = home.container
    route = container.ask(container.store.routes.current, "tiny")
    RouteCache(home.home / "serve", "routes-test.json").keep(route)
    version = container.version("tiny", route.champion.version)
    predictor = open_bundle(version.bundle_path, key=container.key)
    begin, end, labels = home.clock.now(), timedelta(days=days, hours=7), []
    rng = np.random.default_rng(int(begin.timestamp()))

    def answer(spool: FileSpool, at: datetime, n: int) -> None:
        size, heat = rng.normal(size=n), rng.normal(20, 5, size=n)
        kind = rng.choice(["east", "west"], size=n)
        score = 1.5 * size + 0.1 * (heat - 20) + np.where(kind == "east", 0.5, -0.5)
        truth = (rng.random(n) < 1 / (1 + np.exp(-score))) ^ wrong
        columns = [size.tolist(), heat.tolist(), kind.tolist()]
        asked = [dict(zip(FEATURES, row, strict=True)) for row in zip(*columns, strict=True)]
        found = predictor.predict(from_rows(asked, predictor.manifest.signature), n)
        ids = [f"{at:%m%d%H}-{i}" for i in range(n)]
        known = (at + timedelta(hours=6)).isoformat()
        labels.extend(
            {"row": name, "bad": bool(value), "known": known}
            for name, value in zip(ids, truth, strict=True)
        )
        assert spool.append(
            PredictionBatch(
                request=f"q{at:%m%d%H}",
                model="tiny",
                version=version.number,
                epoch=route.epoch,
                at=at.timestamp(),
                role="live",
                names=FEATURES,
                columns=columns,
                ids=ids,
                predictions=found.prediction.tolist(),
                scores=found.probability.tolist(),
                seconds=0.001,
            )
        )

    with FileSpool(home.home / "spool" / "test", 10**9, writer=f"w{begin:%m%d%H}") as spool:
        for hour in range(0, days * 24, 2):
            answer(spool, begin + timedelta(hours=hour), rows // 12)
        home.clock.advance(begin + end)
        add_labels(container, "tiny", labels)
        labelled = [label["row"] for label in labels]
        # A label counts from the first prediction after it on.
        answer(spool, begin + end + timedelta(minutes=1), 1)
    home.later(minutes=2)
    summarising = Summarising(container.settings, container.summaries)
    with Recorder(
        home.home / "spool", container.log, home.home / "recorder" / "main",
        clock=home.clock, sinks=[summarising],
    ) as recorder:  # fmt: skip
        while recorder.drain_once().lag_bytes:
            pass
        recorder.drain_once()
    return labelled


@pytest.fixture
def traffic() -> Callable[..., list[str]]:
    return play
