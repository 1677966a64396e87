"""P(arm k is the largest of independent normals), by adaptive quadrature, one arm at a time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr


def naive_probability_of_largest(mean, std):
    """Return the probabilities of one row, shape (n_arms,)."""
    # Where the others' distribution functions bend, lest the quadrature miss a narrow one.
    bends = np.sort(np.concatenate([mean + c * std for c in (-8, -4, 0, 4, 8)]))

    def density(y, k):
        z = (y - mean) / std
        below_others = np.delete(ndtr(z), k).prod()
        return np.exp(-0.5 * z[k] ** 2) / np.sqrt(2 * np.pi) / std[k] * below_others

    return np.array([
        sum(
            quad(density, low, high, args=(k,), epsabs=1e-11, epsrel=1e-9)[0]
            for low, high in pairwise(bends)
        )
        for k in range(len(mean))
    ])  # fmt: skip
