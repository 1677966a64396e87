"""Inverse-gap weighting of linear rewards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bandits._ties import draw, tied_for_best
from bandits.linear.base import Array, LinearBandit
from metarouter.utils.parameters import number

__all__ = ["SquareCB"]


class SquareCB(LinearBandit):
    """Explore an arm the less, the further its expected reward lies below the best one's.

    With K arms, an arm that is not the best is called with probability 1 / (K + gamma gap), the
    best one with the rest (Foster & Rakhlin 2020, algorithm 1, with a constant rate).

    Parameters
    ----------
    gamma : float, default=100.0
        Learning rate, at least 0; larger ones explore less, 0 calls all arms alike.
    prior_precision, prior_mean, fit_intercept, discount, prior
        As in `LinearBandit`.
    arms, cost_cap, latency_cap, random_state
        As in `BanditRouter`.

    References
    ----------
    .. [1] Foster & Rakhlin (2020), Beyond UCB: optimal and efficient contextual bandits with
       regression oracles.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.tile([[1.0, 0.0], [0.0, 1.0]], (100, 1))
    >>> quality = np.tile([[1.0, 0.2], [0.1, 0.9]], (100, 1))
    >>> router = SquareCB(random_state=0).fit(X, quality)
    >>> bool(router.predict_proba([[1.0, 0.0]])[0, 0] > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"gamma": [number(at_least=0)]}

    def __init__(
        self,
        gamma: float = 100.0,
        *,
        prior_precision: Any = 1.0,
        prior_mean: Any = None,
        fit_intercept: bool = True,
        discount: float = 1.0,
        prior: Any = None,
        arms: Iterable[Any] | None = None,
        cost_cap: float | None = None,
        latency_cap: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            prior_precision=prior_precision,
            prior_mean=prior_mean,
            fit_intercept=fit_intercept,
            discount=discount,
            prior=prior,
            arms=arms,
            cost_cap=cost_cap,
            latency_cap=latency_cap,
            random_state=random_state,
        )
        self.gamma = gamma

    def _noise(self, n_rows: int) -> Array:
        return self._exploration.random((n_rows, 1))

    def _select(self, mean: Array, std: Array, tie: Array, noise: Array) -> NDArray[np.intp]:
        return draw(self._chances(mean, std), noise[:, 0])

    def _chances(self, mean: Array, std: Array) -> Array:
        n_arms = mean.shape[1]
        tied = tied_for_best(mean)
        gap = mean.max(axis=1, keepdims=True) - mean
        chance = np.where(tied, 0.0, 1.0 / (n_arms + self.gamma * gap))
        rest = 1.0 - chance.sum(axis=1, keepdims=True)
        return np.asarray(np.where(tied, rest / tied.sum(axis=1, keepdims=True), chance))
