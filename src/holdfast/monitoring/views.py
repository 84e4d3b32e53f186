"""What is counted of a text or an embedding: a value a row, which then has cells like any other.

One row makes one count, so the counts of rows that do not depend on one another do not either,
however long the texts are. Everything is a function of the row alone, and embeddings are taken in
whole numbers, whose sums are exact: no split or order of the rows, and no mathematics library,
shows in the result.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple
from zlib import crc32

import numpy as np
import polars as pl
from numpy.typing import NDArray

from holdfast.monitoring.cells import CATEGORIES, as_text
from holdfast.records import Bins, Space, View

TOKENS = 1024
WORDS = 2000
WORDY = 3  # words a row on average that make a column of many values text
CENTRES = 256
AXES = 32
SHOWN = 8  # principal components that are counted one by one
NO_WORDS = "none"
_SAMPLE = 20_000
_BITS = 20
_PART = 4096  # rows whose distances to all centres are held at once

Floats = NDArray[np.float64]


class Placed(NamedTuple):
    """Embeddings in their frozen space.

    Args:
        cluster: (n,) nearest centre, null where there is no embedding.
        distance: (n,) from it; NaN likewise.
        points: (n, axes) principal components of equal variance; NaN likewise.
    """

    cluster: pl.Series
    distance: Floats
    points: Floats


def seen(
    columns: Iterable[tuple[Bins, pl.Series]], spaces: Mapping[str, Space]
) -> Iterator[tuple[Bins, pl.Series]]:
    """What of each column is counted: itself, unless its bins are of a view.

    Args:
        columns: bins and the column they read.
        spaces: of the columns of embeddings.
    """
    placed: dict[str, Placed] = {}
    for bins, series in columns:
        if not bins.view:
            yield bins, series
        elif bins.view in _TEXT_VIEWS:
            yield bins, _TEXT_VIEWS[bins.view](as_text(series), bins)
        else:
            if bins.input not in placed:  # several views of one embedding come together
                space = spaces[bins.input]
                placed = {bins.input: place(vectors(series, len(space.middle)), space)}
            yield bins, _embedding_view(placed[bins.input], bins)


def _embedding_view(placed: Placed, bins: Bins) -> pl.Series:
    if bins.view == "cluster":
        return placed.cluster
    return pl.Series(placed.distance if bins.view == "distance" else placed.points[:, bins.axis])


def is_text(series: pl.Series) -> bool:
    """Whether a column is prose: more values than are counted one by one, of several words."""
    if series.dtype != pl.String or series.n_unique() <= CATEGORIES:
        return False
    mean = series.str.count_matches(r"\s+").mean()
    return isinstance(mean, float) and mean + 1 >= WORDY


def is_embedding(series: pl.Series) -> bool:
    """Whether a column holds a list or array of numbers a row."""
    inner = getattr(series.dtype, "inner", None)
    return inner is not None and bool(inner.is_numeric())


def width_of(series: pl.Series) -> int:
    """The commonest number of components of an embedding."""
    if isinstance(series.dtype, pl.Array):
        return int(series.dtype.size)
    widths = series.list.len().drop_nulls()
    return int(widths.mode().max()) if widths.len() else 0  # type: ignore[arg-type]


def text_words(series: pl.Series) -> tuple[str, ...]:
    """The most frequent words of a column of texts, by the rows that have them."""
    words = _tokens(series).list.unique().explode().drop_nulls().alias("word").value_counts()
    return tuple(words.sort(["count", "word"], descending=[True, False])["word"].head(WORDS))


def _length(series: pl.Series, _: Bins) -> pl.Series:
    return series.str.len_chars()


def _share(pattern: str) -> Callable[[pl.Series, Bins], pl.Series]:
    def share(series: pl.Series, _: Bins) -> pl.Series:
        return series.str.count_matches(pattern) / series.str.len_chars().clip(lower_bound=1)

    return share


def _unknown(series: pl.Series, bins: Bins) -> pl.Series:
    rows = pl.DataFrame({"row": np.arange(series.len()), "word": _tokens(series)})
    known = pl.col("word").is_in(list(bins.words))
    shares = (
        rows.explode("word")
        .drop_nulls("word")
        .group_by("row")
        .agg(unknown=1 - known.cast(pl.Int64).sum() / pl.len())
    )
    joined = rows.join(shares, on="row", how="left", maintain_order="left")["unknown"]
    # A text without words has none that are unknown; no text has no share.
    return joined.fill_null(0.0).set(series.is_null(), None)


def _token(series: pl.Series, _: Bins) -> pl.Series:
    """The hashed cell of one word of each row, drawn by the row's own content."""
    rows = zip(series.to_list(), _tokens(series).to_list(), strict=True)
    cells = [None if text is None else _drawn(text, words) for text, words in rows]
    return pl.Series(cells, dtype=pl.String)


