from __future__ import annotations

import os
import shutil
import stat
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from holdfast.bundle.manifest import bundle_digest, verify, write_bundle
from holdfast.errors import BundleError
from holdfast.records import Arm
from holdfast.serving.bundles import BundleCache
from holdfast.serving.cache import RouteCache


@pytest.fixture
def make(toys: Any, tmp_path: Path) -> Any:
    def made(text: str) -> Arm:
        folder = tmp_path / "source" / text
        (folder / "native").mkdir(parents=True)
        (folder / "native" / "model").write_text(text)
        write_bundle(
            folder, model="m", task="binary", signature=toys.signature_of("binary"),
            predictor="native", native="xgboost", run="r", dataset="d",
            created_at=datetime(2025, 1, 1, tzinfo=UTC), key=bytes(32),
        )  # fmt: skip
        return Arm(version=1, bundle=bundle_digest(folder), path=str(folder), weight=1.0)

    return made


def names(folder: Path) -> set[str]:
    return {f"sha256:{path.name}" for path in folder.iterdir()}


def test_a_copy_outlives_its_source(make: Any, tmp_path: Path) -> None:
    cache, arm = BundleCache(tmp_path / "serve" / "bundles"), make("a")
    kept = cache.fetch(arm)
    assert names(tmp_path / "serve" / "bundles") == {arm.bundle}
    assert stat.S_IMODE((tmp_path / "serve" / "bundles").stat().st_mode) == 0o700
    shutil.rmtree(arm.path)
    assert cache.fetch(arm) == kept
    verify(kept, arm.bundle)
    assert (kept / "bundle.sig").exists()


def test_a_damaged_copy_is_made_anew(make: Any, tmp_path: Path, caplog: Any) -> None:
    cache, arm = BundleCache(tmp_path / "bundles"), make("a")
    kept = cache.fetch(arm)
    (kept / "native" / "model").write_text("b")
    assert (cache.fetch(arm) / "native" / "model").read_text() == "a"
    assert "thrown away" in caplog.text


def test_a_damaged_source_is_never_kept(make: Any, tmp_path: Path) -> None:
    cache, arm = BundleCache(tmp_path / "bundles"), make("a")
    (Path(arm.path) / "native" / "model").write_text("b")
    with pytest.raises(BundleError, match="changed"):
        cache.fetch(arm)
    assert names(tmp_path / "bundles") == set()


def test_a_disk_that_fails_leaves_the_source(make: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    arm = make("a")
    assert BundleCache(tmp_path / "file" / "bundles").fetch(arm) == Path(arm.path)


def test_only_what_no_route_needs_is_deleted_the_oldest_first(
    toys: Any, make: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "serve"
    cache = BundleCache(folder / "bundles", limit=2500)
    arms = [make(text) for text in "abcd"]
    for age, arm in enumerate(reversed(arms)):
        kept = cache.fetch(arm)
        os.utime(kept, (time.time() - 1000 * (age + 1),) * 2)
    size = sum(file.stat().st_size for file in kept.rglob("*") if file.is_file())
    cache = BundleCache(folder / "bundles", limit=2 * size + size // 2)
    # another worker needs the oldest one
    RouteCache(folder, "routes-1.json").keep(toys.route(1, arms[0], model="other"))
    mine = RouteCache(folder, "routes-0.json", cache)
    mine.keep(toys.route(3, arms[1]))
    assert names(folder / "bundles") == {arm.bundle for arm in arms}
    cache = BundleCache(folder / "bundles", limit=size)
    RouteCache(folder, "routes-0.json", cache).keep(toys.route(4, arms[1]))
    # fetched in the order d, c, b, a, each with an older time than the one before
    assert names(folder / "bundles") == {arms[0].bundle, arms[1].bundle, arms[3].bundle}
    os.utime(folder / "bundles" / arms[1].bundle.removeprefix("sha256:"))
    cache = BundleCache(folder / "bundles", limit=0)
    RouteCache(folder, "routes-0.json", cache).keep(toys.route(5, arms[0]))
    left = names(folder / "bundles")
    assert arms[0].bundle in left
    assert arms[1].bundle in left  # used a moment ago
    assert len(left) == 2


def test_the_newest_routes_of_all_workers_are_served_after_a_restart(
    toys: Any, tmp_path: Path
) -> None:
    RouteCache(tmp_path, "routes-old-0.json").keep(toys.route(3, toys.arm(1, 1.0)))
    RouteCache(tmp_path, "routes-old-1.json").keep(toys.route(4, toys.arm(2, 1.0)))
    RouteCache(tmp_path, "routes-old-0.json").keep(toys.route(1, toys.arm(1, 1.0), model="b"))
    routes = RouteCache(tmp_path, "routes-new.json").load()
    assert [(route.model, route.epoch) for route in routes] == [("b", 1), ("toy", 4)]
