"""A reward model per arm, fitted on other rows than those it is asked about."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold

from bandits.off_policy.logged_feedback import LoggedFeedback
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.parameters import NUMBERS, REGRESSOR, check_whole

__all__ = ["fitted_rewards"]

Array = NDArray[np.float64]
Split = tuple[NDArray[np.intp], NDArray[np.intp]]

# Models of adaptive logs are fitted first after so many rows, and then as often.
FIRST_ROWS, REFITS = 10, 20


@validated(outcome=[REGRESSOR, NUMBERS, None])
def fitted_rewards(log: LoggedFeedback, outcome: Any = None, cv: int = 5, seed: int = 0) -> Array:
    """Return the expected reward of every arm in every row, shape (n, n_arms).

    Out of fold; in adaptive logs from earlier rows alone, since later ones were chosen in the
    knowledge of this one (Bibaut et al. 2021), refitted at sizes that grow geometrically. The rows
    before the first fit are given the middle of the reward range.

    Parameters
    ----------
    log : LoggedFeedback
    outcome : regressor or array of shape (n, n_arms), optional
        Fitted per arm on the rows in which it was called; a ridge regression by default. Arms with
        fewer than two such rows are given the mean reward. An array is what this function
        returned before, so that several policies and estimates can share it.
    cv : int
        Folds; rows of one group share theirs. Without meaning for adaptive logs.
    seed : int
        Draws the folds.

    Raises
    ------
    DataError
        If the folds cannot be made, the regressor is none or predicts what is no number, or the
        array has another shape.

    Examples
    --------
    >>> log = LoggedFeedback(np.zeros((8, 1)), [0, 1] * 4, [0.5] * 8, [1.0, 0.0] * 4, range(2))
    >>> fitted_rewards(log).round(9)[0].tolist()
    [1.0, 0.0]
    """
    shape = (log.n, len(tuple(log.arms)))
    predicted = np.full(shape, sum(log.reward_range) / 2)
    if isinstance(outcome, np.ndarray):
        if outcome.shape != shape:
            raise DataError(
                f"outcome has shape {outcome.shape}, but the log has {shape[0]} rows and "
                f"{shape[1]} arms; give one expected reward per row and arm."
            )
        predicted[:] = outcome
    elif outcome is not None and not hasattr(outcome, "fit"):
        raise DataError(
            f"outcome is a {type(outcome).__name__}; give a regressor, or what fitted_rewards "
            "returned."
        )
    else:
        _predict_other_rows(predicted, log, outcome, cv, seed)
    if not np.isfinite(predicted).all():
        raise DataError(
            f"outcome predicts NaN or infinite rewards in "
            f"{int((~np.isfinite(predicted)).any(axis=1).sum())} of {log.n} rows; give a regressor "
            "that predicts numbers for every context."
        )
    return np.clip(predicted, *log.reward_range)


def _predict_other_rows(
    predicted: Array, log: LoggedFeedback, outcome: Any, cv: int, seed: int
) -> None:
    """Fill in what models of other rows expect of the rows that they are asked about."""
    for train, test in _past(log.n) if log.adaptive else _folds(log, cv, seed):
        for arm in range(predicted.shape[1]):
            rows = train[log.arm[train] == arm]
            if len(rows) < 2:
                predicted[test, arm] = log.reward[train].mean()
            elif outcome is None:
                predicted[test, arm] = _ridge(log.X[rows], log.reward[rows], log.X[test])
            else:
                fitted = clone(outcome).fit(log.X[rows], log.reward[rows])
                predicted[test, arm] = fitted.predict(log.X[test])


def _ridge(X: Array, reward: Array, new: Array) -> Array:
    """Return what scikit-learn's `Ridge()` predicts, without its checks of every small fit."""
    centre, mean = X.mean(axis=0), reward.mean()
    centred = X - centre
    gram = centred.T @ centred + np.eye(X.shape[1])
    return np.asarray(mean + (new - centre) @ np.linalg.solve(gram, centred.T @ (reward - mean)))


def _past(n: int) -> Iterator[Split]:
    sizes = np.unique(np.geomspace(min(FIRST_ROWS, n), n, REFITS).astype(int))
    for start, stop in pairwise(sizes.tolist()):
        yield np.arange(start), np.arange(start, stop)


def _folds(log: LoggedFeedback, cv: int, seed: int) -> Iterator[Split]:
    check_whole("cv", cv, least=2)
    if log.groups is None:
        yield from KFold(min(cv, log.n), shuffle=True, random_state=seed).split(log.X)
        return
    n_groups = len(np.unique(log.groups))
    if n_groups < cv:
        raise DataError(f"cv is {cv} but there are {n_groups} groups; give at most as many folds.")
    yield from GroupKFold(cv).split(log.X, groups=log.groups)
