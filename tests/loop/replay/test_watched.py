"""An existing model's predictions, watched: no page in calm times, and a right one after a turn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from holdfast.errors import ConflictError, DataError, UsageError
from holdfast.loop.replay.history import Columns
from holdfast.loop.replay.ordering import Order, Replay, gather, prepare
from holdfast.loop.replay.results import Result
from holdfast.loop.replay.running import run_course

World = Callable[..., pl.DataFrame]


def _order(prediction: str = "p") -> Order:
    columns = Columns(
        time="t", label="y", prediction=prediction, features=("x", "z", "kind"),
        label_delay=timedelta(days=1),
    )  # fmt: skip
    return Order(source="history.parquet", columns=columns, every=timedelta(days=1))


def _prepared(rows: pl.DataFrame, folder: Path, order: Order, name: str = "out") -> Replay:
    folder.mkdir(exist_ok=True)
    rows.write_parquet(folder / "history.parquet")
    return prepare(order, folder, folder / "home", folder / name, lambda text: None)


def _watched(rows: pl.DataFrame, folder: Path, order: Order, name: str = "out") -> Result:
    found = _prepared(rows, folder, order, name)
    for course in found.courses:
        run_course(course)
    result = gather(found)
    found.close()
    return result


def test_in_calm_times_nobody_is_woken(tmp_path: Path, world: World) -> None:
    (outcome,) = _watched(world(60, 200), tmp_path, _order()).courses
    assert outcome.kind == "watched"
    assert outcome.pages == ()
    assert outcome.harms == ()
    assert outcome.rows == 45 * 200


def test_a_turn_is_paged_rightly_and_soon(tmp_path: Path, world: World) -> None:
    result = _watched(world(60, 200, turn=35), tmp_path, _order())
    (outcome,) = result.courses
    assert [page.truth for page in outcome.pages if page.kind == "realised_loss"] == ["true"]
    (harm,) = outcome.harms
    turned = datetime(2025, 2, 5, tzinfo=UTC)
    assert turned - timedelta(days=2) <= harm.start <= turned
    assert harm.found_by == "page"
    assert harm.delay_hours is not None
    assert 24 <= harm.delay_hours <= 144, "labels come after a day"
    assert any("nothing was trained" in note for note in result.notes)


def test_the_same_replay_gives_the_same_bytes(tmp_path: Path, world: World) -> None:
    rows = world(40, 100, turn=25)
    one = _watched(rows, tmp_path / "one", _order())
    two = _watched(rows, tmp_path / "two", _order())
    assert one.to_json() == two.to_json()


def test_classes_and_numbers_are_predictions_too(tmp_path: Path, world: World) -> None:
    rows = world(40, 100).with_columns(
        hard=(pl.col("p") > 0.5).cast(pl.Int64),
        kinds=pl.when(pl.col("y") == 1).then(pl.lit("a")).otherwise("kind"),
        value=pl.col("x") * 10 + pl.col("y"), guess=pl.col("x") * 10 + pl.col("p"),
    )  # fmt: skip
    (hard,) = _watched(rows, tmp_path / "hard", _order("hard")).courses
    assert hard.loss is not None
    assert 0 < hard.loss < 0.5
    number = Order(
        source="history.parquet", columns=Columns(time="t", label="value", prediction="guess"),
        every=timedelta(days=2),
    )  # fmt: skip
    result = _watched(rows, tmp_path / "number", number)
    assert result.task == "regression"
    assert result.courses[0].pages == ()
    several = Order(
        source="history.parquet", columns=Columns(time="t", label="kinds", prediction="kind"),
        every=timedelta(days=2),
    )  # fmt: skip
    assert _watched(rows, tmp_path / "several", several).task == "multiclass"


def test_predictions_that_do_not_fit(tmp_path: Path, world: World) -> None:
    found = _prepared(world(40, 100), tmp_path, _order("x"))
    with pytest.raises(DataError, match="do not fit"):
        run_course(found.courses[0])


def test_a_folder_belongs_to_one_replay(tmp_path: Path, world: World) -> None:
    rows = world(40, 100)
    first = _prepared(rows, tmp_path, _order())
    with pytest.raises(ConflictError, match="another process"):
        _prepared(rows, tmp_path, _order())
    first.close()
    again = _prepared(rows, tmp_path, _order())
    assert again.courses == first.courses, "goes on where it was"
    again.close()
    with pytest.raises(ConflictError, match="other data"):
        _prepared(rows[:-1], tmp_path, _order())
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(ConflictError, match="not empty"):
        _prepared(rows, tmp_path, _order(), "full")
    fresh = prepare(_order(), tmp_path, tmp_path, tmp_path / "out", lambda text: None, fresh=True)
    assert fresh.result is None


def test_policies_of_watched_predictions_only_monitor(tmp_path: Path, world: World) -> None:
    policy = tmp_path / "bold.toml"
    policy.write_text("[retrain]\ncooldown = '3d'\n")
    order = _order()
    wrong = Order(source=order.source, columns=order.columns, policies=(str(policy),))
    with pytest.raises(UsageError, match="only predictions are watched"):
        _prepared(world(40, 100), tmp_path, wrong)
    policy.write_text("[monitor]\ntolerance = 0.1\n")
    result = _watched(world(40, 100), tmp_path, wrong)
    assert [one.name for one in result.courses] == ["bold"]
    assert result.courses[0].policy == {"monitor": {"tolerance": 0.1}}


def test_vectors_are_watched_too(tmp_path: Path, world: World) -> None:
    rows = world(40, 200).with_columns(image=pl.concat_list("x", "z"))
    columns = Columns(time="t", label="y", prediction="p", features=("image", "kind"))
    order = Order(source="history.parquet", columns=columns, every=timedelta(days=7))
    (outcome,) = _watched(rows, tmp_path, order).courses
    assert outcome.pages == ()
    assert outcome.rows > 0
