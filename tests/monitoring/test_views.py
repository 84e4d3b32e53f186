"""Texts and embeddings: what is counted of them, that it merges, and that changes are found."""

from __future__ import annotations

import itertools
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.monitoring import history
from holdfast.monitoring.count import count
from holdfast.monitoring.drift import drift
from holdfast.monitoring.freeze import freeze
from holdfast.monitoring.history import summarise
from holdfast.monitoring.merge import blocks
from holdfast.monitoring.views import is_embedding, is_text, make_space, place, seen, vectors
from holdfast.recording.values import vector_text
from holdfast.records import Bins, Reference

DAY = timedelta(days=1)
WORDS = [f"word{i}" for i in range(600)]
TOPIC = [f"topic{i}" for i in range(300)]
WIDTH = 48
AXES = np.random.default_rng(99).normal(size=(6, WIDTH))


def _texts(rng, n, topic=0.0):
    """Zipf's words; a share ``topic`` of the rows is about something else."""
    weight = 1 / np.arange(1, len(WORDS) + 1)
    weight = weight / weight.sum()
    other = rng.random(n) < topic
    return [
        " ".join(rng.choice(TOPIC, 8) if away else rng.choice(WORDS, rng.integers(4, 12), p=weight))
        for away in other
    ]


def _world(seed, days, rows=500, topic=0.0, tilt=0.0):
    rng = np.random.default_rng(seed)
    n = rows * days
    hidden = rng.normal(size=(n, 6))
    hidden[:, 5] += tilt
    step = np.timedelta64(86_400_000_000 // rows, "us")
    return pl.DataFrame(
        {
            "at": np.datetime64("2013-01-01", "us") + np.arange(n) * step,
            "note": _texts(rng, n, topic),
            "image": (hidden @ AXES + 0.1 * rng.normal(size=(n, WIDTH))).tolist(),
            "prediction": rng.beta(1.5, 4.0, n),
        }
    ).with_columns(pl.col("at").dt.replace_time_zone("UTC"))


@pytest.fixture(scope="module")
def held() -> Reference:
    frame = _world(0, 12)
    zeros = np.zeros(frame.height)
    features = ["note", "image"]
    return freeze(frame, zeros, zeros, task="binary", features=features, at=frame["at"])


def _moved(reference, frame, start, days):
    rows = count(frame, reference, model="m", version=1)
    seen = blocks(rows, reference.bins, since=start, until=start + days * DAY, length=DAY)
    return {one.column: one for one in drift(reference, seen)}


def test_texts_and_embeddings_are_known_by_their_values(held) -> None:
    assert [one.column for one in held.bins] == [
        "prediction", "note.length", "note.letters", "note.foreign", "note.unknown", "note.token",
        "image.cluster", "image.distance", *(f"image.axis{i}" for i in range(1, 9)),
    ]  # fmt: skip
    assert not is_text(pl.Series([f"code-{i}" for i in range(2000)]))
    assert not is_text(pl.Series(["a few words", "a few others"]))
    assert is_embedding(pl.Series([[1.0, 2.0]]))
    assert is_embedding(pl.Series([[1.0, 2.0]], dtype=pl.Array(pl.Float32, 2)))
    assert not is_embedding(pl.Series([["a"]]))
    cells = {one.column: one.cells for one in held.bins}
    assert cells["note.token"] == 1024 + 3
    assert cells["image.cluster"] == 12 * 500 // 50 + 2


@pytest.mark.parametrize("batch", [61, 2000])
def test_any_split_and_order_gives_the_same_bits(held, monkeypatch, batch) -> None:
    monkeypatch.setattr(history, "BATCH", batch)
    frame = _world(1, 2, rows=1200).with_columns(
        note=pl.when(pl.col("at").dt.hour() != 3).then("note"),
        image=pl.when(pl.col("at").dt.hour() != 4).then("image"),
    )
    expected = count(frame, held, model="m", version=1)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=2)
    assert summarise(shuffled.lazy(), held, model="m", version=1).equals(expected)


