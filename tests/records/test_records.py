"""Records: immutable, one JSON form, read back as they were, and by later versions too."""

from __future__ import annotations

import json
import math
import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import holdfast.records as records
from holdfast.records import (
    Arm,
    Finding,
    Metric,
    PredictionBatch,
    Record,
    Release,
    ReleaseState,
    Route,
    Step,
)  # fmt: skip

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
KINDS = sorted(
    (kind for kind in vars(records).values() if isinstance(kind, type) and issubclass(kind, Record)
     and kind is not Record),
    key=lambda kind: kind.__name__,
)  # fmt: skip


def _example(kind: Any) -> Any:
    """A value of some type, made from its declaration."""
    info = msgspec.inspect
    if isinstance(kind, info.StructType):
        given = {f.name: _example(f.type) for f in kind.fields if f.required}
        return kind.cls(**given)
    if isinstance(kind, info.UnionType):
        return _example(kind.types[0])
    if isinstance(kind, info.LiteralType):
        return kind.values[0]
    if isinstance(kind, info.EnumType):
        return next(iter(kind.cls))
    simple = {
        info.StrType: "x", info.IntType: 1, info.FloatType: 0.5, info.BoolType: True,
        info.DateTimeType: NOW, info.NoneType: None, info.DictType: {}, info.AnyType: "any",
        info.BytesType: b"b",
    }  # fmt: skip
    if isinstance(kind, (info.VarTupleType, info.ListType)):
        inner = [_example(kind.item_type)]
        return tuple(inner) if isinstance(kind, info.VarTupleType) else inner
    if isinstance(kind, info.TupleType):
        return tuple(_example(item) for item in kind.item_types)
    return simple[type(kind)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_record_is_frozen_and_read_back(kind: type[Record]) -> None:
    record = _example(msgspec.inspect.type_info(kind))
    data = record.to_json()
    assert kind.from_json(data) == record
    assert kind.from_json(data).to_json() == data
    assert json.loads(data) == json.loads(json.dumps(record.to_dict()))
    with pytest.raises(AttributeError):
        setattr(record, kind.__struct_fields__[0], None)
    if not kind.__struct_config__.array_like:
        known = {**json.loads(data), "of_a_later_version": 1}
        assert kind.from_json(json.dumps(known)) == record
    assert kind.__doc__


def test_every_name_is_exported() -> None:
    assert list(records.__all__) == sorted(records.__all__)
    assert {kind.__name__ for kind in KINDS} <= set(records.__all__)


def test_numbers_of_numpy_are_numbers_and_nothing_else_is_taken() -> None:
    metric = Metric(name="x", value=np.float64(0.5), low=np.float32(0.25), high=1.0)
    assert Metric.from_json(metric.to_json()).low == 0.25
    with pytest.raises(TypeError):
        Metric(name="x", value=object(), low=0.0, high=1.0).to_json()  # type: ignore[arg-type]


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(), st.integers(-12, 12))
def test_equal_records_have_equal_bytes(value: float, text: str, hours: int) -> None:
    moment = NOW.astimezone(timezone(timedelta(hours=hours)))

    def make() -> Finding:
        return Finding(
            id="f", model="m", version=1, kind="contract", subject=text, pages=False, since=NOW,
            at=moment, sentence=text, value=value,
        )  # fmt: skip

    assert make().to_json() == make().to_json()
    back = Finding.from_json(make().to_json())
    assert (back.value, back.subject, back.at) == (value, text, moment)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_the_champion_answers_most(weights: list[float]) -> None:
    arms = tuple(Arm(version=i, bundle="b", path="p", weight=w) for i, w in enumerate(weights))
    route = Route(model="m", epoch=1, arms=arms, created_at=NOW)
    assert route.champion.weight == max(weights)
    assert route.champion.version == weights.index(max(weights))


def test_what_has_ended_stays_ended() -> None:
    open_states = {"pending", "shadow", "canary", "watched"}
    assert {state.value for state in ReleaseState if not state.ended} == open_states
    release = Release(
        id="r", model="m", version=2, previous=1, plan=(Step(kind="canary", weight=0.1),),
        state=ReleaseState.CANARY, started_at=NOW, step_at=NOW, actor="ana",
    )  # fmt: skip
    assert Release.from_json(release.to_json()).state is ReleaseState.CANARY


def test_rows_of_a_batch() -> None:
    batch = PredictionBatch(
        request="q", model="m", version=1, epoch=1, at=0.0, role="live", names=("a", "b"),
        columns=[[1.0, None], ["x", "y"]], ids=None, predictions=[True, False],
        scores=[0.9, 0.1], seconds=0.001,
    )  # fmt: skip
    assert batch.rows == 2
    assert PredictionBatch.from_json(batch.to_json()) == batch
    assert msgspec.structs.replace(batch, columns=[]).rows == 0
    assert batch.cells() == {"a": [1.0, None], "b": ["x", "y"]}


def test_a_batch_with_a_block() -> None:
    batch = PredictionBatch(
        request="q", model="m", version=1, epoch=1, at=0.0, role="live", names=("a", "b", "c"),
        columns=[["x", "y"]], ids=None, predictions=[True, False], scores=[0.9, 0.1],
        seconds=0.001, block=struct.pack("<4d", 1.0, 2.0, math.nan, 4.0),
    )  # fmt: skip
    assert batch.sound
    assert batch.cells() == {"a": [1.0, None], "b": [2.0, 4.0], "c": ["x", "y"]}
    assert PredictionBatch.from_json(batch.to_json()) == batch
    change = msgspec.structs.replace
    assert not change(batch, block=batch.block[:-1]).sound
    assert not change(batch, columns=[["x"]]).sound
    assert not change(batch, names=("a", "b")).sound
    assert not change(batch, names=(), columns=[[]], block=b"").sound
    assert change(batch, names=("a", "b"), columns=[], count=2).sound