def _drawn(text: str, words: list[str]) -> str:
    if not words:
        return NO_WORDS
    word = words[crc32(text.encode()) % len(words)]
    return str(crc32(word.encode()) % TOKENS)


def _tokens(series: pl.Series) -> pl.Series:
    return series.str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]+")


_TEXT_VIEWS: dict[View, Callable[[pl.Series, Bins], pl.Series]] = {
    "length": _length,
    "letters": _share(r"\p{L}"),
    "foreign": _share(r"[^\x00-\x7F]"),
    "unknown": _unknown,
    "token": _token,
}
TEXT_VIEWS: tuple[View, ...] = tuple(_TEXT_VIEWS)


def vectors(series: pl.Series, width: int) -> Floats:
    """(n, width) embeddings; NaN where there is none, or one of another width.

    The log holds them as text, such as ``[0.5,1.0]``, where another version had something else
    under that name.
    """
    if isinstance(series.dtype, pl.Array):
        series = series.arr.to_list()
    elif series.dtype == pl.String:
        parts = series.str.strip_chars("[]").str.split(",")
        series = parts.list.eval(pl.element().cast(pl.Float64, strict=False))
    elif not isinstance(series.dtype, pl.List):
        return np.full((series.len(), width), np.nan)
    fits = (series.list.len() == width).fill_null(value=False)
    result = np.full((series.len(), width), np.nan)
    flat = series.filter(fits).explode().cast(pl.Float64).to_numpy()
    result[fits.to_numpy()] = flat.reshape(-1, width)
    return result


def make_space(embeddings: Floats) -> Space | None:
    """Freezes axes and centres: principal axes of equal variance, and k-means among them.

    Args:
        embeddings: (n, width); rows with NaN are left out. At most 20,000, evenly spread, are used.

    Returns:
        None when there are fewer than 100 rows.
    """
    x = embeddings[np.isfinite(embeddings).all(axis=1)]
    if len(x) < 100:
        return None
    x = x[:: -(-len(x) // _SAMPLE)]
    from scipy.cluster.vq import kmeans2  # only where there are embeddings

    middle = x.mean(axis=0)
    spread = float(np.abs(x - middle).max()) or 1.0
    power = int(np.floor(np.log2(2 ** (_BITS - 2) / spread)))
    scale = 2.0**power
    units = np.rint((x - middle) * scale)
    values, directions = np.linalg.eigh(np.cov(units, rowvar=False).reshape(x.shape[1], -1))
    kept = np.argsort(values)[::-1][:AXES]
    white = directions[:, kept] / np.sqrt(np.maximum(values[kept], values.max() * 1e-6 + 1e-12))
    axes = np.rint(white * (2 ** (_BITS - 2) / np.abs(white).max()))
    projected = np.abs(units @ axes).max()
    shift = max(int(np.ceil(np.log2(max(projected, 1.0)))) - (_BITS - 3), 0)
    points = _shifted(units @ axes, shift)
    size = min(CENTRES, max(len(points) // 50, 2))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of a centre that nothing is nearest to, which does no harm
        found, _ = kmeans2(points, size, minit="points", rng=np.random.default_rng(0))
    centres = np.rint(found).astype(np.int64)
    return Space(
        scale=scale,
        middle=tuple(middle.tolist()),
        axes=tuple(tuple(row) for row in axes.astype(np.int64).tolist()),
        shift=shift,
        centres=tuple(tuple(row) for row in centres.tolist()),
    )


def place(embeddings: Floats, space: Space) -> Placed:
    """Where each embedding lies in the frozen space.

    All products and sums are of whole numbers below 2⁵³, so they are exact in any order.
    """
    there = np.asarray(np.isfinite(embeddings).all(axis=1))
    axes = np.asarray(space.axes, dtype=np.float64)
    centres = np.asarray(space.centres, dtype=np.float64)
    length = (centres * centres).sum(axis=1)
    cells = np.zeros(len(embeddings), dtype=np.int64)
    distance = np.full(len(embeddings), np.nan)
    points = np.full((len(embeddings), axes.shape[1]), np.nan)
    limit = float(2**_BITS)
    for start in range(0, len(embeddings), _PART):
        part = slice(start, start + _PART)
        x = np.where(there[part, None], embeddings[part], 0.0)
        units = np.clip(np.rint((x - np.asarray(space.middle)) * space.scale), -limit, limit)
        at = np.clip(_shifted(units @ axes, space.shift), -limit, limit)
        squares = length - 2 * (at @ centres.T)
        cells[part] = squares.argmin(axis=1)
        distance[part] = np.sqrt((at * at).sum(axis=1) + squares.min(axis=1))
        points[part] = at
    distance[~there] = np.nan
    points[~there] = np.nan
    cluster = pl.Series(cells).cast(pl.String)
    return Placed(cluster.set(pl.Series(~there), None), distance, points)


def _shifted(values: Floats, bits: int) -> Floats:
    return np.asarray(np.floor(values * 2.0**-bits))
