from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from holdfast.data.files import read_files
from holdfast.errors import DataError


def test_files_are_found_relative_to_the_project(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pl.DataFrame({"a": [1], "b": [2]}).write_parquet(tmp_path / "in" / "1.parquet")
    pl.DataFrame({"b": [4], "a": [3]}).write_parquet(tmp_path / "in" / "2.parquet")

    assert read_files("in/*.parquet", tmp_path, ["a", "b"]).rows() == [(1, 2), (3, 4)]
    assert read_files(str(tmp_path / "in" / "*.parquet"), Path("/"), ["a"]).height == 2


def test_files_in_folders_below(tmp_path: Path) -> None:
    for month in ("01", "02"):
        (tmp_path / "in" / month).mkdir(parents=True)
        (tmp_path / "in" / month / "x.csv").write_text("a\n1\n")

    assert read_files("in/**/*.csv", tmp_path, ["a"])["a"].to_list() == [1, 1]


def test_a_column_that_is_empty_in_one_file_takes_the_others_type(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,\n2,\n")
    (tmp_path / "2.csv").write_text("a,b\n1.5,7\n")

    frame = read_files("*.csv", tmp_path, ["a", "b"])

    assert frame.schema == {"a": pl.Float64, "b": pl.Int64}
    assert frame["b"].to_list() == [None, None, 7]


def test_marks_for_missing_leave_numbers_numbers_but_text_text(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("delay,country\nNA,NA\n3,DE\n")

    frame = read_files("*.csv", tmp_path, ["delay", "country"])

    assert frame["delay"].to_list() == [None, 3.0]
    assert frame["country"].to_list() == ["NA", "DE"]


def test_tab_and_gzip(tmp_path: Path) -> None:
    (tmp_path / "1.tsv").write_text("a\tb\n1\tx\n")
    pl.DataFrame({"a": [2], "b": ["y"]}).write_csv(tmp_path / "2.csv.gz", compression="gzip")

    assert read_files("1.tsv", tmp_path, ["a", "b"]).rows() == [(1, "x")]
    assert read_files("*.csv.gz", tmp_path, ["a", "b"]).rows() == [(2, "y")]


def _write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "source", "code", "says"),
    [
        ({}, "data/*.csv", "data.no_files", "relative to the folder of holdfast.toml"),
        ({"d/x.parquet": ""}, "d/*.csv", "data.no_files", "There is 'x.parquet'"),
        ({"d/readme.txt": ""}, "d/*.csv", "data.no_files", "no CSV or Parquet file"),
        ({"d/x.csv": "a\n1\n"}, "d", "data.source_is_folder", "d/*.parquet"),
        ({"x.txt": "a\n1\n"}, "x.txt", "data.file_kind", ".parquet"),
        ({"x.csv": "amounts\n1\n"}, "x.csv", "data.missing_column", "'amounts'?"),
        ({"x.csv": "zzz,b\n1,2\n"}, "x.csv", "data.missing_column", "It has 'zzz', 'b'"),
        ({"x.parquet": "no parquet"}, "x.parquet", "data.unreadable", "Mend the file"),
        ({"x.csv": ""}, "x.csv", "data.unreadable", "x.csv"),
        (
            {"1.csv": "amount\n1\n", "2.csv": "amount\nlots\n"},
            "*.csv",
            "data.mixed_types",
            "in one of 1.csv and 2.csv",
        ),
    ],
)
def test_errors_say_what_where_and_how_to_mend(
    tmp_path: Path, files: dict[str, str], source: str, code: str, says: str
) -> None:
    for name, text in files.items():
        _write(tmp_path, name, text)

    with pytest.raises(DataError) as caught:
        read_files(source, tmp_path, ["amount"])

    assert caught.value.code == code
    assert says in str(caught.value)
