"""Segments on a disk that is full: all of a record, or nothing."""

import contextlib
import os
import subprocess
import sys
import threading
import time

import pytest

from holdfast.recording import segments
from holdfast.recording.spool import RETRY_SECONDS, FileSpool

MIB = 2**20


class Timer:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def requests(folder):
    found = []
    for path in sorted(folder.rglob("*.seg")):
        scan = segments.read(path)
        assert (scan.skipped, scan.torn) == (0, 0)
        found += [batch.request for batch in scan.batches]
    return found


SHORT = """
import resource, time
from holdfast.recording.spool import FileSpool
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
now = [0.0]
always = sys.argv[2] == "always"
spool = FileSpool(Path(sys.argv[1]), 2**30, fsync_interval="always" if always else 0.01,
                  timer=lambda: now[0])
kept = 0
while spool.append(build(kept)):
    kept += 1
assert not spool.healthy and spool.lost == 1, spool.lost
print(kept, max(p.stat().st_size for p in Path(sys.argv[1]).rglob("*.seg")))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert not spool.append(build(kept))
now[0] += 0.2
while not spool.healthy:
    time.sleep(0.005)
assert spool.append(build(kept)) and spool.healthy and spool.lost == 2
spool.close()
"""


@pytest.mark.parametrize("mode", ["often", "always"])
def test_a_record_that_was_written_in_part_is_taken_back(tmp_path, python, mode):
    """RLIMIT_FSIZE makes the kernel write a part and then fail, as a full disk does."""
    process = python(SHORT, tmp_path, mode)
    kept, size = map(int, process.stdout.read().split())
    assert process.wait() == 0
    assert 3 < kept < 30
    assert size < 3000  # the part that fitted was cut off again
    assert requests(tmp_path) == [f"r{n:06d}" for n in range(kept + 1)]


@contextlib.contextmanager
def small_disk(folder):
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=True, timeout=10
    )
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True, timeout=10)


def used(folder):
    state = os.statvfs(folder)
    return (state.f_blocks - state.f_bfree) * state.f_frsize


def eventually(condition):
    """Deleted segments free their room once the spool has closed them, in another thread."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.002)
    return condition()


def can_mount():
    if os.geteuid() != 0 or sys.platform != "linux":
        return False
    probe = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return subprocess.run(probe, capture_output=True, timeout=10).returncode == 0


MOUNTS = can_mount()

if MOUNTS:  # elsewhere the test above does the same by RLIMIT_FSIZE

    @pytest.mark.parametrize("interval", [0.01, "always"])
    def test_a_full_disk_is_survived(tmp_path, batch, interval):
        timer = Timer()
        with small_disk(tmp_path / "disk") as disk:
            spool = FileSpool(
                disk, 2**30, timer=timer, segment_bytes=64 * 1024, fsync_interval=interval
            )
            kept = 0
            while spool.append(batch(kept)):
                kept += 1
            assert not spool.healthy
            assert requests(disk) == [f"r{n:06d}" for n in range(kept)]
            timer.now += RETRY_SECONDS  # it is tried again, and still fails
            told = threading.Event()
            spool.watch(lambda _used, healthy: healthy or told.set())
            assert told.wait(10)
            assert not spool.append(batch(kept))
            assert spool.lost == 2
            assert requests(disk) == [f"r{n:06d}" for n in range(kept)]
            for path in sorted(disk.rglob("*.seg"))[:-1]:  # the recorder makes room
                path.unlink()
            timer.now += RETRY_SECONDS
            assert eventually(lambda: used(disk) < 128 * 1024)
            timer.now += RETRY_SECONDS
            assert eventually(lambda: spool.healthy)
            assert spool.append(batch(kept))
            spool.close()
            assert requests(disk)[-1] == f"r{kept:06d}"
        assert kept > 500


if MOUNTS:

    @pytest.mark.parametrize("interval", [0.01, "always"])
    def test_a_deleted_segment_frees_its_room_though_writing_fails(tmp_path, batch, interval):
        with small_disk(tmp_path / "disk") as disk:
            spool = FileSpool(disk, 2**30, segment_bytes=MIB, fsync_interval=interval)
            while used(disk) < 128 * 1024:
                assert spool.append(batch())
            assert not spool.append(batch(rows=100_000))  # begins a segment, and does not fit
            (full, _) = sorted(disk.rglob("*.seg"))
            full.unlink()
            assert eventually(lambda: used(disk) < 64 * 1024)
            spool.close()
