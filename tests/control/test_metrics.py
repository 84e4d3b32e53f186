"""``/metrics`` of the control plane: measured anew at each request."""

from __future__ import annotations

from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from holdfast.recording.recorder import Recorder
from holdfast.recording.spool import FileSpool
from holdfast.records import PredictionBatch


def numbers(client: httpx.Client) -> dict[str, float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_lag_and_damage_are_metrics(trained: Any, run: Any) -> None:
    with run(trained.container) as client:
        assert numbers(client)["holdfast_recorder_lag_bytes"] == 0
        check(trained, client)


def check(trained: Any, client: httpx.Client) -> None:
    home = trained.home
    at = trained.clock.timestamp() - 90
    with FileSpool(home / "spool" / "s", 2**20, writer="w0") as spool:
        for number in range(20):
            batch = PredictionBatch(
                request=f"p-{number:04d}", model="tiny", version=1, epoch=1, at=at, role="live",
                names=("size",), columns=[[0.5]], ids=None, predictions=[True], scores=[0.5],
                seconds=0.001,
            )  # fmt: skip
            assert spool.append(batch)
    (path,) = (home / "spool").rglob("*.seg")
    data = bytearray(path.read_bytes())
    data[100] ^= 0xFF
    path.write_bytes(bytes(data))
    (home / "spool" / "s" / "w0" / "00000000.seg").write_bytes(b"no segment, whatever it is")
    before = numbers(client)
    assert before["holdfast_recorder_lag_records"] == 19
    assert round(before["holdfast_recorder_lag_seconds"]) == 90
    assert before["holdfast_recorder_spool_bytes"] == len(data)
    assert before["holdfast_recorder_unreadable_segments"] == 1
    log = trained.container.log
    with Recorder(home / "spool", log, home / "recorder" / "main", trained.clock) as recorder:
        recorder.drain_once()
    after = numbers(client)
    assert after["holdfast_recorder_rows_total"] == 19
    assert after["holdfast_recorder_damaged_total"] == 1
    assert after["holdfast_recorder_lag_bytes"] == 0
    assert after["holdfast_recorder_failing"] == 0
    said = trained.holdfast("status").stdout
    assert "1 damaged stretches of the spool were passed over" in said
    assert "1 files of the spool cannot be read" in said
