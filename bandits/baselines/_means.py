"""Routers that learn the mean outcome of every arm and look at no context."""

from __future__ import annotations

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

    def _update(self, feedback: Feedback) -> None:
        np.add.at(self.count_, feedback.arm, 1.0)
        np.add.at(self.total_, feedback.arm, feedback.outcomes)

    def _predict_outcomes(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        mean = self.total_ / np.maximum(self.count_, 1.0)[:, None]
        return np.broadcast_to(mean, (len(X), *mean.shape)).copy()

    def _add_arm(self, like: int | None, weight: float) -> None:
        origin, share = (0, 0.0) if like is None else (like, weight)
        self.count_ = np.append(self.count_, share * self.count_[origin])
        self.total_ = np.vstack([self.total_, share * self.total_[origin]])

    def _remove_arm(self, position: int) -> None:
        self.count_ = np.delete(self.count_, position)
        self.total_ = np.delete(self.total_, position, axis=0)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"count": self.count_, "total": self.total_}

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.count_, self.total_ = arrays["count"], arrays["total"]
