"""What is kept between two looks gives what reading everything again would."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from holdfast.recording import joined, parquet
from holdfast.recording.frames import frames
from holdfast.recording.join import outcomes
from holdfast.recording.joined import Joined
from holdfast.recording.labels import LabelStore
from holdfast.recording.log import PredictionLog

T = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


class World:
    """A log and labels in a folder, with one who keeps what it has read."""

    def __init__(self, folder: Path, most: int = joined.MOST_BYTES) -> None:
        self.log = PredictionLog(folder / "log")
        self.labels = LabelStore(folder / "labels")
        self.kept = Joined(self.log, self.labels, most)

    def answer(self, batch, number: int, hour: float, **changes) -> None:
        made = batch(number, rows=3, at=(T + hour * HOUR).timestamp(), **changes)
        self.log.write(frames([made]), f"main-{number}")

    def label(self, name: str, value: str, hour: float, received: float) -> None:
        row = pl.DataFrame({"id": [name], "label": [value], "at": [T + hour * HOUR]})
        row = row.with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
        self.labels.add("delay", row, T + received * HOUR)

    def ask(self, hour: float, start: float = 0, end: float | None = None, version: int = 1):
        return self.kept.outcomes("delay", *self._span(start, end), T + hour * HOUR, version)

    def anew(self, hour: float, start: float = 0, end: float | None = None, version: int = 1):
        log = self.log.scan("delay", *self._span(start, end), version, "live")
        return outcomes(log, self.labels.scan("delay"), T + hour * HOUR)

    def same(self, hour: float, **asked) -> pl.DataFrame:
        found = self.ask(hour, **asked)
        assert_frame_equal(found, self.anew(hour, **asked), check_exact=True)
        return found

    def _span(self, start: float, end: float | None) -> tuple[datetime, datetime | None]:
        return T + start * HOUR, None if end is None else T + end * HOUR


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_late_and_corrected_labels_change_days_that_were_finished(world, batch) -> None:
    for number in range(6):
        world.answer(batch, number, 12 * number)
    assert world.same(80)["label"].null_count() == 18
    world.label("flight-0-1", "true", 70, 81)
    world.label("r000001:2", "false", 70, 82)  # by the id of the answer
    assert world.same(80)["label"].null_count() == 18, "not received yet"
    assert world.same(82)["label"].null_count() == 16
    world.label("flight-0-1", "false", 71, 90)
    assert world.same(90)["label"].to_list()[1] == "false"
    world.label("flight-0-1", "true", 69, 91)  # of an earlier time: not the last word
    world.label("r000000:1", "true", 75, 92)
    assert world.same(91)["label"].to_list()[1] == "false"
    assert world.same(92)["label"].to_list()[1] == "true"


def test_only_what_changed_is_read_again(world, batch, monkeypatch) -> None:
    for number in range(6):
        world.answer(batch, number, 12 * number)
    world.label("flight-0-1", "true", 70, 70)
    world.same(80)
    read: list[Path] = []
    scan = parquet.scan

    def watched(files, *given, **named):
        read.extend(files)
        return scan(files, *given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(parquet, "scan", watched)
        world.ask(81)
    assert read == []
    world.answer(batch, 7, 71)
    world.label("flight-3-1", "true", 70, 82)
    with monkeypatch.context() as patch:
        patch.setattr(parquet, "scan", watched)
        world.ask(83)
    days = {path.parent.name for path in read if "date" in path.parent.name}
    assert days == {"date=2024-03-03"}
    assert len(read) == 4, "the three files of a day, and one of labels"
    world.same(83)


def test_further_rows_of_a_past_day_and_merged_files(world, batch, monkeypatch) -> None:
    monkeypatch.setattr(parquet, "FAN_IN", 4)
    for number in range(5):
        world.answer(batch, number, number)
        world.label(f"flight-{number}-0", "true", number, number)
        world.same(30)
    world.answer(batch, 9, 2.5)
    assert world.same(30).height == 18
    assert world.log.merge("delay", T.date(), "main") is not None
    assert world.same(30)["label"].null_count() == 13


def test_other_versions_roles_and_times_are_left_out(world, batch) -> None:
    world.answer(batch, 0, 1)
    world.answer(batch, 1, 30, version=2)
    world.answer(batch, 2, 30, role="shadow")
    world.answer(batch, 3, 60)
    assert world.same(70).height == 6
    assert world.same(70, version=2).height == 3
    assert world.same(70, start=2).height == 3
    assert world.same(70, end=40).height == 3
    assert world.same(70, start=61).is_empty()
    assert world.kept.outcomes("other", T, None, T + HOUR).is_empty()
    assert world.same(59).height == 3, "a time that was passed is read anew"
    assert world.same(70).height == 6


@pytest.mark.parametrize("most", [0, 20_000])
def test_what_does_not_fit_is_read_again(tmp_path, batch, most) -> None:
    world = World(tmp_path, most)
    for number in range(40):
        world.answer(batch, number, 6 * number)
        world.label(f"flight-{number}-0", "true", 6 * number, 6 * number)
        world.same(6 * number)
        assert sum(one.size() for one in world.kept._models.values()) <= most


STEP = st.one_of(
    st.tuples(st.just("answer"), st.integers(0, 11), st.integers(0, 90)),
    st.tuples(
        st.just("label"), st.integers(0, 11), st.integers(0, 90), st.booleans(), st.booleans()
    ),
    st.tuples(st.just("look"), st.integers(0, 6)),
    st.tuples(st.just("merge")),
)  # fmt: skip


@given(steps=st.lists(STEP, max_size=25))
@settings(max_examples=40, deadline=None)
def test_whatever_comes_when_the_kept_join_is_that_of_everything(batch, steps) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "FAN_IN", 3)
        world, now, answered = World(Path(folder)), 0, 0
        for step in steps:
            match step:
                case ("answer", number, hour):
                    answered += 1
                    world.answer(
                        batch, answered, hour, request=f"r{number}", ids=[f"f{number}", None, "x"]
                    )
                case ("label", number, hour, by_answer, value):
                    name = f"r{number}:1" if by_answer else f"f{number}"
                    world.label(name, str(value), hour, now + hour / 90)
                case ("look", hours):
                    now += hours
                    world.same(now)
                case _:
                    for day in world.log.dates("delay"):
                        world.log.merge("delay", day, "main")
        assert world.ask(now + 100).equals(world.anew(now + 100))
