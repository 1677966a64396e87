"""Routers that learn the mean outcome of every arm and look at no context."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits.base import Feedback
from bandits.outcome_router import OutcomeRouter


class MeanOutcomes(OutcomeRouter):
    """Base of the routers whose expectations are the arms' running means."""

    def _start(self, n_features: int, n_arms: int, n_outcomes: int) -> None:
        self.count_ = np.zeros(n_arms)
        self.total_ = np.zeros((n_arms, n_outcomes))
        self._rest = np.zeros((n_arms, n_outcomes))

    def _update(self, feedback: Feedback) -> None:
        """Add to sums that do not drift: what rounding takes from a total is kept beside it."""
        count, total, rest = self.count_.copy(), self.total_.copy(), self._rest.copy()
        for arm in np.unique(feedback.arm):
            outcomes = feedback.outcomes[feedback.arm == arm]
            count[arm] += len(outcomes)
            for j, values in enumerate(outcomes.T.tolist()):
                values += [total[arm, j], rest[arm, j]]
                total[arm, j] = math.fsum(values)
                rest[arm, j] = math.fsum([*values, -total[arm, j]])
        self.count_, self.total_, self._rest = count, total, rest

    def _sums(self) -> NDArray[np.float64]:
        return np.asarray(self.total_ + self._rest)

    def _predict_outcomes(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        mean = self._sums() / np.maximum(self.count_, 1.0)[:, None]
        return np.broadcast_to(mean, (len(X), *mean.shape)).copy()

    def _add_arm(self, like: int | None, weight: float) -> None:
        origin, share = (0, 0.0) if like is None else (like, weight)
        self.count_ = np.append(self.count_, share * self.count_[origin])
        self.total_ = np.vstack([self.total_, share * self.total_[origin]])
        self._rest = np.vstack([self._rest, share * self._rest[origin]])

    def _remove_arm(self, position: int) -> None:
        self.count_ = np.delete(self.count_, position)
        self.total_ = np.delete(self.total_, position, axis=0)
        self._rest = np.delete(self._rest, position, axis=0)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"count": self.count_, "total": self.total_, "rest": self._rest}

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.count_, self.total_ = arrays["count"], arrays["total"]
        self._rest = arrays["rest"]
