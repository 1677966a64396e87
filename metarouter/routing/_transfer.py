"""Regression of gold labels on a preference score, averaged over how much of it transfers.

With standardised gold labels r and the preference score f, standardised on the gold rows,

    r = a + rho f(x) + delta(x) + zeta z + u_group + e,        delta ~ GP(0, v K),

where every variance is relative to that of e, and z is what the judge said of that very answer
beyond its score, where the query carries both labels. Two numbers with a meaning carry the prior:
h, the share of the gold labels' variance that can be predicted at all, and c, the correlation of
the preference score with psi,

    h ~ Beta(1, 5);   c = 0 with a point mass, else triangular and mostly above 0;
    rho = c sqrt(h),  v = (1 - c^2) h / (1 - h).

The posterior is computed on a grid of kernel, group variance, v and rho. One eigendecomposition
for each kernel and group variance turns every point of the grid into a handful of inner products;
the variance of e is integrated out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.linalg import eigh, solve_triangular
from scipy.special import logsumexp

from metarouter.kernel_learner import KernelSpace, rbf, squared_distances, sum_of_rbfs

FloatArray = NDArray[np.float64]

RHO = np.round(np.arange(-0.8, 0.805, 0.01), 2)
DELTA_VARIANCE = 10.0 ** np.arange(-2.5, 0.51, 0.25)
GROUP_VARIANCE = (0.0, 0.1, 0.3)
GROUP_MASS = (0.5, 0.25, 0.25)
INTERCEPT_VARIANCE = 10.0
PAIR_VARIANCE = 1.0
PREDICTABLE_BETA = 5.0  # h ~ Beta(1, 5)
MASS_ABOVE_ZERO = 0.8  # of the correlations that are not 0
MOST_LANDMARKS = 400  # with more gold rows the kernel matrix is approximated (Nystroem)
LEAST_MASS = 1e-5  # parts of the grid with less are left out of predictions
_LEAST_VARIANCE = 0.02
_SHORTEST_TIE = 0.1
_ROWS_AT_ONCE = 2048


@dataclass(frozen=True)
class Kernel:
    """A Gaussian kernel: where distances are measured, its length in median distances, k(x, x)."""

    space: KernelSpace
    length: float
    variance: float = 1.0

    @property
    def ties_queries(self) -> bool:
        """Whether two queries that are not the same can have a kernel value above 0."""
        return self.length > _SHORTEST_TIE

    def matrix(self, X: NDArray[np.float64], landmarks: FloatArray) -> FloatArray:
        """Kernel values of features with landmarks that lie in the kernel's space."""
        return self.between(self.space.transform(X), landmarks)

    def with_unit_variance(self, X: FloatArray) -> Kernel:
        """Scale the kernel so that its functions vary by 1 over the queries.

        A Gaussian process with a long length is nearly constant over the queries: of its variance
        k(x, x), the part that two queries share goes into the intercept.
        """
        kernel = self.matrix(X, self.space.transform(X))
        n = len(kernel)
        if n < 2:
            return self
        shared = (kernel.sum() - np.trace(kernel)) / (n * (n - 1))
        own = max(self.variance - float(shared), _LEAST_VARIANCE)
        return Kernel(self.space, self.length, self.variance / own)

    def between(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """Kernel values of rows that lie in the kernel's space."""
        return self.variance * rbf(squared_distances(first, second), self.length)


@dataclass(frozen=True)
class GoldRows:
    """What the regression is told about the gold rows.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    gold : ndarray of shape (n,)
    score : ndarray of shape (n,)
        Preference score, from preference labels only.
    residual : ndarray of shape (n,) or None
        Judge's label minus its expectation, in standard deviations of the judge's labels; 0
        where the query has no preference label.
    groups : ndarray of int of shape (n,) or None
    weight : ndarray of shape (n,)
        Precision of each gold label, of mean 1.
    """

    X: FloatArray
    gold: FloatArray
    score: FloatArray
    residual: FloatArray | None
    groups: NDArray[np.intp] | None
    weight: FloatArray


@dataclass(frozen=True)
class Whitening:
    """Symmetric inverse root of I + v_group (same group), after weighting rows by precision."""

    root_weight: FloatArray  # (n,)
    groups: NDArray[np.intp] | None
    factor: FloatArray  # (n_groups,)
    log_determinant: float

    def apply(self, columns: FloatArray) -> FloatArray:
        """Whiten rows: A^-1/2 D columns."""
        return self._symmetric(self.root_weight[:, None] * columns)

    def apply_transposed(self, columns: FloatArray) -> FloatArray:
        """Return D A^-1/2 columns."""
        return self.root_weight[:, None] * self._symmetric(columns)

    def _symmetric(self, columns: FloatArray) -> FloatArray:
        if self.groups is None:
            return columns
        sums = np.zeros((len(self.factor), columns.shape[1]))
        np.add.at(sums, self.groups, self.root_weight[:, None] * columns)
        spread = (self.factor[:, None] * sums)[self.groups]
        return np.asarray(columns + self.root_weight[:, None] * spread)


@dataclass(frozen=True)
class GridPart:
    """All points of the grid that share a kernel and a group variance, given the gold labels.

    ``projection`` takes kernel values with the landmarks to coordinates in which the whitened
    kernel matrix is diagonal with ``values``; ``coordinates`` are r, f and the effects there.
    The posterior means of the effects are ``effects[:, 0] - rho effects[:, 1]``.
    """

    number: int  # of the kernel in the bank
    kernel: Kernel
    landmarks: FloatArray  # (l, n_components)
    projection: FloatArray  # (l, k)
    values: FloatArray  # (k,)
    coordinates: FloatArray  # (k, 2 + n_effects)
    effects: FloatArray  # (n_v, 2, n_effects)
    effects_covariance: FloatArray  # (n_v, n_effects, n_effects)
    noise: FloatArray  # (n_v, n_rho), posterior mean of Var(e)
    mass: FloatArray  # (n_v, n_rho), posterior


@dataclass(frozen=True)
class TransferPosterior:
    """Posterior of the regression, in the units of the gold labels.

    Parameters
    ----------
    level, scale : float
        Mean and standard deviation of the gold labels.
    score_level, score_scale : float
        Mean and standard deviation of the preference score on the gold rows.
    intercept, rho : float
        Posterior means, standardised.
    parts : tuple of GridPart
        Those with some mass.
    coefficients : tuple of ndarray of shape (n_landmarks,)
        Of delta's posterior mean on the landmarks of each part.
    """

    level: float
    scale: float
    score_level: float
    score_scale: float
    intercept: float
    rho: float
    parts: tuple[GridPart, ...]
    coefficients: tuple[FloatArray, ...]

    def mean(self, X: FloatArray, score: FloatArray) -> FloatArray:
        """Return psi-hat for new queries, shape (n,)."""
        standardised = self.intercept + self.rho * self._standardise(score)
        pieces = self._by_landmarks()
        for rows in _blocks(len(X)):
            for kernels, landmarks, coefficients in pieces:
                standardised[rows] += sum_of_rbfs(
                    kernels[0].space.transform(X[rows]),
                    landmarks,
                    [kernel.length for kernel in kernels],
                    coefficients,
                )
        return self.level + self.scale * standardised

    def std(self, X: FloatArray, score: FloatArray) -> FloatArray:
        """Return the posterior standard deviation of psi for new queries, shape (n,)."""
        f, variance = self._standardise(score), np.empty(len(X))
        for rows in _blocks(len(X)):
            first, second = np.zeros(len(f[rows])), np.zeros(len(f[rows]))
            for part in self.parts:
                mean, square = part_moments(part, X[rows], f[rows])
                first, second = first + mean, second + square
            mass = sum(float(part.mass.sum()) for part in self.parts)
            variance[rows] = second / mass - (first / mass) ** 2
        return self.scale * np.sqrt(np.maximum(variance, 0.0))

    def correlation(self) -> tuple[FloatArray, FloatArray]:
        """Return the values of c on the grid, flat, and their posterior masses."""
        mass = np.sum([part.mass for part in self.parts], axis=0)
        return correlation_on_grid().ravel(), (mass / mass.sum()).ravel()

    def _by_landmarks(self) -> list[tuple[list[Kernel], FloatArray, FloatArray]]:
        """Kernels that share their landmarks, those landmarks, and delta's coefficients on them."""
        pieces: list[tuple[list[Kernel], FloatArray, list[FloatArray]]] = []
        for part, own in zip(self.parts, self.coefficients, strict=True):
            if not part.kernel.ties_queries:
                continue
            shared = [k for k, piece in enumerate(pieces) if _same_landmarks(part, *piece[:2])]
            if not shared:
                pieces.append(([], part.landmarks, []))
            kernels, _, coefficients = pieces[shared[0] if shared else -1]
            kernels.append(part.kernel)
            coefficients.append(part.kernel.variance * own)
        return [(kernels, points, np.array(rows)) for kernels, points, rows in pieces]

    def _standardise(self, score: FloatArray) -> FloatArray:
        return np.asarray((score - self.score_level) / self.score_scale)


def fit_transfer(
    rows: GoldRows, kernels: Sequence[Kernel], null_mass: float, rng: Generator
) -> TransferPosterior:
    """Average the regression of gold labels on the preference score over the grid.

    Parameters
    ----------
    rows : GoldRows
        With gold labels that are not all equal.
    kernels : sequence of Kernel
        Of equal prior mass.
    null_mass : float
        Prior probability that the preference score knows nothing of psi.
    rng : numpy Generator
        Draws landmarks where there are many gold rows.
    """
    n = len(rows.gold)
    level, scale = float(rows.gold.mean()), float(rows.gold.std())
    score_level, score_scale = float(rows.score.mean()), float(rows.score.std())
    if score_scale <= 1e-9 * max(1.0, abs(score_level)):
        null_mass, score_scale = 1.0, 1.0  # a constant score says nothing
    columns = np.column_stack(
        [
            (rows.gold - level) / scale,
            (rows.score - score_level) / score_scale,
            np.ones(n),
            *([] if rows.residual is None else [rows.residual]),
        ]
    )
    log_prior = prior_log_mass(null_mass)
    chosen = np.arange(n)
    if n > MOST_LANDMARKS:
        chosen = np.sort(rng.choice(n, MOST_LANDMARKS, replace=False))
    parts, log_weights = [], []
    for whitening, group_mass in _whitenings(rows):
        whitened = whitening.apply(columns)
        for number, kernel in enumerate(kernels):
            projected = kernel.space.transform(rows.X)
            part, log_weight = _weigh(
                number, kernel, projected, projected[chosen], whitening, whitened, log_prior
            )
            parts.append(part)
            log_weights.append(log_weight + np.log(group_mass / len(kernels)))
    total = logsumexp(np.array(log_weights))
    masses = [np.exp(log_weight - total) for log_weight in log_weights]
    kept = [
        _with_mass(part, mass)
        for part, mass in zip(parts, masses, strict=True)
        if mass.sum() > LEAST_MASS
    ]
    means = [_mean_of_part(part) for part in kept]
    return TransferPosterior(
        level,
        scale,
        score_level,
        score_scale,
        intercept=float(sum(mean[0] for mean in means)),
        rho=float(sum((part.mass @ RHO).sum() for part in kept)),
        parts=tuple(kept),
        coefficients=tuple(mean[1] for mean in means),
    )


def prior_log_mass(null_mass: float) -> FloatArray:
    """Log prior mass of every point of the grid of v and rho, shape (n_v, n_rho).

    The density of (h, c) is carried to (log v, rho) by the Jacobian
    ``(1 - rho^2) / sqrt(h) * w (1 - w)`` with ``w = v / (1 + v)``.
    """
    w = (DELTA_VARIANCE / (1 + DELTA_VARIANCE))[:, None]
    h = RHO**2 + (1 - RHO**2) * w
    density = (
        (1 - h) ** (PREDICTABLE_BETA - 1)
        * (1 - np.abs(correlation_on_grid()))
        * (1 - RHO**2)
        / np.sqrt(h)
        * w
        * (1 - w)
    )
    mass = np.zeros_like(density)
    for side, share in ((RHO > 0, MASS_ABOVE_ZERO), (RHO < 0, 1 - MASS_ABOVE_ZERO)):
        mass[:, side] = (1 - null_mass) * share * density[:, side] / density[:, side].sum()
    null = (1 - w) ** PREDICTABLE_BETA * w
    mass[:, RHO == 0] = null_mass * null / null.sum()
    with np.errstate(divide="ignore"):
        return np.log(mass)


def correlation_on_grid() -> FloatArray:
    """Correlation c of the preference score with psi, shape (n_v, n_rho)."""
    w = (DELTA_VARIANCE / (1 + DELTA_VARIANCE))[:, None]
    return np.asarray(RHO / np.sqrt(RHO**2 + (1 - RHO**2) * w))


def part_moments(part: GridPart, X: FloatArray, f: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum mass x E(psi) and mass x E(psi^2) over a part of the grid, standardised."""
    t = np.zeros((len(X), len(part.values)))
    if part.kernel.ties_queries:
        t = part.kernel.matrix(X, part.landmarks) @ part.projection
    first, second = np.zeros(len(f)), np.zeros(len(f))
    for k, v in enumerate(DELTA_VARIANCE):
        mass = part.mass[k]
        if mass.sum() < LEAST_MASS:
            continue
        damped = v * t / (1 + v * part.values)
        effects = part.effects[k]
        level = effects[0, 0] + damped @ (
            part.coordinates[:, 0] - part.coordinates[:, 2:] @ effects[0]
        )
        slope = f - effects[1, 0]
        slope -= damped @ (part.coordinates[:, 1] - part.coordinates[:, 2:] @ effects[1])
        loading = -damped @ part.coordinates[:, 2:]
        loading[:, 0] += 1.0
        relative = v * part.kernel.variance - v * (t * damped).sum(axis=1)
        relative += ((loading @ part.effects_covariance[k]) * loading).sum(axis=1)
        one, linear, square = mass.sum(), mass @ RHO, mass @ RHO**2
        first += one * level + linear * slope
        second += one * level**2 + 2 * linear * level * slope + square * slope**2
        second += (mass @ part.noise[k]) * np.maximum(relative, 0.0)
    return first, second


def _weigh(
    number: int,
    kernel: Kernel,
    projected: FloatArray,
    landmarks: FloatArray,
    whitening: Whitening,
    columns: FloatArray,
    log_prior: FloatArray,
) -> tuple[GridPart, FloatArray]:
    """Log weight of every point of the grid with one kernel and one group variance."""
    n, n_effects = len(columns), columns.shape[1] - 2
    vectors, values, projection = _diagonalise(
        kernel.between(projected, landmarks),
        kernel.between(landmarks, landmarks),
        whitening,
    )
    coordinates = vectors.T @ columns
    rest = columns.T @ columns - coordinates.T @ coordinates
    prior_variance = np.array([INTERCEPT_VARIANCE, PAIR_VARIANCE][:n_effects])
    log_weight, misfit = np.empty(log_prior.shape), np.empty(log_prior.shape)
    effects = np.empty((len(DELTA_VARIANCE), 2, n_effects))
    covariance = np.empty((len(DELTA_VARIANCE), n_effects, n_effects))
    for k, v in enumerate(DELTA_VARIANCE):
        damping = 1 / (1 + v * values)
        inner = coordinates.T @ (damping[:, None] * coordinates) + rest
        precision = np.diag(1 / prior_variance) + inner[2:, 2:]
        covariance[k] = np.linalg.inv(precision)
        effects[k] = (covariance[k] @ inner[2:, :2]).T
        explained = inner[:2, :2] - inner[:2, 2:] @ effects[k].T
        q = explained[0, 0] - 2 * RHO * explained[0, 1] + RHO**2 * explained[1, 1]
        misfit[k] = np.maximum(q, 1e-10 * n)
        log_determinant = (
            -np.log(damping).sum()
            + np.linalg.slogdet(precision)[1]
            + np.log(prior_variance).sum()
            + whitening.log_determinant
        )
        log_weight[k] = -0.5 * log_determinant - 0.5 * (n - 1) * np.log(misfit[k])
    part = GridPart(
        number,
        kernel,
        landmarks,
        projection,
        values,
        coordinates,
        effects,
        covariance,
        noise=misfit / max(n - 3, 1),
        mass=np.empty(0),
    )
    return part, log_weight + log_prior


def _diagonalise(
    kernel: FloatArray, between: FloatArray, whitening: Whitening
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Eigenvectors and values of the whitened kernel matrix, and the projection of new rows."""
    if len(kernel) == len(between):  # every gold row is a landmark
        whitened = whitening.apply(whitening.apply(kernel).T)
        values, vectors = eigh(whitened)
        return vectors, np.maximum(values, 0.0), whitening.apply_transposed(vectors)
    root = np.linalg.cholesky(between + 1e-8 * np.eye(len(between)))
    features = whitening.apply(solve_triangular(root, kernel.T, lower=True).T)
    values, rotation = eigh(features.T @ features)
    kept = values > 1e-10 * values[-1]
    values, rotation = values[kept], rotation[:, kept]
    vectors = features @ rotation / np.sqrt(values)
    projection = solve_triangular(root, rotation * np.sqrt(values), lower=True, trans="T")
    return vectors, values, projection


def _mean_of_part(part: GridPart) -> tuple[float, FloatArray]:
    """Mass x intercept, and mass x the coefficients of delta on the landmarks."""
    intercept, coordinates = 0.0, np.zeros(len(part.values))
    for k, v in enumerate(DELTA_VARIANCE):
        one, linear = part.mass[k].sum(), part.mass[k] @ RHO
        effects = one * part.effects[k, 0] - linear * part.effects[k, 1]
        rest = part.coordinates @ np.concatenate([[one, -linear], -effects])
        coordinates += v * rest / (1 + v * part.values)
        intercept += effects[0]
    return float(intercept), part.projection @ coordinates


def _with_mass(part: GridPart, mass: FloatArray) -> GridPart:
    return replace(part, mass=mass)


def _whitenings(rows: GoldRows) -> list[tuple[Whitening, float]]:
    """One whitening for each group variance, with its prior mass."""
    root = np.sqrt(rows.weight)
    alone = Whitening(root, None, np.empty(0), 0.0)
    if rows.groups is None or np.bincount(rows.groups).max() == 1:
        return [(alone, 1.0)]
    size = np.bincount(rows.groups, weights=rows.weight)
    whitenings = [(alone, GROUP_MASS[0])]
    for variance, mass in zip(GROUP_VARIANCE[1:], GROUP_MASS[1:], strict=True):
        factor = (1 / np.sqrt(1 + variance * size) - 1) / size
        log_determinant = float(np.log1p(variance * size).sum())
        whitenings.append((Whitening(root, rows.groups, factor, log_determinant), mass))
    return whitenings


def _same_landmarks(part: GridPart, kernels: list[Kernel], landmarks: FloatArray) -> bool:
    mine, theirs = part.kernel.space, kernels[0].space
    return (
        mine.median_distance == theirs.median_distance
        and np.array_equal(mine.centre, theirs.centre)
        and np.array_equal(mine.directions, theirs.directions)
        and np.array_equal(part.landmarks, landmarks)
    )


def _blocks(n_rows: int) -> list[slice]:
    return [slice(k, k + _ROWS_AT_ONCE) for k in range(0, n_rows, _ROWS_AT_ONCE)]
