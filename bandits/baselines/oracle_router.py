"""The best arm in hindsight."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bandits._logs import Logs, check_logs, require_all_cells
from bandits._ties import argmax_with_ties
from bandits._validation import contexts
from bandits.base import BaseRouter
from metarouter.exceptions import DataError
from metarouter.routing.preference_reward import reward

__all__ = ["OracleRouter", "oracle_actions"]

Array = NDArray[np.float64]


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
    rewards = reward(quality, cost, preference, cost_cap)
    return argmax_with_ties(rewards, np.random.default_rng([seed, 2]).random(len(rewards)))


class OracleRouter(BaseRouter):
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

    def fit(self, X: Any, quality: Any, cost: Any = None, latency: Any = None) -> Self:
        """Memorise the outcomes of all arms; on any error nothing changes.

        Parameters
        ----------
        X : array of shape (n, n_features)
        quality : array or DataFrame of shape (n, n_arms)
        cost, latency : array of the same shape, optional
        """
        self._require_quality(quality)
        with self._anew() as fresh:
            features = contexts(fresh, X, first=True) + 0.0  # minus zero is zero
            logs = check_logs(quality, cost, latency, self.arms, len(features))
            require_all_cells(logs)
            fresh._begin(logs.arms, logs.n_outcomes)
            if logs.n_outcomes > 1:
                fresh._caps.find(logs.outcomes[:, :, 1:].reshape(-1, logs.n_outcomes - 1))
            rows = np.unique(features, axis=0, return_inverse=True)[1].ravel()
            fresh._position = {features[i].tobytes(): row for i, row in enumerate(rows)}
            fresh._logs = Logs(_mean_by(rows, logs.outcomes), logs.arms)
        return self

    def _scores(self, X: Array, preference: Array) -> Array:
        rows = np.array([self._position.get(x.tobytes(), -1) for x in X + 0.0])
        if (rows < 0).any():
            raise DataError(
                f"X holds {int((rows < 0).sum())} queries that the oracle was not shown (first: "
                f"row {int(np.argmax(rows < 0))}); fit it on the queries that are to be routed."
            )
        return Logs(self._logs.outcomes[rows], self.arms_).reward(preference, self.caps_)


def _mean_by(rows: NDArray[np.intp], values: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.zeros((rows.max() + 1, *values.shape[1:]))
    np.add.at(total, rows, values)
    return total / np.bincount(rows)[:, None, None]
