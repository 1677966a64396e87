from __future__ import annotations

import numpy as np
import pytest


class Streams:
    """Streams of routed queries."""

    def columns(self, n=600, *, seed=0, shift=0.0, probability=0.2, d=4):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(n, d)) * np.array([2.0] + [1.0] * (d - 1))
        X[:, 0] += shift
        gain = 0.1 + 0.2 * X[:, 0]
        prediction = gain + 0.3 * rng.normal(size=n)
        drawn = rng.random(n) < probability
        price = np.exp(0.4 * rng.normal(size=n))
        return {
            "routed_to_primary": prediction > 0.3,
            "cost_primary": price,
            "cost_alternative": 0.1 * price,
            "features": X,
            "prediction": prediction,
            "gold": np.where(drawn, gain + 0.5 * rng.normal(size=n), np.nan),
            "gold_probability": np.full(n, probability),
        }

    def rows(self, columns, start, stop):
        return {name: column[start:stop] for name, column in columns.items()}


@pytest.fixture(scope="session")
def streams():
    return Streams()
