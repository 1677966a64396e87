"""Queries in the order in which a router would send them, whose gain follows its score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def queries(
    n=400, *, slope=1.0, seed=0, ties=False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw gold gains with mean 0.3 + slope score, and the scores."""
    rng = np.random.default_rng(seed)
    score = rng.standard_normal(n)
    gain = 0.3 + slope * score + rng.standard_normal(n)
    return gain, score.round() if ties else score
