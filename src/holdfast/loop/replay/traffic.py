"""Asks what is live about the rows of a history, and records the answers as a server's recorder
does: prediction log, summaries, labels when they become known. Without HTTP and without a spool.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl

from holdfast.bundle.columns import from_polars
from holdfast.bundle.predictor import Outputs
from holdfast.bundle.redaction import Redaction, policy_of
from holdfast.errors import BundleError
from holdfast.loop.record import counts_of
from holdfast.loop.recorded import recorded_columns
from holdfast.loop.recorders import RECORDER
from holdfast.loop.replay.history import KNOWN, ROW
from holdfast.loop.replay.world import ReplayContainer
from holdfast.recording.frames import SCHEMA
from holdfast.recording.label_values import label_reader
from holdfast.recording.progress import UNDER_WAY, Status, save_status
from holdfast.recording.values import FEATURE, text
from holdfast.records import Arm, Route
from holdfast.records.prediction import Role
from holdfast.serving.limits import Limits
from holdfast.serving.loader import bundle_loader
from holdfast.serving.router import LiveRoute, Loaded, arm_key

SECONDS = 0.001
"""What every answer is said to have taken: how fast a machine answers is no matter of history."""


class Traffic:
    """The world outside, for one course.

    Args:
        container: whose installation is asked.
        rows: the history's, in order of time.
        summarise: whether the answers are counted too: without, nothing can be monitored.
    """

    def __init__(
        self, container: ReplayContainer, rows: pl.DataFrame, *, summarise: bool = True
    ) -> None:
        self._container = container
        self._spec = container.project_spec()
        self._rows = rows
        self._summarise = summarise
        self._load = bundle_loader(key=container.key)
        self._loaded: dict[tuple[int, str], Loaded] = {}
        self._live: LiveRoute | None = None
        self._day: pl.DataFrame | None = None
        self._ids = Redaction(policy_of(self._spec.record), container.key, self._spec.data.id)
        self._labels = self._known_labels()

    def play(self, since: datetime, until: datetime) -> int:
        """Asks about the rows of a time, ``until`` not included; moves the clock to ``until`` and
        as much further as the recorder takes to be sure that nothing is missing.

        Doing it again replaces what it wrote.

        Returns:
            How many rows.
        """
        time = pl.col(self._spec.data.time)
        asked = self._rows.filter((time >= since) & (time < until))
        for day, rows in _days(asked, self._spec.data.time):
            self._record(day, self._answers(rows))
        clock = self._container.rehearsal
        clock.advance(until + timedelta(seconds=UNDER_WAY))
        self._tell(asked)
        return asked.height

    def learn(self, since: datetime, until: datetime) -> int:
        """Takes in the labels that became known in a time; taking them in again changes nothing."""
        known = self._labels.filter((pl.col("at") >= since) & (pl.col("at") < until))
        if known.height:
            now = self._container.clock.now()
            self._container.labels.add(self._spec.model.name, known, now)
        return known.height

    def _known_labels(self) -> pl.DataFrame:
        """Every label of the history in the form of the store, in the order they become known."""
        data, task = self._spec.data, self._spec.model.task
        known = self._rows.filter(pl.col(KNOWN).is_not_null()).sort(KNOWN, maintain_order=True)
        read = label_reader(task, ())
        labels = [read(value) for value in known[data.label].to_list()]
        ids = self._own_ids(known) or known[ROW].to_list()
        return pl.DataFrame(
            {"id": ids, "label": labels, "at": known[KNOWN]},
            schema_overrides={"id": pl.String, "label": pl.String},
        )

    def _own_ids(self, rows: pl.DataFrame) -> list[str] | None:
        name = self._spec.data.id
        return None if name is None else self._ids.ids(rows[name].to_list())

    def _answers(self, rows: pl.DataFrame) -> pl.DataFrame:
        """What each version that the route names says of the rows, as rows of the log."""
        live = self._route()
        parts: list[pl.DataFrame] = []
        for loaded, chosen in _by_version(live, rows, self._spec.data.id or ROW):
            parts.extend(self._asked(live, loaded, chosen, "live"))
            for other in live.watchers([loaded]):
                parts.extend(self._asked(live, other, chosen, "shadow"))
        return pl.concat(parts, how="diagonal_relaxed")

    def _asked(
        self, live: LiveRoute, loaded: Loaded, rows: pl.DataFrame, role: Role
    ) -> Iterator[pl.DataFrame]:
        """One version's answers; rows that it cannot answer are found by halves, and answered by
        the champion as a server does.
        """
        try:
            columns = from_polars(rows, loaded.signature)
            yield self._frame(live, loaded, rows, role, loaded.predict(columns, rows.height))
        except BundleError as error:
            if rows.height > 1:
                middle = rows.height // 2
                yield from self._asked(live, loaded, rows[:middle], role)
                yield from self._asked(live, loaded, rows[middle:], role)
                return
            yield self._frame(live, loaded, rows, role, None, error.code)
            if role == "live" and loaded is not live.champion:
                yield from self._asked(live, live.champion, rows, role)

    def _frame(
        self, live: LiveRoute, loaded: Loaded, rows: pl.DataFrame, role: Role,
        outputs: Outputs | None, error: str = "",
    ) -> pl.DataFrame:  # fmt: skip
        features = [field.name for field in loaded.signature.inputs]
        recorded = recorded_columns(rows, features, loaded.signature, loaded.redaction)
        named = rows[ROW].alias("prediction_id")
        ids = self._own_ids(rows)
        facts = pl.DataFrame({"prediction_id": named, "at": rows[self._spec.data.time]})
        facts = facts.with_columns(
            named.alias("request"),
            named.alias("id") if ids is None else pl.Series("id", ids, dtype=pl.String),
            version=pl.lit(loaded.version, pl.Int64), epoch=pl.lit(live.route.epoch, pl.Int64),
            role=pl.lit(role), error=pl.lit(error), seconds=pl.lit(SECONDS), inputs=pl.lit(True),
            **_answer_columns(outputs, rows.height, loaded.task),
        )  # fmt: skip
        return facts.select(list(SCHEMA)).with_columns(
            column.fill_nan(None).alias(FEATURE + column.name)
            if column.dtype.is_float() else column.alias(FEATURE + column.name)
            for column in recorded
        )  # fmt: skip

    def _record(self, day: datetime, answers: pl.DataFrame) -> None:
        """Writes the answers of a day so far, in one file a day: few files are read fast."""
        model, log = self._spec.model.name, self._container.log
        if self._day is None or self._day["at"][0].date() != day.date():
            after = log.scan(model, day, day + timedelta(days=1)).collect()
            self._day = after if after.height else None
        if self._day is not None:
            earlier = self._day.filter(pl.col("at") < answers["at"].min())
            answers = pl.concat([earlier, answers], how="diagonal_relaxed")
        self._day = answers
        name = f"replay-{day:%Y%m%d}"
        log.write({model: answers}, name)
        if self._summarise:
            live = answers.filter((pl.col("role") == "live") & (pl.col("error") == ""))
            for (number,), part in live.group_by("version"):
                version = self._container.version(model, int(str(number)))
                reference = self._container.reference(version)
                counts = counts_of(part, reference, model, version.number)
                self._container.summaries.write(model, version.number, counts, name)

    def _tell(self, asked: pl.DataFrame) -> None:
        """Says how far the log goes, as a recorder with an empty spool does."""
        now = self._container.clock.timestamp()
        folder = self._container.settings.folder(f"recorder/{RECORDER}")
        last = asked[self._spec.data.time].max() if asked.height else None
        save_status(
            folder,
            Status(
                at=now, lag_bytes=0, spool_bytes=0, rows=asked.height, skipped=0, torn=0,
                watermark=last.timestamp() if isinstance(last, datetime) else now - UNDER_WAY,
                unreadable=0, idle_at=now,
            ),
        )  # fmt: skip

    def _route(self) -> LiveRoute:
        store = self._container.store
        route = self._container.ask(store.routes.current, self._spec.model.name)
        assert route is not None
        if self._live is None or self._live.route != route:
            self._live = self._made(route)
        return self._live

    def _made(self, route: Route) -> LiveRoute:
        arms = (*route.arms, *route.shadow)
        known = {arm_key(arm): self._loaded.get(arm_key(arm)) or self._opened(arm) for arm in arms}
        self._loaded = known
        return LiveRoute(
            route,
            [(arm, known[arm_key(arm)]) for arm in route.arms],
            [known[arm_key(arm)] for arm in route.shadow],
            (),
            Limits(),
        )

    def _opened(self, arm: Arm) -> Loaded:
        return Loaded(arm, self._load(arm), Limits())


def _answer_columns(outputs: Outputs | None, n: int, task: str) -> dict[str, pl.Series]:
    empty = [None] * n
    score, scores, prediction = empty, empty, empty
    if outputs is not None:
        prediction = [text(value) for value in outputs.prediction.tolist()]  # type: ignore[misc]
        if task == "multiclass":
            scores = outputs.score.tolist()
        else:
            score = outputs.score.tolist()
    return {
        "prediction": pl.Series(prediction, dtype=pl.String),
        "score": pl.Series(score, dtype=pl.Float64),
        "scores": pl.Series(scores, dtype=pl.List(pl.Float64)),
    }


def _by_version(
    live: LiveRoute, rows: pl.DataFrame, key: str
) -> Iterator[tuple[Loaded, pl.DataFrame]]:
    """The rows by the version that answers them: each row is a request of its own."""
    if live.only is not None:
        yield live.only, rows
        return
    chosen = pl.Series([live.choose(name).version for name in rows[key].to_list()])
    for number in chosen.unique().sort().to_list():
        yield live.versions[number], rows.filter(chosen == number)


def _days(rows: pl.DataFrame, time: str) -> Iterator[tuple[datetime, pl.DataFrame]]:
    """The rows of each UTC day, with its midnight."""
    dates = rows[time].dt.date()
    for date in dates.unique().sort().to_list():
        yield datetime(date.year, date.month, date.day, tzinfo=UTC), rows.filter(dates == date)
