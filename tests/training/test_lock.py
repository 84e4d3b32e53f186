from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from holdfast.training.lock import environment_lock


def test_every_line_is_a_pinned_name_once_and_sorted() -> None:
    lines = environment_lock().splitlines()
    names = [line.partition("==")[0] for line in lines]

    assert all("==" in line for line in lines)
    assert names == sorted(set(names))
    assert f"polars=={version('polars')}" in lines
    assert f"scikit-learn=={version('scikit-learn')}" in lines


def test_of_two_installed_the_imported_one_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, number in (("one", "1.0"), ("two", "2.0")):
        info = tmp_path / folder / f"My_Thing-{number}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: My_Thing\nVersion: {number}")
        monkeypatch.syspath_prepend(tmp_path / folder)

    assert "my-thing==2.0" in environment_lock().splitlines()
