"""One seed of a study: routers are played, and then asked at every setting of the dial."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from bandits._arms import positions_of
from bandits.evaluation._split import StudySplit
from bandits.evaluation._test_rows import RouterOutcome, SeedOutcome
from metarouter.datasets import ModelMatrix
from metarouter.routing.preference_reward import reward as preference_reward

__all__ = ["SeedPlay"]

FloatArray = NDArray[np.float64]


class SeedPlay:
    """One seed: what routers are played on, and what they are tested on."""

    def __init__(
        self,
        matrix: ModelMatrix,
        split: StudySplit,
        cap: float,
        dial: tuple[float, ...],
        router_seed: int,
        pair: tuple[str, str] | None,
    ) -> None:
        assert matrix.cost is not None  # check has refused such a table
        X, train = np.asarray(matrix.X, dtype=np.float64), split.train
        self.test = np.concatenate(split[1:])
        self.outside = np.arange(self.test.size) >= split.in_distribution.size
        self.logs = (X[train], matrix.quality[train], matrix.cost[train])
        self.X_test, self.models, self.pair = X[self.test], list(matrix.models), pair
        self.cap, self.dial, self.router_seed = cap, dial, router_seed

    def outcome(self, template: Any) -> RouterOutcome:
        """Play a router, then ask it at every setting of the dial."""
        router = clone(template).set_params(
            arms=self.models, cost_cap=self.cap, random_state=self.router_seed
        )
        router.fit(*self.logs)
        asked = (router.predict(self.X_test, preference=(1 - w, w)) for w in self.dial)
        chosen = [positions_of(arms, self.models) for arms in asked]
        return RouterOutcome(np.array(chosen), self._gain(router), int(router.n_revealed_))

    def together(self, outcomes: list[RouterOutcome]) -> SeedOutcome:
        """Put what all routers did beside each other, the one that saw everything last."""
        chosen, gain, n_revealed = zip(*outcomes, strict=True)
        return SeedOutcome(
            test=self.test,
            outside=self.outside,
            chosen=np.array(chosen),
            best_constant=_best_constants(*self.logs[1:], self.cap, self.dial),
            predicted_gain=np.array(gain),
            n_train=len(self.logs[0]),
            n_revealed=n_revealed[:-1],
        )

    def _gain(self, router: Any) -> FloatArray:
        """Predicted quality of the strong minus that of the weak model, NaN where unknown."""
        if self.pair is None or not hasattr(router, "predict_quality"):
            return np.full(len(self.X_test), np.nan)
        strong, weak = (self.models.index(model) for model in self.pair)
        quality = np.asarray(router.predict_quality(self.X_test))
        return np.asarray(quality[:, strong] - quality[:, weak])


def _best_constants(
    quality: FloatArray, cost: FloatArray, cap: float, dial: tuple[float, ...]
) -> NDArray[np.intp]:
    """Return the model with the highest mean reward on the given rows, at each setting."""
    means = [preference_reward(quality, cost, np.array([1 - w, w]), cap).mean(axis=0) for w in dial]
    return np.argmax(means, axis=1)
