from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

from holdfast.serving.cache import RouteCache


def test_routes_are_kept_and_read_back(toys: Any, tmp_path: Path) -> None:
    cache = RouteCache(tmp_path / "serve")
    assert cache.load() == []
    one, two = toys.route(1, toys.arm(1, 1.0)), toys.route(4, toys.arm(2, 1.0), model="other")
    cache.keep(one)
    cache.keep(two)
    assert RouteCache(tmp_path / "serve").load() == [two, one]
    newer = toys.route(2, toys.arm(1, 1.0))
    RouteCache(tmp_path / "serve").keep(newer)
    assert RouteCache(tmp_path / "serve").load() == [two, newer]
    assert stat.S_IMODE((tmp_path / "serve").stat().st_mode) == 0o700
    assert [path.name for path in (tmp_path / "serve").iterdir()] == ["routes.json"]


def test_a_damaged_file_is_no_file(toys: Any, tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "routes.json").write_text("[{")
    cache = RouteCache(tmp_path)
    assert cache.load() == []
    assert "cannot be read" in caplog.text
    cache.keep(toys.route(1, toys.arm(1, 1.0)))
    assert len(cache.load()) == 1


def test_a_disk_that_fails_is_survived(toys: Any, tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "file").touch()
    RouteCache(tmp_path / "file" / "serve").keep(toys.route(1, toys.arm(1, 1.0)))
    assert "cannot be" in caplog.text
