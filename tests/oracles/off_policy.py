"""Off-policy estimates written row by row, and empirical likelihood as the problem it solves."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize


def possible_corners(max_weight, low, high):
    """Corners (w, w q - q_pi, w (r - low)) of what a row can be, with the least gain."""
    at_zero = [(0.0, -low, 0.0), (0.0, -high, 0.0)]
    return at_zero + [(max_weight, max_weight * q - p, 0.0) for q, p in ((low, high), (high, low))]


def least_mean(weight, control, gain, corners, statistic):
    """Minimise E_Q[gain] over rows and corners under moment constraints, by SLSQP."""
    n = len(weight)
    w, c, g = (
        np.concatenate([rows, [corner[k] for corner in corners]])
        for k, rows in enumerate((weight, control, gain))
    )
    means = [
        {"type": "eq", "fun": lambda q: q.sum() - 1, "jac": lambda q: np.ones(len(q))},
        {"type": "eq", "fun": lambda q: q @ w - 1, "jac": lambda q: w},
        {"type": "eq", "fun": lambda q: q @ c, "jac": lambda q: c},
    ]

    def ratio(q):
        return -2 * np.log(n * np.maximum(q[:n], 1e-12)).sum()

    def slope(q):
        return np.concatenate([-2 / np.maximum(q[:n], 1e-12), np.zeros(len(corners))])

    options = {
        "bounds": [(0, 1)] * len(w),
        "method": "SLSQP",
        "options": {"maxiter": 200, "ftol": 1e-10},
    }
    start = np.full(len(w), 1 / len(w))
    likeliest = minimize(ratio, start, jac=slope, constraints=means, **options)
    allowed = statistic + max(likeliest.fun, 0.0)
    near = {"type": "ineq", "fun": lambda q: allowed - ratio(q), "jac": lambda q: -slope(q)}
    found = minimize(
        lambda q: q @ g, likeliest.x, jac=lambda q: g, constraints=[*means, near], **options
    )
    assert likeliest.success, likeliest.message
    assert found.success, found.message
    return found.fun


def stabilised_value(weight, scores, n_arms, prior_rows=100):
    """Weigh every score by one over the root mean square of the importance weights before it."""
    numerator = denominator = 0.0
    shares = []
    for t, score in enumerate(scores):
        squares = prior_rows * n_arms + sum(w**2 for w in weight[:t])
        shares.append((squares / (prior_rows + t)) ** -0.5)
        numerator += shares[-1] * score
        denominator += shares[-1]
    value = numerator / denominator
    spread = sum(h**2 * (s - value) ** 2 for h, s in zip(shares, scores, strict=True))
    return value, spread**0.5 / denominator
