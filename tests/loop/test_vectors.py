"""A model that takes an embedding: trained, judged, served, recorded and watched, all for real."""

from __future__ import annotations

import asyncio
import json
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from holdfast.bundle.manifest import read_manifest
from holdfast.errors import DataError, SpecError
from holdfast.loop.checking import check_project
from holdfast.loop.gating import gate_now
from holdfast.loop.looking import look_at
from holdfast.loop.pipeline import train_now
from holdfast.loop.record import Summarising
from holdfast.loop.releasing import Releasing
from holdfast.monitoring import history
from holdfast.recording.recorder import Recorder
from holdfast.recording.spool import FileSpool
from holdfast.serving import invocations, v2
from holdfast.serving.cache import RouteCache
from holdfast.serving.loader import bundle_loader
from holdfast.serving.requests import Caller
from holdfast.serving.server import ModelServer

WIDTH = 12
AXES = np.random.default_rng(99).normal(size=(4, WIDTH))
CODE = """
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

WIDTH = 12
AXES = np.random.default_rng(99).normal(size=(4, WIDTH))


def load():
    rng = np.random.default_rng(7)
    n = 4000
    end = pd.Timestamp("2026-03-02T12:00:00Z")
    time = end - pd.to_timedelta(np.linspace(40 * 24 * 3600, 0, n), unit="s")
    hidden = rng.normal(size=(n, 4))
    image = hidden @ AXES + 0.1 * rng.normal(size=(n, WIDTH))
    size = rng.normal(size=n)
    score = size + hidden[:, 0]
    return pd.DataFrame({
        "row": [f"r{i}" for i in range(n)],
        "at": time,
        "known": time + pd.Timedelta("6h"),
        "size": size,
        "image": list(image),
        "bad": rng.random(n) < 1 / (1 + np.exp(-score)),
    })


def matrix(rows):
    return np.column_stack([rows["size"], np.stack(rows["image"])])


def train(rows):
    model = make_pipeline(FunctionTransformer(matrix), LogisticRegression())
    return model.fit(rows.drop(columns="bad"), rows["bad"])
"""


def _declare(home: Any) -> None:
    (home.project / "tiny.py").write_text(CODE)
    file = home.project / "holdfast.toml"
    text = file.read_text().replace('["size", "heat", "kind"]', '["size", "image"]')
    file.write_text(text + "\n[monitor]\nminimum = 100\n")


class World:
    """An installation with one version, and days of answers by it."""

    def __init__(self, home: Any) -> None:
        self.home, self.container = home, home.container
        _declare(home)
        train_now(self.container)
        self.verdict = gate_now(self.container, "tiny", 1)
        Releasing(self.container).start("tiny", version=1, actor="ana")
        self.version = self.container.version("tiny", 1)
        home.later(hours=12)
        self.begin = home.clock.now()
        asyncio.run(self._answer(4, tilt=0.0))
        self.calm = self.home.clock.now()
        asyncio.run(self._answer(4, tilt=1.5))
        self._record()

    async def _answer(self, days: int, tilt: float) -> None:
        route = self.container.ask(self.container.store.routes.current, "tiny")
        RouteCache(self.home.home / "serve", "routes-test.json").keep(route)
        rng = np.random.default_rng([3, int(tilt)])
        with FileSpool(self.home.home / "spool", 2**28) as spool:
            load = bundle_loader(key=self.container.key)
            server = ModelServer("s", clock=self.home.clock, spool=spool, load=load)
            assert await server.apply(route)
            for hour in range(days * 24):
                hidden = rng.normal(size=(10, 4))
                hidden[:, 3] += tilt
                image = (hidden @ AXES + 0.1 * rng.normal(size=(10, WIDTH))).tolist()
                size = rng.normal(size=10).tolist()
                live = server.pick("tiny")
                read = _as_json if hour % 2 else _as_tensors
                answer = await server.answer(live, read(size, image, live.converter), Caller({}))
                assert len(answer.outputs.prediction) == 10
                self.home.later(hours=1)
            await server.close()

    def _record(self) -> None:
        container = self.container
        with Recorder(
            self.home.home / "spool", container.log, self.home.home / "recorder" / "main",
            self.home.clock, sinks=[Summarising(container.settings, container.summaries)],
        ) as recorder:  # fmt: skip
            while recorder.drain_once().rows:
                pass

    def drifted(self, until: Any) -> set[str]:
        spec = self.container.spec("tiny")
        seen = look_at(self.container, spec, self.version, self.begin, until)
        return {one.subject for one in seen.findings if one.kind == "input_drift"}


