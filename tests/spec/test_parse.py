"""``holdfast.toml``: what is read, and that whatever is wrong ends in one kind of error."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import SpecError
from holdfast.spec import Section, Spec, load_spec, parse_spec

GOOD: dict[str, dict[str, Any]] = {
    "model": {"name": "tiny", "task": "binary", "train": "tiny:train"},
    "data": {"source": "rows/*.csv", "time": "at", "label": "bad", "features": ["size", "kind"]},
    "gate": {"metric": "roc_auc"},
}
SECTIONS = {
    name: list(get_type_hints(kind))
    for name, kind in get_type_hints(Spec).items()
    if isinstance(kind, type) and issubclass(kind, Section)
}


def _toml(tables: dict[str, Any]) -> str:
    lines = []
    for name, table in tables.items():
        if isinstance(table, dict):
            lines.append(f"[{name}]")
            lines += [
                f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()
            ]
        else:
            lines.insert(0, f"{name} = {json.dumps(table)}")
    return "\n".join(lines)


def _with(section: str, **changes: Any) -> str:
    return _toml({**GOOD, section: {**GOOD.get(section, {}), **changes}})


def test_the_least_that_is_needed() -> None:
    spec = parse_spec(_toml(GOOD), Path("/p/holdfast.toml"))
    assert spec.model.name == "tiny"
    assert spec.root == Path("/p")
    assert spec.release.steps == (0.05, 0.25, 0.5)
    assert spec.gate.max_latency_p99 is None


def test_durations_are_times_and_sizes_are_checked() -> None:
    spec = parse_spec(_with("gate", max_latency_p99="20ms", max_size="2MiB"))
    assert spec.gate.max_latency_p99 == timedelta(milliseconds=20)
    assert spec.gate.max_size == "2MiB"


@pytest.mark.parametrize(
    ("section", "changes", "code", "words"),
    [
        ("gate", {"mni": 0.5}, "spec.unknown_key", ["gate.mni", "'min'"]),
        ("gaet", {"min": 0.5}, "spec.unknown_key", ["gaet", "'gate'"]),
        ("gate", {"min": "high"}, "spec.wrong_type", ["gate.min"]),
        ("gate", {"alpha": 1.5}, "spec.wrong_type", ["gate.alpha"]),
        ("gate", {"max_size": "big"}, "spec.wrong_value", ["gate.max_size", "200MiB"]),
        ("gate", {"max_latency_p99": "5 parsecs"}, "spec.wrong_value", ["max_latency_p99"]),
        ("gate", {"slices": ["sise"]}, "spec.wrong_value", ["'sise'", "'size'"]),
        ("model", {"name": "My Model"}, "spec.wrong_type", ["model.name"]),
        ("record", {"redcat": {}}, "spec.unknown_key", ["record.redcat", "'redact'"]),
        ("record", {"sample": 1.5}, "spec.wrong_type", ["record.sample"]),
        ("record", {"sample_above": "much"}, "spec.wrong_value", ["record.sample_above"]),
        ("serve", {"fsync": "0s"}, "spec.wrong_value", ["serve.fsync", "always"]),
        ("serve", {"fsync": "never"}, "spec.wrong_value", ["serve.fsync", "always"]),
        ("model", {"task": "guess"}, "spec.wrong_type", ["model.task"]),
        ("model", {"train": "train"}, "spec.wrong_type", ["model.train"]),
        ("data", {"features": []}, "spec.wrong_type", ["data.features"]),
        ("data", {"features": ["size", "size"]}, "spec.wrong_value", ["twice"]),
        ("data", {"features": ["size", "bad"]}, "spec.wrong_value", ["'bad'", "leak"]),
        ("data", {"source": "sqlite:///x.db"}, "spec.wrong_value", ["data.query"]),
        ("data", {"query": "SELECT 1"}, "spec.wrong_value", ["data.query"]),
        ("release", {"steps": [0.5, 0.1]}, "spec.wrong_value", ["release.steps"]),
        ("retrain", {"on": ["schedule"]}, "spec.wrong_value", ["retrain.schedule"]),
        ("serve", {"port": 70000}, "spec.wrong_type", ["serve.port"]),
    ],
)
def test_what_is_wrong_is_named_with_the_nearest(
    section: str, changes: dict[str, Any], code: str, words: list[str]
) -> None:
    with pytest.raises(SpecError) as error:
        parse_spec(_with(section, **changes))
    assert error.value.code == code
    assert all(word in str(error.value) for word in (*words, "holdfast.toml"))


@pytest.mark.parametrize("key", ["model", "data", "gate", "model.name", "data.time", "gate.metric"])
def test_what_is_missing_is_named(key: str) -> None:
    section, _, name = key.partition(".")
    tables = {k: {n: v for n, v in t.items() if f"{k}.{n}" != key} for k, t in GOOD.items()}
    if not name:
        del tables[section]
    with pytest.raises(SpecError) as error:
        parse_spec(_toml(tables))
    assert error.value.code == "spec.missing_key"
    assert f"'{key}'" in error.value.message


values = st.one_of(
    st.none().map(lambda _: "7d"), st.text(max_size=8), st.integers(-5, 10**6), st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False), st.lists(st.text(max_size=4), max_size=3),
    st.sampled_from(["1h", "2GiB", "canary", "drift", "size", "a:b", "sqlite://", "0s"]),
)  # fmt: skip


@given(st.data())
def test_whatever_is_written_it_is_a_spec_or_an_error_with_a_place(data: st.DataObject) -> None:
    section = data.draw(st.sampled_from(sorted(SECTIONS)))
    key = data.draw(st.sampled_from(SECTIONS[section]))
    text = _with(section, **{key: data.draw(values)})
    try:
        found: Spec | SpecError = parse_spec(text)
    except SpecError as error:
        found = error
    if isinstance(found, SpecError):
        assert found.code == "spec.malformed" or section in found.message


@given(st.text(max_size=60))
def test_any_text_is_refused_politely(text: str) -> None:
    with pytest.raises(SpecError):
        parse_spec(text)


def test_files(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        load_spec(tmp_path)
    assert error.value.code == "spec.missing"
    (tmp_path / "holdfast.toml").write_text(_toml(GOOD))
    assert load_spec(tmp_path) == load_spec(tmp_path / "holdfast.toml")
    assert load_spec(tmp_path).root == tmp_path.resolve()


def test_every_field_is_documented() -> None:
    for section, kind in get_type_hints(Spec, include_extras=True).items():
        if not (isinstance(kind, type) and issubclass(kind, Section)):
            continue
        for name, hint in get_type_hints(kind, include_extras=True).items():
            notes = [getattr(note, "description", None) for note in hint.__metadata__]
            assert any(notes), f"{section}.{name}"


@pytest.mark.parametrize(
    ("redact", "code", "words"),
    [
        ('{siez = "hash"}', "spec.wrong_value", ["record.redact", "'siez'", "'size'"]),
        ('{bad = "drop"}', "spec.wrong_value", ["'bad'", "neither a feature nor the id"]),
        ('{size = "hide"}', "spec.wrong_type", ["record.redact"]),
        ('{kind = "drop"}', "spec.wrong_value", ["'kind'", "watched by slice"]),
    ],
)
def test_what_cannot_be_redacted_is_named(redact: str, code: str, words: list[str]) -> None:
    text = _with("monitor", slices=["kind"]) + f"\n[record]\nredact = {redact}"
    with pytest.raises(SpecError) as caught:
        parse_spec(text)
    assert caught.value.code == code
    for word in words:
        assert word in str(caught.value) + caught.value.fix


def test_features_and_the_id_can_be_redacted() -> None:
    text = _with("data", id="row") + '\n[record]\nredact = {row = "hash", size = "drop"}\n'
    spec = parse_spec(text + 'sample = 0\n[serve]\nfsync = "always"')
    assert spec.record.redact == {"row": "hash", "size": "drop"}
    assert spec.record.sample == 0
    assert spec.serve.fsync == "always"


LINE = '{column = "size", measure = "loss", max_gap = 0.1}'


def _gate(text: str, **data: Any) -> str:
    return _with("data", **data).replace('metric = "roc_auc"', f'metric = "roc_auc"\n{text}')


def test_groups_may_be_columns_that_the_model_never_sees() -> None:
    spec = parse_spec(_gate(f"fairness = [{LINE.replace('size', 'sex')}]", keep=["sex"]))
    assert spec.gate.fairness[0].column == "sex"
    assert spec.data.features == ("size", "kind")


@pytest.mark.parametrize(
    ("text", "data", "said"),
    [
        (f"fairness = [{LINE.replace('size', 'sex')}]", {}, "'sex' is neither a feature nor kept"),
        (f"fairness = [{LINE.replace('max_gap', 'maxgap')}]", {}, "gate.fairness[0].maxgap"),
        (f"fairness = [{LINE.replace('loss', 'luck')}]", {}, "gate.fairness"),
        ("", {"keep": ["size"]}, "'size' is read already"),
        ('known = ["sise"]', {}, "'sise' is not a feature"),
    ],
)
def test_what_cannot_be_meant_of_groups(text: str, data: dict[str, Any], said: str) -> None:
    with pytest.raises(SpecError) as error:
        parse_spec(_gate(text, **data))
    assert said in error.value.message


@pytest.mark.parametrize("text", [f"fairness = [{LINE.replace('loss', 'accuracy')}]",
                                  "max_calibration_error = 0.1"])  # fmt: skip
def test_a_regression_has_no_classes(text: str) -> None:
    tables = _gate(text).replace('"binary"', '"regression"')
    with pytest.raises(SpecError, match="regression"):
        parse_spec(tables)
