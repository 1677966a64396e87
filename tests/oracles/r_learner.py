"""The R-learner of Nie & Wager (2021), section 3.2, with linear models and plain loops."""

from __future__ import annotations

import numpy as np
from oracles.regressions import least_squares, line, logistic, probability


def r_learner(X, y, is_gold, folds, weight=None):
    """Coefficients (intercept first) of the linear h that minimises sum w (o~ - t~ h(s))^2."""
    n = len(y)
    weight = np.ones(n) if weight is None else weight
    outcome_residual, source_residual = np.empty(n), np.empty(n)
    for train, test in folds:
        gamma = least_squares(X[train], y[train], weight[train])
        p = logistic(X[train], is_gold[train], weight[train])
        for i in test:
            outcome_residual[i] = y[i] - line(gamma, X[i])
            source_residual[i] = is_gold[i] - probability(p, X[i])
    # The loss is least squares of o~ on t~ (1, s), without any division by t~.
    normal, moment = np.zeros((X.shape[1] + 1,) * 2), np.zeros(X.shape[1] + 1)
    for i in range(n):
        row = source_residual[i] * np.concatenate([[1.0], X[i]])
        normal += weight[i] * np.outer(row, row)
        moment += weight[i] * row * outcome_residual[i]
    return np.linalg.solve(normal, moment)
