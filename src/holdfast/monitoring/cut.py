"""How the columns of the reference are cut into cells, once and for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from holdfast.monitoring import views
from holdfast.monitoring.cells import CATEGORIES, PREDICTION, as_numbers, as_text, is_numeric
from holdfast.records import Bins, Space
from holdfast.spec import Task

EDGES = 255
SPIKES = 16
SPIKE_SHARE = 0.01
# A probability of ½ or more is answered as positive, so that a cell may not reach across.
_HALF = float(np.nextafter(0.5, 0.0))


def all_bins(name: str, series: pl.Series, task: Task, spaces: Mapping[str, Space]) -> list[Bins]:
    """The cells of one column, or of each view of a text or an embedding.

    Args:
        name: of the column.
        series: its held-out rows.
        task: what is predicted.
        spaces: of the columns of embeddings; those without one cannot be counted.
    """
    if views.is_embedding(series):
        wanted = _embedding_bins(name, spaces[name]) if name in spaces else []
    elif views.is_text(series):
        wanted = _text_bins(name, series)
    else:
        also = (_HALF,) if name == PREDICTION and task == "binary" else ()
        return [make_bins(name, series, also)]
    columns = [(one, series) for one in wanted]
    return [_cut(what, values, spaces) for what, values in views.seen(columns, spaces)]


def spaces_of(columns: Mapping[str, pl.Series]) -> dict[str, Space]:
    """Freezes a space for each column of embeddings that has enough rows."""
    found = {
        name: views.make_space(views.vectors(series, views.width_of(series)))
        for name, series in columns.items()
        if views.is_embedding(series)
    }
    return {name: space for name, space in found.items() if space is not None}


def _text_bins(name: str, series: pl.Series) -> list[Bins]:
    words = views.text_words(series)
    return [
        Bins(
            column=f"{name}.{view}", kind="numeric", view=view, source=name,
            words=words if view == "unknown" else (),
        )
        for view in views.TEXT_VIEWS
    ]  # fmt: skip


def _embedding_bins(name: str, space: Space) -> list[Bins]:
    shown = range(min(len(space.axes[0]), views.SHOWN))
    return [
        Bins(column=f"{name}.cluster", kind="numeric", view="cluster", source=name),
        Bins(column=f"{name}.distance", kind="numeric", view="distance", source=name),
        *(
            Bins(column=f"{name}.axis{i + 1}", kind="numeric", view="axis", source=name, axis=i)
            for i in shown
        ),
    ]


def _cut(what: Bins, values: pl.Series, spaces: Mapping[str, Space]) -> Bins:
    """Cells of a view; every value it can have gets one, the most frequent first."""
    cut = make_bins(what.column, values)
    every: list[str] = []
    if what.view == "token":
        every = [*map(str, range(views.TOKENS)), views.NO_WORDS]
    elif what.view == "cluster":
        every = list(map(str, range(len(spaces[what.source].centres))))
    rest = [value for value in every if value not in set(cut.categories)]
    return msgspec.structs.replace(
        what,
        kind=cut.kind,
        edges=cut.edges,
        spikes=cut.spikes,
        categories=(*cut.categories, *rest),
    )


def make_bins(name: str, series: pl.Series, also: Sequence[float] = ()) -> Bins:
    """The cells of one column.

    Numeric: a value held by at least 1 % of the rows gets a cell of its own (at most 16), the rest
    is cut at quantiles (at most 255 edges), with an empty cell on either side of the range.
    Categorical: the 1,000 most frequent values. ``also`` are edges that must be among them.
    """
    if not is_numeric(series):
        found = as_text(series).drop_nulls().alias("value").value_counts()
        ranked = found.sort(["count", "value"], descending=[True, False])
        categories = tuple(ranked["value"].head(CATEGORIES).to_list())
        return Bins(column=name, kind="categorical", categories=categories)
    values = as_numbers(series)
    values = values[np.isfinite(values)]
    if not values.size:
        return Bins(column=name, kind="numeric")
    distinct, counts = np.unique(values, return_counts=True)
    frequent = np.flatnonzero(counts >= max(SPIKE_SHARE * series.len(), 2))
    top = frequent[np.argsort(-counts[frequent], kind="stable")][:SPIKES]
    spikes = np.sort(distinct[top])
    rest = values[~np.isin(values, spikes)]
    ends = [np.nextafter(distinct[0], -np.inf), distinct[-1]]
    room = EDGES - len(ends) - spikes.size - len(also)
    inner: ArrayLike = np.quantile(rest, np.arange(1, room + 1) / (room + 1)) if rest.size else []
    edges = np.unique(np.concatenate([ends, spikes, inner, also]))
    return Bins(
        column=name, kind="numeric", edges=tuple(edges.tolist()), spikes=tuple(spikes.tolist())
    )
