"""The best arm in hindsight."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bandits._arms import names_of
from bandits._charges import KnowsCharges, check_caps
from bandits._logs import Logs, check_logs, require_all_cells
from bandits._ties import argmax_with_ties
from bandits._validation import check_preference, contexts
from metarouter.exceptions import DataError
from metarouter.routing.preference_reward import reward
from metarouter.utils.random import seed_of

__all__ = ["OracleRouter", "oracle_actions"]


def oracle_actions(
    quality: NDArray[np.floating[Any]],
    cost: NDArray[np.floating[Any]] | None,
    preference: NDArray[np.floating[Any]],
    cost_cap: float,
    seed: int = 0,
) -> NDArray[np.intp]:
    """Return the arm with the highest reward of every row, shape (n,); ties are drawn.

    Parameters
    ----------
    quality : ndarray of shape (n, n_arms)
    cost : ndarray of the same shape, or None
    preference : ndarray of shape (2,) or (n, 2)
    cost_cap : float
    seed : int

    Examples
    --------
    >>> quality, cost = np.array([[1.0, 0.9]]), np.array([[2.0, 0.1]])
    >>> oracle_actions(quality, cost, np.array([0.5, 0.5]), 2.0).tolist()
    [1]
    """
    return _best(reward(quality, cost, preference, cost_cap), seed)


class OracleRouter(KnowsCharges, BaseEstimator):
    """Know what every arm will do on the queries it was shown: what no router can beat.

    It is no router to deploy. `fit` is given the outcomes of all arms on the very queries that are
    to be routed; a query that it was not shown is refused. Queries with equal features are one.

    Parameters
    ----------
    arms : iterable, optional
        Names of the arms.
    cost_cap : float, optional
        The cost that counts as 1; by default the largest.
    latency_cap : float, optional
        The same for latencies.
    random_state : int, RandomState or None
        Draws of ties.

    Examples
    --------
    >>> oracle = OracleRouter(arms=("large", "small")).fit(np.eye(2), [[1.0, 0.0], [0.2, 0.3]])
    >>> oracle.predict(np.eye(2)).tolist()
    ['large', 'small']
    """

    def __init__(
        self,
        *,
        arms: Iterable[Any] | None = None,
        cost_cap: float | None = None,
        latency_cap: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.arms = arms
        self.cost_cap = cost_cap
        self.latency_cap = latency_cap
        self.random_state = random_state

    def fit(self, X: Any, quality: Any, cost: Any = None, latency: Any = None) -> Self:
        """Memorise the outcomes of all arms; on any error nothing changes.

        Parameters
        ----------
        X : array of shape (n, n_features)
        quality : array or DataFrame of shape (n, n_arms)
        cost, latency : array of the same shape, optional
        """
        if quality is None:
            raise DataError("OracleRouter requires y to be passed, but the target y is None.")
        check_caps(self.cost_cap, self.latency_cap)
        fresh = copy.copy(self)
        features = contexts(fresh, X, first=True)
        logs = check_logs(quality, cost, latency, self.arms, len(features))
        require_all_cells(logs)
        fresh.arms_ = logs.arms
        fresh._know_all(logs.outcomes)
        fresh._seed = seed_of(self.random_state)
        rows = np.unique(features, axis=0, return_inverse=True)[1].ravel()
        fresh._position = {features[i].tobytes(): row for i, row in enumerate(rows)}
        fresh._logs = Logs(_mean_by(rows, logs.outcomes), logs.arms)
        self.__dict__ = fresh.__dict__
        return self

    def predict(self, X: Any, preference: ArrayLike | None = None) -> NDArray[Any]:
        """Return the best arm of every query, shape (n,).

        Raises
        ------
        DataError
            If a query is not among those of `fit`.
        """
        check_is_fitted(self, "arms_")
        features = contexts(self, X)
        weights = check_preference(preference, len(features), self.n_outcomes_)
        rows = np.array([self._position.get(x.tobytes(), -1) for x in features])
        if (rows < 0).any():
            raise DataError(
                f"X holds {int((rows < 0).sum())} queries that the oracle was not shown (first: "
                f"row {int(np.argmax(rows < 0))}); fit it on the queries that are to be routed."
            )
        shown = Logs(self._logs.outcomes[rows], self.arms_)
        return names_of(_best(shown.reward(weights, self.caps_), self._seed), self.arms_)


def _best(rewards: NDArray[np.float64], seed: int) -> NDArray[np.intp]:
    return argmax_with_ties(rewards, np.random.default_rng([seed, 2]).random(len(rewards)))


def _mean_by(rows: NDArray[np.intp], values: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.zeros((rows.max() + 1, *values.shape[1:]))
    np.add.at(total, rows, values)
    return total / np.bincount(rows)[:, None, None]
