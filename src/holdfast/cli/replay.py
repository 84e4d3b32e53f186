"""``replay``: the whole operation on history, on simulated time."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from holdfast.cli.common import Context, common, parse_time, table, when

if TYPE_CHECKING:
    from holdfast.loop.replay.ordering import Order, Replay
    from holdfast.loop.replay.results import Outcome, Result


@click.command(
    epilog="""Example:
\b
holdfast replay                                       the project's own source
holdfast replay history.csv --time t --label y        a table, without a project
holdfast replay --policy a.toml --policy b.toml       which thresholds would have done best?
holdfast replay log.parquet --time t --label y --prediction score"""
)
@click.argument("data", required=False)
@click.option(
    "--policy", "policies", multiple=True, metavar="FILE",
    type=click.Path(path_type=Path),
    help="TOML with what is different in [monitor], [gate], [release], [retrain]; repeat to "
    "compare.",
)  # fmt: skip
@click.option("--time", metavar="COLUMN", help="When the prediction is made.")
@click.option("--label", metavar="COLUMN", help="What turned out to be true.")
@click.option("--label-time", metavar="COLUMN", help="When the label became known.")
@click.option("--label-delay", metavar="TIME", help="Or how long that takes, such as 6h or 14d.")
@click.option("--prediction", metavar="COLUMN", help="What an existing model answered: watch that.")
@click.option("--id", "id_column", metavar="COLUMN", help="The caller's own id.")
@click.option("--features", metavar="A,B,…", help="Columns to learn from; all that fit by default.")
@click.option(
    "--task", type=click.Choice(["binary", "multiclass", "regression"]),
    help="What is predicted, without a project; inferred by default.",
)  # fmt: skip
@click.option("--start", metavar="TIME", help="When the first version goes live.")
@click.option("--every", metavar="TIME", default="1d", show_default=True, help="Between two looks.")
@click.option(
    "--schedule", metavar="CRON", default="0 3 1 * *", show_default=True,
    help="Trainings of the course that is retrained by schedule, UTC.",
)  # fmt: skip
@click.option("--ray", metavar="ADDRESS", help="Go through the courses on this Ray cluster.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of results.")
@click.option("--fresh", is_flag=True, help="Begin anew, though the same was begun or done before.")
@common
def replay(context: Context, data: str | None, **options: Any) -> None:
    """Run the whole operation over DATA, a history, on simulated time.

    What would have happened with the loop, with trainings by schedule alone, and without either:
    quality over time, pages and whether they were right, trainings, releases, rollbacks. DATA is a
    glob of CSV or Parquet files; by default the source of the project. Stopped or killed, the same
    command goes on where it was.
    """
    from holdfast.loop.replay.on_ray import run_on_ray
    from holdfast.loop.replay.ordering import first_version, gather, prepare, share_first
    from holdfast.loop.replay.processes import run_here
    from holdfast.loop.settings import load_settings

    home = load_settings(context.project.absolute()).home
    order = _order(data, options)
    found = prepare(
        order, context.project, home, options["out"], context.progress, fresh=options["fresh"]
    )
    result = found.result
    if result is None:
        context.progress("training the first version")
        share_first(found, first_version(found))
        with _Progress() as progress:
            if options["ray"]:
                run_on_ray(found.courses, options["ray"], progress.tell)
            else:
                run_here(found.courses, progress.tell)
        result = gather(found)
    _write_page(found, result)
    context.emit(result, lambda: _lines(found, result))


def _order(data: str | None, options: Mapping[str, Any]) -> Order:
    from holdfast.loop.replay.history import Columns
    from holdfast.loop.replay.ordering import Order

    features = options["features"]
    start = options["start"]
    delay = options["label_delay"]
    columns = Columns(
        time=options["time"],
        label=options["label"],
        label_time=options["label_time"],
        label_delay=None if delay is None else _duration(delay),
        prediction=options["prediction"],
        id=options["id_column"],
        features=tuple(name.strip() for name in features.split(",")) if features else (),
    )
    return Order(
        source=data,
        columns=columns,
        policies=tuple(str(policy.absolute()) for policy in options["policies"]),
        task=options["task"],
        start=None if start is None else parse_time(start),
        every=_duration(options["every"], least=timedelta(hours=1)),
        schedule=_schedule(options["schedule"]),
    )


def _duration(text: str, least: timedelta = timedelta(0)) -> timedelta:
    from holdfast.spec import parse_duration

    try:
        length = parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    if length < least:
        raise click.BadParameter(f"'{text}' is less than an hour")
    return length


def _schedule(text: str) -> str:
    from holdfast.spec.schedule import check_schedule

    try:
        check_schedule(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return text


class _Progress:
    """A bar over all courses, on a terminal only."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._bar: Any = None
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)

    def tell(self, shares: Mapping[str, float]) -> None:
        """How much of each course is done."""
        if not self._shown:
            return
        if self._bar is None:
            label = f"replaying {len(shares)} courses" if len(shares) > 1 else "replaying"
            self._bar = click.progressbar(length=1000, label=label, file=sys.stderr)
            self._bar.__enter__()
        now = round(1000 * sum(shares.values()) / len(shares))
        self._bar.update(now - self._done)
        self._done = now


