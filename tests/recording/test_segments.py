import struct
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import DataError
from holdfast.recording import segments

IDENTITY = b"\x01\x02\x03\x04\x05\x06\x07\x08"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("segments") / "00000001.seg"


def records(batch, numbers):
    return [segments.frame(segments.encode(batch(n)), IDENTITY) for n in numbers]


def numbers(scan):
    return [int(found.request[1:]) for found in scan.batches]


def test_what_is_written_is_read(batch, path):
    rows = [
        batch(0),
        batch(1, rows=3, ids=["a", "b", "c"], scores=[0.1, None, 0.3]),
        batch(2, scores=[[0.2, 0.8]], predictions=["late"]),
        batch(3, columns=[[None], [None]], predictions=[], error="timeout"),
    ]
    data = [segments.frame(segments.encode(row), IDENTITY) for row in rows]
    path.write_bytes(segments.header(IDENTITY) + b"".join(data))
    scan = segments.read(path)
    assert scan.batches == rows
    assert (scan.end, scan.skipped, scan.torn) == (path.stat().st_size, 0, 0)
    assert segments.read_identity(path) == IDENTITY


def test_reading_goes_on_where_it_ended(batch, path):
    data = records(batch, range(5))
    path.write_bytes(segments.header(IDENTITY) + b"".join(data[:2]))
    first = segments.read(path)
    path.write_bytes(segments.header(IDENTITY) + b"".join(data))
    second = segments.read(path, first.end)
    assert numbers(first) + numbers(second) == [0, 1, 2, 3, 4]
    assert numbers(segments.read(path, 0, first.end)) == [0, 1]
    measured = segments.measure(path, first.end, path.stat().st_size)
    assert measured == second._replace(batches=[])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_tail_torn_at_any_byte_loses_only_the_torn_record(batch, path, data):
    parts = [segments.header(IDENTITY), *records(batch, range(4))]
    whole = b"".join(parts)
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    ends = [sum(map(len, parts[: i + 1])) for i in range(len(parts))]
    expected = sum(end <= cut for end in ends[1:])
    scan = segments.read(path)
    assert numbers(scan) == list(range(expected))
    assert scan.skipped == 0
    if cut >= segments.HEADER_BYTES:
        assert scan.end == ends[expected]
        assert scan.end + scan.torn == cut


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damage_at_any_byte_costs_one_record_at_most(batch, path, data):
    parts = [segments.header(IDENTITY), *records(batch, range(4))]
    whole = bytearray(b"".join(parts))
    place = data.draw(st.integers(segments.HEADER_BYTES, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(whole))
    ends = [sum(map(len, parts[: i + 1])) for i in range(len(parts))]
    hit = sum(end <= place for end in ends[1:])
    scan = segments.read(path)
    assert numbers(scan) == [n for n in range(4) if n != hit]
    if hit < 3:
        assert (scan.skipped, scan.torn) == (1, 0)
    else:  # nothing sound follows, so it is reported as a torn tail
        assert (scan.skipped, scan.torn) == (0, len(parts[4]))


def test_debris_between_records_is_passed_over(batch, path):
    one, two = records(batch, [1, 2])
    path.write_bytes(segments.header(IDENTITY) + one + two[:20] + b"\0" * 4096 + two)
    scan = segments.read(path)
    assert numbers(scan) == [1, 2]
    assert scan.skipped == 1


def test_a_record_planted_in_a_request_is_not_taken_for_one(batch, path):
    forged = segments.frame(segments.encode(batch(666)), b"guessed!")
    carrier = batch(1, names=("x",), columns=[[forged.decode("latin-1")]])
    torn = segments.frame(segments.encode(carrier), IDENTITY)[:-3]
    path.write_bytes(segments.header(IDENTITY) + torn)
    assert segments.read(path).batches == []


def test_records_of_an_unknown_kind_are_counted(batch, path):
    odd = [
        msgspec.msgpack.encode({"newer": 1}),
        segments.encode(batch(1, names=("x", "y"), columns=[[1.0], [1.0, 2.0]])),
        segments.encode(batch(1, names=("x",))),
    ]
    data = [segments.frame(payload, IDENTITY) for payload in odd]
    path.write_bytes(segments.header(IDENTITY) + b"".join(data) + records(batch, [5])[0])
    scan = segments.read(path)
    assert numbers(scan) == [5]
    assert scan.skipped == 3


@pytest.mark.parametrize("version", [1, 2])
def test_segments_of_earlier_releases_are_read(batch, path, version):
    header = struct.pack("<8sB8s", b"HOLDFAST", version, IDENTITY)
    if version == 2:
        header += zlib.crc32(header).to_bytes(4, "little")
    path.write_bytes(header + b"".join(records(batch, range(3))))
    assert numbers(segments.read(path)) == [0, 1, 2]


def test_a_header_that_is_not_whole_yet_is_no_error(path):
    path.write_bytes(b"HOLD")
    assert segments.read_identity(path) is None
    assert segments.read(path).batches == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"something else entirely", "recording.no_segment"),
        (struct.pack("<8sB8sI", b"HOLDFAST", 9, IDENTITY, 0), "recording.segment_version"),
        (struct.pack("<8sB8sI", b"HOLDFAST", 2, IDENTITY, 0), "recording.damaged_header"),
    ],
)
def test_a_foreign_file_is_refused(path, data, code):
    path.write_bytes(data)
    with pytest.raises(DataError) as caught:
        segments.read(path)
    assert caught.value.code == code


REFUSALS = {"recording.no_segment", "recording.segment_version", "recording.damaged_header"}
damages = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "zero"]),
        st.integers(0, 2**31),
        st.binary(min_size=1, max_size=40),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(damages)
def test_no_damage_crashes_or_yields_what_was_not_written(batch, path, found):
    """Header included; whatever is read was written, and in that order."""
    rows = [batch(n, rows=1 + n % 3) for n in range(5)]
    data = bytearray(
        segments.header(IDENTITY)
        + b"".join(segments.frame(segments.encode(row), IDENTITY) for row in rows)
    )
    for kind, place, noise in found:
        at = place % (len(data) + 1)
        if kind == "cut":
            del data[at:]
        elif kind == "insert":
            data[at:at] = noise
        elif kind == "zero":
            data[at : at + len(noise)] = bytes(len(data[at : at + len(noise)]))
        elif at < len(data):
            data[at] ^= noise[0]
    path.write_bytes(bytes(data))
    try:
        scan = segments.read(path)
    except DataError as error:
        assert error.code in REFUSALS  # noqa: PT017 (it may be read as well)
        return
    order = [rows.index(one) for one in scan.batches]
    assert order == sorted(set(order))
    assert scan.end <= len(data) or not scan.batches


def test_a_damaged_identity_is_refused_as_it_would_be_recorded_twice(batch, path):
    data = bytearray(segments.header(IDENTITY) + records(batch, [1])[0])
    data[10] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match="header"):
        segments.read_identity(path)
