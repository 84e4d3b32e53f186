import json
import os
import signal
import struct
import threading
import time
from datetime import UTC, datetime

import msgspec
import polars as pl
import pytest

from holdfast.errors import ConflictError
from holdfast.recording import inventory, parquet, segments
from holdfast.recording.lag import Lag, measure_lag
from holdfast.recording.log import PredictionLog
from holdfast.recording.progress import UNDER_WAY, read_status, recorded_until
from holdfast.recording.recorder import FAULT_POINTS, Recorder
from holdfast.recording.spool import FileSpool

LIMIT = 2**30


class DiedError(Exception):
    """Stands for the death of the process: nothing after it runs."""


def recorder(folder, clock, **arguments):
    log = PredictionLog(folder / "log")
    return Recorder(folder / "spool", log, folder / "state", clock, **arguments)


def spool(folder, writer="w0", **arguments):
    return FileSpool(folder / "spool" / "s1", LIMIT, writer=writer, **arguments)


def fill(folder, numbers, batch, writer="w0", **changes):
    with spool(folder, writer, segment_bytes=4096) as opened:
        for number in numbers:
            assert opened.append(batch(number, **changes))


def requests(folder, model="delay"):
    return sorted(PredictionLog(folder / "log").scan(model).collect()["request"].to_list())


def expected(numbers):
    return [f"r{number:06d}" for number in numbers]


def segments_left(folder):
    return sorted((folder / "spool").rglob("*.seg"))


def test_what_is_in_the_spool_comes_into_the_log_once(tmp_path, batch, clock):
    fill(tmp_path, range(100), batch)
    fill(tmp_path, range(100, 150), batch, writer="w1")
    with recorder(tmp_path, clock) as opened:
        drained = opened.drain_once()
        assert (drained.rows, drained.lag_bytes, drained.skipped, drained.torn) == (150, 0, 0, 0)
        assert drained.watermark == batch(149).at
        assert opened.drain_once().rows == 0
    assert requests(tmp_path) == expected(range(150))
    assert list((tmp_path / "spool" / "s1").iterdir()) == []  # dead writers leave nothing


def test_a_live_writer_keeps_only_its_present_segment(tmp_path, batch, clock):
    with spool(tmp_path, segment_bytes=4096) as opened, recorder(tmp_path, clock) as drain:
        for number in range(100):
            assert opened.append(batch(number))
        assert drain.drain_once().rows == 100
        assert len(segments_left(tmp_path)) == 1
        assert opened.append(batch(100))
        assert drain.drain_once().rows == 1
    assert requests(tmp_path) == expected(range(101))


def test_numbers_of_segments_may_start_again(tmp_path, batch, clock):
    for round_ in range(3):
        fill(tmp_path, range(10 * round_, 10 * round_ + 10), batch)
        with recorder(tmp_path, clock) as opened:
            assert opened.drain_once().rows == 10
        assert segments_left(tmp_path) == []
    assert requests(tmp_path) == expected(range(30))


def test_batches_are_bounded(tmp_path, batch, clock, monkeypatch):
    monkeypatch.setattr(inventory, "BATCH_BYTES", 8000)
    fill(tmp_path, range(300), batch)
    with recorder(tmp_path, clock) as opened:
        first = opened.drain_once()
        assert 0 < first.rows < 200
        assert first.lag_bytes > 0
        assert len(segments_left(tmp_path)) < 12
        while opened.drain_once().lag_bytes:
            pass
    assert requests(tmp_path) == expected(range(300))


def test_repeated_predictions_are_taken_once(tmp_path, batch, clock):
    with spool(tmp_path) as opened:
        opened.append(batch(1))
        opened.append(batch(1))
        opened.append(batch(1, version=2, role="shadow"))
        opened.append(batch(2, rows=3))
    with recorder(tmp_path, clock) as drain:
        assert drain.drain_once().rows == 5
    rows = PredictionLog(tmp_path / "log").scan("delay").sort("prediction_id", "version").collect()
    assert rows["prediction_id"].to_list() == ["r000001"] * 2 + [f"r000002:{i}" for i in range(3)]


