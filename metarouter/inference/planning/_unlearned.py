"""What predictions of gold labels have not learned yet, because there are few labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from metarouter.base_learners import default_regressor
from metarouter.datasets._labelled_queries import take_rows
from metarouter.fitting import fit_model, predict_mean
from metarouter.inference.intervals import FloatArray, Units
from metarouter.nuisance import Nuisances
from metarouter.utils.random import seeded

__all__ = ["unlearned_square"]

_SPLITS = 5
_TRAINED_ON = 0.8  # of the gold labels, by out-of-fold predictions in five folds


def unlearned_square(
    recipe: Nuisances | None,
    X: Any,
    y: FloatArray,
    is_gold: NDArray[np.bool_],
    weight: FloatArray,
    units: Units,
    seed: int,
) -> float:
    """Return the mean square by which predictions of gold labels are off for want of labels.

    It is part of the mean squared residual, and would be gone with ever more gold labels. It is 0
    where that cannot be told: no query without a gold label, or one outcome model for both sources.

    Parameters
    ----------
    recipe : Nuisances or None
    X : array-like of shape (n, d)
    y : ndarray of shape (n,)
        Read where `is_gold`.
    is_gold : ndarray of bool, shape (n,)
    weight : ndarray of shape (n,)
        In the mean over rows whose units have no gold label.
    units : Units
        Rows that belong together are never in two halves.
    seed : int

    Notes
    -----
    Models of two halves of the labels, which know nothing of each other, differ on a query that
    neither has seen by twice the variance of one, on average. Variances fall as one over the
    number of labels. What a model is off on all samples alike (its bias) is not seen.
    """
    codes = np.arange(y.size) if units is None else units
    elsewhere = np.flatnonzero(~np.isin(codes, codes[is_gold]) & (weight > 0))
    if (recipe is not None and recipe.pooled_outcome) or not elsewhere.size:
        return 0.0
    given = None if recipe is None else recipe.outcome
    model = seeded(default_regressor() if given is None else clone(given), seed)
    rng = np.random.default_rng(seed)
    labelled = np.unique(codes[is_gold])
    squares = np.zeros(elsewhere.size)
    for _ in range(_SPLITS):
        first = np.isin(codes, rng.permutation(labelled)[: labelled.size // 2])
        one, other = (
            predict_mean(
                fit_model(model, take_rows(X, np.flatnonzero(half)), y[half]),
                take_rows(X, elsewhere),
            )
            for half in (is_gold & first, is_gold & ~first)
        )
        squares += (one - other) ** 2 / 2 / _SPLITS
    return float(np.average(squares, weights=weight[elsewhere])) * 0.5 / _TRAINED_ON
