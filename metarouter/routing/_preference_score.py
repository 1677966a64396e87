"""The preference score: what the judge is expected to say, learned from its labels alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import KFold

from metarouter.base_learners import default_regressor
from metarouter.exceptions import DataError
from metarouter.fitting import fit_model, out_of_bag_mean, predict_mean
from metarouter.kernel_learner import AveragedKernelRidge

__all__ = ["PreferenceScore", "reliability", "unreliable_mass"]

FloatArray = NDArray[np.float64]

# Under the alternative the z statistic of a forest that has learned something is, a priori,
# half-normal with this standard deviation (plus its own unit variance).
_SPREAD_OF_Z = 5.0
_FOLDS = 5


class PreferenceScore(RegressorMixin, BaseEstimator):
    """Mean of the default forest and a kernel ridge regression of the preference labels.

    It sees no gold row, so that what it predicts there is out of sample.

    Parameters
    ----------
    random_state : int
        Seed of both learners.
    n_jobs : int, optional
        Workers of the forest.
    """

    def __init__(self, random_state: int = 0, n_jobs: int | None = None) -> None:
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: FloatArray, y: FloatArray, sample_weight: FloatArray | None = None) -> Any:
        """Fit both learners on validated preference rows."""
        forest = default_regressor(self.random_state, self.n_jobs, len(y))
        kernel = AveragedKernelRidge(random_state=self.random_state)
        self.forest_ = fit_model(forest, X, y, sample_weight)
        self.kernel_ = fit_model(kernel, X, y, sample_weight)
        return self

    def predict(self, X: FloatArray) -> FloatArray:
        """Return the expected preference label, shape (n,)."""
        return 0.5 * (_mean_of_trees(self.forest_, X) + predict_mean(self.kernel_, X))

    def predict_training_rows(
        self, X: FloatArray, y: FloatArray, sample_weight: FloatArray | None
    ) -> FloatArray:
        """Predict the rows of ``fit`` without their own labels: out of bag, and by folds."""
        kernel = np.empty(len(y))
        for train, test in KFold(min(_FOLDS, len(y)), shuffle=True, random_state=0).split(X):
            weight = None if sample_weight is None else sample_weight[train]
            model = fit_model(self.kernel_, X[train], y[train], weight)
            kernel[test] = predict_mean(model, X[test])
        return 0.5 * (out_of_bag_mean(self.forest_, X) + kernel)


def _mean_of_trees(forest: ExtraTreesRegressor, X: FloatArray) -> FloatArray:
    """Predict by a fitted forest, tree by tree, without what a pool of workers costs on one core.

    Equal to ``forest.predict(X)``, of which a quarter of the time goes into that pool.
    """
    rows = np.ascontiguousarray(X, dtype=np.float32)
    total = np.zeros(len(rows))
    for tree in forest.estimators_:
        total += tree.tree_.predict(rows)[:, 0]
    return total / len(forest.estimators_)


def reliability(
    score: PreferenceScore, X: FloatArray, y: FloatArray, sample_weight: FloatArray | None
) -> float:
    """Standardised out-of-bag correlation of the score's forest with the labels it learned from.

    About standard normal when the judge's labels cannot be predicted from the features, so that
    the preference score is noise whatever the judge is worth.
    """
    try:
        predicted = out_of_bag_mean(score.forest_, X)
    except DataError:  # a handful of rows: some are in every bag
        return 0.0
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    moments = np.cov(predicted, y, aweights=weight, ddof=0)
    variance = moments[0, 0] * moments[1, 1]
    if not variance > 1e-24:
        return 0.0
    effective = weight.sum() ** 2 / (weight**2).sum()
    return float(moments[0, 1] / np.sqrt(variance) * np.sqrt(effective))


def unreliable_mass(z: float) -> float:
    """Posterior probability that a score with `reliability` z has learned nothing.

    Even odds a priori; z is standard normal if nothing was learned, and has variance 1 + 25, its
    positive half, if something was.

    Examples
    --------
    >>> round(unreliable_mass(0.0), 2), round(unreliable_mass(5.0), 4)
    (0.72, 0.0)
    """
    spread = _SPREAD_OF_Z**2
    log_odds = np.log(2) - 0.5 * np.log1p(spread) + 0.5 * max(z, 0.0) ** 2 * spread / (1 + spread)
    return float(1 / (1 + np.exp(min(log_odds, 700.0))))
