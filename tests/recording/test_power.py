"""The loss of power: only what was synchronised, under names that were synchronised, is left.

The file layer under the segments is replaced by one that remembers, for each file, its content at
the last ``fdatasync``, and for each folder the names at its last ``fsync``. A cut leaves just that,
and perhaps a part of what was written since, as real disks do.
"""

import asyncio
import errno
import os
import random
import threading
from types import SimpleNamespace

import pytest

from holdfast.recording import segment_file, segments, spool
from holdfast.recording.log import PredictionLog
from holdfast.recording.recorder import Recorder
from holdfast.recording.spool import FileSpool

LIMIT = 2**30


class Disk:
    """What would be left, were the power cut now."""

    def __init__(self, monkeypatch):
        self.files, self.synced, self.named = {}, {}, set()
        self.syncs, self.broken = 0, False
        layer = SimpleNamespace(**{name: getattr(os, name) for name in dir(os) if name[0] != "_"})
        layer.open, layer.fdatasync, layer.write = self.open, self.fdatasync, self.write
        monkeypatch.setattr(segment_file, "os", layer)
        monkeypatch.setattr(spool, "sync_folder", self.sync_folder)

    def open(self, path, flags, mode):
        file = os.open(path, flags, mode)
        self.files[file] = path
        return file

    def write(self, file, data):
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return os.write(file, data)

    def fdatasync(self, file):
        # What is written while the disk works at it may not be there.
        with open(f"/proc/self/fd/{file}", "rb") as again:  # noqa: PTH123 (its name may be gone)
            content = again.read()
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.syncs += 1
        self.synced[self.files[file]] = content

    def sync_folder(self, folder):
        self.named |= set(folder.glob("*.seg"))

    def cut(self, target, rng):
        """Writes what is left to another folder."""
        for path in sorted(self.named):
            content = self.synced.get(path, b"")
            rest = path.read_bytes()[len(content) :] if path.exists() else b""
            part = rest[: rng.randint(0, len(rest))]
            debris = rng.choice([b"", part, bytes(len(part)), bytes(len(rest))])
            copy = target / "spool" / "s1" / "w0" / path.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content + debris)


@pytest.fixture
def disk(monkeypatch):
    return Disk(monkeypatch)


def recorded(folder, clock):
    with Recorder(folder / "spool", PredictionLog(folder / "log"), folder / "s", clock) as drain:
        while drain.drain_once().rows:
            pass
    rows = PredictionLog(folder / "log").scan("delay").select("request").collect()
    return sorted(rows["request"].to_list())


def rounds(opened, number):
    """Waits for rounds of the spool's thread that began after this call."""
    done, seen = threading.Event(), []

    def tell(_used, _healthy):
        seen.append(1)
        if len(seen) > number + 1:  # one is told at once, and one may have begun before
            done.set()

    opened.watch(tell)
    assert done.wait(60)


@pytest.mark.parametrize("seed", range(8))
def test_only_what_came_since_the_last_round_is_lost(tmp_path, batch, clock, disk, seed):
    rng = random.Random(seed)
    with FileSpool(tmp_path / "a", LIMIT, fsync_interval=0.002, segment_bytes=2048) as opened:
        settled = 0
        for _ in range(3):
            for number in range(settled, settled + rng.randint(1, 60)):
                assert opened.append(batch(number))
            settled = number + 1
            rounds(opened, 2)
        for number in range(settled, settled + 20):
            assert opened.append(batch(number))
        disk.cut(tmp_path, rng)
    found = recorded(tmp_path, clock)
    assert found[:settled] == [f"r{n:06d}" for n in range(settled)]
    assert set(found) <= {f"r{n:06d}" for n in range(settled + 20)}


@pytest.mark.parametrize("seed", range(8))
def test_always_loses_nothing_that_was_waited_for(tmp_path, batch, clock, disk, seed):
    rng = random.Random(seed)
    opened = FileSpool(tmp_path / "a", LIMIT, fsync_interval="always", segment_bytes=2048)
    done = []

    async def answer(number):
        await asyncio.sleep(rng.random() / 100)
        assert opened.append(batch(number))
        assert await opened.synced()
        done.append(f"r{number:06d}")
        if len(done) == 60:
            disk.cut(tmp_path, rng)
            done.append("cut")

    async def everybody():
        await asyncio.gather(*(answer(number) for number in range(120)))

    with opened:
        asyncio.run(everybody())
        assert disk.syncs < 120  # those who wait at the same time share one
    before = set(done[: done.index("cut")])
    assert before <= set(recorded(tmp_path, clock))


def test_a_disk_that_fails_to_synchronise_is_told_to_those_who_wait(tmp_path, batch, disk):
    async def ask(opened):
        assert opened.append(batch(0))
        assert await opened.synced()
        disk.broken = True
        assert not opened.append(batch(1))
        disk.broken = False
        await until(lambda: opened.healthy)
        assert opened.append(batch(2))
        disk.broken = True
        assert not await opened.synced()
        assert not opened.healthy
        disk.broken = False
        await until(lambda: opened.healthy)
        assert opened.append(batch(3))
        assert await opened.synced()

    async def until(true):
        async with asyncio.timeout(60):
            while not true():  # noqa: ASYNC110 (another thread finds out)
                await asyncio.sleep(0.005)

    with FileSpool(tmp_path, LIMIT, fsync_interval="always") as opened:
        asyncio.run(ask(opened))
        assert opened.lost == 2
    paths = sorted(tmp_path.rglob("*.seg"))
    assert len(paths) > 1  # nothing more was written behind what could not be synchronised
    found = [one.request for path in paths for one in segments.read(path).batches]
    assert found == ["r000000", "r000002", "r000003"]


def test_what_is_appended_after_the_end_is_not_waited_for(tmp_path, batch):
    opened = FileSpool(tmp_path, LIMIT, fsync_interval="always")
    opened.close()
    assert not opened.append(batch())
    assert not asyncio.run(opened.synced())
