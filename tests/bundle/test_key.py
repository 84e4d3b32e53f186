"""The installation's key."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from holdfast.bundle.key import find_key, make_key, read_key
from holdfast.errors import BundleError


def test_it_is_made_once_and_only_for_us(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(make_key, [home] * 16))
    assert len(keys) == 1
    assert len(keys.pop()) == 32
    assert stat.S_IMODE((home / "key").stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["key"]


def test_it_is_found_where_it_is_named_or_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDFAST_KEY_FILE", raising=False)
    monkeypatch.delenv("HOLDFAST_HOME", raising=False)
    assert find_key() is None
    own = make_key(tmp_path / ".holdfast")
    assert find_key() == own
    other = make_key(tmp_path / "other")
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "other"))
    assert find_key() == other
    monkeypatch.setenv("HOLDFAST_KEY_FILE", str(tmp_path / ".holdfast/key"))
    assert find_key() == own
    monkeypatch.setenv("HOLDFAST_KEY_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(BundleError):
        find_key()


def test_a_damaged_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(BundleError, match="damaged"):
        read_key(tmp_path / "key")
