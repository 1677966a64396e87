"""What routing by a score gains, at every usage or threshold, on all queries or on halves of them.

With gains r, shares p that sum to one, and queries sent to the primary model in the order of
falling score,

    Y(u) = sum of p r over the share u with the highest scores,
    Qini curve: Y(u);  efficiency gain: Y(u) - u Y(1);  TOC: Y(u) / u - Y(1)

(Yadlowsky et al. 2025 for the targeting operator characteristic, Meta-Router section 4.1 for the
efficiency gain). Queries that share a score are sent in random order, so that Y is straight within
their block. With extra costs c, u is a share of the extra cost: the cost-aware Qini curve of
Sverdrup, Wu, Athey and Wager (2023), in which the marginal query is sent with a probability.

Their influence functions, at usages and at thresholds.

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

Averages over them are rank-weighted average effects (Yadlowsky et al. 2025, section 2). With the
Qini curve Y(u), straight within blocks of equal scores, and T = Y(1),

    AUTOC = integral of TOC(u) du,    Qini coefficient = integral of u TOC(u) du.

Both are integrals of h(u) dY(u), with h(u) = -log(u) - 1 and h(u) = 1/2 - u. With H(u) the integral
of h from 0 to u, and the slope rho_B = dY / du of every block B from a to b,

    effect = sum over B of rho_B (H(b) - H(a)),   H(u) = -u log(u)  and  (u - u^2) / 2.

The Qini coefficient is the area under the efficiency gain. Moving mass towards a query of block B
moves rho_B and the edges of all blocks, so that its influence on the effect is

    (r - rho_B) (H(b) - H(a)) / (b - a) + rho_B h(b) + sum over later C of rho_C (h(b_C) - h(a_C))
        - sum over all C of rho_C (b_C h(b_C) - a_C h(a_C)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from metarouter.inference.curves._scored_queries import RunningSums, ScoredQueries
from metarouter.inference.intervals import FloatArray

_CELLS = 2**16  # of an array that is made on the way

CurveName = Literal["efficiency_gain", "toc", "qini"]


class Points(NamedTuple):
    """The two coordinates of a Qini curve, and where it ends."""

    usage: FloatArray  # (b, m)
    gained: FloatArray  # (b, m)
    total: FloatArray  # (b, 1)


@dataclass(frozen=True)
class AtUsage:
    """Read curves where a given share is spent: the threshold is estimated anew by every half.

    Only the points that are `shown` were asked for; errors near the ends rest on the others.
    """

    grid: FloatArray
    shown: Any = ...

    def read(self, sums: RunningSums) -> Points:
        """Read one curve per half."""
        at = self.grid * sums.spent[:, -1:]
        rows = zip(at, sums.spent, sums.gained, strict=True)
        gained = np.array([np.interp(*row) for row in rows]) / sums.mass
        usage = np.broadcast_to(self.grid, gained.shape)
        return Points(usage, gained, sums.gained[:, -1:] / sums.mass)


@dataclass(frozen=True)
class AtThresholds:
    """Read curves at scores that were fixed beforehand: then usage is what varies."""

    threshold: FloatArray  # falling
    block: NDArray[np.intp]  # number of blocks whose score reaches each threshold
    shown: Any = ...

    def read(self, sums: RunningSums) -> Points:
        """Read one curve per half."""
        return Points(
            sums.spent[:, self.block] / sums.spent[:, -1:],
            sums.gained[:, self.block] / sums.mass,
            sums.gained[:, -1:] / sums.mass,
        )


def curve_of(curve: CurveName, points: Points) -> FloatArray:
    """Turn the coordinates of a Qini curve into those of another."""
    if curve == "qini":
        return points.gained
    if curve == "efficiency_gain":
        return points.gained - points.usage * points.total
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = points.gained / points.usage
    return np.where(points.usage > 0, mean - points.total, 0.0)


def curve_influence(
    curve: CurveName,
    queries: ScoredQueries,
    where: AtUsage | AtThresholds,
    columns: slice = slice(None),
) -> FloatArray:
    """Return the influence of every query on every point of a curve, times the query's share.

    Parameters
    ----------
    curve : {"efficiency_gain", "toc", "qini"}
    queries : ScoredQueries
    where : AtUsage or AtThresholds
    columns : slice
        The points that are asked for, by default all.

    Returns
    -------
    ndarray of shape (n, n_points)
    """
    sums = queries.sums
    points = where.read(sums)
    usage, gained, total = points.usage[0, columns], points.gained[0, columns], points.total[0, 0]
    relative = 0.0 if curve == "qini" else 1.0
    scale = usage if curve == "toc" else np.ones(usage.size)
    if isinstance(where, AtUsage):
        kappa = gain_at_the_margin(sums, usage, queries.effective_clusters)
    elif curve == "toc":
        kappa = gained / usage
    else:
        kappa = np.full(usage.size, relative * total)
    size = np.diff(queries.ends, prepend=0)
    start, end = (
        np.repeat(edge, size)[:, None] for edge in (sums.spent[0, :-1], sums.spent[0, 1:])
    )
    share, extra = queries.share[:, None], (queries.spent / queries.share)[:, None]
    values = np.empty((queries.n, usage.size))
    # The steps below make arrays as large as what they fill, and need not make them all at once.
    for rows in _chunks(queries.n, usage.size):
        gain, sent = queries.gain[rows, None], _sent(start[rows], end[rows], usage)
        influence = gain * sent - gained - relative * usage * (gain - total)
        influence -= kappa * extra[rows] * (sent - usage)
        values[rows] = share[rows] * influence / scale
    return values


def _chunks(n_rows: int, n_points: int) -> Iterator[slice]:
    step = max(1, _CELLS // max(1, n_points))
    return (slice(start, start + step) for start in range(0, n_rows, step))


def _sent(start: FloatArray, end: FloatArray, usage: FloatArray) -> FloatArray:
    """Share of every query that is sent at every usage, from what is spent before and after it."""
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


_Function = Callable[[FloatArray], FloatArray]


class _Weighting(NamedTuple):
    """How an effect weighs ranks: h(u), its integral H(u), u h(u), the TOC's weight, a factor."""

    slope: _Function
    integral: _Function
    moment: _Function
    of_toc: _Function
    factor: float


