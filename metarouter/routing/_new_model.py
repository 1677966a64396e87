"""Place a new model among known ones, from a handful of comparisons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from metarouter.routing._bradley_terry import working_response
from metarouter.routing._contrast_model import ContrastFit

FloatArray = NDArray[np.float64]

__all__ = ["PlacedModel", "ScoreDirections", "new_model_scores", "score_directions"]

_VOTE_STEPS = 5


@dataclass(frozen=True)
class ScoreDirections:
    """How the known models' scores vary together.

    Parameters
    ----------
    loadings : ndarray of shape (n_models, rank)
        Embeddings of the models: what each has of every direction.
    directions : ndarray of shape (rank, m - 1)
        Slopes of the directions, of length 1.
    centre : ndarray of shape (m,)
        Level and slopes of the average model.
    """

    loadings: FloatArray
    directions: FloatArray
    centre: FloatArray


class PlacedModel(NamedTuple):
    """A new model's coefficients, its bias, their covariance and its embedding."""

    score: FloatArray
    bias: FloatArray
    covariance: FloatArray
    embedding: FloatArray


def score_directions(coef: FloatArray, rank: int) -> ScoreDirections:
    """Find the leading directions of slopes, shape (n_models, m), around the average model."""
    centre = coef.mean(axis=0)
    slopes = coef[:, 1:] - centre[1:]
    left, size, right = np.linalg.svd(slopes, full_matrices=False)
    left, size, right = left[:, :rank], size[:rank], right[:rank]
    sign = np.sign(right[np.arange(len(right)), np.abs(right).argmax(axis=1)])
    sign[sign == 0] = 1.0
    return ScoreDirections(left * size * sign, right * sign[:, None], centre)


def new_model_scores(
    features: FloatArray,
    other: NDArray[np.intp],
    y: FloatArray,
    is_gold: NDArray[np.bool_],
    known: ContrastFit,
    directions: ScoreDirections,
    tie: float | None,
) -> PlacedModel:
    """Regress comparisons of a new model on its level, its embedding and the judge's favour for it.

    With z = f(s), theta_new = centre + alpha + sum_r v_r (g_r' z) and delta_new = c, gold labels
    are theta_new - theta_l and preference labels rho (theta_new - theta_l) - (c - delta_l), where
    alpha, v_r and c are normal with the variances that the known models have.

    Parameters
    ----------
    features : ndarray of shape (n, m)
    other : ndarray of int, shape (n,)
        The known model of each comparison.
    y : ndarray of shape (n,)
        Quality of the new model minus that of the other.
    is_gold : ndarray of bool, shape (n,)
    known : ContrastFit
    directions : ScoreDirections
    tie : float or None
        Davidson's parameter where preference labels are votes of a Bradley-Terry-Luce model.
    """
    parts = known.components
    along = features[:, 1:] @ directions.directions.T
    lead = features @ directions.centre - np.einsum("nm,nm->n", features, known.scores[other])
    favour = np.einsum("nm,nm->n", features, known.bias[other])
    rank, ones = along.shape[1], np.ones((len(y), 1))
    rho = np.where(is_gold, 1.0, parts.sensitivity)[:, None]
    design = np.column_stack([rho * ones, rho * along, np.where(is_gold, 0.0, -1.0)])
    offset = np.where(is_gold, lead, parts.sensitivity * lead + favour)
    spread = np.sqrt(np.mean(directions.loadings**2, axis=0)) + 1e-12
    prior = np.concatenate([[parts.score_level], spread, [max(parts.bias_level, 1e-12)]]) ** 2
    # What of score and bias differs from query to query in ways that are not estimated is noise.
    noise = np.where(
        is_gold,
        np.nan_to_num(parts.gold_noise, nan=1.0) ** 2,
        np.nan_to_num(parts.preference_noise, nan=1.0) ** 2 + parts.bias_slope**2,
    )
    mean = np.zeros(rank + 2)
    response, variance = y, noise
    votes = ~is_gold
    for _ in range(_VOTE_STEPS if tie is not None and votes.any() else 1):
        if tie is not None and votes.any():
            latent = offset + design @ mean
            working, information = working_response(y[votes], latent[votes], tie)
            response, variance = y.copy(), noise.copy()
            response[votes] = working
            variance[votes] = 1 / information + parts.bias_slope**2
        weighted = design / variance[:, None]
        factor = cho_factor(np.diag(1 / prior) + design.T @ weighted, lower=True)
        mean = cho_solve(factor, weighted.T @ (response - offset))
    covariance = cho_solve(factor, np.eye(len(prior)))
    basis = np.zeros((features.shape[1], rank + 1))
    basis[0, 0] = 1.0
    basis[1:, 1:] = directions.directions.T
    score = directions.centre + basis @ mean[:-1]
    bias = np.zeros(features.shape[1])
    bias[0] = mean[-1]
    return PlacedModel(score, bias, basis @ covariance[:-1, :-1] @ basis.T, mean[1:-1])
