"""Routers that expect an outcome of every arm, and a reward by what a preference makes of it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits.base import BanditRouter

__all__ = ["OutcomeRouter"]


class OutcomeRouter(BanditRouter):
    """Base of the routers that learn every outcome apart and choose by the expected reward.

    A subclass names its parameters, learns (`_start`, `_update`), predicts the outcomes of every
    arm (`_predict_outcomes`) and explores (`_choose`, `_probabilities`).

    Parameters
    ----------
    arms, cost_cap, latency_cap, random_state
        As in `BanditRouter`.
    """

    @abstractmethod
    def _predict_outcomes(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return expected outcomes, shape (n, n_arms, n_outcomes)."""

    def predict_quality(self, X: Any) -> NDArray[np.float64]:
        """Return the expected quality of every arm, shape (n, n_arms)."""
        features, _ = self._query(X, None)
        with self._lock:
            return self._predict_outcomes(features)[:, :, 0]

    def predict_cost(self, X: Any) -> NDArray[np.float64]:
        """Return the expected cost of every arm, shape (n, n_arms), in the unit of the costs."""
        return self._predict_outcome(X, 1)

    def predict_latency(self, X: Any) -> NDArray[np.float64]:
        """Return the expected latency of every arm, shape (n, n_arms), in the given unit."""
        return self._predict_outcome(X, 2)

    def _predict_outcome(self, X: Any, position: int) -> NDArray[np.float64]:
        features, _ = self._query(X, None)
        self._require_learned(position)
        with self._lock:
            return self._predict_outcomes(features)[:, :, position]

    def _scores(
        self, X: NDArray[np.float64], preference: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return self._expected_reward(self._predict_outcomes(X), preference)

    def _expected_reward(
        self, outcomes: NDArray[np.float64], preference: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        weights = self._caps.weights(preference)
        weighted = [outcomes[:, :, j] * weights[..., j, None] for j in range(outcomes.shape[2])]
        return np.asarray(sum(weighted[1:], weighted[0]))
