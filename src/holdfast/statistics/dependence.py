"""Whether two quantities go together as they did, whatever has become of each alone.

``reference`` is (P, 3, 3) counts, a table a pair; ``current`` is (…, P, 3, 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.statistics.histogram import Distance
from holdfast.statistics.multinomial import CONCENTRATIONS, Null, log_e_against, null_of

Floats = NDArray[np.float64]

_ROUNDS = 25  # of raking; each brings the margins nearer by a factor
_NEAR = 1e-14  # to the margins, from where on more rounds change nothing
_FREE = 4  # degrees of freedom of a 3 × 3 table with given margins


def rake(reference: ArrayLike, current: ArrayLike) -> Floats:
    """Shares with the odds ratios of the reference and the margins of the current tables.

    Iterative proportional fitting (Deming, Stephan 1940). The result is the likeliest of all tables
    that go together as the reference does.

    Returns:
        (…, P, 3, 3); where there are no rows, the reference.

    >>> known, now = [[20, 0, 20], [0, 20, 0], [20, 0, 20]], [[80, 0, 0], [0, 10, 0], [0, 0, 10]]
    >>> table = rake([known], [now])
    >>> table.sum(axis=-1).round(3).tolist()
    [[0.8, 0.1, 0.1]]
    """
    r, c = _cells_first(np.asarray(reference) + 0.5), _cells_first(current)
    n = c.sum(axis=(0, 1))
    fitted = np.broadcast_to(_alike(r / r.sum(axis=(0, 1)), c), c.shape).copy()
    q = np.where(n > 0, c / np.maximum(n, 1), fitted)
    rows, columns = q.sum(axis=1), q.sum(axis=0)
    for _ in range(_ROUNDS):
        across = fitted[:, 0] + fitted[:, 1] + fitted[:, 2]
        if np.abs(across - rows).max(initial=0.0) < _NEAR:
            break
        fitted *= (rows / np.maximum(across, 1e-300))[:, None]
        down = fitted[0] + fitted[1] + fitted[2]
        fitted *= columns / np.maximum(down, 1e-300)
    return np.ascontiguousarray(np.moveaxis(fitted, (0, 1), (-2, -1)))


def _cells_first(tables: ArrayLike) -> Floats:
    """(3, 3, …, P): adding three cells of all tables is then adding three long arrays."""
    whole = np.moveaxis(np.asarray(tables, dtype=np.float64), (-2, -1), (0, 1))
    return np.ascontiguousarray(whole)


def _alike(few: Floats, like: Floats) -> Floats:
    """(3, 3, P) tables with axes for those of ``like`` that they lack."""
    return few.reshape(3, 3, *[1] * (like.ndim - few.ndim), *few.shape[2:])


def dependence_distance(reference: ArrayLike, current: ArrayLike, fitted: Floats) -> Distance:
    """Share of rows in [0, 1] that would have to change their cell for the pair to go together as
    in the reference, with the margins it has now: ½Σ|q − fitted|.

    Args:
        reference: (P, 3, 3) counts.
        current: (…, P, 3, 3) counts.
        fitted: of :func:`rake`.
    """
    c = np.asarray(current, dtype=np.float64).reshape(*np.shape(current)[:-2], 9)
    p = fitted.reshape(*fitted.shape[:-2], 9)
    n = np.maximum(c.sum(axis=-1), 1)
    m = np.maximum(np.asarray(reference, dtype=np.float64).sum(axis=(-2, -1)), 1)
    q = c / n[..., None]
    more = q > p
    value = np.abs(q - p).sum(axis=-1) / 2
    grown, before = np.where(more, q, 0).sum(axis=-1), np.where(more, p, 0).sum(axis=-1)
    error = np.sqrt(np.maximum(grown * (1 - grown) / n + before * (1 - before) / m, 0))
    noise = np.sqrt(2 / np.pi * p * (1 - p)).sum(axis=-1) / 2
    # Four of the eight directions are taken up by the margins, which are given.
    chance = noise * np.sqrt(0.5) * np.sqrt(1 / n + 1 / m)
    return Distance(value, error, chance)


def dependence_null(reference: ArrayLike, concentrations: Sequence[float] = CONCENTRATIONS) -> Null:
    """What :func:`dependence_log_e` makes of a reference, to be used again."""
    r = np.asarray(reference, dtype=np.float64)
    prior = (r + 0.5) / (r.sum(axis=(-2, -1)) + 4.5)[..., None, None]
    return null_of(prior.reshape(*r.shape[:-2], 9), concentrations=concentrations)


def dependence_log_e(
    reference: ArrayLike, current: ArrayLike, fitted: Floats, null: Null | None = None
) -> Floats:
    """Log e-value against "they go together as in the reference", whatever the margins.

    Universal inference (Wasserman, Ramdas, Balakrishnan, arXiv 1912.11436): a mixture of tables,
    fixed beforehand, over the likeliest table of the hypothesis; so its expectation is at most 1
    under every member of it. What the sampling of the reference would gain is taken off, as in
    :func:`~holdfast.statistics.multinomial.multinomial_log_e`.

    Args:
        reference: (P, 3, 3) counts, or (…, P, 3, 3).
        current: (…, P, 3, 3) counts.
        fitted: of :func:`rake`.
        null: of :func:`dependence_null`, where it is known already.

    Returns:
        (…, P)
    """
    from scipy.special import chdtri

    c = np.asarray(current, dtype=np.float64)
    m = np.asarray(reference, dtype=np.float64).sum(axis=(-2, -1))
    null = null or dependence_null(reference)
    flat, likeliest = c.reshape(*c.shape[:-2], 9), fitted.reshape(*fitted.shape[:-2], 9)
    mixture = log_e_against(flat, null)
    # From odds against the reference itself to odds against the likeliest table.
    gained = np.log(np.maximum(likeliest, np.finfo(np.float64).tiny)) - null.log_p
    slack = flat.sum(axis=-1) * float(chdtri(_FREE, 0.01)) / (2 * np.maximum(m, 1))
    return np.asarray(mixture - (flat * gained).sum(axis=-1) - slack)
