"""Sieve debiasing of outcome regressions: what the EP-learner adds to a T-learner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, count, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Term = tuple[tuple[int, int], ...]

# Directions of the basis with less than this share of its largest variance carry no information.
_SMALLEST_EIGENVALUE = 1e-10


def cosine_basis(X: NDArray[Any], size: int, interaction_order: int = 2) -> FloatArray:
    """Return the first ``size`` tensor products of cosines beside a constant, (n, 1 + size).

    Features are brought to [0, 1] by their range. The products of cos(pi k x_j) are ordered by
    the product of their 1 + k, those of fewer features first, so that a larger basis contains
    every smaller one.

    Parameters
    ----------
    X : array of shape (n, d)
    size : int
        Number of basis functions beside the constant.
    interaction_order : int, default=2
        Features in one product, at most.

    Examples
    --------
    >>> cosine_basis(np.array([[0.0, 0.0], [0.5, 1.0], [1.0, 0.0]]), 2).round(12) + 0.0
    array([[ 1.,  1.,  1.],
           [ 1.,  0., -1.],
           [ 1., -1.,  1.]])
    """
    low, width = X.min(axis=0), np.ptp(X, axis=0)
    unit = (X - low) / np.where(width > 0, width, 1.0)
    columns = [np.ones(len(X))]
    for term in islice(_terms(X.shape[1], interaction_order), size):
        columns.append(np.prod([np.cos(np.pi * k * unit[:, j]) for j, k in term], axis=0))
    return np.column_stack(columns)


def _terms(n_features: int, interaction_order: int) -> Iterator[Term]:
    """Yield products as pairs of (feature, frequency), in order."""
    for product in count(2):
        for n_factors in range(1, min(interaction_order, n_features) + 1):
            for factors in _factorisations(product, n_factors):
                for features in combinations(range(n_features), n_factors):
                    yield tuple((j, m - 1) for j, m in zip(features, factors, strict=True))


def _factorisations(product: int, n_factors: int) -> Iterator[tuple[int, ...]]:
    """Yield the ordered ways to write a number as a product of numbers above 1."""
    if n_factors == 1:
        yield (product,)
        return
    for first in range(2, product // 2 + 1):
        if product % first == 0:
            for rest in _factorisations(product // first, n_factors - 1):
                yield (first, *rest)


def sieve_coefficients(
    basis: FloatArray,
    outcome_residual: FloatArray,
    is_gold: NDArray[np.bool_],
    weight: FloatArray,
    sizes: Sequence[int],
    folds: Sequence[NDArray[np.bool_]],
) -> FloatArray:
    """Regress what the outcome models have left over on the sieve, with a size by validation.

    The coefficients minimise ``sum weight (residual - a phi' beta)^2`` with a = 1 on gold and -1
    on preference rows; the size minimises the same loss on rows that were left out.

    Parameters
    ----------
    basis : array of shape (n, 1 + largest size)
    outcome_residual : array of shape (n,)
        o - mu_t(s), out of sample.
    is_gold : array of bool of shape (n,)
    weight : array of shape (n,)
        Inverse probabilities of the rows' own sources, times sample weights.
    sizes : sequence of int
        Basis functions beside the constant, in ascending order. Of equal losses the first wins.
    folds : sequence of bool arrays of shape (n,)
        Rows that are left out together; needed where there is more than one size.

    Returns
    -------
    ndarray of shape (1 + chosen size,)
    """
    signed = np.where(is_gold, outcome_residual, -outcome_residual)

    def normal_equations(rows: NDArray[Any]) -> tuple[FloatArray, FloatArray]:
        weighted = basis[rows] * weight[rows, None]
        return basis[rows].T @ weighted, weighted.T @ signed[rows]

    gram, moment = normal_equations(np.arange(len(basis)))
    size = sizes[0]
    if len(sizes) > 1:
        loss = np.zeros(len(sizes))
        for fold in folds:
            gram_out, moment_out = normal_equations(np.flatnonzero(fold))
            for number, each in enumerate(sizes):
                beta = _solve(gram - gram_out, moment - moment_out, each)
                inside = slice(0, each + 1)
                loss[number] += (
                    beta @ gram_out[inside, inside] @ beta - 2 * beta @ moment_out[inside]
                )
        size = sizes[int(np.argmin(loss))]
    return _solve(gram, moment, size)


def _solve(gram: FloatArray, moment: FloatArray, size: int) -> FloatArray:
    inside = slice(0, size + 1)
    inverse = np.linalg.pinv(gram[inside, inside], rcond=_SMALLEST_EIGENVALUE, hermitian=True)
    return np.asarray(inverse @ moment[inside])
