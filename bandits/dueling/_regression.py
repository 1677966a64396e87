"""Bradley-Terry regression that is kept up to date duel by duel, with confidence widths."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas
from scipy.optimize import minimize

from bandits.dueling._langevin import logistic_loss, loss_slope

__all__ = ["BradleyTerry"]

Array = NDArray[np.float64]

REFIT_GROWTH = 1.2  # all duels are fitted anew when they have grown by this factor


class BradleyTerry:
    """Ridge-penalised logistic regression of who won on differences of features.

    The widths are those of the linear duelists, |z| in the metric of V^{-1} with
    V = penalty I + sum w_i^2 z_i z_i' (Saha 2021; Bengs, Saha & Huellermeier 2022). In between
    refits the coefficients follow each duel by one step of at most Newton's length, for the
    curvature of the loss is at most a quarter.

    Parameters
    ----------
    n_features : int
    penalty : float
        Of V, above 0; the coefficients are penalised by a quarter of it.
    """

    def __init__(self, n_features: int, penalty: float) -> None:
        self.penalty = penalty
        self.coef = np.zeros(n_features)
        # Symmetric; the lower triangle alone is kept true.
        self._covariance = np.asfortranarray(np.eye(n_features) / penalty)
        self._rows = np.empty((0, n_features))
        self._facts = np.empty((0, 2))  # target, weight
        self.n_rows = self._n_fitted = 0

    def widths(self, features: Array) -> Array:
        """Return |phi_i - phi_j| in the metric of V^{-1} for every pair, shape (n_arms, n_arms)."""
        gram = features @ blas.dsymm(1.0, self._covariance, features.T, lower=1)
        square = np.diag(gram)[:, None] + np.diag(gram)[None, :] - gram - gram.T
        return np.sqrt(np.maximum(square, 0.0))

    def lengths(self, features: Array) -> Array:
        """Return |phi_i| in the metric of V^{-1}, shape (n_arms,)."""
        product = blas.dsymm(1.0, self._covariance, features.T, lower=1)
        return np.sqrt(np.maximum(np.einsum("ij,ji->i", features, product), 0.0))

    def add(self, z: Array, target: float, weight: float = 1.0) -> None:
        """Learn from one duel, shape (d,)."""
        self._reserve()
        self._rows[self.n_rows], self._facts[self.n_rows] = z, (target, weight)
        self.n_rows += 1
        u = blas.dsymv(weight, self._covariance, z, lower=1)
        grown = 1.0 + weight * float(u @ z)
        self._covariance = blas.dsyr(-1.0 / grown, u, a=self._covariance, lower=1, overwrite_a=True)
        slope = float(loss_slope(np.array(z @ self.coef), np.array(target)))
        self.coef = self.coef - (4.0 * weight * slope / grown) * u
        if self.n_rows >= REFIT_GROWTH * self._n_fitted:
            self.refit()

    def refit(self) -> None:
        """Fit all duels."""
        z, target, weight = self.duels

        def height(coef: Array) -> tuple[float, Array]:
            margin = z @ coef
            loss = target * logistic_loss(margin) + (1.0 - target) * logistic_loss(-margin)
            slope = (weight**2 * loss_slope(margin, target)) @ z
            ridge = self.penalty / 4.0
            value = weight**2 @ loss + ridge / 2.0 * (coef @ coef)
            return float(value), np.asarray(slope + ridge * coef)

        found = minimize(height, self.coef, jac=True, method="L-BFGS-B", options={"maxiter": 100})
        self.coef = np.asarray(found.x)
        self._n_fitted = self.n_rows

    @property
    def duels(self) -> tuple[Array, Array, Array]:
        """Differences, targets and weights."""
        facts = self._facts[: self.n_rows]
        return self._rows[: self.n_rows], facts[:, 0], facts[:, 1]

    def arrays(self) -> dict[str, Array]:
        """Return everything that was learned, for a file."""
        z, target, weight = self.duels
        return {
            "rows": z,
            "facts": np.column_stack([target, weight]),
            "coef": self.coef,
            "covariance": np.tril(self._covariance),
            "n_fitted": np.array(float(self._n_fitted)),
        }

    def set_arrays(self, arrays: dict[str, Array]) -> None:
        """Take back what `arrays` returned.

        Raises
        ------
        ValueError
            If rows and what is known of them differ in number.
        """
        self._rows, self._facts = arrays["rows"].copy(), arrays["facts"].copy()
        if len(self._rows) != len(self._facts):
            raise ValueError("rows and facts differ in number")
        self.n_rows, self.coef = len(self._rows), arrays["coef"].copy()
        self._covariance = np.asfortranarray(arrays["covariance"])
        self._n_fitted = int(arrays["n_fitted"])

    def _reserve(self) -> None:
        if self.n_rows < len(self._rows):
            return
        for name in ("_rows", "_facts"):
            old = getattr(self, name)
            new = np.empty((max(2 * len(old), 256), old.shape[1]))
            new[: self.n_rows] = old[: self.n_rows]
            setattr(self, name, new)
