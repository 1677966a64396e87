"""Routers that are trained on the outcomes of all models, which no router in use ever sees."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bandits._arms import names_of
from bandits._charges import KnowsCharges, check_caps
from bandits._logs import Logs, check_logs, require_all_cells
from bandits._ties import argmax_with_ties, tied_for_best
from bandits._validation import check_preference, contexts
from metarouter.exceptions import DataError
from metarouter.utils.random import seed_of

__all__ = ["FullInformationRouter"]

Array = NDArray[np.float64]


class FullInformationRouter(KnowsCharges, BaseEstimator):
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

    arms_: list[Any]
    n_features_in_: int

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

    # What a subclass writes ------------------------------------------------------------------

    @abstractmethod
    def _learn(self, X: Array, logs: Logs) -> None:
        """Learn from the outcomes of all arms, none of them missing."""

    @abstractmethod
    def _scores(self, X: Array, preference: Array) -> Array:
        """Return how good every arm is thought to be, shape (n, n_arms)."""

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
            One sentence that names what is wrong, where, and the mend.
        """
        if quality is None:
            raise DataError(
                f"{type(self).__name__} requires y to be passed, but the target y is None; give "
                "the quality of every arm, shape (n, n_arms)."
            )
        fresh = copy.copy(self)
        features = contexts(fresh, X, first=True)
        logs = check_logs(quality, cost, latency, self.arms, len(features))
        require_all_cells(logs)
        fresh._begin(logs)
        fresh._learn(features, logs)
        self.__dict__ = fresh.__dict__
        return self

    def decision_function(self, X: Any, preference: ArrayLike | None = None) -> Array:
        """Return how good every arm is thought to be, shape (n, n_arms); higher is better."""
        check_is_fitted(self, "arms_")
        features = contexts(self, X)
        return self._scores(features, check_preference(preference, len(features), self.n_outcomes_))

    def predict(self, X: Any, preference: ArrayLike | None = None) -> NDArray[Any]:
        """Return the name of the arm with the highest score, shape (n,); ties are drawn."""
        scores = self.decision_function(X, preference)
        ties = np.random.default_rng([self._seed, 2])
        return names_of(argmax_with_ties(scores, ties.random(len(scores))), self.arms_)

    def predict_proba(self, X: Any, preference: ArrayLike | None = None) -> Array:
        """Return the probability that each arm is called: 1 for the best, shared by equals."""
        tied = tied_for_best(self.decision_function(X, preference))
        return np.asarray(tied / tied.sum(axis=1, keepdims=True))

    @property
    def n_arms_(self) -> int:
        """Number of arms."""
        return len(self.arms_)

    def _begin(self, logs: Logs) -> None:
        check_caps(self.cost_cap, self.latency_cap)
        self.arms_ = logs.arms
        self._know_all(logs.outcomes)
        self.n_revealed_ = logs.quality.size
        self._seed = seed_of(self.random_state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags
