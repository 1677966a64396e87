"""The preference score: what the judge is expected to say, learned from its labels alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import KFold

from metarouter.fitting import fit_model, predict_mean
from metarouter.kernel_learner import AveragedKernelRidge

__all__ = ["PreferenceScore", "unlearned_mass"]

FloatArray = NDArray[np.float64]

_FOLDS = 5


class PreferenceScore(RegressorMixin, BaseEstimator):
    """Kernel ridge regression of the preference labels.

    It sees no gold row, so that what it predicts there is out of sample.

    Parameters
    ----------
    random_state : int
        Seed of the kernel's landmarks.
    """

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def fit(self, X: FloatArray, y: FloatArray, sample_weight: FloatArray | None = None) -> Any:
        """Fit on validated preference rows."""
        kernel = AveragedKernelRidge(random_state=self.random_state)
        self.kernel_ = fit_model(kernel, X, y, sample_weight)
        return self

    def predict(self, X: FloatArray) -> FloatArray:
        """Return the expected preference label, shape (n,)."""
        return predict_mean(self.kernel_, X)

    def predict_training_rows(
        self, X: FloatArray, y: FloatArray, sample_weight: FloatArray | None
    ) -> FloatArray:
        """Predict the rows of ``fit`` without their own labels, by folds."""
        score = np.empty(len(y))
        for train, test in KFold(min(_FOLDS, len(y)), shuffle=True, random_state=0).split(X):
            weight = None if sample_weight is None else sample_weight[train]
            model = fit_model(self.kernel_, X[train], y[train], weight)
            score[test] = predict_mean(model, X[test])
        return score


def unlearned_mass(settings: FloatArray) -> float:
    """Posterior probability that nothing was learned: that the labels ignore the features.

    Even odds a priori. The settings of a kernel ridge regression with the least signal stand for
    no signal, so that the Bayes factor for a signal is that of all settings against those.

    Parameters
    ----------
    settings : ndarray of shape (n_lengths, n_ratios)
        Posterior masses of the settings; ratios of signal to noise rise along a row. All 0 where
        the labels do not vary.

    Examples
    --------
    >>> unlearned_mass(np.full((4, 13), 1 / 52))  # labels that do not speak for any setting
    0.5
    >>> round(unlearned_mass(np.array([[0.0, 0.4, 0.6]])), 2)
    0.0
    """
    null = settings.size * float(settings[:, 0].mean())
    return 1.0 if not settings.any() else null / (1 + null)
