"""Routers that are trained on the outcomes of all models, which no router in use ever sees."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bandits._logs import Logs, check_logs, require_all_cells
from bandits._validation import contexts
from bandits.base import BaseRouter

__all__ = ["FullInformationRouter"]

Array = NDArray[np.float64]


class FullInformationRouter(BaseRouter):
    """Base of the routers that learn from every cell of the logs.

    They are what a router that learns from one outcome per query is measured against. A subclass
    learns (`_learn`) and gives every arm a score (`_scores`); the arm with the highest one is
    called, and nothing is explored.

    Parameters
    ----------
    arms : iterable, optional
        Names of the arms; by default the columns of the logs, else 0, 1, ...
    cost_cap : float, optional
        tau, the cost that counts as 1, in the unit of the costs; larger costs count as 1 too. By
        default the largest cost in the logs.
    latency_cap : float, optional
        The same for latencies, in their unit.
    random_state : int, RandomState or None
        Draws of training and of ties.
    """

    # What a subclass writes ------------------------------------------------------------------

    @abstractmethod
    def _learn(self, X: Array, logs: Logs) -> None:
        """Learn from the outcomes of all arms, none of them missing."""

    # What users call -------------------------------------------------------------------------

    def fit(self, X: Any, quality: Any, cost: Any = None, latency: Any = None) -> Self:
        """Learn anew from logs of all arms, every cell of them; on any error nothing changes.

        Parameters
        ----------
        X : array of shape (n, n_features)
        quality : array or DataFrame of shape (n, n_arms)
        cost, latency : array of the same shape, optional
            What every call takes, in money and, beside it, in time.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If X, quality, cost or latency is malformed.
        """
        self._require_quality(quality)
        with self._anew() as fresh:
            features = contexts(fresh, X, first=True)
            logs = check_logs(quality, cost, latency, self.arms, len(features))
            require_all_cells(logs)
            fresh._begin(logs.arms, logs.n_outcomes)
            if logs.n_outcomes > 1:
                fresh._caps.find(logs.outcomes[:, :, 1:].reshape(-1, logs.n_outcomes - 1))
            fresh.n_revealed_ = logs.quality.size
            fresh._learn(features, logs)
        return self
