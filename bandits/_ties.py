"""The best arm, with ties broken by a draw instead of by the order of the arms; other draws."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["argmax_with_ties", "chances_of_best", "draw", "tied_for_best"]

# Two exact implementations differ in the last bits of a score; far larger differences are real.
TOLERANCE = 1e-9


def tied_for_best(scores: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """Mark the arms whose score equals the best of their row, up to rounding.

    What counts as rounding is a share of the best score, 1e-9 of it: how bad the other arms are
    does not matter.

    Parameters
    ----------
    scores : ndarray of shape (n, n_arms)
        Minus infinity marks an arm that cannot be played.

    Returns
    -------
    ndarray of bool, shape (n, n_arms)

    Examples
    --------
    >>> tied_for_best(np.array([[1.0, 1.0 + 1e-13, 0.5], [0.9, 0.5, -1e9]])).tolist()
    [[True, True, False], [True, False, False]]
    """
    if len(scores) == 1:
        return np.array([_tied_of_one(scores[0])])
    best = scores.max(axis=1, keepdims=True)
    bar: NDArray[Any] = best - TOLERANCE * np.where(np.isfinite(best), np.abs(best), 0.0)
    return scores >= bar


def chances_of_best(scores: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return the probabilities of `argmax_with_ties`: the best share 1 among them.

    Examples
    --------
    >>> chances_of_best(np.array([[1.0, 1.0, 0.5, 0.0]])).tolist()
    [[0.5, 0.5, 0.0, 0.0]]
    """
    tied = tied_for_best(scores)
    return np.asarray(tied / tied.sum(axis=1, keepdims=True))


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


def draw(
    chances: NDArray[np.floating[Any]], uniforms: NDArray[np.floating[Any]]
) -> NDArray[np.intp]:
    """Draw an arm for every row; one of probability 0 is never drawn, whatever the rounding.

    Parameters
    ----------
    chances : ndarray of shape (n, n_arms)
    uniforms : ndarray of shape (n,)
        Numbers in [0, 1), one per row.

    Returns
    -------
    ndarray of int, shape (n,)

    Examples
    --------
    >>> draw(np.array([[0.2, 0.8, 0.0]] * 2), np.array([0.1, 0.9])).tolist()
    [0, 1]
    """
    total = np.cumsum(chances, axis=1)
    return np.asarray((total[:, :-1] <= uniforms[:, None] * total[:, -1:]).sum(axis=1))


def _tied_of_one(scores: NDArray[np.floating[Any]]) -> list[bool]:
    # The same rule on a handful of floats, without the price of a dozen array operations.
    values = scores.tolist()
    best = max(values)
    bar = best - TOLERANCE * abs(best) if abs(best) < np.inf else best
    return [value >= bar for value in values]
