"""A summary: a mergeable table of counts of one window of predictions."""

from __future__ import annotations

from typing import Literal

from holdfast.records.base import Record, Time

View = Literal[
    "", "length", "letters", "foreign", "unknown", "token", "cluster", "distance", "axis"
]


class Space(Record, frozen=True, kw_only=True):
    """Frozen axes and centres of an embedding, in whole numbers, so that sums are exact.

    An embedding x is taken as round((x − ``middle``) · ``scale``), each component held to ±2²⁰;
    times ``axes``, shifted right by ``shift`` bits, it lies among the ``centres``.
    """

    scale: float
    middle: tuple[float, ...]
    axes: tuple[tuple[int, ...], ...]
    shift: int
    centres: tuple[tuple[int, ...], ...]


class Bins(Record, frozen=True, kw_only=True):
    """The frozen cells of one column, made from the reference and never changed.

    Numeric: cells are ``(-inf, edges[0]], (edges[0], edges[1]], …, (edges[-1], inf)``, and one for
    each value of ``spikes``. Categorical: one a value of ``categories`` and one for the unseen.
    The last cell is always the nulls.

    Args:
        column: name under which it is counted.
        view: what of a text or an embedding is counted; "" for the value itself. Texts: ``length``
            in characters, ``letters`` and ``foreign`` (shares of characters that are letters, and
            that are beyond ASCII), ``unknown`` (share of words that the reference lacks),
            ``token`` (one word of each row, drawn by its content, in one of 1,024 hashed cells).
            Embeddings: ``cluster`` (the nearest of the frozen centres), ``distance`` from it, and
            ``axis`` (one principal component).
        source: column that a view is of.
        words: the reference's words, for ``unknown``.
        axis: which principal component, from 0.
    """

    column: str
    kind: Literal["numeric", "categorical"]
    edges: tuple[float, ...] = ()
    spikes: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    view: View = ""
    source: str = ""
    words: tuple[str, ...] = ()
    axis: int = 0

    @property
    def input(self) -> str:
        """The column that is read."""
        return self.source or self.column

    @property
    def cells(self) -> int:
        """Number of cells, nulls included."""
        if self.kind == "numeric":
            return len(self.edges) + 1 + len(self.spikes) + 1
        return len(self.categories) + 2


class ColumnSummary(Record, frozen=True, kw_only=True):
    """Counts over :class:`Bins`, and moments of the values that are not null (numeric)."""

    column: str
    counts: tuple[int, ...]
    n: int
    total: float = 0.0
    squares: float = 0.0
    low: float | None = None
    high: float | None = None


class Summary(Record, frozen=True, kw_only=True):
    """One hour of one version's live predictions, for one slice (``""``: all of them)."""

    model: str
    version: int
    hour: Time
    slice: str
    rows: int
    columns: tuple[ColumnSummary, ...]


class HeldOutDay(Record, frozen=True, kw_only=True):
    """One day of the held-out rows, for the rehearsal of the monitors.

    Args:
        losses: rows by cell of their loss, see :class:`History`.
        expected: mean loss that the calibration expects of the day's predictions; ``error`` its
            standard error.
    """

    losses: tuple[int, ...]
    expected: float
    error: float


class History(Record, frozen=True, kw_only=True):
    """The held-out rows day by day.

    Args:
        values: mean loss of the rows in each cell of the loss.
        days: in the order of time; those that passed without rows are left out.
    """

    values: tuple[float, ...]
    days: tuple[HeldOutDay, ...]


class Sample(Record, frozen=True, kw_only=True):
    """Some held-out rows as coarse cells, one byte a value; in JSON as base64.

    Args:
        cells: column → (rows,) uint8, the group of its cell.
        predictions: (rows,) uint16 little-endian, the cell of the prediction.
        outcomes: (rows,) uint8: binary whether the label is the positive class, multiclass whether
            the predicted class was right.
        losses: (rows,) uint16 little-endian, the bounded loss in 65,535ths.
    """

    rows: int
    cells: dict[str, bytes]
    predictions: bytes
    outcomes: bytes
    losses: bytes


