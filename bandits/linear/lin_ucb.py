"""Upper confidence bounds of linear rewards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bandits._ties import argmax_with_ties, chances_of_best
from bandits.linear.base import Array, LinearBandit
from metarouter.utils.parameters import number

__all__ = ["LinUCB"]


class LinUCB(LinearBandit):
    """Call the arm with the highest upper confidence bound (Li, Chu, Langford & Schapire 2010).

    The bound is mean + alpha times the posterior standard deviation of the reward, disjoint models.

    Parameters
    ----------
    alpha : float, default=1.0
        Width of the bound in standard deviations; 0 never explores.
    prior_precision, prior_mean, fit_intercept, discount, prior
        As in `LinearBandit`.
    arms, cost_cap, latency_cap, random_state
        As in `BanditRouter`.

    Attributes
    ----------
    arms_ : list
        Names of the arms.
    cost_cap_, latency_cap_ : float
        The cost and the latency that count as 1.
    n_updates_, n_revealed_ : int
        Rows of feedback that were learned; cells that `fit` looked at.

    References
    ----------
    .. [1] Li, Chu, Langford & Schapire (2010), A contextual-bandit approach to personalized news
       article recommendation, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.tile([[1.0, 0.0], [0.0, 1.0]], (100, 1))
    >>> quality = np.tile([[1.0, 0.2], [0.1, 0.9]], (100, 1))
    >>> router = LinUCB(random_state=0, arms=("small", "large")).fit(X, quality)
    >>> router.predict([[1.0, 0.0], [0.0, 1.0]]).tolist()
    ['small', 'large']
    >>> router.n_revealed_
    200
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"alpha": [number(at_least=0)]}

    def __init__(
        self,
        alpha: float = 1.0,
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
        self.alpha = alpha

    def _select(self, mean: Array, std: Array, tie: Array, noise: Array) -> NDArray[np.intp]:
        return argmax_with_ties(mean + self.alpha * std, tie)

    def _chances(self, mean: Array, std: Array) -> Array:
        return chances_of_best(mean + self.alpha * std)
