"""The page of guarantees says what was measured, and nothing else."""

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def guarantees() -> ModuleType:
    spec = importlib.util.spec_from_file_location("guarantees", ROOT / "scripts" / "guarantees.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(guarantees: ModuleType) -> None:
    """Otherwise run: .venv/bin/python scripts/guarantees.py."""
    assert guarantees.PAGE.read_text(encoding="utf-8") == guarantees.page()


def test_it_follows_the_results(guarantees: ModuleType, tmp_path: Path) -> None:
    results = Path(shutil.copytree(guarantees.RESULTS, tmp_path / "results"))
    file = results / "release.json"
    known = json.loads(file.read_text())
    (grid,) = [one for one in known["grids"] if one["title"].startswith("versions as good")]
    grid["lines"][0][1] = "77.7%"
    file.write_text(json.dumps(known))
    assert "| steady traffic | 77.7% (" in guarantees.page(results)
    grid["lines"][0][0] = "another world"
    file.write_text(json.dumps(known))
    with pytest.raises(LookupError, match="steady traffic"):
        guarantees.page(results)


def test_what_measures_it_exists(guarantees: ModuleType) -> None:
    for one in guarantees.GUARANTEES:
        assert {cell.benchmark for cell in one.cells} <= set(one.runs)
        for name in one.runs:
            file, folder = ROOT / "benchmarks" / f"{name}.py", ROOT / "benchmarks" / name
            assert file.exists() or (folder / "__init__.py").exists()
