"""Bradley-Terry-Luce votes with ties (Davidson 1970), as weighted least squares.

With u = u_kl(s) the latent lead of the first model, the vote y in {-1, 0, 1} has::

    P(1) : P(0) : P(-1) = exp(u / 2) : nu : exp(-u / 2)

so that without ties (nu = 0) E(y) = 2 sigma(u) - 1. (Meta-Router, A.2, writes sigma(u), which is
the probability of a win and not the mean of a label in {-1, 0, 1}.) The vote is an exponential
family with natural parameter u / 2, so that Fisher scoring regresses
``u + 2 (y - E y) / Var y`` with weights ``Var y / 4``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from metarouter.exceptions import DataError

FloatArray = NDArray[np.float64]

__all__ = ["VoteMoments", "require_votes", "tie_parameter", "vote_moments", "working_response"]

_LARGEST_LEAD = 12.0
_SMALLEST_VARIANCE = 1e-3


class VoteMoments(NamedTuple):
    """Mean and variance of votes, each of shape (n,)."""

    mean: FloatArray
    variance: FloatArray


def vote_moments(lead: FloatArray, tie: float) -> VoteMoments:
    """Return mean and variance of votes given the latent lead.

    Examples
    --------
    >>> mean, variance = vote_moments(np.array([0.0, 2.0]), 0.0)
    >>> bool(np.isclose(mean[1], 2 / (1 + np.exp(-2.0)) - 1)), variance[0].item()
    (True, 1.0)
    """
    half = np.clip(lead, -_LARGEST_LEAD, _LARGEST_LEAD) / 2
    win, loss = np.exp(half), np.exp(-half)
    total = win + loss + tie
    mean = (win - loss) / total
    return VoteMoments(mean, (win + loss) / total - mean**2)


def working_response(y: FloatArray, lead: FloatArray, tie: float) -> tuple[FloatArray, FloatArray]:
    """Return the response and the weight of one step of Fisher scoring, each of shape (n,)."""
    mean, variance = vote_moments(lead, tie)
    variance = np.maximum(variance, _SMALLEST_VARIANCE)
    lead = np.clip(lead, -_LARGEST_LEAD, _LARGEST_LEAD)
    return lead + 2 * (y - mean) / variance, variance / 4


def tie_parameter(y: FloatArray, lead: FloatArray, weight: FloatArray) -> float:
    """Return the nu of largest likelihood given the latent leads; 0 where nothing is tied."""
    tied = float(np.sum(weight[y == 0]))
    if tied == 0:
        return 0.0
    half = np.clip(lead, -_LARGEST_LEAD, _LARGEST_LEAD) / 2
    decided = np.exp(half) + np.exp(-half)

    def loss(log_tie: float) -> float:
        return float(np.sum(weight * np.log(decided + np.exp(log_tie))) - tied * log_tie)

    return float(np.exp(minimize_scalar(loss, bounds=(-10, 10), method="bounded").x))


def require_votes(y: FloatArray) -> None:
    """Refuse preference labels other than -1, 0 and 1.

    Raises
    ------
    DataError
    """
    other = ~np.isin(y, (-1.0, 0.0, 1.0))
    if other.any():
        raise DataError(
            f"structure='bradley_terry' models votes, but {int(other.sum())} of {len(y)} "
            f"preference labels are none of -1, 0 and 1 (such as {y[other][0]:g}); use "
            "structure='scores'."
        )
