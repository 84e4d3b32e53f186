"""Whether two quantities go together as they did, whatever has become of each alone.

``reference`` is (P, 3, 3) counts, a table a pair; ``current`` is (…, P, 3, 3).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from holdfast.statistics.eprocess import CONCENTRATIONS, multinomial_log_e
from holdfast.statistics.histogram import Distance

Floats = NDArray[np.float64]

_ROUNDS = 25  # of raking; each brings the margins nearer by a factor
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
    r = np.asarray(reference, dtype=np.float64) + 0.5
    c = np.asarray(current, dtype=np.float64)
    n = c.sum(axis=(-2, -1), keepdims=True)
    start = r / r.sum(axis=(-2, -1), keepdims=True)
    q = np.where(n > 0, c / np.maximum(n, 1), start)
    rows, columns = q.sum(axis=-1, keepdims=True), q.sum(axis=-2, keepdims=True)
    fitted, rows, columns = _cells_first(start, q), _cells_first(rows, q), _cells_first(columns, q)
    for _ in range(_ROUNDS):
        across = fitted[:, 0] + fitted[:, 1] + fitted[:, 2]
        fitted = fitted * rows / np.maximum(across, 1e-300)[:, None]
        down = fitted[0] + fitted[1] + fitted[2]
        fitted = fitted * columns / np.maximum(down, 1e-300)
    return np.ascontiguousarray(np.moveaxis(fitted, (0, 1), (-2, -1)))


def _cells_first(tables: Floats, like: Floats) -> Floats:
    """(3 or 1, 3 or 1, …, P): adding three cells of all tables is then adding three long arrays."""
    whole = np.broadcast_to(tables, (*like.shape[:-2], *tables.shape[-2:]))
    return np.ascontiguousarray(np.moveaxis(whole, (-2, -1), (0, 1)))


def dependence_distance(reference: ArrayLike, current: ArrayLike, fitted: Floats) -> Distance:
    """Share of rows in [0, 1] that would have to change their cell for the pair to go together as
    in the reference, with the margins it has now: ½Σ|q − fitted|.

    Args:
        reference: (P, 3, 3) counts.
        current: (…, P, 3, 3) counts.
        fitted: of :func:`rake`.
    """
    c = np.asarray(current, dtype=np.float64)
    n = np.maximum(c.sum(axis=(-2, -1)), 1)
    m = np.maximum(np.asarray(reference, dtype=np.float64).sum(axis=(-2, -1)), 1)
    q = c / n[..., None, None]
    value = np.abs(q - fitted).sum(axis=(-2, -1)) / 2
    grown = np.where(q > fitted, q, 0).sum(axis=(-2, -1))
    before = np.where(q > fitted, fitted, 0).sum(axis=(-2, -1))
    error = np.sqrt(np.maximum(grown * (1 - grown) / n + before * (1 - before) / m, 0))
    noise = np.sqrt(2 / np.pi * fitted * (1 - fitted)).sum(axis=(-2, -1)) / 2
    # Four of the eight directions are taken up by the margins, which are given.
    chance = noise * np.sqrt(0.5) * np.sqrt(1 / n + 1 / m)
    return Distance(value, error, chance)


def dependence_log_e(
    reference: ArrayLike,
    current: ArrayLike,
    fitted: Floats,
    concentrations: Sequence[float] = CONCENTRATIONS,
) -> Floats:
    """Log e-value against "they go together as in the reference", whatever the margins.

    Universal inference (Wasserman, Ramdas, Balakrishnan, arXiv 1912.11436): a mixture of tables,
    fixed beforehand, over the likeliest table of the hypothesis; so its expectation is at most 1
    under every member of it. What the sampling of the reference would gain is taken off, as in
    :func:`~holdfast.statistics.eprocess.multinomial_log_e`.

    Returns:
        (…, P)
    """
    from scipy.special import chdtri

    r = np.asarray(reference, dtype=np.float64)
    c = np.asarray(current, dtype=np.float64)
    m = r.sum(axis=(-2, -1))
    prior = (r + 0.5) / (m + 4.5)[..., None, None]
    flat = c.reshape(*c.shape[:-2], 9)
    null = np.broadcast_to(prior, c.shape).reshape(flat.shape)
    mixture = multinomial_log_e(flat, null, None, concentrations)
    # From odds against the reference itself to odds against the likeliest table.
    tiny = np.finfo(float).tiny
    gained = np.log(np.maximum(fitted, tiny)) - np.log(np.broadcast_to(prior, c.shape))
    likelier = (c * gained).sum(axis=(-2, -1))
    slack = c.sum(axis=(-2, -1)) * float(chdtri(_FREE, 0.01)) / (2 * np.maximum(m, 1))
    return np.asarray(mixture - likelier - slack)
