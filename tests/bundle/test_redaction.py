"""What may be written down of a request."""

from __future__ import annotations

import math

import numpy as np
import pytest

from holdfast.bundle.columns import Table
from holdfast.bundle.redaction import Redaction
from holdfast.errors import BundleError
from holdfast.records import RecordPolicy

KEY, OTHER = bytes(range(32)), bytes(32)
NAMES = ("email", "name", "age")
VALUES = {"email": ["ann@x", None, "ann@x"], "name": ["Ann", "Bo", "Cy"], "age": [1.0, 2.0, None]}
BLOCK = np.array([[1.0, 2.0], [math.nan, 4.0]])
ALL = ("x", "y", "name")
TABLE = Table(("x", "y"), BLOCK, {})
POLICY = RecordPolicy(redact={"email": "hash", "name": "drop", "key": "hash"})


def test_without_a_policy_everything_is_recorded() -> None:
    kept = Redaction(RecordPolicy(), None).keep("p-1", NAMES, {}, VALUES, ["a"])
    assert kept == (NAMES, list(VALUES.values()), ["a"], True, b"")
    kept = Redaction(RecordPolicy(), None).keep("p-1", ALL, TABLE, {"name": ["Ann", "Bo"]}, None)
    assert kept == (("x", "y", "name"), [["Ann", "Bo"]], None, True, BLOCK.tobytes())


def test_a_block_is_left_whole_unless_one_of_its_columns_is_redacted() -> None:
    texts = {"name": ["Ann", "Bo"]}
    kept = Redaction(RecordPolicy(redact={"name": "drop"}), None).keep(
        "p-1", ALL, TABLE, texts, None
    )
    assert kept == (("x", "y"), [], None, True, BLOCK.tobytes())
    kept = Redaction(RecordPolicy(redact={"x": "drop"}), None).keep("p-1", ALL, TABLE, texts, None)
    assert kept == (("y", "name"), [[2.0, 4.0], ["Ann", "Bo"]], None, True, b"")
    hashing = Redaction(RecordPolicy(redact={"y": "hash"}), KEY)
    kept = hashing.keep("p-1", ALL, TABLE, texts, None)
    assert kept.names == ("x", "y", "name")
    assert kept.columns == [[1.0, None], hashing.column("y", [2.0, 4.0]), ["Ann", "Bo"]]


def test_what_a_version_does_not_take_is_not_recorded() -> None:
    """The rows were read for another version, whose policy this one does not have."""
    redaction = Redaction(RecordPolicy(), None)
    texts = {"name": ["Ann", "Bo"]}
    assert redaction.keep("p-1", ("y",), TABLE, texts, None) == (
        ("y",),
        [[2.0, 4.0]],
        None,
        True,
        b"",
    )
    assert redaction.keep("p-1", ("name",), TABLE, texts, None).columns == [["Ann", "Bo"]]
    whole = redaction.keep("p-1", ("x", "y"), TABLE, texts, None)
    assert (whole.names, whole.columns) == (("x", "y"), [[1.0, None], [2.0, 4.0]])


def test_columns_are_hashed_and_dropped() -> None:
    kept = Redaction(POLICY, KEY, "key").keep("p-1", NAMES, {}, VALUES, ["k1", "k2", "k1"])
    assert kept.names == ("email", "age")
    emails, ages = kept.columns
    assert emails[0] == emails[2] != emails[1] is None
    assert ages == VALUES["age"]
    assert kept.ids is not None
    assert kept.ids[0] == kept.ids[2] != kept.ids[1]
    assert "ann" not in repr(kept)
    assert "k1" not in repr(kept)


def test_a_dropped_id_is_not_recorded() -> None:
    redaction = Redaction(RecordPolicy(redact={"key": "drop"}), None, "key")
    assert redaction.keep("p-1", NAMES, {}, VALUES, ["a", "b", "c"]).ids is None


def test_a_hash_is_of_key_column_and_value() -> None:
    policy = RecordPolicy(redact={"a": "hash", "b": "hash"})
    one, other = Redaction(policy, KEY), Redaction(policy, OTHER)
    hashes = [one.column("a", ["x"]), one.column("b", ["x"]), other.column("a", ["x"])]
    hashes += [one.column("a", ["y"]), one.column("a", [1]), one.column("a", [True])]
    assert len({str(found) for found in hashes}) == len(hashes)
    assert one.column("a", ["x"]) == Redaction(policy, KEY).column("a", ["x"])
    assert one.column("a", [3.0, 2.5]) == one.column("a", [3, 2.5])
    assert one.column("a", [math.inf, "\ud800", 1e30, -(2.0**63)])


def test_without_a_key_nothing_is_hashed() -> None:
    with pytest.raises(BundleError) as caught:
        Redaction(POLICY, None, "key")
    assert caught.value.code == "bundle.no_record_key"


def test_large_requests_are_sampled_alike_for_every_version() -> None:
    policy = RecordPolicy(sample=0.25, sample_above=100)
    values = {"x": [1.0] * 50}
    ids = ["c"] * 50
    kept = [Redaction(policy, None).keep(f"p-{n}", ("x",), {}, values, ids) for n in range(2000)]
    assert kept == [
        Redaction(policy, None).keep(f"p-{n}", ("x",), {}, values, ids) for n in range(2000)
    ]
    share = sum(one.inputs for one in kept) / 2000
    assert 0.2 < share < 0.3
    away = next(one for one in kept if not one.inputs)
    assert away == ((), [], ids, False, b"")
    small = [
        Redaction(policy, None).keep(f"p-{n}", ("x",), {}, {"x": [1.0]}, None) for n in range(50)
    ]
    assert all(one.inputs for one in small)
