"""``python -m holdfast.loop.record``: drains the spool into prediction log and summaries."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path

import msgspec
import polars as pl

from holdfast.bundle.manifest import read_file, read_manifest
from holdfast.errors import BundleError
from holdfast.loop.clock import make_clock
from holdfast.loop.parent import end_with_parent
from holdfast.loop.recorders import RECORDER
from holdfast.loop.routes_known import routes_known
from holdfast.loop.settings import Settings, load_settings, prepare
from holdfast.loop.summaries import SummaryStore
from holdfast.monitoring.cells import PREDICTION
from holdfast.monitoring.count import count
from holdfast.recording.log import PredictionLog
from holdfast.recording.recorder import Recorder
from holdfast.records import Reference

log = logging.getLogger("holdfast")

LAST_ROUNDS = 200


class Summarising:
    """Counts the live rows of each version over the cells of its bundle's reference.

    The bundles are found in the routes that the servers keep, so that a recorder needs neither
    database nor registry; once found they are remembered, for rows that were answered before a
    route changed.
    """

    def __init__(self, settings: Settings, store: SummaryStore) -> None:
        self._home = settings.home
        self._memory = settings.folder("recorder") / "bundles.json"
        self._store = store
        self._paths: dict[str, str] = {}
        self._references: dict[str, Reference] = {}
        if self._memory.exists():
            self._paths = msgspec.json.decode(self._memory.read_bytes(), type=dict[str, str])

    def __call__(self, frame: pl.DataFrame, name: str) -> None:
        """The recorder's sink; writing the same name again replaces it."""
        live = frame.filter((pl.col("role") == "live") & (pl.col("error") == ""))
        for (model, version), rows in live.group_by("model", "version"):
            reference = self._reference(str(model), int(str(version)))
            if reference is None:
                log.warning("%s version %s: no bundle is known, not summarised", model, version)
                continue
            counts = counts_of(rows, reference, str(model), int(str(version)))
            self._store.write(str(model), int(str(version)), counts, name)

    def _reference(self, model: str, version: int) -> Reference | None:
        key = f"{model}/{version}"
        if key not in self._references:
            if key not in self._paths:
                self._learn()
            path = self._paths.get(key)
            if path is None:
                return None
            try:
                data = read_file(Path(path), read_manifest(path), "reference.json")
            except BundleError as error:
                log.warning("%s: %s", key, error)
                return None
            self._references[key] = Reference.from_json(data)
        return self._references[key]

    def _learn(self) -> None:
        for route in routes_known(self._home):
            for arm in (*route.arms, *route.shadow, *route.resident):
                self._paths[f"{route.model}/{arm.version}"] = arm.path
        draft = self._memory.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(self._paths))
        draft.replace(self._memory)


def counts_of(rows: pl.DataFrame, reference: Reference, model: str, version: int) -> pl.DataFrame:
    """Counts rows of the log: the prediction of every row; the features of those whose inputs were
    recorded.
    """
    with_inputs = rows.filter("inputs")
    without = rows.filter(~pl.col("inputs"))
    parts = []
    if with_inputs.height:
        parts.append(_count(with_inputs, reference, model, version))
    if without.height:
        parts.append(_count(without, _prediction_only(reference), model, version))
    return pl.concat(parts)


def _count(rows: pl.DataFrame, reference: Reference, model: str, version: int) -> pl.DataFrame:
    columns = {bins.input: f"f_{bins.input}" for bins in reference.bins}
    columns["prediction"] = "score"
    if rows["score"].null_count() == rows.height:  # multiclass: the largest probability
        rows = rows.with_columns(score=pl.col("scores").list.max())
    slices = sorted({s.slice.partition("=")[0] for s in reference.summaries if s.slice})
    return count(rows, reference, model=model, version=version, slices=slices, columns=columns)


def _prediction_only(reference: Reference) -> Reference:
    bins = tuple(one for one in reference.bins if one.column == PREDICTION)
    summaries = tuple(one for one in reference.summaries if not one.slice)
    return msgspec.structs.replace(reference, bins=bins, summaries=summaries, joint=None)


def run(project: Path) -> int:
    """Records until SIGTERM or SIGINT, then drains what is left; returns 0."""
    end_with_parent()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    settings = prepare(load_settings(project.absolute()))
    summaries = SummaryStore(settings.folder("summaries"))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    recorder = Recorder(
        settings.folder("spool"),
        PredictionLog(settings.folder("log")),
        settings.folder("recorder") / RECORDER,
        clock=make_clock(settings.clock),
        sinks=[Summarising(settings, summaries)],
    )
    with recorder:
        recorder.run(stop)
        # A server that still writes keeps it busy, so the last rounds are bounded.
        for _ in range(LAST_ROUNDS):
            if not recorder.drain_once().lag_bytes:
                break
    return 0


if __name__ == "__main__":
    raise SystemExit(run(Path()))