def die_at(point, times=1):
    passed = []

    def fault(name):
        if name == point:
            passed.append(name)
            if len(passed) == times:
                raise DiedError(name)

    return fault


def keep(folder):
    """A sink that keeps each name's rows; idempotent, as sinks must be."""
    folder.mkdir(exist_ok=True)

    def sink(frame, name):
        frame.write_parquet(folder / f"{name}.parquet")

    return sink


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("point", FAULT_POINTS[:-1])
def test_dying_anywhere_loses_and_repeats_nothing(tmp_path, batch, clock, point, times):
    sink = keep(tmp_path / "sink")
    fill(tmp_path, range(40), batch)
    fill(tmp_path, range(40, 60), batch, writer="w1", model="churn")
    died = False
    with recorder(tmp_path, clock, sinks=[sink], fault=die_at(point, times)) as opened:
        try:
            opened.drain_once()
        except DiedError:
            died = True
    assert died or times == 2
    fill(tmp_path, range(60, 80), batch, writer="w2")  # the server goes on meanwhile
    with recorder(tmp_path, clock, sinks=[sink]) as opened:
        while opened.drain_once().rows:
            pass
    assert requests(tmp_path) == expected([*range(40), *range(60, 80)])
    assert requests(tmp_path, "churn") == expected(range(40, 60))
    sunk = pl.scan_parquet(tmp_path / "sink" / "*.parquet").collect()
    assert sorted(sunk["request"]) == expected(range(80))
    assert set(sunk["model"]) == {"delay", "churn"}
    assert segments_left(tmp_path) == []


EXITS = """
import os
from holdfast.recording.log import PredictionLog
from holdfast.recording.recorder import Recorder
root, point = Path(sys.argv[1]), sys.argv[2]
fault = lambda name: os.kill(os.getpid(), 9) if name == point else None
sink = lambda frame, name: frame.write_parquet(root / f"{name}.parquet")
recorder = Recorder(
    root / "spool", PredictionLog(root / "log"), root / "state", clock, [sink], fault
)
recorder.drain_once()
"""


@pytest.mark.parametrize("point", FAULT_POINTS[:-1])
def test_a_process_that_dies_leaves_all_to_the_next(tmp_path, batch, clock, python, point):
    fill(tmp_path, range(40), batch)
    assert python(EXITS, tmp_path, point).wait() == -signal.SIGKILL
    with recorder(tmp_path, clock) as opened:
        while opened.drain_once().rows:
            pass
    assert requests(tmp_path) == expected(range(40))


WRITES = """
from holdfast.recording.spool import FileSpool
spool = FileSpool(Path(sys.argv[1]) / "spool" / "s1", 2**30, segment_bytes=16 * 1024)
for number in range(int(sys.argv[2])):
    assert spool.append(build(number))
spool.close()
"""
RUNS = """
import threading
from holdfast.recording import inventory
inventory.BATCH_BYTES = 256 * 1024
from holdfast.recording.log import PredictionLog
from holdfast.recording.recorder import Recorder
root = Path(sys.argv[1])
recorder = Recorder(root / "spool", PredictionLog(root / "log"), root / "state", clock)
print("started")
recorder.run(threading.Event(), interval=0.001)
"""


def test_killed_again_and_again_under_load(tmp_path, clock, python):
    total = 60_000
    writer = python(WRITES, tmp_path, str(total))
    for delay in (0.0, 0.01, 0.03, 0.05, 0.08, 0.13):
        running = python(RUNS, tmp_path)
        assert running.stdout.readline() == "started\n"
        time.sleep(delay)  # any moment will do: the point is to hit a different one each time
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert writer.wait() == 0
    with recorder(tmp_path, clock) as opened:
        while opened.drain_once().rows:
            pass
    assert requests(tmp_path) == expected(range(total))
    assert segments_left(tmp_path) == []


