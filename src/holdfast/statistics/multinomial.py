"""Evidence that a histogram is of other cell probabilities than given ones, in logarithms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

CONCENTRATIONS = (30.0, 300.0, 3000.0)


def multinomial_log_e(
    counts: ArrayLike,
    null: ArrayLike,
    reference_rows: ArrayLike | None = None,
    concentrations: Sequence[float] = CONCENTRATIONS,
) -> Floats:
    """Log e-value of a histogram against given cell probabilities.

    The Dirichlet-multinomial marginal likelihood with a = κp over the likelihood of p, averaged
    over κ. Where p was itself estimated from ``reference_rows`` rows, what the alternative gains by
    that error in n rows is taken off: n·χ²/2m, at the 0.99 quantile of χ² with B − 1 degrees (its
    mean would leave half of all references with a drift of their own).

    Args:
        counts: (…, B) cell counts; leading axes are separate histograms.
        null: (B,) probabilities or reference counts, or (…, B) when each histogram has its own;
            smoothed by half a row when counts.
        reference_rows: m, rows behind ``null``, one number or (…,); None when it is known exactly.
        concentrations: the values of κ.

    Returns:
        (…,) log e-values; 0 for an empty histogram.
    """
    return log_e_against(counts, null_of(null, reference_rows, concentrations=concentrations))


class Null(NamedTuple):
    """Cell probabilities that many histograms are held against, and what of it is always the same.

    Args:
        log_p: (…, B) logs of the probabilities p.
        priors: (κ, …, B) a = κp; ``whole`` (κ, …) its sum.
        log_gamma: (κ, …, B) log Γ(a); ``log_gamma_whole`` (κ, …) log Γ(Σa).
        cost: (…) taken off for each row.
    """

    log_p: Floats
    priors: Floats
    whole: Floats
    log_gamma: Floats
    log_gamma_whole: Floats
    cost: Floats


def null_of(
    null: ArrayLike,
    reference_rows: ArrayLike | None = None,
    nowhere: NDArray[np.bool_] | None = None,
    concentrations: Sequence[float] = CONCENTRATIONS,
) -> Null:
    """What :func:`multinomial_log_e` makes of its null, to be used again.

    Args:
        null: as there.
        reference_rows: as there.
        nowhere: (…, B) cells that are there only to make histograms equally wide: no row falls
            into them, and they count for nothing.
        concentrations: as there.
    """
    from scipy.special import chdtri, gammaln  # takes 18 MB; only where there are rows to look at

    p = np.asarray(null, dtype=np.float64)
    cells, cost = np.asarray(p.shape[-1]), np.zeros(p.shape[:-1])
    if nowhere is not None:
        cells = cells - nowhere.sum(axis=-1)
    if reference_rows is not None:
        m = np.asarray(reference_rows, dtype=np.float64)
        p = p / p.sum(axis=-1, keepdims=True) * m[..., None] + 0.5
        cost = chdtri(np.maximum(cells - 1, 1), 0.01) / (2 * np.maximum(m, 1))
    if nowhere is not None:
        p = np.where(nowhere, 0.0, p)
    p = p / p.sum(axis=-1, keepdims=True)
    tiny = np.finfo(np.float64).tiny
    priors = np.maximum(np.multiply.outer(np.asarray(concentrations), p), tiny)
    whole = priors.sum(axis=-1)
    log_p = np.log(np.maximum(p, tiny))
    return Null(log_p, priors, whole, gammaln(priors), gammaln(whole), np.asarray(cost))


def log_e_against(counts: ArrayLike, null: Null) -> Floats:
    """:func:`multinomial_log_e` against a null that is known already."""
    from scipy.special import gammaln

    c = np.asarray(counts, dtype=np.float64)
    n = c.sum(axis=-1)
    fit = (c * null.log_p).sum(axis=-1)
    gained = (gammaln(_over(null.priors, c) + c) - _over(null.log_gamma, c)).sum(axis=-1)
    whole, before = _over(null.whole, n), _over(null.log_gamma_whole, n)
    values = before - gammaln(whole + n) + gained - fit
    result = np.logaddexp.reduce(values, axis=0) - np.log(len(values)) - n * null.cost
    return np.asarray(np.where(n > 0, result, 0.0), dtype=np.float64)


def _over(each: Floats, like: Floats) -> Floats:
    """(κ, …) with axes of length 1 after the first, so that it can be held against ``like``."""
    return each.reshape(len(each), *[1] * (like.ndim + 1 - each.ndim), *each.shape[1:])