def test_without_change_nothing_is_declared(held, start) -> None:
    for seed in range(3):
        found = _moved(held, _world(10 + seed, 6), start, 6)
        assert not any(one.declared.any() for one in found.values())


def test_another_topic_is_found_in_words(held, start) -> None:
    found = _moved(held, _world(20, 3, topic=0.3), start, 3)
    assert found["note.unknown"].declared.all()
    assert found["note.length"].declared.all()
    assert _moved(held, _world(22, 3, topic=0.7), start, 3)["note.token"].declared.all()
    assert not found["image.cluster"].declared.any()


def test_another_kind_of_image_is_found(held, start) -> None:
    """The mean of one of six hidden factors moves by one standard deviation."""
    found = _moved(held, _world(21, 3, tilt=1.0), start, 3)
    assert any(found[f"image.axis{i}"].declared.all() for i in range(1, 7))
    assert not found["note.token"].declared.any()


def test_what_is_seen_of_a_text() -> None:
    texts = pl.Series(["Ab 1é", "", None, "zwölf"])

    def view(name, **more):
        what = Bins(column="t", kind="numeric", view=name, source="t", **more)
        ((_, found),) = seen([(what, texts)], {})
        return found.to_list()

    assert view("length") == [5, 0, None, 5]
    assert view("letters") == [0.6, 0.0, None, 1.0]
    assert view("foreign") == [0.2, 0.0, None, 0.2]
    assert view("unknown", words=("ab",)) == [0.5, 0.0, None, 1.0]
    first, none, null, last = view("token")
    assert first.isdigit()
    assert last.isdigit()
    assert (none, null) == ("none", None)


def test_odd_embeddings_are_nulls_and_huge_ones_are_held() -> None:
    rng = np.random.default_rng(3)
    space = make_space(rng.normal(size=(500, 3)))
    rows = pl.Series([[0.0, 0.0, 0.0], None, [1.0], [np.nan, 0.0, 0.0], [1e30, 0.0, 0.0]])
    cluster, distance, points = place(vectors(rows, 3), space)
    assert cluster.is_null().to_list() == [False, True, True, True, False]
    assert np.isnan(distance).tolist() == [False, True, True, True, False]
    assert np.isnan(points).all(axis=1).tolist() == [False, True, True, True, False]
    assert distance[4] > 10 * distance[0]
    assert make_space(rng.normal(size=(50, 3))) is None


def test_reference_survives_json(held) -> None:
    assert Reference.from_json(held.to_json()) == held


@given(cuts=st.lists(st.integers(0, 400), max_size=3), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_every_form_of_an_embedding_counts_to_the_same_bits(held, cuts, seed) -> None:
    """As the recorder logs it, as files have it, and as the log has it beside another version's."""
    frame = _world(seed, 1, rows=400).with_columns(
        image=pl.when(pl.col("at").dt.hour() != 4).then("image")
    )
    forms = [
        pl.col("image"),
        pl.col("image").list.to_array(WIDTH),
        vector_text("image"),
    ]
    expected = count(frame, held, model="m", version=1)
    edges = sorted({0, 400, *cuts})
    parts = [
        count(frame[a:b].with_columns(forms[i % 3]), held, model="m", version=1)
        for i, (a, b) in enumerate(itertools.pairwise(edges))
    ]
    assert history.add_up(parts, held).equals(expected)


def test_what_is_no_embedding_any_more_is_null() -> None:
    odd = [
        pl.Series([None, None]), pl.Series([1.0, 2.0]),
        pl.Series(["hash:ab", "[1.0]"]), pl.Series([[1.0], None]),
    ]  # fmt: skip
    for series in odd:
        assert np.isnan(vectors(series, 2)).all()
    assert vectors(pl.Series(["[1.0,-2.5]"]), 2).tolist() == [[1.0, -2.5]]