def test_the_torn_tail_of_a_dead_writer_is_counted_and_deleted(tmp_path, batch, clock):
    fill(tmp_path, range(5), batch)
    (path,) = segments_left(tmp_path)
    os.truncate(path, path.stat().st_size - 10)
    with recorder(tmp_path, clock) as opened:
        drained = opened.drain_once()
    assert drained.rows == 4
    assert drained.torn > 0
    assert segments_left(tmp_path) == []
    assert requests(tmp_path) == expected(range(4))


def test_the_unfinished_record_of_a_live_writer_is_waited_for(tmp_path, batch, clock):
    with spool(tmp_path) as opened, recorder(tmp_path, clock) as drain:
        opened.append(batch(0))
        (path,) = segments_left(tmp_path)
        whole = segments.frame(segments.encode(batch(1)), segments.read_identity(path))
        with path.open("ab", buffering=0) as file:
            file.write(whole[:30])
            drained = drain.drain_once()
            assert (drained.rows, drained.lag_bytes, drained.torn) == (1, 30, 0)
            file.write(whole[30:])
        assert drain.drain_once().rows == 1
    assert requests(tmp_path) == expected(range(2))


def test_a_damaged_record_is_passed_over_and_counted(tmp_path, batch, clock):
    fill(tmp_path, range(5), batch)
    (path,) = segments_left(tmp_path)
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(bytes(data))
    with recorder(tmp_path, clock) as opened:
        assert opened.drain_once().skipped == 1
    assert requests(tmp_path) == expected(range(1, 5))
    status = read_status(tmp_path / "state")
    assert (status.rows, status.skipped) == (4, 1)


def test_one_recorder_at_a_time(tmp_path, clock):
    with recorder(tmp_path, clock), pytest.raises(ConflictError, match="another recorder"):
        recorder(tmp_path, clock)


def test_running_survives_a_failing_sink_and_tells(tmp_path, batch, clock):
    told, stop = threading.Event(), threading.Event()
    calls = []

    def sink(frame, name):
        calls.append(name)
        if len(calls) < 3:
            raise RuntimeError("no room")
        status = json.loads((tmp_path / "state" / "status.json").read_text())
        assert status["problem"] == "RuntimeError: no room"
        assert status["lag_bytes"] > 0
        told.set()

    fill(tmp_path, range(5), batch)
    with recorder(tmp_path, clock, sinks=[sink]) as opened:
        thread = threading.Thread(target=opened.run, args=(stop, 0.001))
        thread.start()
        assert told.wait(20)
        while read_status(tmp_path / "state").problem:
            stop.wait(0.001)
        stop.set()
        thread.join()
    assert len(set(calls)) == 1
    assert requests(tmp_path) == expected(range(5))
    status = read_status(tmp_path / "state")
    assert (status.problem, status.lag_bytes, status.watermark) == ("", 0, batch(4).at)


def test_many_small_batches_become_few_files(tmp_path, batch, clock):
    with spool(tmp_path) as opened, recorder(tmp_path, clock) as drain:
        for number in range(100):
            opened.append(batch(number))
            assert drain.drain_once().rows == 1
    log = PredictionLog(tmp_path / "log")
    assert requests(tmp_path) == expected(range(100))
    day = datetime.fromtimestamp(batch().at, UTC)
    assert len(log.files("delay", day, day)) < 40


@pytest.mark.parametrize("how", ["raise", "kill"])
def test_dying_after_a_merge_loses_and_repeats_nothing(tmp_path, batch, clock, python, how):
    """Merging needs many files, so the other tests do not come to it."""
    with spool(tmp_path) as opened, recorder(tmp_path, clock, fault=die_at("merged")) as drain:
        for number in range(parquet.FAN_IN - 1):
            opened.append(batch(number))
            assert drain.drain_once().rows == 1
        opened.append(batch(parquet.FAN_IN - 1))
        if how == "raise":
            with pytest.raises(DiedError):
                drain.drain_once()
    if how == "kill":
        assert python(EXITS, tmp_path, "merged").wait() == -signal.SIGKILL
    with recorder(tmp_path, clock) as drain:
        assert drain.drain_once().rows == 0
    assert requests(tmp_path) == expected(range(parquet.FAN_IN))


