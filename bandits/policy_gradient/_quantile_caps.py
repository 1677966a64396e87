"""Caps of costs and latencies, where none is given: a quantile of the first that are seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bandits._charges import KnowsCharges

__all__ = ["QuantileCaps"]

Array = NDArray[np.float64]

# Rows of costs and latencies that are kept to find the caps in.
KEPT = 1000


class QuantileCaps(KnowsCharges):
    """Mixin of the policies: what is above a cap is cut off before anything learns from it."""

    cost_quantile: float

    def _begin_quantiles(self) -> None:
        self._costs = np.full((KEPT, self.n_outcomes_ - 1), -1.0)  # where there is none yet

    def _capped(self, outcomes: Array) -> Array:
        if any(self._found_caps):
            self._watch(outcomes[:, 1:])
        return self._cut(outcomes)

    def _cut(self, outcomes: Array) -> Array:
        """Return outcomes, shape (..., n_outcomes), with what is above a cap cut off."""
        caps = [np.inf, *(cap or np.inf for cap in self.caps_)]
        return np.minimum(outcomes, caps)

    def _watch(self, charges: Array) -> None:
        """Set the caps that were not given to a quantile of the first costs and latencies."""
        known = int((self._costs[:, 0] >= 0).sum())
        new = charges[: KEPT - known]
        if len(new):
            self._costs[known : known + len(new)] = new
            self._learn_caps(self._costs[: known + len(new)])

    def _learn_caps(self, charges: Array) -> None:
        """Set the caps that were not given to the quantile of some costs and latencies, (n, m)."""
        quantiles = np.quantile(charges, self.cost_quantile, axis=0)
        for j, found in enumerate(self._found_caps):
            if found:
                self.caps_[j] = float(quantiles[j])
