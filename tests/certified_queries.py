"""Predicted and gold gains to certify thresholds on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def queries(n=1000, seed=0, noise=1.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw psi_hat, the right predictions, and gold gains around them."""
    rng = np.random.default_rng(seed)
    psi_hat = rng.normal(size=n)
    return psi_hat, psi_hat + noise * rng.normal(size=n)


def bounded(n=1000, seed=0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the same with gold gains from -1 to 1."""
    psi_hat, gold = queries(n, seed)
    return psi_hat, np.clip(gold, -1, 1)
