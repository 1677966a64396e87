"""Areas of a router that was trained on parts of a pilot.

What predictions of gold labels have not learned yet, because there are few labels.

A learning curve: an inverse power law of the numbers of labels, with its uncertainty.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import joblib
import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit
from sklearn.base import clone

from metarouter.base_learners import default_regressor
from metarouter.datasets import LabelledQueries
from metarouter.datasets._labelled_queries import take_rows
from metarouter.evaluation._efficiency_gain import rank_gains
from metarouter.fitting import fit_model, predict_mean
from metarouter.inference.intervals import Clusters, FloatArray
from metarouter.nuisance import Nuisances
from metarouter.utils.groups import group_codes
from metarouter.utils.random import seeded


class Cells(NamedTuple):
    """Numbers of training labels, shape (k,) each."""

    n_gold: FloatArray
    n_preference: FloatArray


def areas_of_subsamples(
    data: LabelledQueries,
    router: Any,
    cells: Cells,
    n_test: int,
    rounds: int,
    seed: int,
    n_jobs: int | None,
) -> FloatArray:
    """Train on nested random parts of the pilot, and evaluate on gold labels left out.

    Returns
    -------
    ndarray of shape (rounds, k)
        Areas of the efficiency gain, without bias for the test queries being few.
    """
    sources = np.random.SeedSequence(seed).spawn(rounds)
    rows = joblib.Parallel(n_jobs=n_jobs)(
        joblib.delayed(_one_round)(data, router, cells, n_test, source) for source in sources
    )
    return np.array(rows)


def _one_round(
    data: LabelledQueries, router: Any, cells: Cells, n_test: int, source: np.random.SeedSequence
) -> list[float]:
    rng = np.random.default_rng(source)
    seed = int(rng.integers(2**31))
    test, train = _split(data, n_test, rng)
    gold = rng.permutation(train[data.has_gold[train]])
    preference = rng.permutation(train[data.has_preference[train]])
    return [
        _area(_trained(data, router, gold[: int(g)], preference[: int(p)], seed), data, test)
        for g, p in zip(*cells, strict=True)
    ]


def _split(
    data: LabelledQueries, n_test: int, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draw whole groups until enough gold labels are in the test part; the rest trains."""
    unit = np.arange(data.n_queries) if data.groups is None else group_codes(data.groups)
    n_gold = np.bincount(unit, weights=data.has_gold)
    drawn = rng.permutation(np.flatnonzero(n_gold))
    n_drawn = 1 + int(np.searchsorted(np.cumsum(n_gold[drawn]), n_test))
    in_test = np.isin(unit, drawn[:n_drawn])
    return np.flatnonzero(in_test & data.has_gold), np.flatnonzero(~in_test)


def _trained(
    data: LabelledQueries,
    router: Any,
    gold: NDArray[np.intp],
    preference: NDArray[np.intp],
    seed: int,
) -> Any:
    labels = np.full((2, data.n_queries), np.nan)
    labels[0, gold], labels[1, preference] = data.gold[gold], data.preference[preference]
    kept = np.flatnonzero(~np.isnan(labels).all(axis=0))
    rows = LabelledQueries(
        X=take_rows(data.X, kept),
        gold=labels[0, kept],
        preference=labels[1, kept],
        groups=None if data.groups is None else data.groups[kept],
        weight=None if data.weight is None else data.weight[kept],
        preference_weight=None if data.preference_weight is None else data.preference_weight[kept],
    ).training_rows()
    return seeded(clone(router), seed).fit(
        rows.X, rows.y, rows.is_gold, sample_weight=rows.sample_weight, groups=rows.groups
    )


def _area(router: Any, data: LabelledQueries, test: NDArray[np.intp]) -> float:
    weight = np.ones(test.size) if data.weight is None else data.weight[test]
    share = weight / weight.sum()
    gain = data.gold[test] - share @ data.gold[test]
    ranked = rank_gains(gain, router.predict(take_rows(data.X, test)), share)
    # The covariance of gain and rank, as that of a sample: with n - 1.
    return float(share @ (gain * ranked.distribution)) * test.size / (test.size - 1)


_SPLITS = 5
_TRAINED_ON = 0.8  # of the gold labels, by out-of-fold predictions in five folds


def unlearned_square(
    recipe: Nuisances | None,
    X: Any,
    y: FloatArray,
    is_gold: NDArray[np.bool_],
    weight: FloatArray,
    clusters: Clusters,
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
    clusters : ndarray of int or None
        Rows that belong together are never in two halves.
    seed : int

    Notes
    -----
    Models of two halves of the labels, which know nothing of each other, differ on a query that
    neither has seen by twice the variance of one, on average. Variances fall as one over the
    number of labels. What a model is off on all samples alike (its bias) is not seen.
    """
    codes = np.arange(y.size) if clusters is None else clusters
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
