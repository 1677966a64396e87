"""The arm with the highest reward by regressions of quality, cost and latency."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.utils.validation import check_is_fitted

from bandits._logs import Logs
from bandits._validation import contexts
from bandits.full_information.base import FullInformationRouter
from metarouter.utils.parameters import REGRESSOR
from metarouter.utils.random import seeded

__all__ = ["RegressionRouter"]

Array = NDArray[np.float64]

_PENALTIES = np.logspace(-2, 4, 13)


class RegressionRouter(FullInformationRouter):
    """Predict what every arm would bring and cost, and call the one with the highest reward.

    One regression of all outcomes, fitted once, serves every preference: the reward of an arm is
    w_q q - w_c min(c / tau, 1) (BaRP, equation 1), and so for latency. With two arms this is the
    threshold on the predicted gain in quality.

    Parameters
    ----------
    regressor : regressor, optional
        Of several outputs, fitted on all qualities and on all costs and latencies as shares of
        their caps. By default a ridge regression whose penalty is chosen, outcome by outcome, by
        leave-one-out errors. Nearest neighbours and random forests are as strong: see the examples.
    arms, cost_cap, latency_cap, random_state
        As in `FullInformationRouter`. The seed is handed to a regressor that has none.

    Attributes
    ----------
    regressor_ : regressor
        The fitted one.

    References
    ----------
    .. [1] Hu et al. (2024), RouterBench: its KNN and MLP routers are of this kind.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[1.0, 0.0], [0.0, 1.0]], 10, axis=0)
    >>> quality = np.repeat([[0.9, 0.8], [0.9, 0.1]], 10, axis=0)
    >>> cost = np.tile([2.0, 1.0], (20, 1))
    >>> router = RegressionRouter(arms=("large", "small")).fit(X, quality, cost)
    >>> router.predict(np.eye(2)).tolist()
    ['small', 'large']
    >>> router.predict(np.eye(2), preference=(1, 0)).tolist()
    ['large', 'large']

    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> neighbours = RegressionRouter(KNeighborsRegressor(5)).fit(X, quality, cost)
    >>> neighbours.predict_quality(np.eye(2)).round(2).tolist()
    [[0.9, 0.8], [0.9, 0.1]]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "regressor": [REGRESSOR, None],
    }

    def __init__(
        self,
        regressor: Any = None,
        *,
        arms: Iterable[Any] | None = None,
        cost_cap: float | None = None,
        latency_cap: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            arms=arms, cost_cap=cost_cap, latency_cap=latency_cap, random_state=random_state
        )
        self.regressor = regressor

    def predict_quality(self, X: Any) -> Array:
        """Return the expected quality of every arm, shape (n, n_arms)."""
        return self._expected(self._features(X)).quality

    def predict_cost(self, X: Any) -> Array:
        """Return the expected cost of every arm, shape (n, n_arms), in the unit of the costs.

        Raises
        ------
        DataError
            If there were no costs to learn from.
        """
        return self._predict_outcome(X, 1)

    def predict_latency(self, X: Any) -> Array:
        """Return the expected latency of every arm, shape (n, n_arms), in the given unit.

        Raises
        ------
        DataError
            If there were no latencies to learn from.
        """
        return self._predict_outcome(X, 2)

    def _predict_outcome(self, X: Any, position: int) -> Array:
        features = self._features(X)
        self._require_learned(position)
        return self._expected(features).outcomes[:, :, position]

    def _learn(self, X: Array, logs: Logs) -> None:
        shares = np.minimum(logs.outcomes[:, :, 1:] / self.caps_, 1.0)
        outcomes = np.hstack([logs.quality, *np.moveaxis(shares, 2, 0)])
        model = RidgeCV(_PENALTIES, alpha_per_target=True) if self.regressor is None else None
        self.regressor_ = seeded(model or self.regressor, self._seed)
        self.regressor_.fit(X, outcomes[:, 0] if outcomes.shape[1] == 1 else outcomes)

    def _scores(self, X: Array, preference: Array) -> Array:
        return self._expected(X).reward(preference, self.caps_)

    def _expected(self, X: Array) -> Logs:
        predicted = np.asarray(self.regressor_.predict(X), dtype=np.float64)
        outcomes = np.stack(np.hsplit(predicted.reshape(len(X), -1), self.n_outcomes_), axis=2)
        outcomes[:, :, 1:] = np.maximum(outcomes[:, :, 1:], 0.0) * self.caps_
        return Logs(outcomes, self.arms_)

    def _features(self, X: Any) -> Array:
        check_is_fitted(self, "arms_")
        return contexts(self, X)
