"""The adaptive router's regression of gold labels, with dense inverses and plain loops."""

from __future__ import annotations

import numpy as np


def triangular_prior(rho_grid, v_grid, null_mass):
    """Prior mass of (v, rho): h ~ Beta(1, 5), c triangular with 80% above 0, a point mass at 0."""
    mass = np.zeros((len(v_grid), len(rho_grid)))
    null = np.zeros(len(v_grid))
    for i, v in enumerate(v_grid):
        w = v / (1 + v)
        null[i] = (1 - w) ** 5 * w
        for j, rho in enumerate(rho_grid):
            h = rho**2 + (1 - rho**2) * w
            jacobian = (1 - rho**2) / np.sqrt(h) * w * (1 - w)
            mass[i, j] = (1 - h) ** 4 * (1 - abs(rho) / np.sqrt(h)) * jacobian
    above, below = mass * (rho_grid > 0), mass * (rho_grid < 0)
    mass = (1 - null_mass) * (0.8 * above / above.sum() + 0.2 * below / below.sum())
    mass[:, np.flatnonzero(rho_grid == 0)[0]] = null_mass * null / null.sum()
    return mass


def transfer(gold, score, kernels, new_score, prior, rho_grid, v_grid, *, pairs, groups, weight):
    """Posterior mean and standard deviation of psi.

    ``kernels`` holds (between gold rows, new with gold rows, variance of a new row).
    """
    n = len(gold)
    r = (gold - gold.mean()) / gold.std()
    f = (score - score.mean()) / score.std()
    new = (new_score - score.mean()) / score.std()
    same = np.equal.outer(groups, groups).astype(float)
    logs, means, squares = [], [], []
    for group_variance, group_mass in ((0.0, 0.5), (0.1, 0.25), (0.3, 0.25)):
        for within, across, variance in kernels:
            for i, v in enumerate(v_grid):
                covariance = np.diag(1 / weight) + group_variance * same + v * within + 10.0
                covariance += np.outer(pairs, pairs)
                inverse = np.linalg.inv(covariance)
                log_determinant = np.linalg.slogdet(covariance)[1]
                with_new = v * across + 10.0
                for j, rho in enumerate(rho_grid):
                    if prior[i, j] == 0:
                        continue
                    error = r - rho * f
                    q = error @ inverse @ error
                    logs.append(
                        np.log(prior[i, j] * group_mass / len(kernels))
                        - log_determinant / 2
                        - (n - 1) / 2 * np.log(q)
                    )
                    mean = rho * new + with_new @ inverse @ error
                    explained = np.einsum("ij,jk,ik->i", with_new, inverse, with_new)
                    means.append(mean)
                    squares.append(mean**2 + q / (n - 3) * (v * variance + 10.0 - explained))
    mass = np.exp(np.array(logs) - max(logs))
    mass /= mass.sum()
    mean, square = mass @ np.array(means), mass @ np.array(squares)
    return gold.mean() + gold.std() * mean, gold.std() * np.sqrt(square - mean**2)
