from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from holdfast.statistics.logistic import chance, fit_logistic, one_hot


@pytest.mark.parametrize("ridge", [2.0, 0.5])
def test_it_is_scikit_learns_penalised_regression_of_the_design(ridge):
    random = np.random.default_rng(3)
    sizes = (4, 1, 7)
    columns = [random.integers(0, size, 3000) for size in sizes]
    happened = random.random(3000) < (0.1 + 0.1 * columns[0] + 0.05 * columns[2])
    design = one_hot(columns, sizes).astype(np.float64)
    beta = fit_logistic(columns, sizes, happened, ridge)
    wanted = LogisticRegression(C=1 / ridge, solver="newton-cholesky", tol=1e-10)
    wanted.fit(design[:, 1:], happened)
    assert beta[0] == pytest.approx(wanted.intercept_[0], abs=1e-4)
    assert beta[1:] == pytest.approx(wanted.coef_[0], abs=1e-4)
    said = wanted.predict_proba(design[:, 1:])[:, 1]
    assert chance(design, beta) == pytest.approx(said, abs=1e-4)


def test_cells_that_tell_all_are_bounded_by_the_penalty():
    cells = np.repeat([0, 1], 500)
    beta = fit_logistic([cells], [3], cells == 1)  # of the third cell there is no row
    assert np.isfinite(beta).all()
    assert beta[3] == 0.0
    assert chance(one_hot([[0, 1]], [3]), beta) == pytest.approx([0.0, 1.0], abs=0.02)
