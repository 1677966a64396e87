"""Arms at random."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits._arms import names_of
from bandits._ties import draw
from bandits.baselines._means import MeanOutcomes

__all__ = ["RandomRouter"]


class RandomRouter(MeanOutcomes):
    """Call every arm with the same probability: the logging policy that learns about all.

    Parameters
    ----------
    arms, cost_cap, latency_cap, random_state
        As in `BanditRouter`.

    Examples
    --------
    >>> import numpy as np
    >>> router = RandomRouter(random_state=0).fit(np.eye(2), np.eye(2))
    >>> router.predict_proba(np.eye(2)).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """

    def predict(self, X: Any, preference: ArrayLike | None = None) -> NDArray[Any]:
        """Return arms drawn from the seed, shape (n,); the same call gives the same arms."""
        features, _ = self._query(X, preference)
        draws = np.random.default_rng([self._seed, 2])
        with self._lock:
            return names_of(draws.integers(len(self.arms_), size=len(features)), self.arms_)

    def _choose(
        self, X: NDArray[np.float64], preference: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        chances = self._probabilities(X, preference)
        return draw(chances, self._exploration.random(len(X))), chances[:, 0]

    def _probabilities(
        self, X: NDArray[np.float64], preference: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return np.full((len(X), len(self.arms_)), 1.0 / len(self.arms_))
