"""Rank-weighted average effects of a router, and their influence functions.

Source: Yadlowsky, Fleming, Shah, Brunskill and Wager (2025), section 2. With the Qini curve Y(u),
straight within blocks of equal scores, and T = Y(1),

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

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from metarouter.inference.curves._curve_values import RunningSums
from metarouter.inference.curves._scored_queries import ScoredQueries
from metarouter.inference.intervals import FloatArray

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
    queries: ScoredQueries, sums: RunningSums, names: Sequence[str] = tuple(EFFECTS)
) -> FloatArray:
    """Return influence times share of every query on every effect, shape (n, n_names)."""
    usage, slope = (values[0] for values in _usage_and_slope(sums))
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