def _write_page(found: Replay, result: Result) -> None:
    from holdfast.control.replay import page
    from holdfast.loop.clock import SystemClock

    text = page(result, found.series, SystemClock().now())
    (found.folder / "report.html").write_text(text, encoding="utf-8")


def _lines(found: Replay, result: Result) -> Iterator[str]:
    days = (result.end - result.begin).total_seconds() / 86400
    yield (
        f"{result.rows:,} rows from {when(result.start)[:10]} to {when(result.end)[:10]}; replayed "
        f"from {when(result.begin)[:16]}, {days:,.0f} days"
    )
    yield ""
    yield from table(
        ["course", result.metric_name, "loss", "pages", "right", "wrong", "trainings", "seconds",
         "releases", "rollbacks", "bad days", "noticed"],
        [_row(one) for one in result.courses],
    )  # fmt: skip
    yield ""
    yield from (_compared(result))
    for one in result.courses:
        yield from _told(one)
    yield from result.notes
    yield f"more: {found.folder / 'report.html'}, result.json and series.parquet beside it"


def _row(one: Outcome) -> Sequence[object]:
    found = [harm for harm in one.harms if harm.found_at is not None]
    monitored = one.kind in ("loop", "watched")
    return [
        one.name,
        None if one.metric is None else f"{one.metric:.4f}",
        None if one.loss is None else f"{one.loss:.4f}",
        len(one.pages) if monitored else None,
        sum(page.truth == "true" for page in one.pages) if monitored else None,
        sum(page.truth == "false" for page in one.pages) if monitored else None,
        len(one.trainings),
        round(one.seconds),
        sum(change.kind == "release" for change in one.changes),
        one.rollbacks,
        round(one.harmful_days),
        f"{len(found)} of {len(one.harms)}" if monitored else None,
    ]


def _compared(result: Result) -> Iterator[str]:
    """What the loop gained, in words."""
    plain = next((one for one in result.courses if one.kind == "without"), None)
    if plain is None or plain.loss is None:
        return
    for one in result.courses:
        if one.kind != "without" and one.loss is not None:
            change = one.loss - plain.loss
            how = "lower" if change < 0 else "higher"
            yield (
                f"{one.name}: loss {abs(change):.4f} {how} than never retrained "
                f"({abs(change) / plain.loss:.1%}), bad days {one.harmful_days:.0f} instead of "
                f"{plain.harmful_days:.0f}"
            )
    yield ""


def _told(one: Outcome) -> Iterator[str]:
    judged = {"true": "right", "false": "wrong", "unknown": "not known"}
    for page in one.pages:
        yield f"{_at(page.at)} {one.name}: page ({judged[page.truth]}): {page.sentence}"
    for harm in one.harms:
        if harm.found_at is not None:
            yield (
                f"{_at(harm.start)} {one.name}: loss {harm.loss:.3f} where {harm.tolerated:.3f} is "
                f"tolerated, until {_at(harm.end)[:10]}; noticed by a {harm.found_by} after "
                f"{harm.delay_hours:,.0f} hours"
            )


def _at(moment: datetime) -> str:
    return when(moment)[:16]
