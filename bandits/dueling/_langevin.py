"""Posterior samples of Feel-Good Thompson sampling, at a price per duel that does not grow.

With z_i = phi(x_i, first) - phi(x_i, second), the margin m_i = <theta, z_i> and t_i = 1, 1/2 or 0
where the first answer won, tied or lost, sample j minimises and explores (Li, Zhao & Gu 2024)

    U_j(theta) = |theta - theta_0|^2 / (2 v) + eta sum_i [t_i sigma(m_i) + (1 - t_i) sigma(-m_i)]
                 - mu sum_i max_a <theta, phi(x_i, a) - phi(x_i, a_i^{3-j})>,

with sigma(z) = log(1 + exp(-z)), the LOGISTIC LOSS. Read as the sigmoid, the same letters make the
sampler descend the probability that the winner wins, and learn the reverse of every preference.

Three devices keep the price flat and the samples right.

- Rows are kept in random order (a new one goes to a random place, and who stood there to the end),
  so that any stretch of them is a simple random sample: a minibatch is a view, not a copy.
- Gradients are those at a reference point near the mode, exactly, plus a minibatch estimate of the
  difference (control variates; Baker, Fearnhead, Fox & Nemeth 2019). Without it the noise of the
  minibatches outgrows that of the posterior once rows are many times the batch.
- Steps are preconditioned by the curvature at that point, which is taken anew whenever the rows
  have grown by a fifth: all directions then mix alike, and the price per row stays bounded.

A step reads a minibatch and a triangle of curvature and computes little with them, so that its time
is that of memory: both are kept in single precision, whose error is far below the noise of a step.
Samples, margins' sums, the curvature itself and the height of U are in double precision.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.linalg import blas, cho_solve, cholesky
from scipy.linalg.lapack import dtrtri
from scipy.special import expit

__all__ = ["DuelPosterior", "curvature", "logistic_loss", "loss_slope"]

Array = NDArray[np.float64]
Single = NDArray[np.float32]
Sampler = Literal["sgld", "laplace"]

GROWTH = 1.2  # the reference point is taken anew when rows have grown by this factor
CURVATURE_ROWS = 4096  # rows that tell the curvature; more are sampled
NEWTON_STEPS = 25
_FEW_ROWS = 4  # above it, one product of matrices is faster than one per row
NEWTON_TOLERANCE = 0.01  # of half the squared Newton decrement, in units of log posterior
# A Newton step this short keeps the curvature of where it began: its mean square per coefficient,
# in posterior variances.
SHORT_STEP = 0.05


def logistic_loss(margin: Array) -> Array:
    """Return sigma(m) = log(1 + exp(-m)), the loss of a duel that was won by margin m.

    Examples
    --------
    >>> logistic_loss(np.array([-2.0, 0.0, 2.0])).round(3).tolist()
    [2.127, 0.693, 0.127]
    """
    return np.logaddexp(0.0, -margin)


def loss_slope(margin: Array, target: Array) -> Array:
    """Return d/dm [t sigma(m) + (1 - t) sigma(-m)] = 1 / (1 + exp(-m)) - t.

    Parameters
    ----------
    margin : ndarray
    target : ndarray
        1 where the first won, 0 where the second did, 1/2 for a tie.

    Examples
    --------
    >>> loss_slope(np.zeros(3), np.array([1.0, 0.5, 0.0])).tolist()
    [-0.5, 0.0, 0.5]
    """
    return expit(margin) - target


def curvature(margin: Array, sampler: Sampler) -> Array:
    """Return the curvature of the loss: its own, or one that bounds it from above everywhere.

    "laplace" is the second derivative p (1 - p). "sgld" is tanh(m / 2) / (2 m), with which a
    quadratic touches the loss at m and lies above it elsewhere (Jaakkola & Jordan 2000): steps
    scaled by it cannot overshoot where a chain has wandered to steeper ground.
    """
    if sampler == "laplace":
        chance = expit(margin)
        return chance * (1.0 - chance)
    size = np.maximum(np.abs(margin), 1e-6)
    return np.tanh(size / 2) / (2 * size)


def _product(rows: Single, matrix: Single) -> Single:
    """Return rows @ matrix; of a few rows one by one, which spares the packing of the matrix."""
    if len(rows) > _FEW_ROWS:
        return np.asarray(rows @ matrix)
    return np.array([row @ matrix for row in rows])


def _triangular_product(rows: Array, upper: Single, *, transposed: bool = False) -> Single:
    """Return rows @ upper, or rows @ upper.T, reading half of an upper triangular matrix."""
    # What BLAS sees is the transpose, a lower triangle in its own order of memory.
    lower, trans, single = upper.T, int(transposed), rows.astype(np.float32)
    if len(rows) > _FEW_ROWS:
        return np.asarray(blas.strmm(1.0, lower, single.T, lower=1, trans_a=trans).T)
    return np.array([blas.strmv(lower, row, lower=1, trans=trans) for row in single])


class DuelPosterior:
    """Rows of duels and posterior samples given them.

    Parameters
    ----------
    prior_mean : ndarray of shape (d,)
        theta_0 above.
    n_samples : int
        Samples of each of the two posteriors. They are the columns of one array, the first
        posterior's before the second's; its last row is the mode, which the same steps find without
        noise.
    prior_variance, eta, mu : float
        v, eta and mu above.
    step : float
        Share of the way to an independent draw that one step goes, in (0, 1].
    n_steps : int
        Steps per call of `advance`.
    batch : int
        Rows per minibatch.
    sampler : {"sgld", "laplace"}
        Langevin chains, or fresh draws around the mode.
    rng : Generator
    """

    def __init__(
        self,
        prior_mean: Array,
        n_samples: int,
        *,
        prior_variance: float,
        eta: float,
        mu: float,
        step: float,
        n_steps: int,
        batch: int,
        sampler: Sampler,
        rng: Generator,
    ) -> None:
        self.n_samples, self.prior_variance, self.eta, self.mu = n_samples, prior_variance, eta, mu
        self.step, self.n_steps, self.batch, self.sampler = step, n_steps, batch, sampler
        self.prior_mean, self.rng = prior_mean, rng
        n_features = len(prior_mean)
        self.n_rows = self.n_reference = 0
        self._keeps_contexts = mu > 0
        columns = (2 if self._keeps_contexts else 1) * n_features
        self._rows = np.empty((0, columns), dtype=np.float32)
        # Per row: target, margin at the reference point, and the two arms.
        self._facts = np.empty((0, 4))
        self.theta = np.tile(prior_mean, (2 * n_samples + 1, 1))
        noise = rng.standard_normal((2 * n_samples, n_features))
        self.theta[:-1] += noise * np.sqrt(prior_variance)
        self.reference = prior_mean.copy()
        self.slope = np.zeros(n_features)
        self.factor = (np.eye(n_features) * np.sqrt(prior_variance)).astype(np.float32)

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.reference)

    @property
    def mode(self) -> Array:
        """Coefficients of highest posterior density without the feel-good term, shape (d,)."""
        return self.theta[-1]

    @property
    def samples(self) -> tuple[Array, Array]:
        """Samples of the two posteriors, shape (n_samples, d) each."""
        return self.theta[: self.n_samples], self.theta[self.n_samples : -1]

    @property
    def differences(self) -> Single:
        """Z of every row, shape (n_rows, d)."""
        return self._rows[: self.n_rows, : self.n_features]

    @property
    def targets(self) -> Array:
        """1, 1/2 or 0 of every row, shape (n_rows,)."""
        return self._facts[: self.n_rows, 0]

    def add(self, z: Array, target: Array, X: Array, pair: NDArray[np.intp]) -> None:
        """Take on rows.

        Parameters
        ----------
        z : ndarray of shape (n, d)
        target : ndarray of shape (n,)
        X : ndarray of shape (n, d)
            Contexts, which the feel-good term needs.
        pair : ndarray of shape (n, 2)
            Identities of the arms.
        """
        margin = z @ self.reference
        self.slope += self.eta * (loss_slope(margin, target) @ z)
        self._reserve(self.n_rows + len(z))
        rows = np.hstack([z, X]) if self._keeps_contexts else z
        facts = np.column_stack([target, margin, pair])
        for i in range(len(z)):
            n = self.n_rows
            place = int(self.rng.integers(n + 1))
            self._rows[n], self._facts[n] = self._rows[place], self._facts[place]
            self._rows[place], self._facts[place] = rows[i], facts[i]
            self.n_rows += 1

    def advance(self, arms: Array, known: Array, rounds: int = 1) -> None:
        """Bring the samples up to date with the rows.

        Parameters
        ----------
        arms : ndarray of shape (n_arms, d)
            Embeddings of the arms that can be called, which the feel-good term praises.
        known : ndarray of shape (n_known, d)
            Embeddings of all arms that ever stood in a pair, by their identities.
        rounds : int
            How many times `n_steps` steps are gone.
        """
        if self.n_rows >= GROWTH * self.n_reference:
            self.refresh()
        for _ in range(rounds * self.n_steps):
            self._go_one_step(arms, known)
        if self.sampler == "laplace":
            noise = self.rng.standard_normal((2 * self.n_samples, self.n_features))
            self.theta[:-1] = self.mode + noise @ self.factor.T

    def refresh(self) -> None:
        """Move the reference point to the mode (Newton) and take the curvature near it."""
        theta = self.mode.copy()
        short = SHORT_STEP * self.n_features if self.sampler == "sgld" else 0.0
        lower = None
        for _ in range(NEWTON_STEPS):
            slope = self._slope_at(theta)
            if lower is None:
                lower = self._cholesky_at(self._margins(theta))
            direction = cho_solve((lower, True), slope, check_finite=False)
            decrement = float(slope @ direction)
            theta = self._downhill(theta, direction, decrement)
            if decrement < 2 * NEWTON_TOLERANCE:
                break
            if decrement > short:
                lower = None
        if lower is None:
            lower = self._cholesky_at(self._margins(theta))
        self.factor = np.ascontiguousarray(dtrtri(lower, lower=1)[0].T, dtype=np.float32)
        self.theta[-1] = self.reference = theta.copy()
        self._facts[: self.n_rows, 1] = self._margins(theta)
        self.slope = self._slope_at(theta)
        self.n_reference = self.n_rows

    def arrays(self) -> dict[str, NDArray[np.floating[Any]]]:
        """Return everything that was learned, for a file."""
        return {
            "rows": self._rows[: self.n_rows],
            "facts": self._facts[: self.n_rows],
            "theta": self.theta,
            "reference": self.reference,
            "slope": self.slope,
            "factor": self.factor,
            "n_reference": np.array(float(self.n_reference)),
        }

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned.

        Raises
        ------
        ValueError
            If rows and what is known of them differ in number.
        """
        if len(arrays["rows"]) != len(arrays["facts"]):
            raise ValueError("rows and facts differ in number")
        self._rows, self._facts = arrays["rows"].astype(np.float32), arrays["facts"].copy()
        self.n_rows = len(self._rows)
        for name in ("theta", "reference", "slope"):
            setattr(self, name, arrays[name].copy())
        self.factor = arrays["factor"].astype(np.float32)
        self.n_reference = int(arrays["n_reference"])

    # Steps -----------------------------------------------------------------------------------

    def _go_one_step(self, arms: Array, known: Array) -> None:
        slope = self._slope_of_samples()
        if self._keeps_contexts and self.n_rows:
            slope[:-1] -= self._feel_good_slope(arms, known)
        noise = np.zeros_like(self.theta)
        noise[:-1] = self.rng.standard_normal((len(self.theta) - 1, self.n_features))
        # In the coordinates of `factor` the curvature is one: there a share of the way towards the
        # mode, and what noise makes up for it (an Ornstein-Uhlenbeck step, exact for a Gaussian).
        noise *= np.sqrt(1.0 - (1.0 - self.step) ** 2)
        noise -= self.step * _triangular_product(slope, self.factor)
        self.theta += _triangular_product(noise, self.factor, transposed=True)

    def _slope_of_samples(self) -> Array:
        """Return the estimated gradient at every sample, shape (n_columns, d)."""
        slope = self.slope + (self.theta - self.reference) / self.prior_variance
        theta = self.theta.astype(np.float32)
        for stretch, weight in self._minibatch():
            z, margin = self._rows[stretch, : self.n_features], self._facts[stretch, 1]
            change = expit(_product(theta, z.T)) - expit(margin).astype(np.float32)
            slope += (self.eta * weight) * _product(change, z)
        return np.asarray(slope)

    def _feel_good_slope(self, arms: Array, known: Array) -> Array:
        """Return the gradient of mu sum_i [max_a <theta, phi(x_i, a)> - <theta, phi(x_i, a_i)>]."""
        slope, d = np.zeros((2 * self.n_samples, self.n_features)), self.n_features
        for stretch, weight in self._minibatch():
            X, pair = self._rows[stretch, d:], self._facts[stretch, 2:].astype(np.intp)
            for j, theta in enumerate(self.theta[:-1]):
                other = pair[:, 1 if j < self.n_samples else 0]
                best = arms[((X * theta) @ arms.T).argmax(axis=1)]
                slope[j] += self.mu * weight * np.einsum("ij,ij->j", X, best - known[other])
        return slope

    def _minibatch(self) -> list[tuple[slice, float]]:
        """Return stretches of the shuffled rows, and how many rows each row stands for."""
        n, size = self.n_rows, self.batch
        if n <= size:
            return [(slice(0, n), 1.0)] if n else []
        start = int(self.rng.integers(n))
        if start + size <= n:
            return [(slice(start, start + size), n / size)]
        return [(slice(start, n), n / size), (slice(0, start + size - n), n / size)]

    # The mode --------------------------------------------------------------------------------

    def _margins(self, theta: Array) -> Array:
        """Return the margin of every row."""
        return (self.differences @ theta.astype(np.float32)).astype(np.float64)

    def _slope_at(self, theta: Array) -> Array:
        change = loss_slope(self._margins(theta), self.targets).astype(np.float32)
        slope = self.eta * (change @ self.differences).astype(np.float64)
        return np.asarray(slope + (theta - self.prior_mean) / self.prior_variance)

    def _height_at(self, theta: Array) -> float:
        """Return U without the feel-good term."""
        margin, target = self._margins(theta), self.targets
        loss = target @ logistic_loss(margin) + (1.0 - target) @ logistic_loss(-margin)
        distance = theta - self.prior_mean
        return float(self.eta * loss + distance @ distance / (2.0 * self.prior_variance))

    def _downhill(self, theta: Array, direction: Array, decrement: float) -> Array:
        """Return the point a Newton step ahead, or half of one, ..., wherever U has fallen."""
        before, share = self._height_at(theta), 1.0
        while share > 1e-4:
            ahead = theta - share * direction
            if self._height_at(ahead) <= before - 0.25 * share * decrement:
                return np.asarray(ahead)
            share /= 2.0
        return theta

    def _cholesky_at(self, margin: Array) -> Array:
        """Return the lower Cholesky factor of the curvature of U; many rows are sampled."""
        z = self.differences[:CURVATURE_ROWS]
        share = len(self.differences) / max(len(z), 1)
        weight = self.eta * share * curvature(margin[:CURVATURE_ROWS], self.sampler)
        weighted = z * np.sqrt(weight)[:, None]
        precision = weighted.T @ weighted  # of one array with itself: half the work
        precision[np.diag_indices_from(precision)] += 1.0 / self.prior_variance
        return np.asarray(cholesky(precision, lower=True, check_finite=False))

    # Rows ------------------------------------------------------------------------------------

    def _reserve(self, n_rows: int) -> None:
        """Make room, twice as much as there was whenever it runs out."""
        if n_rows <= len(self._rows):
            return
        size = max(2 * len(self._rows), n_rows, 256)
        for name in ("_rows", "_facts"):
            old = getattr(self, name)
            new = np.empty((size, old.shape[1]), dtype=old.dtype)
            new[: self.n_rows] = old[: self.n_rows]
            setattr(self, name, new)
