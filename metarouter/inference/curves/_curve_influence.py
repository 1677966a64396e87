"""Influence functions of the curves, at usages and at thresholds.

Let m_i be the share of query i that is sent (1 above the threshold, 0 below, a fraction in the
block that is divided), Y = E[r m], X the usage, T = E[r]. Moving mass towards query i moves

    Y at a fixed threshold by  r_i m_i - Y,
    X at a fixed threshold by  e_i (m_i - X),   e_i = c_i / E[c], 1 without costs.

A threshold that spends a given u must move to keep X = u. It then gives up rho(u) per unit of X,
where rho(u) = dY / du is the gain per unit spent of the queries at the threshold, so that

    Y(u):  r_i m_i - Y - rho e_i (m_i - u).

The efficiency gain subtracts X T, the TOC divides by X. In all cases the influence is

    (r_i m_i - Y - a X (r_i - T) - kappa e_i (m_i - X)) / s

    curve             a   s   kappa at a usage   kappa at a threshold
    Qini              0   1   rho(u)             0
    efficiency gain   1   1   rho(u)             T
    TOC               1   X   rho(u)             Y / X

At a threshold the last one is 1{s >= w} (r - theta) / p - (r - T), theta = Y / X: the influence
function of a ratio. That of `econml.validate` has T in the place of theta, which is right only
where the gain does not depend on the score.
"""

from __future__ import annotations

import numpy as np

from metarouter.inference.curves._curve_values import (
    AtThresholds,
    AtUsage,
    CurveName,
    Points,
    RunningSums,
)
from metarouter.inference.curves._scored_queries import ScoredQueries
from metarouter.inference.intervals import FloatArray

__all__ = ["curve_pulls", "gain_at_the_margin"]


def curve_pulls(
    curve: CurveName,
    queries: ScoredQueries,
    sums: RunningSums,
    points: Points,
    where: AtUsage | AtThresholds,
) -> FloatArray:
    """Return the influence of every query on every point of a curve, times the query's share.

    Parameters
    ----------
    curve : {"efficiency_gain", "toc", "qini"}
    queries : ScoredQueries
    sums : RunningSums
        Of all queries.
    points : Points
        Of all queries.
    where : AtUsage or AtThresholds

    Returns
    -------
    ndarray of shape (n, n_points)
    """
    usage, gained, total = points.usage[0], points.gained[0], points.total[0, 0]
    relative = 0.0 if curve == "qini" else 1.0
    scale = usage if curve == "toc" else np.ones(usage.size)
    if isinstance(where, AtUsage):
        kappa = gain_at_the_margin(sums, usage, queries.effective_units)
    elif curve == "toc":
        kappa = gained / usage
    else:
        kappa = np.full(usage.size, relative * total)
    sent = _sent(queries, sums, usage)
    extra = (queries.spent / queries.share)[:, None]
    gain = queries.gain[:, None]
    influence = (
        gain * sent - gained - relative * usage * (gain - total) - kappa * extra * (sent - usage)
    )
    return np.asarray(queries.share[:, None] * influence / scale)


def _sent(queries: ScoredQueries, sums: RunningSums, usage: FloatArray) -> FloatArray:
    """Share of every query that is sent at every usage, shape (n, n_points)."""
    size = np.diff(queries.ends, prepend=0)
    start, end = (
        np.repeat(edge, size)[:, None] for edge in (sums.spent[0, :-1], sums.spent[0, 1:])
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        part = np.where(end > start, (usage - start) / (end - start), usage >= end)
    return np.asarray(np.clip(part, 0.0, 1.0))


def gain_at_the_margin(sums: RunningSums, usage: FloatArray, n_effective: float) -> FloatArray:
    """Estimate rho(u) = dY / du: the gain per unit spent of the queries at the threshold.

    It is the slope of Y over a window of the width that is right for a density, n^(-1/3); where
    one block of equal scores is wider than that, the slope of Y within the block.
    """
    spent, gained = sums.spent[0], sums.gained[0]
    half = max(0.02, 0.5 * n_effective ** (-1 / 3))
    low, high = np.clip(usage - half, 0, 1 - 2 * half), np.clip(usage + half, 2 * half, 1)
    block = np.clip(np.searchsorted(spent, usage, side="right") - 1, 0, spent.size - 2)
    wide = spent[block + 1] - spent[block] > 2 * half
    low, high = np.where(wide, spent[block], low), np.where(wide, spent[block + 1], high)
    rise = np.interp(high, spent, gained) - np.interp(low, spent, gained)
    return np.asarray(rise / (high - low))
