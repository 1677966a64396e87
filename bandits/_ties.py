"""The best arm, with ties broken by a draw instead of by the order of the arms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Two exact implementations differ in the last bits of a score; far larger differences are real.
TOLERANCE = 1e-9


def tied_for_best(scores: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Mark the arms whose score equals the best of their row, up to rounding.

    Parameters
    ----------
    scores : ndarray of shape (n, n_arms)
        Minus infinity marks an arm that cannot be played.

    Returns
    -------
    ndarray of bool, shape (n, n_arms)

    Examples
    --------
    >>> tied_for_best(np.array([[1.0, 1.0 + 1e-13, 0.5]])).tolist()
    [[True, True, False]]
    """
    if len(scores) == 1:
        return np.array([_tied_of_one(scores[0])])
    best = scores.max(axis=1, keepdims=True)
    scale = np.abs(np.where(np.isfinite(scores), scores, 0.0)).max(axis=1, keepdims=True)
    return scores >= best - TOLERANCE * scale


def argmax_with_ties(
    scores: NDArray[np.floating[Any]], uniforms: NDArray[np.floating[Any]]
) -> NDArray[np.intp]:
    """Return the best arm of every row; a uniform number picks among those that are tied.

    Parameters
    ----------
    scores : ndarray of shape (n, n_arms)
    uniforms : ndarray of shape (n,)
        Numbers in [0, 1), one per row.

    Returns
    -------
    ndarray of int, shape (n,)

    Examples
    --------
    >>> argmax_with_ties(np.zeros((2, 4)), np.array([0.1, 0.9])).tolist()
    [0, 3]
    """
    if len(scores) == 1:
        tied_arms = [arm for arm, is_tied in enumerate(_tied_of_one(scores[0])) if is_tied]
        return np.array([tied_arms[int(uniforms[0] * len(tied_arms))]], dtype=np.intp)
    tied = tied_for_best(scores)
    if np.count_nonzero(tied) == len(scores):
        return tied.argmax(axis=1)
    rank = np.floor(uniforms * tied.sum(axis=1)).astype(np.intp)
    return (np.cumsum(tied, axis=1) > rank[:, None]).argmax(axis=1)


def _tied_of_one(scores: NDArray[np.floating[Any]]) -> list[bool]:
    # The same rule on a handful of floats, without the price of a dozen array operations.
    values = scores.tolist()
    best, least = max(values), min(values)
    if least == -np.inf:
        least = min((value for value in values if value > -np.inf), default=0.0)
    bar = best - TOLERANCE * max(best, -least)
    return [value >= bar for value in values]
