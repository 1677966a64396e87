"""A learning curve: an inverse power law of the numbers of labels, with its uncertainty."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from metarouter.inference.intervals import FloatArray
from metarouter.inference.planning._subsamples import Cells

__all__ = ["Forecast", "LearningCurve", "fit_learning_curve"]

_EXPONENTS = np.array([0.25, 0.5, 0.75, 1.0, 1.5])


class Forecast(NamedTuple):
    """Values of a learning curve with standard errors, shape (m,) each."""

    value: FloatArray
    se: FloatArray


class LearningCurve(NamedTuple):
    """Area = limit - gold n_gold^-e - preference n_preference^-e, averaged over exponents e.

    Parameters
    ----------
    exponent, weight : ndarray of shape (e,)
        Exponents and how well each fits, summing to one.
    coefficient : ndarray of shape (e, c)
    covariance, contrast_covariance : ndarray of shape (e, c, c)
        For the area, and for differences of it, from which what is common to a round is gone.
    has_preference : bool
        Whether the number of preference labels was varied.
    df : float
        Degrees of freedom of the errors.
    """

    exponent: FloatArray
    weight: FloatArray
    coefficient: FloatArray
    covariance: FloatArray
    contrast_covariance: FloatArray
    has_preference: bool
    df: float

    def forecast(self, cells: Cells, minus: Cells | None = None) -> Forecast:
        """Return the area with these numbers of labels, or what it is beyond that with others.

        Parameters
        ----------
        cells : Cells
        minus : Cells, optional
            Of one element.
        """
        values, variances = [], []
        covariance = self.covariance if minus is None else self.contrast_covariance
        for k, exponent in enumerate(self.exponent):
            x = _terms(cells, exponent, self.has_preference)
            if minus is not None:
                x = x - _terms(minus, exponent, self.has_preference)
            values.append(x @ self.coefficient[k])
            variances.append(np.einsum("ij,jk,ik->i", x, covariance[k], x))
        value = self.weight @ np.array(values)
        # What the exponents disagree about is uncertain too.
        between = self.weight @ (np.array(values) - value) ** 2
        return Forecast(value, np.sqrt(self.weight @ np.array(variances) + between))

    def critical(self, level: float) -> float:
        """Return how many standard errors make an interval."""
        return float(stdtrit(self.df, 0.5 + level / 2))


def fit_learning_curve(areas: FloatArray, cells: Cells, test_to_train: float) -> LearningCurve:
    """Fit the inverse power law to the areas of subsamples.

    Parameters
    ----------
    areas : ndarray of shape (rounds, k)
    cells : Cells
        Of k elements.
    test_to_train : float
        Test queries per training query.

    Notes
    -----
    For one exponent the law is linear; it is fitted by least squares to the mean areas, with
    limit free and losses that cannot be negative. The covariance of the mean areas over rounds that
    share their queries is Nadeau and Bengio's, (1 / rounds + n_test / n_train) times that over
    rounds. Exponents are weighted by the likelihood of their residuals, whose variance is that of
    differences between cells of one round.

    The factor n_test / n_train is r / (1 - r) for the correlation r of two rounds, which is taken
    to be the share q of the queries that a test holds. Differences between cells are correlated
    less. What comes of the test queries alone is the same in all cells of a round. What comes of
    the training labels alone is of second order, because the area is flat at the best ranking: it
    is carried by pairs of labels, and its covariance between rounds is the same for all cells,
    however many labels they have. Both are gone from a difference. What is left comes of test
    queries together with training labels, and two rounds share it only where they share both: r
    is q times the share of the labels that a cell trains on.
    """
    rounds = len(areas)
    mean = areas.mean(axis=0)
    spread = (1 / rounds + test_to_train) * np.cov(areas, rowvar=False)
    centred = areas - areas.mean(axis=1, keepdims=True)
    noise = (1 / rounds + test_to_train) * np.var(centred, axis=0, ddof=1).mean()
    shared = _shared_by_rounds(cells, test_to_train)
    contrast_spread = (1 / rounds + np.outer(shared, shared)) * np.cov(centred, rowvar=False)
    has_preference = np.unique(cells.n_preference).size > 1
    coefficients, covariances, contrasts, misfit = [], [], [], []
    for exponent in _EXPONENTS:
        x = _terms(cells, exponent, has_preference)
        projection = np.linalg.pinv(x)
        coefficient = projection @ mean
        # More labels do not harm: a loss that comes out negative is taken to be none.
        used = np.append(True, coefficient[1:] > 0)
        projection = np.zeros_like(projection)
        projection[used] = np.linalg.pinv(x[:, used])
        coefficient = projection @ mean
        coefficients.append(coefficient)
        full = np.linalg.pinv(x)  # the sign is uncertain too, so errors are those of the free fit
        covariances.append(full @ spread @ full.T)
        contrasts.append(full @ contrast_spread @ full.T)
        misfit.append(float(np.sum((mean - x @ coefficient) ** 2)) / noise)
    likelihood = np.exp(-(np.array(misfit) - min(misfit)) / 2)
    return LearningCurve(
        _EXPONENTS,
        likelihood / likelihood.sum(),
        np.array(coefficients),
        np.array(covariances),
        np.array(contrasts),
        has_preference,
        float(rounds - 1),
    )


def _shared_by_rounds(cells: Cells, test_to_train: float) -> FloatArray:
    """Return sqrt(r / (1 - r)) for each cell, r being the correlation of two rounds."""
    in_test = test_to_train / (1 + test_to_train)
    gold = (1 - in_test) * cells.n_gold / cells.n_gold.max()
    preference = cells.n_preference / max(1.0, cells.n_preference.max())
    r = in_test * np.maximum(gold, preference)
    return np.sqrt(r / (1 - r))


def _terms(cells: Cells, exponent: float, has_preference: bool) -> FloatArray:
    columns = [np.ones(len(cells.n_gold)), -(cells.n_gold**-exponent)]
    if has_preference:
        columns.append(-(cells.n_preference**-exponent))
    return np.column_stack(columns)
