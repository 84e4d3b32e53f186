import asyncio
import signal
import subprocess
import sys
import threading
import time

import pytest

from holdfast.errors import ConflictError, UnavailableError
from holdfast.recording import segments
from holdfast.recording.spool import RETRY_SECONDS, FileSpool
from holdfast.recording.spool_folder import spool_bytes

MIB = 2**20


class Timer:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.005)


def requests(folder):
    found = []
    for path in sorted(folder.rglob("*.seg")):
        scan = segments.read(path)
        assert (scan.skipped, scan.torn) == (0, 0)
        found += [batch.request for batch in scan.batches]
    return found


@pytest.mark.parametrize("interval", [0.01, "always"])
def test_records_are_kept_in_order(tmp_path, batch, interval):
    with FileSpool(tmp_path, MIB, fsync_interval=interval, segment_bytes=1024) as spool:
        assert all(spool.append(batch(n)) for n in range(50))
        assert spool.healthy
        assert spool.lost == 0
        assert requests(tmp_path) == [f"r{n:06d}" for n in range(50)]
    paths = sorted(path.name for path in tmp_path.rglob("*.seg"))
    assert paths[0] == "00000001.seg"
    assert len(paths) > 5
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.rglob("*.seg"))


def test_it_satisfies_the_port(tmp_path):
    from holdfast.ports.spool import Spool

    spool: Spool = FileSpool(tmp_path, MIB)
    assert spool.healthy
    spool.close()


def test_threads_share_a_spool(tmp_path, batch):
    with FileSpool(tmp_path, 64 * MIB, fsync_interval=0.005, segment_bytes=4096) as spool:

        def work(first):
            for n in range(first, first + 200):
                assert spool.append(batch(n))

        threads = [threading.Thread(target=work, args=(1000 * i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    expected = [f"r{1000 * i + n:06d}" for i in range(4) for n in range(200)]
    assert sorted(requests(tmp_path)) == expected


def test_a_writer_begins_a_new_segment_each_time(tmp_path, batch):
    for n in range(3):
        with FileSpool(tmp_path, MIB, writer="w0") as spool:
            assert spool.append(batch(n))
    assert [p.name for p in sorted((tmp_path / "w0").glob("*.seg"))] == [
        f"{n:08d}.seg" for n in (1, 2, 3)
    ]
    assert requests(tmp_path) == ["r000000", "r000001", "r000002"]


def test_a_name_is_for_one_writer(tmp_path):
    with (
        FileSpool(tmp_path, MIB, writer="w0"),
        pytest.raises(ConflictError, match="another server writes"),
    ):
        FileSpool(tmp_path, MIB, writer="w0")
    FileSpool(tmp_path, MIB, writer="w0").close()


def test_a_folder_that_cannot_be_made_is_told_at_the_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError) as caught:
        FileSpool(tmp_path / "file" / "spool", MIB)
    assert caught.value.code == "recording.spool_folder"


def test_after_closing_records_are_lost(tmp_path, batch):
    spool = FileSpool(tmp_path, MIB)
    spool.close()
    spool.close()
    assert not spool.append(batch())
    assert spool.lost == 1


def test_the_limit_holds_and_is_left_when_the_recorder_deletes(tmp_path, batch):
    timer = Timer()
    with FileSpool(tmp_path, 20_000, timer=timer, segment_bytes=4096) as spool:
        kept = 0
        while spool.append(batch(kept)):
            kept += 1
        assert not spool.healthy
        assert spool_bytes(tmp_path) <= 20_000
        assert spool.used <= 20_000
        assert not spool.append(batch())
        assert spool.lost == 2
        present = sorted(tmp_path.rglob("*.seg"))
        for path in present[:-1]:
            path.unlink()
        assert present[-1].stat().st_size == 0  # the rest was sealed
        assert not spool.append(batch())  # not tried again yet
        timer.now += RETRY_SECONDS
        until(lambda: spool.healthy)
        assert spool.append(batch())
        assert spool.healthy
        assert spool.lost == 3
    assert kept > 40


def test_other_writers_count_towards_the_limit(tmp_path, batch):
    timer = Timer()
    with (
        FileSpool(tmp_path, 20_000, timer=timer) as one,
        FileSpool(tmp_path, 20_000, timer=timer) as two,
    ):
        while one.append(batch()):
            pass
        timer.now += 1.0
        assert not two.append(batch())


def test_while_it_fails_the_disk_is_left_alone(tmp_path, batch):
    timer = Timer()
    spool = FileSpool(tmp_path, MIB, timer=timer, writer="w0")
    folder = spool.folder
    moved = folder.rename(tmp_path / "moved")  # no segment can be made in it now
    assert not spool.append(batch(1))
    moved.rename(folder)
    assert not spool.append(batch(2))
    assert list(folder.glob("*.seg")) == []
    timer.now += RETRY_SECONDS
    until(lambda: spool.healthy)
    assert spool.append(batch(3))
    assert spool.lost == 2
    spool.close()
    assert requests(tmp_path) == ["r000003"]


WRITER = """
from holdfast.recording.spool import FileSpool
spool = FileSpool(Path(sys.argv[1]), 2**30, writer="w0", segment_bytes=64 * 1024)
number = 0
while True:
    assert spool.append(build(number))
    print(number, flush=True)
    number += 1
"""


@pytest.mark.parametrize("lines", [1, 50, 3000])
def test_every_acknowledged_record_survives_kill_9(tmp_path, python, lines):
    process = python(WRITER, tmp_path)
    for _ in range(lines):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split("\n")[:-1]
    process.wait()
    acknowledged = lines + len(rest)
    found = []
    for path in sorted(tmp_path.rglob("*.seg")):
        found += [batch.request for batch in segments.read(path).batches]
    assert len(found) in (acknowledged, acknowledged + 1)  # one may have been written, not told
    assert found == [f"r{n:06d}" for n in range(len(found))]
    FileSpool(tmp_path, MIB, writer="w0").close()  # the dead process holds nothing


def test_a_server_imports_nothing_heavy():
    code = (
        "import sys; import holdfast.recording.spool, holdfast.recording.segments; "
        "print([m for m in ('polars', 'pandas', 'pyarrow', 'duckdb') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def test_records_written_together_are_all_kept_or_none(tmp_path, batch):
    size = len(segments.frames([segments.encode(batch(1))], b"12345678"))
    with FileSpool(tmp_path, 8 * size, segment_bytes=MIB) as spool:
        assert spool.extend([batch(n) for n in range(5)])
        assert requests(tmp_path) == [f"r{n:06d}" for n in range(5)]
        assert not spool.extend([batch(n) for n in range(5, 10)])
        assert spool.lost == 5
        assert not spool.healthy
        assert requests(tmp_path) == [f"r{n:06d}" for n in range(5)]


def test_records_written_together_are_all_on_the_disk(tmp_path, batch):
    async def run(spool):
        assert spool.extend([batch(n) for n in range(3)])
        return await spool.synced()

    with FileSpool(tmp_path, MIB, fsync_interval="always") as spool:
        assert asyncio.run(run(spool))
