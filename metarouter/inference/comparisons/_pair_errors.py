"""Errors of the differences of all pairs, and p values adjusted for their number."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.inference.curves import Deviations
from metarouter.inference.intervals import FloatArray, p_value_of

__all__ = ["PairErrors", "all_pairs", "max_t_p_values", "pair_errors", "stepdown_p_values"]


class PairErrors(NamedTuple):
    """Errors of routers and of the differences of their pairs."""

    se: FloatArray
    pointwise: float
    difference_se: FloatArray
    critical: float
    p_value: FloatArray
    p_value_max_t: FloatArray
    p_value_stepdown: FloatArray


def all_pairs(n: int) -> tuple[NDArray[np.intp], FloatArray]:
    """Return all pairs of n things, shape (n_pairs, 2), and the contrasts, shape (n, n_pairs)."""
    pairs = np.array(list(combinations(range(n), 2)), dtype=np.intp)
    contrast = np.zeros((n, len(pairs)))
    contrast[pairs[:, 0], np.arange(len(pairs))] = 1.0
    contrast[pairs[:, 1], np.arange(len(pairs))] = -1.0
    return pairs, contrast


def pair_errors(
    deviations: Deviations | None, difference: FloatArray, contrast: FloatArray, level: float
) -> PairErrors:
    """Find errors, the critical value for all pairs at once, and p values.

    Parameters
    ----------
    deviations : Deviations or None
        Of the routers; None where there are too few queries for errors.
    difference : ndarray of shape (n_pairs,)
    contrast : ndarray of shape (n_routers, n_pairs)
    level : float
    """
    if deviations is None:
        routers, pairs = (np.full(size, np.nan) for size in contrast.shape)
        return PairErrors(routers, np.nan, pairs, np.nan, pairs, pairs, pairs)
    of_pairs = deviations.combined(contrast)
    se = of_pairs.se
    # Two routers that send the same queries first do not differ, whatever else happens.
    statistic = np.divide(difference, se, out=np.zeros_like(se), where=se > 0)
    drawn = of_pairs.absolute_t()
    pointwise = deviations.pointwise(level)
    return PairErrors(
        se=deviations.se,
        pointwise=pointwise,
        difference_se=se,
        critical=max(pointwise, float(np.quantile(drawn.max(axis=1), level))),
        p_value=p_value_of(statistic, deviations.df),
        p_value_max_t=max_t_p_values(np.abs(statistic), drawn),
        p_value_stepdown=stepdown_p_values(np.abs(statistic), drawn),
    )


def max_t_p_values(statistic: FloatArray, drawn: FloatArray) -> FloatArray:
    """Compare every |t| with draws of the largest of all.

    Parameters
    ----------
    statistic : ndarray of shape (m,)
        Observed |t|.
    drawn : ndarray of shape (n_draws, m)
        Draws of |t| under the null, jointly.
    """
    return _share_beyond(statistic, drawn.max(axis=1))


def stepdown_p_values(statistic: FloatArray, drawn: FloatArray) -> FloatArray:
    """Compare every |t| with draws of the largest of those that are not larger.

    Romano and Wolf (2005), algorithm 4.1 and section 4.2, with p values as in Romano and Wolf
    (2016), Efficient computation of adjusted p-values for resampling-based stepdown multiple
    testing: the largest |t| is compared with the largest of all draws, the second with the largest
    of all but the first, and so on; no p value is smaller than that of a larger |t|.

    Parameters
    ----------
    statistic : ndarray of shape (m,)
    drawn : ndarray of shape (n_draws, m)

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> drawn = np.abs(rng.standard_normal((10_000, 2)))
    >>> stepdown_p_values(np.array([1.96, 5.0]), drawn).round(2)
    array([0.05, 0.  ])
    """
    falling = np.argsort(-statistic, kind="stable")
    largest = np.maximum.accumulate(drawn[:, falling[::-1]], axis=1)[:, ::-1]
    p_value = [_share_beyond(statistic[k], largest[:, step]) for step, k in enumerate(falling)]
    adjusted = np.empty(statistic.size)
    adjusted[falling] = np.maximum.accumulate(p_value)
    return adjusted


def _share_beyond(statistic: FloatArray, drawn: FloatArray) -> FloatArray:
    beyond = drawn.size - np.searchsorted(np.sort(drawn), statistic, side="left")
    return np.asarray((1.0 + beyond) / (1.0 + drawn.size))
