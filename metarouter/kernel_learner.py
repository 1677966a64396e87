"""Kernel ridge regression that averages its length scale and penalty by marginal likelihood.

A smooth companion of the default forest: it is linear in the number of rows, deterministic given
its seed, and has nothing to tune.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh, solve_triangular
from scipy.spatial.distance import pdist
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from metarouter.utils.parameters import whole
from metarouter.utils.random import seed_of
from metarouter.utils.validation import validate_features, validate_training

__all__ = [
    "AveragedKernelRidge",
    "KernelSpace",
    "kernel_space",
    "rbf",
    "squared_distances",
    "sum_of_rbfs",
]

FloatArray = NDArray[np.float64]

N_COMPONENTS = 50
N_LANDMARKS = 200
LENGTHS = np.array([0.35, 0.7, 1.4, 4.0])  # in median distances
SIGNAL_TO_NOISE = 10.0 ** np.arange(-4.0, 2.1, 0.5)
# Columns whose scales differ by more are measured in different units: distances between raw rows
# would be those of one column. Embeddings and their principal components stay below.
LARGEST_SCALE_RATIO = 100.0
_ROWS_FOR_MEDIAN = 500
_ROWS_AT_ONCE = 4096
_ROWS_IN_CACHE = 128
_MOST_SQUARINGS = 7
_LEAST_WEIGHT = 1e-6  # settings with less posterior mass are left out of predictions


@dataclass(frozen=True)
class KernelSpace:
    """Where distances between queries are measured: principal components of the features.

    Parameters
    ----------
    centre : ndarray of shape (d,)
    directions : ndarray of shape (d, n_components)
        A row is mapped to ``(row - centre) @ directions``.
    median_distance : float
        Median distance between two rows, 1 where all rows are equal.
    """

    centre: FloatArray
    directions: FloatArray
    median_distance: float

    def transform(self, X: NDArray[Any]) -> FloatArray:
        """Map rows of features into the space, in units of the median distance."""
        scaled = self.directions / self.median_distance
        return np.asarray(X @ scaled - self.centre @ scaled, dtype=np.float64)


def kernel_space(
    X: NDArray[Any], n_components: int = N_COMPONENTS, power: float = 0.0
) -> KernelSpace:
    """Learn the first principal components of the rows of `X`, which use no label.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    n_components : int
        All components are kept where there are no more.
    power : float, default=0
        Components are divided by this power of their standard deviation: 0 keeps them, 1 whitens.

    Returns
    -------
    KernelSpace
    """
    X = np.asarray(X, dtype=np.float64)
    centre = X.mean(axis=0)
    spread = X.std(axis=0)
    varies = spread > 1e-12 * np.maximum(1.0, np.abs(centre))
    spread = np.where(varies, spread, np.inf)
    has_units = varies.any() and spread[varies].max() > LARGEST_SCALE_RATIO * spread[varies].min()
    unit = 1.0 / spread if has_units else varies.astype(np.float64)
    centred = (X - centre) * unit
    values, vectors = eigh(centred.T @ centred / len(X))
    kept = np.argsort(values)[::-1][:n_components]
    kept = kept[values[kept] > 1e-10 * max(values[kept[0]], 1e-300)]
    if kept.size == 0:
        return KernelSpace(centre, np.zeros((X.shape[1], 1)), 1.0)
    directions = unit[:, None] * vectors[:, kept] * values[kept] ** (-power / 2)
    rows = X[np.linspace(0, len(X) - 1, min(len(X), _ROWS_FOR_MEDIAN)).astype(int)]
    distances = pdist((rows - centre) @ directions)
    distances = distances[distances > 0]
    return KernelSpace(centre, directions, float(np.median(distances)) if distances.size else 1.0)


def squared_distances(first: FloatArray, second: FloatArray) -> FloatArray:
    """Squared Euclidean distances between all rows of two arrays."""
    squared = first @ (-2.0 * second.T)
    squared += (first**2).sum(axis=1)[:, None]
    squared += (second**2).sum(axis=1)
    return np.maximum(squared, 0.0, out=squared)


def rbf(squared: FloatArray, length: float) -> FloatArray:
    """Gaussian kernel ``exp(-squared / (2 length^2))``."""
    exponent = squared * (-0.5 / length**2)
    return np.exp(exponent, out=exponent)


def sum_of_rbfs(
    rows: FloatArray, landmarks: FloatArray, lengths: ArrayLike, coefficients: FloatArray
) -> FloatArray:
    """Sum over lengths of Gaussian kernels with the landmarks times coefficients.

    All lengths share the distances. Where a length is half the one before it, the fourth power of
    those kernel values takes the place of an exponential.

    Parameters
    ----------
    rows : ndarray of shape (n, p)
    landmarks : ndarray of shape (l, p)
    lengths : array-like of shape (k,)
    coefficients : ndarray of shape (k, l)

    Returns
    -------
    ndarray of shape (n,)
    """
    lengths = np.asarray(lengths, dtype=np.float64)
    order = np.argsort(-lengths)
    rates, coefficients = 0.5 / lengths[order] ** 2, coefficients[order]
    row_norms, norms = (rows**2).sum(axis=1), (landmarks**2).sum(axis=1)
    # One product of matrices gives all squared distances, negative: 2 x'l - |l|^2 - |x|^2.
    left = np.column_stack([rows, np.ones(len(rows)), row_norms])
    right = np.vstack([2.0 * landmarks.T, -norms, -np.ones(len(landmarks))])
    total = np.zeros(len(rows))
    shape = (min(_ROWS_IN_CACHE, len(rows)), len(landmarks))
    space = tuple(np.empty(shape) for _ in range(4))
    for start in range(0, len(rows), _ROWS_IN_CACHE):
        block = slice(start, start + _ROWS_IN_CACHE)
        negative, values, *buffers = (array[: len(total[block])] for array in space)
        np.matmul(left[block], right, out=negative)
        np.minimum(negative, 0.0, out=negative)
        for k, rate in enumerate(rates):
            if k and rate == 4 * rates[k - 1]:
                np.square(values, out=values)
                np.square(values, out=values)
            elif k == 0 or rate != rates[k - 1]:
                _exponential(negative, rate, values, *buffers)
            total[block] += values @ coefficients[k]
    return total


def _exponential(
    exponent: FloatArray, rate: float, out: FloatArray, odd: FloatArray, even: FloatArray
) -> None:
    """Write ``exp(rate exponent)`` of exponents up to 0 to `out`; `odd` and `even` are overwritten.

    A rational approximation of exp(y) for -1/32 <= y <= 0 (Pade, of degree 3, to 1e-15), squared
    up to seven times: two thirds of the time of ``np.exp`` on processors without vector
    instructions for it. Every square doubles the rounding error; where more would be needed,
    ``np.exp`` is taken.
    """
    largest = -32.0 * rate * float(exponent.min(initial=0.0))
    squarings = int(np.ceil(np.log2(max(largest, 1.0))))
    if squarings > _MOST_SQUARINGS:
        np.multiply(exponent, rate, out=out)
        np.exp(out, out=out)
        return
    np.multiply(exponent, rate / 2**squarings, out=out)
    np.square(out, out=even)
    np.add(even, 60.0, out=odd)
    odd *= out
    even *= 12.0
    even += 120.0
    np.add(even, odd, out=out)
    even -= odd
    out /= even
    for _ in range(squarings):
        np.square(out, out=out)


class AveragedKernelRidge(RegressorMixin, BaseEstimator):
    """Ridge regression with a Gaussian kernel whose settings are averaged, not selected.

    The kernel acts on the first 50 principal components of the features. Four length scales and
    thirteen ratios of signal to noise are weighed by their marginal likelihoods, so that there is
    nothing to tune and nothing to cross-validate. At most 200 landmark rows carry the kernel
    (Nystroem; the subset of regressors of Rasmussen & Williams 2006, section 8.3.1), so that time
    is linear in the number of rows and memory does not grow with it.

    Parameters
    ----------
    n_landmarks : int, default=200
        Rows that carry the kernel.
    random_state : int, RandomState or None
        Seed of the choice of landmarks.

    Attributes
    ----------
    weights_ : ndarray of shape (n_lengths, n_ratios)
        Posterior mass of every setting.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 2))
    >>> y = np.sin(2 * X[:, 0]) + 0.1 * rng.normal(size=300)
    >>> bool(AveragedKernelRidge(random_state=0).fit(X, y).score(X, y) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_landmarks": [whole()],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_landmarks: int = N_LANDMARKS,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def fit(
        self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> AveragedKernelRidge:
        """Fit the average over all settings.

        Parameters
        ----------
        X : array-like of shape (n, d)
        y : array-like of shape (n,)
        sample_weight : array-like of shape (n,), optional

        Raises
        ------
        DataError
            If the data are malformed.
        """
        data = validate_training(self, X, y, None, sample_weight)
        rng = np.random.default_rng(seed_of(self.random_state))
        weight = np.ones(len(data.y)) if data.sample_weight is None else data.sample_weight
        self.space_ = kernel_space(data.X[weight > 0])
        candidates = np.flatnonzero(weight > 0)
        chosen = rng.choice(candidates, min(self.n_landmarks, candidates.size), replace=False)
        self.landmarks_ = self.space_.transform(data.X[np.sort(chosen)])
        self._fit_average(data.X, data.y, weight / weight[candidates].mean())
        return self

    def predict(self, X: Any) -> FloatArray:
        """Return the predicted means, shape (n,)."""
        check_is_fitted(self)
        X = validate_features(self, X)
        means = [self._predict_rows(X[rows]) for rows in _blocks(len(X))]
        return np.concatenate([np.zeros(0), *means])

    def _predict_rows(self, X: NDArray[Any]) -> FloatArray:
        used = self.coefficients_.any(axis=1)
        rows = self.space_.transform(X)
        deviation = sum_of_rbfs(rows, self.landmarks_, LENGTHS[used], self.coefficients_[used])
        return np.asarray(self.mean_ + deviation)

    def _fit_average(self, X: NDArray[Any], y: FloatArray, weight: FloatArray) -> None:
        n_rows = int((weight > 0).sum())
        self.mean_ = float(np.average(y, weights=weight))
        total = float(weight @ (y - self.mean_) ** 2)
        shape = (len(LENGTHS), len(self.landmarks_))
        self.coefficients_ = np.zeros(shape)
        self.weights_ = np.zeros((len(LENGTHS), len(SIGNAL_TO_NOISE)))
        if total <= 1e-20 * max(1.0, self.mean_**2) * n_rows or n_rows < 3:
            return  # constant labels
        between = squared_distances(self.landmarks_, self.landmarks_)
        ridge = 1e-8 * np.eye(len(between))
        roots = [np.asarray(np.linalg.cholesky(rbf(between, q) + ridge), float) for q in LENGTHS]
        grams, moments, sums = self._accumulate(X, y - self.mean_, weight, roots)
        evidence, solutions = [], []
        for length, gram, moment in zip(LENGTHS, grams, moments, strict=True):
            values, vectors = eigh(gram)
            values = np.maximum(values, 0.0)
            moment = vectors.T @ moment
            ratio = SIGNAL_TO_NOISE * length**2
            shrunken = ratio / (1 + np.outer(values, ratio)) * moment[:, None]
            misfit = np.maximum(total - moment @ shrunken, 1e-12 * total)
            evidence.append(
                -0.5 * np.log1p(np.outer(values, ratio)).sum(axis=0)
                - 0.5 * (n_rows - 1) * np.log(misfit)
            )
            solutions.append(vectors @ shrunken)
        log_weights = np.array(evidence)
        self.weights_ = np.exp(log_weights - logsumexp(log_weights))
        for k, (root, solution) in enumerate(zip(roots, solutions, strict=True)):
            if self.weights_[k].sum() > _LEAST_WEIGHT:
                mean = solution @ self.weights_[k]
                self.coefficients_[k] = solve_triangular(root, mean, lower=True, trans="T")
                self.mean_ -= float(sums[k] @ mean) / weight.sum()

    def _accumulate(
        self, X: NDArray[Any], y: FloatArray, weight: FloatArray, roots: list[FloatArray]
    ) -> tuple[list[FloatArray], list[FloatArray], list[FloatArray]]:
        """Sum the kernel features and their cross-products over blocks of rows.

        The cross-products are centred: the intercept has a flat prior.
        """
        size = len(self.landmarks_)
        grams = [np.zeros((size, size)) for _ in LENGTHS]
        moments, sums = ([np.zeros(size) for _ in LENGTHS] for _ in range(2))
        for rows in _blocks(len(X)):
            squared = squared_distances(self.space_.transform(X[rows]), self.landmarks_)
            scale = np.sqrt(weight[rows])
            for k, (length, root) in enumerate(zip(LENGTHS, roots, strict=True)):
                features = solve_triangular(root, rbf(squared, length).T, lower=True).T
                features *= scale[:, None]
                grams[k] += features.T @ features
                moments[k] += features.T @ (scale * y[rows])
                sums[k] += features.T @ scale
        grams = [
            gram - np.outer(part, part) / weight.sum()
            for gram, part in zip(grams, sums, strict=True)
        ]
        return grams, moments, sums


def _blocks(n_rows: int) -> list[slice]:
    return [slice(k, k + _ROWS_AT_ONCE) for k in range(0, n_rows, _ROWS_AT_ONCE)]