_AUTOC = _Weighting(
    lambda u: -np.log(u) - 1, lambda u: -xlogy(u, u), lambda u: -xlogy(u, u) - u, np.ones_like, 1.0
)
_QINI = _Weighting(
    lambda u: 0.5 - u, lambda u: (u - u**2) / 2, lambda u: u / 2 - u**2, lambda u: u, 1.0
)

# The scaled Qini weighs ranks by (1/2 - u) over its standard deviation, which is 1 / sqrt(12).
EFFECTS = {"area": _QINI, "autoc": _AUTOC, "qini_scaled": _QINI._replace(factor=np.sqrt(12.0))}


def effects_over_usage(sums: RunningSums, names: Sequence[str] = tuple(EFFECTS)) -> FloatArray:
    """Integrate over usages from 0 to 1, shape (b, n_names)."""
    usage, slope = _usage_and_slope(sums)
    integrals: dict[_Function, FloatArray] = {}
    for integral in (EFFECTS[name].integral for name in names):
        if integral not in integrals:
            integrals[integral] = np.einsum("ij,ij->i", slope, np.diff(integral(usage), axis=1))
    return np.stack(
        [EFFECTS[name].factor * integrals[EFFECTS[name].integral] for name in names], axis=1
    )


def effects_over_queries(
    queries: ScoredQueries, sums: RunningSums, kept: NDArray[np.bool_]
) -> FloatArray:
    """Average over the usages 1/n, 2/n, ..., 1, as grf does; shape (b, 3)."""
    usage, slope = _usage_and_slope(sums)
    block = np.repeat(np.arange(queries.ends.size), np.diff(queries.ends, prepend=0))
    share = kept * queries.share / sums.mass
    at = np.cumsum(share, axis=1)
    gained = (sums.gained / sums.mass)[:, block] + (at - usage[:, block]) * slope[:, block]
    with np.errstate(invalid="ignore", divide="ignore"):
        toc = np.where(at > 0, gained / at, 0.0) - sums.gained[:, -1:] / sums.mass
    return np.stack(
        [w.factor * (share * w.of_toc(at) * toc).sum(axis=1) for w in EFFECTS.values()], axis=1
    )


def rank_weighted_influence(
    queries: ScoredQueries, names: Sequence[str] = tuple(EFFECTS)
) -> FloatArray:
    """Return influence times share of every query on every effect, shape (n, n_names)."""
    usage, slope = (values[0] for values in _usage_and_slope(queries.sums))
    size = np.diff(queries.ends, prepend=0)
    influence_values = []
    for weighting in (EFFECTS[name] for name in names):
        mean = np.diff(weighting.integral(usage)) / np.diff(usage)
        edge = weighting.slope(usage[1:])
        later = slope[1:] * np.diff(edge)
        after = np.append(np.cumsum(later[::-1])[::-1], 0.0)
        level = slope * edge + after - float(slope @ np.diff(weighting.moment(usage)))
        by_query = [np.repeat(values, size) for values in (slope, mean, level)]
        influence = (queries.gain - by_query[0]) * by_query[1] + by_query[2]
        influence_values.append(weighting.factor * queries.share * influence)
    return np.stack(influence_values, axis=1)


def _usage_and_slope(sums: RunningSums) -> tuple[FloatArray, FloatArray]:
    usage = sums.spent / sums.spent[:, -1:]
    rise, run = np.diff(sums.gained / sums.mass, axis=1), np.diff(usage, axis=1)
    return usage, np.divide(rise, run, out=np.zeros_like(run), where=run > 0)
