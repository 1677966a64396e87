"""A regressor of paired comparisons whose prediction is a difference of two models' scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from metarouter.routing._contrast_model import ContrastRows, contrast_gram, fit_contrasts

FloatArray = NDArray[np.float64]

__all__ = ["ContrastRidge", "with_models"]


class ContrastRidge(RegressorMixin, BaseEstimator):
    """Regress a gain on theta_k(s) - theta_l(s), with ridge penalties found by marginal likelihood.

    It takes the covariates (s, k, l) of Meta-Router, A.2, as `with_models` writes them, and so can
    be every regressor of an R- or DR-learner.

    Parameters
    ----------
    n_models : int
        The last `n_models` columns say which models are compared: 1 for the first, -1 for the
        second.

    Attributes
    ----------
    coef_ : ndarray of shape (n_models, m)
        Level and slopes of every model.
    covariance_ : ndarray of shape (n_models * m, n_models * m)
    """

    def __init__(self, n_models: int = 2) -> None:
        self.n_models = n_models

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> ContrastRidge:
        """Fit on covariates of shape (n, m - 1 + n_models)."""
        X, labels = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        weight = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight)
        used = weight > 0
        weight = weight[used] / weight[used].mean()
        contrast = X[used, -self.n_models :]
        rows = ContrastRows(
            _with_one(X[used, : -self.n_models]),
            contrast.argmax(axis=1),
            contrast.argmin(axis=1),
            labels[used],
            weight,
        )
        fit = fit_contrasts(contrast_gram(rows, self.n_models), None, self.n_models)
        self.coef_, self.covariance_ = fit.scores, fit.covariance
        return self

    def predict(self, X: Any) -> FloatArray:
        """Return gains of shape (n,)."""
        check_is_fitted(self)
        X = np.asarray(X, dtype=np.float64)
        features, contrast = _with_one(X[:, : -self.n_models]), X[:, -self.n_models :]
        return np.einsum("nk,nk->n", features @ self.coef_.T, contrast)


def with_models(
    features: FloatArray, first: NDArray[np.intp], second: NDArray[np.intp], n_models: int
) -> FloatArray:
    """Append a column per model: 1 for the first, -1 for the second.

    Examples
    --------
    >>> with_models(np.array([[0.5]]), np.array([0]), np.array([2]), 3).tolist()
    [[0.5, 1.0, 0.0, -1.0]]
    """
    contrast = np.zeros((len(features), n_models))
    rows = np.arange(len(features))
    contrast[rows, first] = 1.0
    contrast[rows, second] = -1.0
    return np.column_stack([features, contrast])


def _with_one(features: FloatArray) -> FloatArray:
    return np.column_stack([np.ones(len(features)), features])
