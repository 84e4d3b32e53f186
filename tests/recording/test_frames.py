import math
import struct

import polars as pl

from holdfast.recording.frames import KEY, SCHEMA, frames


def test_columns_of_a_binary_model(batch):
    frame = frames([batch(0), batch(1, rows=2)])["delay"]
    assert dict(frame.schema) == {**SCHEMA, "f_x": pl.Float64, "f_carrier": pl.String}
    assert frame.rows(named=True)[2] == {
        "prediction_id": "r000001:1",
        "request": "r000001",
        "id": "flight-1-1",
        "at": frame["at"][1],
        "version": 1,
        "epoch": 1,
        "role": "live",
        "error": "",
        "seconds": 0.001,
        "inputs": True,
        "prediction": "true",
        "score": 0.75,
        "scores": None,
        "f_x": 1.125,
        "f_carrier": "AA",
    }
    assert frame["at"].dt.timestamp("ms").to_list() == [1_700_000_000_000, *[1_700_000_001_000] * 2]
    assert frame["prediction_id"][0] == "r000000"


def test_regression_multiclass_and_failure(batch):
    regression = frames([batch(0, rows=2, predictions=[1.5, float("nan")], scores=[])])["delay"]
    assert regression["prediction"].to_list() == ["1.5", None]
    assert regression["score"].is_nan().sum() == 0
    assert regression["score"].to_list() == [1.5, None]
    multi = frames([batch(0, predictions=["late"], scores=[[0.1, 0.9]])])["delay"]
    assert multi.select("prediction", "score", "scores").row(0) == ("late", None, [0.1, 0.9])
    failed = frames([batch(0, rows=2, predictions=[], scores=[], error="timeout")])["delay"]
    assert (
        failed.select("prediction", "score", "scores", "error").rows()
        == [(None, None, None, "timeout")] * 2
    )


def test_a_block_is_read_as_the_columns_that_it_holds(batch):
    x, y = [1.5, None, 3.0], [0.25, float("inf"), -0.0]
    plain = {"names": ("x", "y", "carrier"), "columns": [x, y, ["AA", "BB", None]]}
    cells = [number for pair in zip(x, y, strict=True) for number in pair]
    block = struct.pack("<6d", *(math.nan if cell is None else cell for cell in cells))
    blocked = {**plain, "columns": plain["columns"][2:], "block": block}
    expected = frames([batch(n, rows=3, **plain) for n in range(3)])["delay"]
    assert frames([batch(n, rows=3, **blocked) for n in range(3)])["delay"].equals(expected)
    mixed = [batch(n, rows=3, **(blocked if n == 1 else plain)) for n in range(3)]
    assert frames(mixed)["delay"].sort("prediction_id").equals(expected)


def test_without_own_ids_the_prediction_id_is_the_id(batch):
    frame = frames([batch(0, rows=2, ids=None), batch(1, ids=None)])["delay"]
    assert frame["id"].to_list() == ["r000000:0", "r000000:1", "r000001"]


def test_versions_with_other_features_share_a_frame(batch):
    old = batch(0, version=1, names=("x",), columns=[[1]])
    new = batch(1, version=2, names=("y", "x"), columns=[["b"], [2.5]])
    frame = frames([old, new])["delay"]
    assert frame.sort("version").select("f_x", "f_y").rows() == [(1.0, None), (2.5, "b")]


def test_types_are_the_narrowest_that_hold_all(batch):
    columns = [
        [1, 2, None],
        [1, 2.5, float("nan")],
        [True, None, False],
        [True, 2, 3],
        ["a", 1, None],
        [None, None, None],
        [2**70, 1, None],
    ]
    names = tuple("abcdefg")
    frame = frames([batch(0, rows=3, names=names, columns=columns)])["delay"]
    assert [frame[f"f_{name}"].dtype for name in names] == [
        pl.Int64, pl.Float64, pl.Boolean, pl.Float64, pl.String, pl.Null, pl.Float64,
    ]  # fmt: skip
    assert frame["f_b"].to_list() == [1.0, 2.5, None]
    assert frame["f_e"].to_list() == ["a", "1", None]


def test_requests_without_rows_leave_nothing(batch):
    assert frames([batch(0, names=(), columns=[], ids=[], predictions=[], scores=[])]) == {}


def test_repetitions_are_taken_once(batch):
    frame = frames([batch(0), batch(0), batch(0, role="shadow")])["delay"]
    assert frame.select(KEY).rows() == [("r000000", 1, "live"), ("r000000", 1, "shadow")]


def test_a_vector_is_a_list_beside_nulls_and_text_beside_anything_else(batch):
    def one(number, *cells, **more):
        return batch(number, rows=len(cells), names=("e",), columns=[list(cells)], **more)

    lists = frames([one(0, [0.5, 1e22], None), one(1, None)])["delay"]
    assert lists.schema["f_e"] == pl.List(pl.Float64)
    assert lists["f_e"].to_list() == [[0.5, 1e22], None, None]
    beside = batch(2, names=("x", "e"), columns=[[1.0], [None]])
    assert frames([one(0, [0.5, 1.0]), beside])["delay"].schema["f_e"] == pl.List(pl.Float64)
    text = batch(3, names=("x", "e"), columns=[[1.0], ["hash:ab"]])
    mixed = frames([one(0, [0.5, 1e22], None), text])["delay"]
    assert mixed["f_e"].to_list() == ["[0.5,1e+22]", None, "hash:ab"]
    number = batch(4, names=("x", "e"), columns=[[1.0], [2.5]])
    assert frames([number, one(0, [1, 2])])["delay"]["f_e"].to_list() == ["2.5", "[1.0,2.0]"]
