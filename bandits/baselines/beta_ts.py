"""Thompson sampling that looks at no query."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandits._ties import tied_for_best
from bandits.base import Feedback
from bandits.baselines._largest_beta import probabilities_of_largest
from bandits.baselines._means import MeanOutcomes

__all__ = ["BetaTS"]

Array = NDArray[np.float64]


class BetaTS(MeanOutcomes):
    """Draw every arm's quality from a Beta posterior and call the best (Chapelle & Li 2011).

    It is what routers in use do that know models and no queries: the posterior of an arm is
    Beta(1 + sum q, 1 + sum (1 - q)), so that a quality between 0 and 1 counts as that share of a
    success; one beyond is cut off. A cost is expected to be its mean so far. Where quality weighs
    nothing, the best draw among the cheapest arms is called.

    Parameters
    ----------
    arms, cost_cap, latency_cap, random_state
        As in `BanditRouter`.

    Examples
    --------
    >>> import numpy as np
    >>> quality = np.tile([0.2, 0.9], (200, 1))
    >>> router = BetaTS(arms=("small", "large"), random_state=0).fit(np.ones((200, 1)), quality)
    >>> bool(router.predict_proba(np.ones((1, 1)))[0, 1] > 0.99)
    True
    """

    def _update(self, feedback: Feedback) -> None:
        outcomes = feedback.outcomes.copy()
        outcomes[:, 0] = np.clip(outcomes[:, 0], 0.0, 1.0)
        super()._update(feedback._replace(outcomes=outcomes))

    def _choose(self, X: Array, preference: Array) -> tuple[NDArray[np.intp], Array]:
        success, failure = self._posterior()
        less = self._quality_for_costs(_one_per_row(preference, len(X)))
        drawn = self._exploration.beta(success, failure, size=less.shape)
        arm = np.argmax(drawn - less, axis=1)
        distinct, which = np.unique(np.column_stack([arm, less]), axis=0, return_inverse=True)
        chances = [
            probabilities_of_largest(success, failure, row[1:], row[:1].astype(np.intp))[0]
            for row in distinct
        ]
        return arm, np.array(chances)[which.ravel()]

    def _probabilities(self, X: Array, preference: Array) -> Array:
        return self._probabilities_among(X, preference, np.arange(len(self.arms_)))

    def _probabilities_among(self, X: Array, preference: Array, arms: NDArray[np.intp]) -> Array:
        distinct, row = np.unique(_one_per_row(preference, len(X)), axis=0, return_inverse=True)
        success, failure = (parameter[arms] for parameter in self._posterior())
        every = np.arange(len(arms))
        chances = np.stack(
            [
                probabilities_of_largest(success, failure, less, every)
                for less in self._quality_for_costs(distinct, arms)
            ]
        )
        return np.asarray(chances / chances.sum(axis=1, keepdims=True))[row.ravel()]

    def _posterior(self) -> tuple[Array, Array]:
        success = self._sums()[:, 0]
        return 1.0 + success, 1.0 + np.maximum(self.count_ - success, 0.0)

    def _quality_for_costs(self, preference: Array, arms: Any = slice(None)) -> Array:
        """Return the quality that makes up for what an arm costs beyond the cheapest, (n, n_arms).

        The reward w_q theta_k - price_k is highest where theta_k - (price_k - least price) / w_q
        is. Prices that are equal up to rounding take nothing, however little quality weighs; where
        it weighs nothing, the arms that are not among the cheapest have no chance.
        """
        mean = self._sums()[arms, 1:] / np.maximum(self.count_[arms], 1.0)[:, None]
        prices = -self._caps.weights(preference)[:, 1:] @ mean.T
        dearer = np.where(tied_for_best(-prices), 0.0, prices - prices.min(axis=1, keepdims=True))
        with np.errstate(divide="ignore", over="ignore"):
            return np.divide(dearer, preference[:, :1], out=np.zeros_like(dearer), where=dearer > 0)


def _one_per_row(preference: Array, n_rows: int) -> Array:
    return np.broadcast_to(preference, (n_rows, preference.shape[-1]))
