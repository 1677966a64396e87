"""One arm for every query."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits._arms import names_of, position_of
from bandits.baselines._means import MeanOutcomes

__all__ = ["Constant"]


class Constant(MeanOutcomes):
    """Call one and the same arm, whatever the query and the preference.

    Parameters
    ----------
    arm : str or int, optional
        Name of the arm; by default the first of `arms` that is there.
    arms, cost_cap, latency_cap, random_state
        As in `BanditRouter`.

    Examples
    --------
    >>> import numpy as np
    >>> router = Constant("small", arms=("large", "small")).fit(np.eye(2), np.eye(2))
    >>> router.predict(np.eye(2)).tolist()
    ['small', 'small']
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "arm": "no_validation",  # one of the arms
    }

    def __init__(
        self,
        arm: Any = None,
        *,
        arms: Iterable[Any] | None = None,
        cost_cap: float | None = None,
        latency_cap: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            arms=arms, cost_cap=cost_cap, latency_cap=latency_cap, random_state=random_state
        )
        self.arm = arm

    def _start(self, n_features: int, n_arms: int, n_outcomes: int) -> None:
        super()._start(n_features, n_arms, n_outcomes)
        self._position()

    def predict(self, X: Any, preference: ArrayLike | None = None) -> NDArray[Any]:
        """Return the name of the arm, shape (n,)."""
        features, _ = self._query(X, preference)
        with self._lock:
            return names_of(np.full(len(features), self._position()), self.arms_)

    def _choose(
        self, X: NDArray[np.float64], preference: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        return np.full(len(X), self._position()), np.ones(len(X))

    def _probabilities(
        self, X: NDArray[np.float64], preference: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        chances = np.zeros((len(X), len(self.arms_)))
        chances[:, self._position()] = 1.0
        return chances

    def _position(self) -> int:
        if self.arm is not None:
            return position_of(self.arm, self.arms_)
        named = self.arms_ if self.arms is None else list(self.arms)
        return next((self.arms_.index(arm) for arm in named if arm in self.arms_), 0)
