"""Every seed, and everything that fuzzing ever found, stays refused or understood in order."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
SEEDS = sorted(path for path in (HERE / "seeds").rglob("*") if path.is_file())


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_targets", HERE / "targets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


targets = _load()


@pytest.mark.parametrize("seed", SEEDS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_seeds(seed: Path) -> None:
    targets.TARGETS[seed.parent.name](seed.read_bytes())


@pytest.mark.parametrize("name", targets.TARGETS)
def test_cut_and_bent_seeds(name: str) -> None:
    """The shallow end of fuzzing, in every run: prefixes, and changed bytes."""
    target, tried = targets.TARGETS[name], 0
    for seed in (HERE / "seeds" / name).iterdir():
        data = seed.read_bytes()
        for at in range(0, len(data), max(1, len(data) // 60)):
            target(data[:at])
            tried += 1
            for byte in (0x22, 0xFF):
                target(data[:at] + bytes([byte]) + data[at + 1 :])
    assert tried, "a target without seeds is not tried at all"
