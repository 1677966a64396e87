"""Quantiles and standard errors that the evaluation shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from metarouter.utils.columns import FloatArray, as_level

__all__ = ["corrected_error", "monte_carlo_error", "normal_quantile", "student_quantile"]


def normal_quantile(level: float) -> float:
    """Half width, in standard errors, of a two-sided normal interval."""
    return float(ndtri(0.5 + as_level(level) / 2))


def student_quantile(level: float, n_rounds: int) -> float:
    """Half width, in standard errors, of a two-sided t interval from ``n_rounds`` rounds."""
    return float(stdtrit(n_rounds - 1, 0.5 + as_level(level) / 2)) if n_rounds > 1 else np.nan


def monte_carlo_error(values: NDArray[np.float64]) -> FloatArray:
    """Compute the standard error of the mean over rounds, s / sqrt(J).

    Parameters
    ----------
    values : ndarray of shape (n_rounds, ...)

    Returns
    -------
    ndarray
        Of the shape of one round; NaN with one round.
    """
    return _deviation(values) * np.sqrt(1.0 / len(values))


def corrected_error(values: NDArray[np.float64], test_to_train: float) -> FloatArray:
    """Compute the corrected resampled standard error, sqrt((1 / J + n_test / n_train) s^2).

    Parameters
    ----------
    values : ndarray of shape (n_rounds, ...)
    test_to_train : float
        Test queries per training query.

    References
    ----------
    Nadeau and Bengio (2003), Inference for the generalization error, Machine Learning 52,
    section 4.2.
    """
    return _deviation(values) * np.sqrt(1.0 / len(values) + test_to_train)


def _deviation(values: NDArray[np.float64]) -> FloatArray:
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(np.std(values, axis=0, ddof=1))
