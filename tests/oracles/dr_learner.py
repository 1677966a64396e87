"""The DR-learner of Kennedy (2023), algorithm 1 with folds, by linear models and plain loops."""

from __future__ import annotations

import numpy as np
from oracles.regressions import least_squares, line, logistic, probability


def dr_learner(X, y, is_gold, folds, weight=None, clip=0.0):
    """Coefficients (intercept first) of the regression of the DR pseudo-outcome on s."""
    n = len(y)
    weight = np.ones(n) if weight is None else weight
    pseudo_outcome = np.empty(n)
    for train, test in folds:
        gold, preference = train[is_gold[train]], train[~is_gold[train]]
        mu = {
            True: least_squares(X[gold], y[gold], weight[gold]),
            False: least_squares(X[preference], y[preference], weight[preference]),
        }
        propensity = logistic(X[train], is_gold[train], weight[train])
        for i in test:
            p = min(max(probability(propensity, X[i]), clip), 1 - clip)
            own = line(mu[bool(is_gold[i])], X[i])
            pseudo_outcome[i] = (is_gold[i] - p) / (p * (1 - p)) * (y[i] - own) + (
                line(mu[True], X[i]) - line(mu[False], X[i])
            )
    return least_squares(X, pseudo_outcome, weight)
