"""The EP-learner of van der Laan, Carone & Luedtke (2024), by linear models and plain loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
from oracles.regressions import least_squares, line, logistic, probability


def cosine_products(X, size, interaction_order):
    """A constant and the first products of cosines, by listing many and sorting them."""
    n, d = X.shape
    unit = (X - X.min(axis=0)) / (X.max(axis=0) - X.min(axis=0))
    frequencies = [
        k
        for k in itertools.product(range(size + 1), repeat=d)
        if 1 <= sum(f > 0 for f in k) <= interaction_order
        and math.prod(f + 1 for f in k) <= size + 1
    ]

    def place(k):
        features = [j for j in range(d) if k[j]]
        factors = [k[j] + 1 for j in features]
        return math.prod(factors), len(features), factors, features

    basis = np.ones((n, size + 1))
    for column, k in enumerate(sorted(frequencies, key=place)[:size], start=1):
        for i in range(n):
            for j in range(d):
                basis[i, column] *= math.cos(math.pi * k[j] * unit[i, j])
    return basis


def ep_learner(X, y, is_gold, folds, sizes, interaction_order=2, weight=None, clip=0.0):
    """Coefficients (intercept first) of the regression of mu_1* - mu_0* on s, and the size."""
    n = len(y)
    weight = np.ones(n) if weight is None else weight
    mu_1, mu_0, p = np.empty(n), np.empty(n), np.empty(n)
    for train, test in folds:
        gold, preference = train[is_gold[train]], train[~is_gold[train]]
        mu_1[test] = line(least_squares(X[gold], y[gold], weight[gold]), X[test])
        mu_0[test] = line(least_squares(X[preference], y[preference], weight[preference]), X[test])
        p[test] = probability(logistic(X[train], is_gold[train], weight[train]), X[test])
    p = np.clip(p, clip, 1 - clip)
    residual = np.array([y[i] - (mu_1[i] if is_gold[i] else mu_0[i]) for i in range(n)])
    inverse = np.array([weight[i] / (p[i] if is_gold[i] else 1 - p[i]) for i in range(n)])
    sign = np.where(is_gold, 1.0, -1.0)

    def correct(rows, size):
        design = sign[rows, None] * cosine_products(X, size, interaction_order)[rows]
        root = np.sqrt(inverse[rows])
        return np.linalg.lstsq(root[:, None] * design, root * residual[rows], rcond=None)[0]

    losses = []
    for size in sizes:
        basis = cosine_products(X, size, interaction_order)
        loss = 0.0
        for train, test in folds:
            beta = correct(train, size)
            for i in test:
                loss += inverse[i] * (residual[i] - sign[i] * basis[i] @ beta) ** 2
        losses.append(loss)
    size = sizes[int(np.argmin(losses))]
    basis = cosine_products(X, size, interaction_order)
    beta = correct(np.arange(n), size)
    pseudo_outcome = (mu_1 + basis @ beta) - (mu_0 - basis @ beta)
    return least_squares(X, pseudo_outcome, weight), size
