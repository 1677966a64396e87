"""Epsilon-greedy choice among linear rewards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bandits._ties import argmax_with_ties, chances_of_best
from bandits.linear.base import Array, LinearBandit
from metarouter.utils.parameters import number

__all__ = ["EpsilonGreedy"]


class EpsilonGreedy(LinearBandit):
    """Call the arm with the highest expected reward, and any arm with probability epsilon.

    Parameters
    ----------
    epsilon : float, default=0.1
        Probability of an arm drawn at random from all, in [0, 1].
    prior_precision, prior_mean, fit_intercept, discount, prior
        As in `LinearBandit`.
    arms, cost_cap, latency_cap, random_state
        As in `BanditRouter`.

    References
    ----------
    .. [1] Langford & Zhang (2007), The epoch-greedy algorithm for contextual multi-armed bandits
       (here with a constant share of exploration).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.tile([[1.0, 0.0], [0.0, 1.0]], (100, 1))
    >>> quality = np.tile([[1.0, 0.2], [0.1, 0.9]], (100, 1))
    >>> router = EpsilonGreedy(0.2, random_state=0).fit(X, quality)
    >>> router.predict_proba([[1.0, 0.0]]).round(3).tolist()
    [[0.9, 0.1]]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"epsilon": [number(at_least=0, at_most=1)]}

    def __init__(
        self,
        epsilon: float = 0.1,
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
        self.epsilon = epsilon

    def _noise(self, n_rows: int) -> Array:
        return self._exploration.random((n_rows, 1))

    def _select(self, mean: Array, std: Array, tie: Array, noise: Array) -> NDArray[np.intp]:
        greedy = argmax_with_ties(mean, tie)
        explores = noise[:, 0] < self.epsilon
        if not explores.any():
            return greedy
        # Given that it explores, noise / epsilon is uniform and picks the arm.
        drawn = np.floor(noise[:, 0] / self.epsilon * mean.shape[1]).astype(np.intp)
        return np.where(explores, np.minimum(drawn, mean.shape[1] - 1), greedy)

    def _chances(self, mean: Array, std: Array) -> Array:
        return (1.0 - self.epsilon) * chances_of_best(mean) + self.epsilon / mean.shape[1]
