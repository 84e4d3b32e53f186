from holdfast.recording import segments
from holdfast.recording.inventory import inventory, next_ranges, remove_left
from holdfast.recording.log import PredictionLog
from holdfast.recording.progress import read_status
from holdfast.recording.recorder import Recorder
from holdfast.recording.spool import FileSpool


def fill(folder, numbers, batch):
    with FileSpool(folder, 2**30, writer="w0", segment_bytes=4096) as spool:
        for number in numbers:
            assert spool.append(batch(number))


def test_only_the_newest_segment_of_a_living_writer_is_open(tmp_path, batch):
    with FileSpool(tmp_path, 2**30, writer="w0", segment_bytes=4096) as spool:
        for number in range(60):
            spool.append(batch(number))
        found = inventory(tmp_path).segments
        assert [one.sealed for one in found] == [True] * (len(found) - 1) + [False]
        assert [one.size for one in found] == [one.path.stat().st_size for one in found]
    assert all(one.sealed for one in inventory(tmp_path).segments)


def test_nothing_is_read_twice(tmp_path, batch):
    fill(tmp_path, range(3), batch)
    found = inventory(tmp_path).segments
    (part,) = next_ranges(tmp_path, found, {})
    assert (part.start, part.end) == (segments.HEADER_BYTES, found[0].size)
    assert next_ranges(tmp_path, found, {part.identity: part.end}) == ()


def test_folders_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path, batch):
    FileSpool(tmp_path, 2**30, writer="dead").close()
    with FileSpool(tmp_path, 2**30, writer="living") as spool:
        remove_left(inventory(tmp_path))
        assert [path.name for path in tmp_path.iterdir()] == ["living"]
        assert spool.append(batch())


def test_a_segment_of_an_unknown_format_stays(tmp_path, batch, clock):
    fill(tmp_path / "spool", range(5), batch)
    foreign = tmp_path / "spool" / "w0" / "00000009.seg"
    foreign.write_bytes(b"written by a later release")
    log = PredictionLog(tmp_path / "log")
    with Recorder(tmp_path / "spool", log, tmp_path / "state", clock) as recorder:
        assert recorder.drain_once().rows == 5
        recorder.drain_once()
    assert list((tmp_path / "spool").rglob("*.seg")) == [foreign]
    assert read_status(tmp_path / "state").unreadable == 1