def _as_json(size: list[float], image: list[list[float]], converter: Any) -> Any:
    rows = [{"size": s, "image": e} for s, e in zip(size, image, strict=True)]
    return invocations.read_json(json.dumps({"instances": rows}).encode(), converter)


def _as_tensors(size: list[float], image: list[list[float]], converter: Any) -> Any:
    tensors = [
        {"name": "size", "datatype": "FP64", "shape": [10], "data": size},
        {"name": "image", "datatype": "FP64", "shape": [10, WIDTH], "data": image},
    ]
    return v2.read_request(json.dumps({"inputs": tensors}).encode(), None, converter).rows


@pytest.fixture(scope="module")
def world(tmp_path_factory: Any, project: Any) -> Iterator[World]:
    made = World(project(tmp_path_factory.mktemp("vectors") / "tiny"))
    yield made
    made.container.store.close()


def test_a_vector_is_learned_and_judged(world: World) -> None:
    assert world.verdict.outcome == "pass"
    alone = next(check for check in world.verdict.checks if check.name == "leakage")
    assert {line["feature"] for line in alone.detail} == {"size", "image"}
    manifest = read_manifest(world.version.bundle_path)
    image = manifest.signature.inputs[1]
    assert (image.name, image.type, image.width, image.nullable) == (
        "image", "vector", WIDTH, False,
    )  # fmt: skip
    assert "'image' is a vector" in manifest.note
    assert manifest.predictor == "native"


def test_the_log_holds_what_was_sent(world: World) -> None:
    frame = world.container.log.scan("tiny").collect()
    assert frame.height == 8 * 240
    assert frame.schema["f_image"] == pl.List(pl.Float64)
    assert frame["f_image"].list.len().unique().to_list() == [WIDTH]
    assert frame["error"].unique().to_list() == [""]


def test_a_planted_shift_is_found_and_nothing_without_one(world: World) -> None:
    assert world.drifted(world.calm) == set()
    found = world.drifted(world.home.clock.now())
    assert any(name.startswith("image.") for name in found)
    assert "size" not in found


def test_recorder_and_history_count_the_same_bits(world: World) -> None:
    reference = world.container.reference(world.version)
    rows = world.container.log.scan("tiny")
    columns = {bins.input: f"f_{bins.input}" for bins in reference.bins} | {"prediction": "score"}
    counted = history.summarise(rows, reference, model="tiny", version=1, columns=columns)
    recorded = world.container.summaries.load("tiny", 1, world.begin, world.home.clock.now())
    assert recorded is not None
    assert history.add_up([recorded], reference).equals(counted)
    assert any(bins.column == "image.cluster" for bins in reference.bins)


def test_mlflow_loads_the_model_and_its_signature(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of type hints of its own
        import mlflow.pyfunc
    monkeypatch.setenv("HOLDFAST_HOME", str(world.home.home))
    mlflow.set_tracking_uri(world.container.settings.tracking_uri)
    model = mlflow.pyfunc.load_model("models:/tiny/1")
    assert str(model.metadata.signature.inputs.inputs[1].type) == "Array(double)"
    rng = np.random.default_rng(1)
    image = list(rng.normal(size=(3, WIDTH)))
    one = model.predict(pd.DataFrame({"size": [0.1, 0.2, 0.3], "image": image}))
    plain = [row.tolist() for row in image]
    two = model.predict(pd.DataFrame({"size": [0.1, 0.2, 0.3], "image": plain}))
    assert one.equals(two)
    assert one["probability"].nunique() == 3


def test_what_cannot_be_grouped_or_kept_is_refused(tmp_path: Any, project: Any) -> None:
    home = project(tmp_path / "refused" / "tiny")
    _declare(home)
    assert check_project(home.container).ok
    home.edit("minimum = 100", 'minimum = 100\nslices = ["image"]')
    with pytest.raises(SpecError, match=r"'monitor\.slices': 'image' holds lists"):
        check_project(home.open())
    home.edit('slices = ["image"]', "")
    home.edit("list(image)", "[row[: 5 + i % 2] for i, row in enumerate(image)]", "tiny.py")
    with pytest.raises(DataError, match="'image' have from 5 to 6 numbers"):
        check_project(home.open())


def test_another_width_breaks_the_contract(world: World) -> None:
    home = world.home
    home.edit("list(image)", "[row[:6] for row in image]", "tiny.py")
    with pytest.raises(DataError, match="'image' had 12 numbers a row and now has 6"):
        check_project(home.open())
    home.edit("[row[:6] for row in image]", "list(image)", "tiny.py")
