"""Policies: what they change, and what they may not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.errors import SpecError
from holdfast.spec import overlaid, read_policy

TEXT = """
[model]
name = "m"
task = "binary"
train = "m:train"
[data]
source = "rows.csv"
time = "at"
label = "label"
features = ["wind"]
[gate]
metric = "roc_auc"
margin = 0.02
"""


def _policy(folder: Path, text: str) -> Path:
    file = folder / "p.toml"
    file.write_text(text)
    return file


def test_a_policy_changes_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    policy = read_policy(_policy(tmp_path, "[gate]\nmargin = 0.05\n[monitor]\nblock = '12h'\n"))
    spec = overlaid(TEXT, policy, tmp_path / "holdfast.toml")
    assert (spec.gate.metric, spec.gate.margin) == ("roc_auc", 0.05)
    assert spec.monitor.block == timedelta(hours=12)
    assert spec.root == tmp_path
    assert overlaid(TEXT, {}, tmp_path / "holdfast.toml").gate.margin == 0.02


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[data]\nlabel = 'other'\n", "policy.not_policy"),
        ("monitor = 1\n", "policy.not_policy"),
        ("[gate\n", "spec.malformed"),
    ],
)
def test_what_is_no_policy_is_refused(tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_policy(_policy(tmp_path, text))
    assert caught.value.code == code


def test_wrong_keys_are_named(tmp_path: Path) -> None:
    policy = read_policy(_policy(tmp_path, "[retrain]\ncooldwn = '3d'\n"))
    with pytest.raises(SpecError, match=r"retrain.cooldwn"):
        overlaid(TEXT, policy, tmp_path / "holdfast.toml")


def test_a_policy_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        read_policy(tmp_path / "none.toml")
