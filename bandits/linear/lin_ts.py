"""Thompson sampling of linear rewards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bandits._ties import argmax_with_ties
from bandits.linear._largest_normal import probability_of_largest, widened
from bandits.linear.base import Array, LinearBandit
from metarouter.utils.parameters import number

__all__ = ["LinTS"]


class LinTS(LinearBandit):
    """Draw a reward for every arm from its posterior and call the highest (Agrawal & Goyal 2013).

    The arms' posteriors are independent, so that for one context the reward of an arm may be drawn
    itself, N(mean, (scale std)^2), in place of its d coefficients: the choice has the same law at
    the price of one number. Contexts in a batch get draws of their own.

    Parameters
    ----------
    scale : float, default=1.0
        What the posterior standard deviation is multiplied by; 0 never explores.
    prior_precision, prior_mean, fit_intercept, discount, prior
        As in `LinearBandit`.
    arms, cost_cap, latency_cap, random_state
        As in `BanditRouter`.

    References
    ----------
    .. [1] Agrawal & Goyal (2013), Thompson sampling for contextual bandits with linear payoffs,
       algorithm 1 (with disjoint models).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.tile([[1.0, 0.0], [0.0, 1.0]], (100, 1))
    >>> router = LinTS(random_state=0).fit(X, np.tile([[1.0, 0.2], [0.1, 0.9]], (100, 1)))
    >>> router.predict([[1.0, 0.0], [0.0, 1.0]]).tolist()
    [0, 1]
    >>> router.predict_proba([[1.0, 0.0]]).sum().round(9).tolist()
    1.0
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"scale": [number(at_least=0)]}

    def __init__(
        self,
        scale: float = 1.0,
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
        self.scale = scale

    def _noise(self, n_rows: int) -> Array:
        return self._exploration.standard_normal((n_rows, len(self.arms_)))

    def _select(self, mean: Array, std: Array, tie: Array, noise: Array) -> NDArray[np.intp]:
        deviation = widened(self.scale * std)
        drawn = mean + deviation * noise
        if deviation.min() > 0:  # a continuous draw has no ties
            return drawn.argmax(axis=1)
        return np.where(deviation.all(axis=1), drawn.argmax(axis=1), argmax_with_ties(drawn, tie))

    def _chances(self, mean: Array, std: Array) -> Array:
        return probability_of_largest(mean, self.scale * std)
