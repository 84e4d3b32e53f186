"""Labels in: files, standard input, bad rows."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.errors import HoldfastError, LabelError
from holdfast.loop.outcomes import LabelsAdded, add_labels, add_labels_from

CSV = "row,bad,known\na,true,2026-03-01T10:00:00Z\nb,false,2026-03-01T11:00:00Z\n"


def _counts(added: LabelsAdded) -> tuple[int, ...]:
    return added.rows, added.new, added.duplicate, added.corrected, added.unknown


def _kept(home: Any) -> dict[str, str]:
    frame = home.container.labels.latest("tiny")
    return dict(zip(frame["id"], frame["label"], strict=True))


def test_a_file_of_labels_is_kept_and_counted(live: Any, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(CSV)
    assert _counts(add_labels_from(live.container, "tiny", str(file))) == (2, 2, 0, 0, 2)
    assert _counts(add_labels_from(live.container, "tiny", str(file))) == (2, 0, 2, 0, 2)
    file.write_text(CSV.replace("a,true,2026-03-01T10", "a,false,2026-03-01T12"))
    assert _counts(add_labels_from(live.container, "tiny", str(file))) == (2, 0, 1, 1, 2)
    assert _kept(live) == {"a": "false", "b": "false"}


def test_labels_of_known_predictions_are_no_strangers(live: Any, traffic: Any) -> None:
    ids = traffic(live, 1)
    rows = [{"row": name, "bad": True} for name in (ids[0], ids[1], "nobody")]
    added = add_labels(live.container, "tiny", rows)
    assert (added.rows, added.unknown) == (3, 1)
    assert added.new == 1


def test_standard_input(live: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = b'{"row": "x", "bad": true, "known": "2026-03-01T10:00:00Z"}\n'
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(lines)))
    assert _counts(add_labels_from(live.container, "tiny", "-", "jsonl")) == (1, 1, 0, 0, 1)


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ("c,perhaps,2026-03-01T10:00:00Z", ["perhaps", "4"]),
        ("c,true,yesterday", ["yesterday", "4"]),
        (",true,2026-03-01T10:00:00Z", ["4"]),
    ],
)
def test_one_bad_row_and_nothing_is_kept(
    live: Any, tmp_path: Path, row: str, names: list[str]
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(f"{CSV}{row}\n")
    with pytest.raises(LabelError) as error:
        add_labels_from(live.container, "tiny", str(file))
    assert all(name in str(error.value) for name in names), str(error.value)
    assert error.value.fix
    assert _kept(live) == {}


def test_no_rows_no_file_no_model(live: Any) -> None:
    assert _counts(add_labels(live.container, "tiny", [])) == (0, 0, 0, 0, 0)
    with pytest.raises(LabelError) as error:
        add_labels_from(live.container, "tiny", "/nowhere.csv")
    assert error.value.code == "labels.no_file"
    with pytest.raises(HoldfastError) as unknown:
        add_labels(live.container, "nobody", [{"row": "a", "bad": True}])
    assert unknown.value.code == "model.unknown"
