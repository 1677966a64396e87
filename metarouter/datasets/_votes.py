"""Three-valued votes with a given mean, and the scale that brings gold labels to them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

__all__ = ["cast_votes", "normalising_scale", "tie_probability"]

_TIE_WITHOUT_LEANING = 0.25


def tie_probability(eta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of a tie for votes of mean `eta`: 0.25 (1 - eta^2), none at the limits."""
    return np.asarray(_TIE_WITHOUT_LEANING * (1 - eta**2))


def cast_votes(eta: NDArray[np.float64], impression: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn impressions into votes of mean `eta`.

    Parameters
    ----------
    eta : ndarray of shape (n,)
        Expected vote, in [-1, 1].
    impression : ndarray of shape (n,)
        Standard normal, independent of `eta`; the larger, the better for the primary.

    Returns
    -------
    ndarray of shape (n,)
        Votes in {-1, 0, 1} with P(1) - P(-1) = `eta` and P(0) = `tie_probability(eta)`.
    """
    tie, rank = tie_probability(eta), ndtr(impression)
    for_primary = rank > (1 + tie - eta) / 2
    for_alternative = rank < (1 - tie - eta) / 2
    return for_primary.astype(float) - for_alternative.astype(float)


def normalising_scale(vote_mean: Callable[[float], NDArray[np.float64]], gold_sd: float) -> float:
    """Solve c = sd(vote) / gold_sd where the mean of the votes depends on c itself.

    Parameters
    ----------
    vote_mean : callable
        Gives the expected vote of each query of a large sample when gold labels are scaled by c.
    gold_sd : float
        Standard deviation of the gold labels in that population.

    Returns
    -------
    float
        The factor c of Remark 1 (2) of Meta-Router.
    """
    scale = 1.0
    for _ in range(200):
        eta = vote_mean(scale)
        vote_sd = np.sqrt(1 - tie_probability(eta).mean() - eta.mean() ** 2)
        scale, previous = (scale + float(vote_sd) / gold_sd) / 2, scale
        if abs(scale - previous) < 1e-12:
            break
    return scale
