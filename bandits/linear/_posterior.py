"""Exact Gaussian posteriors of linear outcomes, one per arm.

Every arm k has a ridge regression for each of its m outcomes (quality, and cost and latency where
known). They are seen together, so that they share the precision A_k = P_k + sum x x'; with unit
noise the coefficients of outcome j are N(A_k^-1 (P_k m_kj + b_kj), A_k^-1), b_kj = sum x y_j, where
m_kj and P_k are the mean and the precision of the prior. Noise of variance sigma^2 comes to the
same as the prior precision times sigma^2, and variances times sigma^2.

The precision is a plain sum and therefore exact. What decisions need is derived from it: the
covariance, kept up by steps of low rank where few rows are learned between decisions, or else the
Cholesky factor of the precision, against which contexts are solved. Only one of the two is held per
arm, and either is made when it is first read.
Only lower triangles are ever written or read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from bandits.linear._precision import Precision
from metarouter.exceptions import DataError

Array = NDArray[np.float64]

CHUNK = 1024  # contexts at a time, so that a batch needs little memory of its own
REFRESH = 1000  # rows learned by steps after which the covariance is made anew from the precision


class GaussianPosterior:
    """Posteriors of all arms, stacked.

    Parameters
    ----------
    n_features, n_arms, n_outcomes : int
    prior_precision : float, or ndarray of shape (d,), (n_arms, d) or (n_arms, d, d)
        P, the precision of the coefficients before any data: one number for all, one for every
        coefficient, or a matrix per arm.
    prior_mean : ndarray that broadcasts to (n_arms, n_outcomes, d), optional
        m, the mean of the coefficients before any data; zero by default.
    """

    def __init__(
        self,
        n_features: int,
        n_arms: int,
        n_outcomes: int,
        prior_precision: float | Array,
        prior_mean: Array | float = 0.0,
    ) -> None:
        given = np.asarray(prior_precision, dtype=np.float64)
        tail = (n_features, n_features) if given.ndim == 3 else (n_features,)
        shape = (n_arms, n_outcomes, n_features)
        # Neither is ever written to.
        self.prior_precision: Array = np.broadcast_to(given, (n_arms, *tail))
        self.prior_mean: Array = np.broadcast_to(prior_mean, shape)
        self._precision = [Precision(self._prior(arm)) for arm in range(n_arms)]
        self.moment = np.zeros(shape)  # of the data alone, without the prior's
        self.coef = self.prior_mean.astype(np.float64)
        self._covariance: list[Array | None] = [None] * n_arms
        self._cholesky: list[Array | None] = [None] * n_arms
        self._stale = [False] * n_arms  # does the moment hold more than coef does?
        self._steps = [0] * n_arms

    def _prior(self, arm: int) -> Array:
        held = self.prior_precision[arm]
        return np.diag(held) if held.ndim == 1 else held.copy()

    @property
    def n_arms(self) -> int:
        """Number of arms."""
        return len(self._precision)

    @property
    def precision(self) -> list[Array]:
        """A_k of every arm (lower triangles)."""
        return [held.total() for held in self._precision]

    # Reading -----------------------------------------------------------------------------------

    def means(self, X: Array) -> Array:
        """Return the posterior means of the outcomes, shape (n, n_arms, n_outcomes)."""
        if any(self._stale):
            for arm in np.flatnonzero(self._stale):
                self._solved(int(arm))
        n_arms, n_outcomes, n_features = self.coef.shape
        # An arm after the other in memory, so that the best of all rows is found in long strides.
        means = self.coef.reshape(n_arms * n_outcomes, n_features).dot(X.T)
        return means.reshape(n_arms, n_outcomes, len(X)).transpose(2, 0, 1)

    def variances(self, X: Array) -> Array:
        """Return x' A_k^-1 x, the variance that all outcomes of an arm share, shape (n, n_arms)."""
        if len(X) == 1:
            return np.array([[self._variance(arm, X[0]) for arm in range(self.n_arms)]])
        variance = np.empty((self.n_arms, len(X))).T
        held = [(self._covariance[arm], self._held_factor(arm)) for arm in range(self.n_arms)]
        for start in range(0, len(X), CHUNK):
            rows = slice(start, start + CHUNK)
            columns = np.asfortranarray(X[rows].T)
            for arm, (covariance, factor) in enumerate(held):
                if covariance is not None:
                    whole = blas.dsymm(1.0, covariance, columns, lower=1)
                    variance[rows, arm] = np.einsum("ij,ij->j", columns, whole)
                else:
                    half = blas.dtrsm(1.0, factor, columns, lower=1)
                    variance[rows, arm] = np.einsum("ij,ij->j", half, half)
        return variance

    def _variance(self, arm: int, x: Array) -> float:
        factor = self._cholesky[arm]
        if factor is None:
            return float(x.dot(blas.dsymv(1.0, self.covariance(arm), x, lower=1)))
        half = blas.dtrsv(factor, x, lower=1)
        return float(half.dot(half))

    def covariance(self, arm: int) -> Array:
        """Return A_k^-1 (lower triangle), kept up by low-rank steps from now on."""
        held = self._covariance[arm]
        if held is not None:
            return held
        made: Array = lapack.dpotri(self._solved(arm), lower=1, overwrite_c=1)[0]
        self._covariance[arm], self._cholesky[arm] = made, None
        self._steps[arm] = 0
        return made

    def _held_factor(self, arm: int) -> Array | None:
        """Return the Cholesky factor of the precision, unless the covariance is held."""
        if self._covariance[arm] is None and self._cholesky[arm] is None:
            self._cholesky[arm] = self._solved(arm)
        return self._cholesky[arm]

    def _solved(self, arm: int) -> Array:
        """Bring the coefficients up to date; return the Cholesky factor of the precision."""
        made, failed = lapack.dpotrf(self._precision[arm].total(), lower=1, clean=0)
        if failed:
            raise DataError(
                "The features hang together so closely that rounding errors have eaten up the "
                "ridge penalty; scale them to the order of 1, or give a larger prior_precision."
            )
        factor = np.asfortranarray(made)
        if self._stale[arm]:
            held, mean = self.prior_precision[arm], self.prior_mean[arm]
            moment = self.moment[arm] + (mean * held if held.ndim == 1 else mean @ held)
            self.coef[arm] = lapack.dpotrs(factor, moment.T, lower=1)[0].T
            self._stale[arm] = False
        return factor

    # Learning ----------------------------------------------------------------------------------

    def update(self, x: Array, arm: int, outcomes: Array) -> None:
        """Learn one row by a rank-one step (Sherman & Morrison 1950).

        Parameters
        ----------
        x : ndarray of shape (d,)
        arm : int
        outcomes : ndarray of shape (m,)
        """
        covariance = self.covariance(arm)
        u = blas.dsymv(1.0, covariance, x, lower=1)
        step = 1.0 / (1.0 + float(x.dot(u)))
        coef, moment = self.coef[arm], self.moment[arm]
        residual = outcomes - coef.dot(x)
        coef += np.multiply.outer(residual * step, u)
        moment += np.multiply.outer(outcomes, x)
        blas.dsyr(-step, u, lower=1, a=covariance, overwrite_a=1)
        self._precision[arm].add_later(x.copy())
        self._count_steps(arm, 1)

    def update_block(
        self, X: Array, arm: int, outcomes: Array, factors: Array, coef: Array
    ) -> None:
        """Take over steps that were computed outside.

        Parameters
        ----------
        X : ndarray of shape (b, d)
            Rows that were learned.
        arm : int
        outcomes : ndarray of shape (b, m)
        factors : ndarray of shape (b, d)
            Rows u sqrt(step), whose outer products leave the covariance.
        coef : ndarray of shape (m, d)
            Coefficients after the steps.
        """
        covariance = self.covariance(arm)
        blas.dsyrk(-1.0, factors.T, beta=1.0, c=covariance, lower=1, overwrite_c=1)
        for x in X:
            self._precision[arm].add_later(x)
        self.moment[arm] += outcomes.T @ X
        self.coef[arm] = coef
        self._count_steps(arm, len(X))

    def update_rows(
        self, X: Array, arm: NDArray[np.intp], outcomes: Array, weight: Array | None = None
    ) -> None:
        """Learn many rows at once.

        Parameters
        ----------
        X : ndarray of shape (n, d)
        arm : ndarray of int, shape (n,)
        outcomes : ndarray of shape (n, m)
        weight : ndarray of shape (n,), optional
            What each row counts.
        """
        if len(X) == 1 and weight is None:
            self.update(X[0], int(arm[0]), outcomes[0])
            return
        for k in np.unique(arm):
            rows = np.flatnonzero(arm == k)
            given = X[rows], int(k), outcomes[rows]
            # Steps pay where the arm is read between updates; else its sums are all that is due.
            is_read = self._covariance[k] is not None or self._cholesky[k] is not None
            if weight is None and is_read and 8 * len(rows) <= X.shape[1]:
                self._step_rows(*given)
            else:
                self._add_rows(*given, None if weight is None else weight[rows])

    def _step_rows(self, X: Array, arm: int, outcomes: Array) -> None:
        """Learn a few rows by one step of their rank (Woodbury).

        With C the covariance, it becomes
        C - C X' (I + X C X')^-1 X C, and coefficients + C X' (I + X C X')^-1 residuals.
        """
        u = blas.dsymm(1.0, self.covariance(arm), X.T, lower=1)
        root = lapack.dpotrf(X @ u + np.eye(len(X)), lower=1)[0]
        factors = blas.dtrsm(1.0, root, u.T, lower=1)
        weights = lapack.dpotrs(root, outcomes - X @ self.coef[arm].T, lower=1)[0]
        self.update_block(X, arm, outcomes, factors, self.coef[arm] + weights.T @ u.T)

    def _add_rows(self, X: Array, arm: int, outcomes: Array, weight: Array | None) -> None:
        if weight is not None:
            root = np.sqrt(weight)[:, None]
            X, outcomes = X * root, outcomes * root
        self._precision[arm].add(X)
        self.moment[arm] += outcomes.T @ X
        self._forget_derived(arm)

    def discount(self, factor: float) -> None:
        """Multiply the evidence of all arms by a factor; the prior stays as it is."""
        for arm in range(self.n_arms):
            self._weigh(arm, factor)

    def merge(self, other: GaussianPosterior, weight: float = 1.0) -> None:
        """Add the evidence, free of its prior, of posteriors of the same arms and features."""
        for arm in range(self.n_arms):
            evidence = other._precision[arm].total() - other._prior(arm)
            self._precision[arm] = Precision(self._precision[arm].total() + weight * evidence)
            self.moment[arm] += weight * other.moment[arm]
            self._forget_derived(arm)

    def add_arm(self, like: int | None, weight: float) -> None:
        """Add an arm without evidence, or with that of another one, weighted.

        Its prior is that of the other one, else the mean of all priors.
        """
        source = slice(None) if like is None else slice(like, like + 1)
        precision, mean = (
            held[source].mean(axis=0, keepdims=True)
            for held in (self.prior_precision, self.prior_mean)
        )
        self.prior_precision = np.concatenate([self.prior_precision, precision])
        self.prior_mean = np.concatenate([self.prior_mean, mean])
        self.moment = np.concatenate([self.moment, np.zeros_like(mean)])
        self.coef = np.concatenate([self.coef, mean])
        self._precision.append(Precision(self._prior(self.n_arms)))
        self._covariance.append(None)
        self._cholesky.append(None)
        self._stale.append(False)
        self._steps.append(0)
        if like is not None:
            self._precision[-1] = Precision(self._precision[like].total().copy(order="F"))
            self.moment[-1] = self.moment[like]
            self._weigh(self.n_arms - 1, weight)

    def remove_arm(self, position: int) -> None:
        """Forget an arm."""
        for name in ("prior_precision", "prior_mean", "moment", "coef"):
            setattr(self, name, np.delete(getattr(self, name), position, axis=0))
        for held in (
            self._precision, self._covariance, self._cholesky, self._stale, self._steps,
        ):  # fmt: skip
            del held[position]

    def _weigh(self, arm: int, weight: float) -> None:
        prior = self._prior(arm)
        self._precision[arm] = Precision(prior + weight * (self._precision[arm].total() - prior))
        self.moment[arm] *= weight
        self._forget_derived(arm)

    def _forget_derived(self, arm: int) -> None:
        self._covariance[arm] = self._cholesky[arm] = None
        self._stale[arm] = True

    def _count_steps(self, arm: int, steps: int) -> None:
        # Steps gather rounding errors; the precision, a plain sum, does not.
        self._cholesky[arm] = None
        self._steps[arm] += steps
        if self._steps[arm] >= REFRESH:
            self._forget_derived(arm)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A process that gets it through joblib may not write to what it was given.
        self.__dict__.update(state)
        self.moment, self.coef = self.moment.copy(), self.coef.copy()
        for held in (self._covariance, self._cholesky):
            held[:] = [None if matrix is None else matrix.copy(order="F") for matrix in held]

    # Saving ------------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the sums that everything else follows from.

        What is derived is forgotten here as well as there: a router that goes on after it was
        saved and the one that is loaded from the file then agree to the last bit.
        """
        for arm in range(self.n_arms):
            self._forget_derived(arm)
        return {"precision": np.stack(self.precision), "moment": self.moment}

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        self._precision = [Precision(matrix) for matrix in arrays["precision"]]
        self.moment = np.array(arrays["moment"])
        for arm in range(self.n_arms):
            self._forget_derived(arm)
