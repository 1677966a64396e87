"""Least squares and logistic regression from their normal equations."""

from __future__ import annotations

import numpy as np


def least_squares(X, y, weight=None):
    """Coefficients (intercept first) of weighted least squares."""
    design = np.column_stack([np.ones(len(X)), X])
    weight = np.ones(len(X)) if weight is None else weight
    return np.linalg.solve(design.T @ (weight[:, None] * design), design.T @ (weight * y))


def line(coefficients, X):
    return coefficients[0] + X @ coefficients[1:]


def logistic(X, t, weight=None):
    """Unpenalised logistic regression by Newton's method."""
    design = np.column_stack([np.ones(len(X)), X])
    weight = np.ones(len(X)) if weight is None else weight
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ beta))
        information = design.T @ ((weight * p * (1 - p))[:, None] * design)
        beta = beta + np.linalg.solve(information, design.T @ (weight * (t - p)))
    return beta


def probability(coefficients, X):
    return 1 / (1 + np.exp(-line(coefficients, X)))
