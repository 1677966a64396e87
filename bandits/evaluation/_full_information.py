"""What a linear router learns that sees the outcomes of all models: a yardstick for bandits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from bandits._reward import reward as preference_reward

__all__ = ["FullInformation"]

FloatArray = NDArray[np.float64]

_PENALTIES = np.logspace(-2, 4, 13)


class FullInformation(NamedTuple):
    """Ridge regressions of every model's quality and cost on all training outcomes.

    The penalty of each is chosen by leave-one-out errors on the training queries.
    """

    quality: FloatArray  # (n, n_models) predicted
    cost: FloatArray  # (n, n_models) predicted, cut off at the cap before it was learned

    @classmethod
    def learned(
        cls, X: FloatArray, quality: FloatArray, cost: FloatArray, cap: float, X_new: FloatArray
    ) -> FullInformation:
        """Learn from some queries and predict for others.

        Parameters
        ----------
        X : ndarray of shape (n_train, n_features)
        quality, cost : ndarray of shape (n_train, n_models)
        cap : float
        X_new : ndarray of shape (n, n_features)
        """
        outcomes = np.hstack([quality, np.minimum(cost, cap) / cap])
        ridge = RidgeCV(_PENALTIES, alpha_per_target=True).fit(X, outcomes)
        predicted = np.asarray(ridge.predict(X_new))
        n_models = quality.shape[1]
        return cls(predicted[:, :n_models], np.maximum(predicted[:, n_models:], 0.0) * cap)

    def chosen(self, w_cost: float, cap: float) -> NDArray[np.intp]:
        """Return the model with the highest predicted reward, of shape (n,)."""
        preference = np.array([1 - w_cost, w_cost])
        return preference_reward(self.quality, self.cost, preference, cap).argmax(axis=1)
