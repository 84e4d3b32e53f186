"""The wiring: settings, clocks, and what is fetched when it is not here."""

from __future__ import annotations

import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import NotFoundError, SpecError, UsageError
from holdfast.loop.checking import check_project
from holdfast.loop.clock import RehearsalClock, SystemClock, make_clock
from holdfast.loop.container import Container
from holdfast.loop.settings import load_settings, prepare
from holdfast.loop.views import versions_of


def test_settings_come_from_the_environment_then_defaults(tmp_path: Path) -> None:
    plain = load_settings(tmp_path, {})
    assert plain.home == tmp_path / ".holdfast"
    given = {
        "HOLDFAST_HOME": str(tmp_path / "h"), "HOLDFAST_TOKEN": "t", "HOLDFAST_CLOCK": "c",
        "HOLDFAST_CONTROL_URL": "http://x", "MLFLOW_TRACKING_URI": "http://m",
        "HOLDFAST_DATABASE_URL": "postgresql://d/x",
    }  # fmt: skip
    again = load_settings(tmp_path, load_settings(tmp_path, given).environment())
    assert again == load_settings(tmp_path, given)
    home = prepare(plain).home
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(plain.folder("log").stat().st_mode) == 0o700


def test_a_rehearsal_is_shared_and_never_goes_back(tmp_path: Path) -> None:
    start = datetime(2013, 4, 1, tzinfo=UTC)
    mine = RehearsalClock.create(tmp_path / "clock", start)
    theirs = make_clock(str(tmp_path / "clock"))
    mine.advance(start + timedelta(days=3))
    mine.advance(start)
    assert theirs.now() == start + timedelta(days=3)
    assert theirs.timestamp() == theirs.now().timestamp()
    assert isinstance(make_clock(None), SystemClock)
    (tmp_path / "empty").write_bytes(b"")
    for name in ("empty", "none"):
        with pytest.raises(UsageError) as error:
            make_clock(str(tmp_path / name))
        assert error.value.code == "clock.unreadable"


def test_the_model_meant(trained: Any, tmp_path: Path) -> None:
    assert trained.container.default_model() == "tiny"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    container = Container(trained.container.settings, elsewhere)
    assert container.default_model() == "tiny", "the only one of the home"
    (trained.project / "holdfast.toml").rename(trained.project / "away")
    with pytest.raises(SpecError):
        trained.open().spec("tiny")
    empty = Container(prepare(load_settings(elsewhere, {})), elsewhere)
    with pytest.raises(SpecError) as error:
        empty.default_model()
    assert error.value.code == "spec.missing"


def test_a_bundle_that_is_not_here_is_fetched_from_the_registry(trained: Any) -> None:
    container = trained.container
    version = container.version("tiny", 1)
    moved = trained.project / "elsewhere"
    shutil.copytree(version.bundle_path, moved)
    from holdfast.loop.container import replace

    with container.store.begin() as tx:
        container.store.versions.save(tx, replace(version, bundle_path=str(moved)))
    shutil.rmtree(moved)
    fetched = trained.open().version("tiny", 1)
    assert Path(fetched.bundle_path).is_dir()
    assert fetched.bundle == version.bundle
    with pytest.raises(NotFoundError):
        container.version("tiny", 8)
    assert container.newest_version("tiny").number == 3
    assert [row.version.number for row in versions_of(container, "tiny")] == [3, 2, 1]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('metric = "roc_auc"', 'metric = "roc_acu"', None),
        ('train = "tiny:train"', 'train = "tiny:trane"', None),
        ('"direct"', '"direct"\n[retrain]\nschedule = "daily"', "spec.wrong_value"),
    ],
)
def test_a_check_names_what_is_wrong(untrained: Any, old: str, new: str, code: str) -> None:
    from holdfast.errors import HoldfastError

    untrained.edit(old, new)
    with pytest.raises(HoldfastError) as error:
        check_project(untrained.container)
    assert code in (None, error.value.code)
    assert error.value.fix


def test_a_project_in_order(untrained: Any) -> None:
    report = check_project(untrained.container)
    assert (report.rows, report.known) == (2000, 1987)
    assert 0 < report.test < report.train
    assert next(report.lines()) == "tiny: spec, code and data are in order"
