"""A reward model per arm, fitted on other folds than the rows it is asked about."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, KFold

from bandits.off_policy.logged_feedback import LoggedFeedback

__all__ = ["cross_fitted_rewards"]


def cross_fitted_rewards(
    log: LoggedFeedback, outcome: Any = None, cv: int = 5, seed: int = 0
) -> NDArray[np.float64]:
    """Return the expected reward of every arm in every row, shape (n, n_arms), out of fold.

    Parameters
    ----------
    log : LoggedFeedback
    outcome : regressor, optional
        Fitted per arm on the rows in which it was called; a ridge regression by default. Arms with
        fewer than two such rows are given the mean reward.
    cv : int
        Folds; rows of one group share theirs.
    seed : int
        Draws the folds.
    """
    model = Ridge(alpha=1.0) if outcome is None else outcome
    if log.groups is None:
        folds = KFold(min(cv, log.n), shuffle=True, random_state=seed).split(log.X)
    else:
        folds = GroupKFold(cv).split(log.X, groups=log.groups)
    predicted = np.empty((log.n, len(tuple(log.arms))))
    for train, test in folds:
        for arm in range(predicted.shape[1]):
            rows = train[log.arm[train] == arm]
            if len(rows) < 2:
                predicted[test, arm] = log.reward[train].mean()
            else:
                fitted = clone(model).fit(log.X[rows], log.reward[rows])
                predicted[test, arm] = fitted.predict(log.X[test])
    return np.clip(predicted, *log.reward_range)
