from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from holdfast.records import CodeVersion
from holdfast.spec import Spec, parse_spec
from holdfast.training import code


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Neither the machine's settings nor a repository above may play a part.
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "project"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "sub" / "__init__.py").touch()
    (folder / "sub" / "deep" / "far.py").write_text("from ..near import x")
    (folder / "sub" / "near.py").write_text("import train  # a circle")
    (folder / "sub" / "more.py").write_text("b = 1")
    (folder / "train.py").write_text("import numpy\ndef fit(rows):\n    from sub import more\n")
    (folder / "rows.py").write_text("import sub.deep.far")
    (folder / "queries").mkdir()
    (folder / "queries" / "rows.sql").write_text("SELECT 1")
    (folder / "holdfast.toml").write_text(TOML)
    return folder


TOML = """
[model]
name = "tiny"
task = "binary"
train = "train:fit"
code = ["queries/*.sql"]
[data]
source = "rows:load"
time = "at"
label = "bad"
features = ["size"]
[gate]
metric = "roc_auc"
[monitor]
tolerance = 0.02
"""


def spec_of(root: Path) -> Spec:
    return parse_spec((root / "holdfast.toml").read_text(), root / "holdfast.toml")


def code_version(root: Path) -> CodeVersion:
    return code.code_version(spec_of(root))


def _git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


def test_without_git_there_is_a_digest(root: Path) -> None:
    version = code_version(root)

    assert version.commit is None
    assert not version.dirty
    assert version.digest.startswith("sha256:")


CODE = [
    "queries/rows.sql", "rows.py", "sub/__init__.py", "sub/deep/far.py", "sub/more.py",
    "sub/near.py", "train.py",
]  # fmt: skip


def test_code_is_what_the_callables_import(root: Path) -> None:
    (root / "unused.py").touch()
    files = code.code_files(spec_of(root))
    assert [path.relative_to(root).as_posix() for path in files] == CODE


@pytest.mark.parametrize("name", CODE)
def test_code_counts(root: Path, name: str) -> None:
    before = code_version(root).digest

    path = root / name
    path.write_text(path.read_text() + "\n# changed")

    assert code_version(root).digest != before


def test_a_file_that_code_begins_to_import_counts(root: Path) -> None:
    (root / "new.py").write_text("c = 1")
    before = code_version(root).digest
    (root / "rows.py").write_text("import sub.deep.far, new")
    between = code_version(root).digest
    (root / "new.py").write_text("c = 2")
    assert len({before, between, code_version(root).digest}) == 3


def test_code_that_is_not_python_counts_and_imports_nothing(root: Path) -> None:
    (root / "rows.py").write_text("def (")
    assert "rows.py" in [path.name for path in code.code_files(spec_of(root))]


@pytest.mark.parametrize(
    "name", ["data.csv", "README.md", "tests/test_it.py", "other.py", "more.py", "queries/x.md"]
)
def test_everything_else_does_not(root: Path, name: str) -> None:
    before = code_version(root).digest

    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("x = 1")

    assert code_version(root).digest == before


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("tolerance = 0.02", "tolerance = 0.03", False),
        ('metric = "roc_auc"', 'metric = "roc_auc"\nmin = 0.7', False),
        ('["size"]', '["size", "kind"]', True),
        ('task = "binary"', 'task = "multiclass"', True),
    ],
)
def test_of_the_spec_what_a_training_can_tell(root: Path, old: str, new: str, counts: bool) -> None:
    before = code_version(root).digest
    (root / "holdfast.toml").write_text(TOML.replace(old, new))
    assert (code_version(root).digest != before) is counts


def test_moving_code_counts_and_moving_the_project_does_not(root: Path) -> None:
    before = code_version(root).digest
    root.rename(root.parent / "moved")

    assert code_version(root.parent / "moved").digest == before
    (root.parent / "moved" / "queries" / "rows.sql").rename(
        root.parent / "moved" / "queries" / "other.sql"
    )
    assert code_version(root.parent / "moved").digest != before


def test_the_commit_and_whether_code_differs_from_it(root: Path) -> None:
    _git(root, "init")
    assert code_version(root).commit is None
    _git(root, "add", ".")
    _git(root, "commit", "-m", "first")

    (root / "data.csv").write_text("not code")
    clean = code_version(root)
    (root / "sub" / "more.py").write_text("b = 2")
    changed = code_version(root)

    assert clean.commit is not None
    assert len(clean.commit) == 40
    assert not clean.dirty
    assert changed.commit == clean.commit
    assert changed.dirty


def test_new_code_is_dirty(root: Path) -> None:
    _git(root, "init")
    _git(root, "add", ".")
    _git(root, "commit", "-m", "first")

    (root / "sub" / "new.py").write_text("")
    assert not code_version(root).dirty
    (root / "sub" / "more.py").write_text("import sub.new")
    _git(root, "commit", "-am", "second")

    assert code_version(root).dirty
