"""Conformal test martingales: evidence that queries no longer come as they came before."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "JUMPS",
    "SLOPES",
    "bet",
    "log_capital_of_scores",
    "log_evidence",
    "lowest_so_far",
    "merge_sorted",
    "online_p_values",
    "play",
    "starting_capital",
    "varied_before",
]

FloatArray = NDArray[np.float64]

SLOPES = np.array([-1.6, -0.8, 0.0, 0.8, 1.6])
JUMPS = np.array([1e-4, 1e-3, 1e-2])
_BLOCK = 128


def online_p_values(past: FloatArray, scores: FloatArray, ties: FloatArray) -> FloatArray:
    """Return for each score the share of those up to it that are larger, ties split at random.

    Parameters
    ----------
    past : ndarray of shape (m,)
        Earlier scores, sorted.
    scores : ndarray of shape (n,)
        New scores, in the order in which they came.
    ties : ndarray of shape (n,)
        Uniform random numbers.

    Returns
    -------
    ndarray of shape (n,)
        Independent and uniform if scores are exchangeable (Vovk, Gammerman & Shafer 2005,
        theorem 8.2).

    Examples
    --------
    >>> online_p_values(np.array([1.0, 2.0]), np.array([3.0, 0.0]), np.array([0.9, 0.0]))
    array([0.3 , 0.75])
    """
    larger, equal = np.empty(len(scores)), np.empty(len(scores))
    for start in range(0, len(scores), _BLOCK):
        block = scores[start : start + _BLOCK]
        earlier = np.tri(len(block), k=-1, dtype=bool)
        right = np.searchsorted(past, block, "right")
        among = (block[None, :] > block[:, None]) & earlier
        same = (block[None, :] == block[:, None]) & earlier
        larger[start : start + len(block)] = len(past) - right + among.sum(axis=1)
        equal[start : start + len(block)] = (
            right - np.searchsorted(past, block, "left") + same.sum(axis=1) + 1
        )
        past = merge_sorted(past, block)
    count = len(past) - len(scores) + np.arange(1, len(scores) + 1)
    return (larger + ties * equal) / count


def varied_before(past: FloatArray, scores: FloatArray) -> NDArray[np.bool_]:
    """Tell for each score whether there are two different ones before it.

    Parameters
    ----------
    past : ndarray of shape (m,)
        Earlier scores, sorted.
    scores : ndarray of shape (n,)
    """
    before = np.concatenate([past[[0, -1]] if len(past) else past, scores])
    varied = np.minimum.accumulate(before) < np.maximum.accumulate(before)
    return np.concatenate([[False], varied])[len(before) - len(scores) : len(before)]


def merge_sorted(past: FloatArray, new: FloatArray) -> FloatArray:
    """Sort new scores into those that are sorted already."""
    new = np.sort(new)
    return np.insert(past, np.searchsorted(past, new), new)


def starting_capital(*shape: int) -> FloatArray:
    """Return capital of 1, spread evenly over the slopes; the last axes are jumps and slopes."""
    return np.full((*shape, len(JUMPS), len(SLOPES)), 1.0 / len(SLOPES))


def bet(capital: FloatArray, p_values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bet against the uniformity of one p-value per score.

    The composite simple jumper: capital sits on bets 1 + slope (p - 1/2), and before each bet a
    share of it jumps to all slopes evenly, so that a change is met by fresh capital at any time.

    Parameters
    ----------
    capital : ndarray of shape (..., n_jumps, n_slopes)
        Shares of the capital of each jumper, which add up to 1.
    p_values : ndarray of shape (...,)

    Returns
    -------
    capital : ndarray of the same shape
        Again adding up to 1.
    growth : ndarray of shape (..., n_jumps)
        Log of the factor by which each jumper's capital grew.

    References
    ----------
    Vovk, Petej, Nouretdinov, Ahlberg, Carlsson & Gammerman (2021), Retrain or not retrain:
    conformal test martingales for change-point detection.
    """
    jumped = (1.0 - JUMPS)[:, None] * capital + (JUMPS / len(SLOPES))[:, None]
    won = jumped * (1.0 + SLOPES * (p_values[..., None, None] - 0.5))
    factor = won.sum(axis=-1)
    return won / factor[..., None], np.log(factor)


def play(
    capital: FloatArray, log_capital: FloatArray, p_values: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Bet against p-values row after row.

    Parameters
    ----------
    capital, log_capital : ndarray of shape (..., n_jumps, n_slopes) and (..., n_jumps)
        Of each jumper before the first row: its shares, which add up to 1, and its log.
    p_values : ndarray of shape (n, ...)
        One row of p-values after the other.

    Returns
    -------
    capital : ndarray of shape (..., n_jumps, n_slopes)
        Shares after the last row.
    log_capital : ndarray of shape (n, ..., n_jumps)
        After each row.
    """
    growth = np.empty((len(p_values), *log_capital.shape))
    for row, p in enumerate(p_values):
        capital, growth[row] = bet(capital, p)
    return capital, np.cumsum(np.concatenate([log_capital[None], growth]), axis=0)[1:]


def log_capital_of_scores(logs: FloatArray) -> FloatArray:
    """Average over jumpers (the last axis), which bet on the same p-values."""
    top = logs.max(axis=-1, keepdims=True)
    return np.asarray(top[..., 0] + np.log(np.exp(logs - top).mean(axis=-1)))


def log_evidence(log_capital: FloatArray) -> FloatArray:
    """Return the log of the evidence of several scores: their largest capital over their number.

    Parameters
    ----------
    log_capital : ndarray of shape (..., n_scores)

    Notes
    -----
    If M_k is a martingale that starts at 1, whatever the filtration, it ever reaches K c with a
    chance of at most 1 / (K c) (Ville's inequality). So the largest of K of them, over K, ever
    reaches c with a chance of at most 1 / c, however they depend on each other.

    The mean of the M_k is never smaller, but no martingale where each M_k has a filtration of its
    own (Choe and Ramdas 2024, Combining evidence across filtrations). For scores x and -x of three
    rows of which one differs, who stops by the p-values of both expects a mean of 1.012.
    """
    return np.asarray(log_capital.max(axis=-1) - np.log(log_capital.shape[-1]))


def lowest_so_far(
    course: FloatArray, lowest: FloatArray, lowest_at: NDArray[np.intp], n: int
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Follow how low something was, and after which row it was last lower than ever.

    Parameters
    ----------
    course : ndarray of shape (m, ...)
        After each of m more rows.
    lowest, lowest_at : ndarray of shape (...,)
        After the n rows before.
    n : int

    Returns
    -------
    lowest, lowest_at : ndarray of shape (m, ...)
        After each row.
    """
    lows = np.minimum.accumulate(np.concatenate([lowest[None], course]))
    rows = np.arange(n + 1, n + 1 + len(course)).reshape(-1, *[1] * lowest.ndim)
    fell = np.where(course < lows[:-1], rows, lowest_at)
    return lows[1:], np.maximum.accumulate(fell)