class Between(Record, frozen=True, kw_only=True):
    """How much days of the held-out rows differ by themselves.

    Args:
        days: that it was learned from.
        following: how much a day resembles the next, from 0 to 0.9, over all columns.
        spread: of each column, the standard deviation of days beyond sampling, as the shift of a
            normal in its standard deviations.
        freedom: of each column, the degrees of freedom that the spread is known with.
    """

    days: int
    following: float
    spread: tuple[float, ...]
    freedom: tuple[float, ...]


class Thirds(Record, frozen=True, kw_only=True):
    """One column in three coarse groups, for how it goes together with others.

    Numeric: up to ``cuts[0]``, up to ``cuts[1]``, above. Categorical: each of ``categories``, and
    the others. Nulls belong to none.
    """

    column: str
    cuts: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()


class Season(Record, frozen=True, kw_only=True):
    """What the held-out rows were like at which hours of the week, of the columns that differ.

    Tables of whole numbers as little-endian uint32, in JSON as base64.

    Args:
        by: the classes of hours (``holdfast.monitoring.season.PARTITIONS``); empty when the rows
            span too little to tell.
        columns: column → (classes, groups) counts, in the groups that evidence is taken of.
        pairs: place of a pair of such columns → (classes, 3, 3) counts.
    """

    by: str = ""
    columns: dict[str, bytes] = {}
    pairs: dict[str, bytes] = {}


class SliceDays(Record, frozen=True, kw_only=True):
    """How the held-out rows of one slice vary by themselves; its counts are among the summaries.

    Args:
        between: how much its days differ.
        season: what is to be expected of it at which hours.
    """

    between: Between
    season: Season


class Joint(Record, frozen=True, kw_only=True):
    """How the inputs go together: a 3 × 3 table for each pair of columns.

    The pairs are those of ``itertools.combinations(columns, 2)``; the tables are counted as one
    stored column, nine cells a pair.

    Args:
        columns: the groups of each column.
        counts: of the held-out rows, pair by pair and row by row of each table.
        between: how much days differ by themselves, by pair; None when they are too few.
    """

    columns: tuple[Thirds, ...]
    counts: tuple[int, ...]
    between: Between | None = None


class Reference(Record, frozen=True, kw_only=True, weakref=True):
    """What the bundle carries of the held-out rows: bins, their counts, and calibration.

    Args:
        bins: for each feature, and for ``prediction`` (the score, or the value of a regression).
        summaries: the counts of the held-out rows, one a slice (``""``: all).
        loss: mean bounded loss on the held-out rows; ``loss_low``, ``loss_high`` its interval.
        calibration: for each cell of the prediction's bins, (rows, mean calibrated probability,
            mean loss).
        bin_loss: for each column, mean loss in each of its cells; for attribution.
        scale: regression: the error that counts as loss 1.
        usual: for each column, how far one day of the held-out rows commonly lies from the others
            (95 % of days are nearer), in the unit of the drift effect; empty when they are too few.
        between: how much days differ by themselves, in the order of ``bins``; None when they are
            too few.
        season: what is to be expected at which hours; None without times.
        loss_spread: standard deviation between days of the mean loss, beyond that of sampling.
        joint: how the inputs go together; None in bundles made before this was kept.
        spaces: of each column of embeddings.
        history: the held-out rows day by day; None without their times.
        sample: some of the held-out rows, for estimates that follow a shift of the inputs.
        loss_spreads: for each column and each slice, the standard deviation between days, beyond
            that of sampling, of what it carries of the mean loss; empty without times, and in
            bundles made before this was kept.
        slices: slice → how its rows vary, of those with enough rows a day that drift can be looked
            for in them; None in bundles made before this was kept.
    """

    bins: tuple[Bins, ...]
    summaries: tuple[Summary, ...]
    loss: float
    loss_low: float
    loss_high: float
    calibration: tuple[tuple[int, float, float], ...] = ()
    bin_loss: dict[str, tuple[float, ...]] = {}
    scale: float = 1.0
    rows: int = 0
    usual: dict[str, float] = {}
    between: Between | None = None
    season: Season | None = None
    loss_spread: float = 0.0
    history: History | None = None
    sample: Sample | None = None
    joint: Joint | None = None
    spaces: dict[str, Space] = {}
    loss_spreads: dict[str, float] = {}
    slices: dict[str, SliceDays] | None = None
