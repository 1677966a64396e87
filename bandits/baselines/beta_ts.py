"""Thompson sampling that looks at no query."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv

from bandits._ties import argmax_with_ties
from bandits.base import Feedback
from bandits.baselines._means import MeanOutcomes

__all__ = ["BetaTS"]

Array = NDArray[np.float64]

_SHARES = np.concatenate([[0.0], np.linspace(0.0, 1.0, 33)[1:-1], [0.999, 1.0]])


class BetaTS(MeanOutcomes):
    """Draw every arm's quality from a Beta posterior and call the best (Chapelle & Li 2011).

    It is what routers in use do that know models and no queries: the posterior of an arm is
    Beta(1 + sum q, 1 + sum (1 - q)), so that a quality between 0 and 1 counts as that share of a
    success; one beyond is cut off. A cost is expected to be its mean so far.

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
        drawn = self._exploration.beta(success, failure, size=(len(X), len(success)))
        weight, price = self._weight_and_price(_one_per_row(preference, len(X)))
        ties = self._ties.random(len(X))
        arm = argmax_with_ties(weight[:, None] * drawn - price, ties)
        return arm, self._probabilities(X, preference)[np.arange(len(X)), arm]

    def _probabilities(self, X: Array, preference: Array) -> Array:
        preferences = _one_per_row(preference, len(X))
        distinct, row = np.unique(preferences, axis=0, return_inverse=True)
        weight, price = self._weight_and_price(distinct)
        posterior = self._posterior()
        chances = [_chances(*posterior, w, p) for w, p in zip(weight, price, strict=True)]
        return np.stack(chances)[row.ravel()]

    def _posterior(self) -> tuple[Array, Array]:
        success = self.total_[:, 0]
        return 1.0 + success, 1.0 + np.maximum(self.count_ - success, 0.0)

    def _weight_and_price(self, preference: Array) -> tuple[Array, Array]:
        """Return what multiplies the quality, (n,), and what every arm takes, (n, n_arms)."""
        charges = self.total_[:, 1:] / np.maximum(self.count_, 1.0)[:, None]
        return preference[:, 0], -self._caps.weights(preference)[:, 1:] @ charges.T


def _one_per_row(preference: Array, n_rows: int) -> Array:
    return np.broadcast_to(preference, (n_rows, preference.shape[-1]))


def _chances(success: Array, failure: Array, weight: float, price: Array) -> Array:
    """Return P(arm k has the largest weight * q_k - price_k), shape (n_arms,).

    A Stieltjes sum over the quantiles of all arms, as for normals.
    """
    if weight == 0.0:
        cheapest: NDArray[Any] = price <= price.min() + 1e-12
        return cheapest / cheapest.sum()
    quantile = betaincinv(success[:, None], failure[:, None], _SHARES)
    nodes = np.sort((weight * quantile - price[:, None]).ravel())
    held = np.clip((nodes + price[:, None]) / weight, 0.0, 1.0)
    below = betainc(success[:, None], failure[:, None], held)
    others = np.divide(below.prod(axis=0), below, out=np.zeros_like(below), where=below > 0)
    chance = (np.diff(below) * (others[:, 1:] + others[:, :-1])).sum(axis=1)
    return np.asarray(chance / chance.sum())