def test_segments_of_the_format_before_are_recorded(tmp_path, batch, clock):
    folder = tmp_path / "spool" / "s1" / "w0"
    folder.mkdir(parents=True)
    identity = b"\x01\x02\x03\x04\x05\x06\x07\x08"
    data = struct.pack("<8sB8s", b"HOLDFAST", 1, identity)
    old = [msgspec.to_builtins(batch(n))[:-2] for n in range(3)]  # without the latest fields
    data += b"".join(segments.frame(msgspec.msgpack.encode(one), identity) for one in old)
    (folder / "00000001.seg").write_bytes(data)
    with recorder(tmp_path, clock) as opened:
        assert opened.drain_once()[:4] == (3, 0, 0, 0)
    assert requests(tmp_path) == expected(range(3))
    assert segments_left(tmp_path) == []


def test_what_cannot_be_read_stays_and_is_told(tmp_path, batch, clock, caplog):
    fill(tmp_path, range(3), batch)
    newer = tmp_path / "spool" / "s1" / "w9" / "00000001.seg"
    newer.parent.mkdir()
    newer.write_bytes(struct.pack("<8sB8sI", b"HOLDFAST", 9, bytes(8), 0) + b"from the future")
    with recorder(tmp_path, clock) as opened:
        for _ in range(3):
            opened.drain_once()
    assert requests(tmp_path) == expected(range(3))
    assert newer.read_bytes().endswith(b"future")
    assert read_status(tmp_path / "state").unreadable == 1
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "segment format 9" in told[0]


def test_the_lag_is_measured_without_the_recorder(tmp_path, batch, clock):
    where = (tmp_path / "spool", tmp_path / "state")
    assert measure_lag(*where, batch().at) == Lag()
    fill(tmp_path, range(100), batch)
    lag = measure_lag(*where, batch(150).at)
    assert lag.bytes == sum(
        p.stat().st_size - segments.HEADER_BYTES for p in segments_left(tmp_path)
    )
    assert 90 <= lag.records <= 110
    assert lag.seconds == 150
    with recorder(tmp_path, clock) as opened:
        opened.drain_once()
        assert measure_lag(*where, batch(150).at).bytes == 0
        with spool(tmp_path, "w1") as more:
            more.append(batch(140))
            assert measure_lag(*where, batch(150).at)[1:3] == (1, 10.0)


def test_time_goes_on_without_predictions(tmp_path, batch, clock):
    """What is under way has a minute from its time stamp to the spool."""

    def until():
        return recorded_until(read_status(tmp_path / "state"))

    fill(tmp_path, [1], batch)
    with recorder(tmp_path, clock) as opened:
        last = opened.drain_once().watermark
        assert until() == last  # more may have come meanwhile
        clock.time = last + 30.0
        opened.drain_once()
        assert until() == last
        clock.time = last + 3600.0
        opened.drain_once()
        assert until() == last + 3600.0 - UNDER_WAY
        clock.time = last + 7200.0
        fill(tmp_path, [2], batch, writer="w1", at=last + 7100.0)
        opened.drain_once()
        assert until() == last + 7100.0
        with spool(tmp_path, "w2") as opened_spool:
            assert opened_spool.append(batch(3, at=last + 7100.0))
            opened.drain_once()
            # and now a record that is not whole yet
            path = next(path for path in segments_left(tmp_path) if "w2" in str(path))
            whole = segments.frame(segments.encode(batch(4)), segments.read_identity(path))
            with path.open("ab", buffering=0) as file:
                file.write(whole[:30])
            clock.time = last + 9000.0
            opened.drain_once()
            opened.drain_once()
            assert until() == last + 7100.0


def test_an_empty_spool_that_never_had_anything_says_nothing(tmp_path, clock):
    (tmp_path / "spool").mkdir()
    with recorder(tmp_path, clock) as opened:
        opened.drain_once()
    assert recorded_until(read_status(tmp_path / "state")) is None
