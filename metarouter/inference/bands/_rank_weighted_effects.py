"""AUTOC, Qini coefficient and area under the efficiency gain, with intervals.

They are rank-weighted average effects (Yadlowsky et al. 2025, section 2). With the Qini curve Y(u),
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
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple, Unpack

import numpy as np
from numpy.typing import ArrayLike

from metarouter.exceptions import MetaRouterError
from metarouter.inference.bands._curve_bands import above_zero
from metarouter.inference.bands._curves import (
    Gold,
    Kept,
    RunningSums,
    ScoredQueries,
    as_queries,
)
from metarouter.inference.bands._estimates import (
    BandOptions,
    BandResult,
    estimated,
    method_for_ranks,
)
from metarouter.inference.intervals import FloatArray, p_value_of
from metarouter.utils.arguments import validated
from metarouter.utils.plotting import draw_dots, label_axes, new_axes

Average = Literal["usage", "queries"]

_NAMES = {
    "area": "area under the\nefficiency gain",
    "autoc": "AUTOC",
    "qini_scaled": "scaled Qini",
}


class _Weighting(NamedTuple):
    """How an effect weighs ranks: h(u), its integral H(u), and the weight of the TOC at u."""

    slope: Callable[[FloatArray], FloatArray]
    integral: Callable[[FloatArray], FloatArray]
    of_toc: Callable[[FloatArray], FloatArray]


def _log(usage: FloatArray) -> FloatArray:
    return np.log(np.maximum(usage, np.finfo(float).tiny))


def _qini(factor: float) -> _Weighting:
    return _Weighting(
        lambda u: factor * (0.5 - u), lambda u: factor * (u - u**2) / 2, lambda u: factor * u
    )


EFFECTS = {
    "area": _qini(1.0),
    "autoc": _Weighting(lambda u: -_log(u) - 1, lambda u: -u * _log(u), np.ones_like),
    # Ranks weighed by (1/2 - u) over its standard deviation, which is 1 / sqrt(12).
    "qini_scaled": _qini(np.sqrt(12.0)),
}


def effects_over_usage(sums: RunningSums, names: Sequence[str] = tuple(EFFECTS)) -> FloatArray:
    """Integrate over usages from 0 to 1, shape (b, n_names)."""
    usage, slope = _usage_and_slope(sums)
    weights = [np.diff(EFFECTS[name].integral(usage), axis=1) for name in names]
    return np.stack([np.einsum("ij,ij->i", slope, weight) for weight in weights], axis=1)


def _effects_over_queries(queries: ScoredQueries, kept: Kept) -> FloatArray:
    """Average over the usages 1/n, 2/n, ..., 1, as grf does; shape (b, 3)."""
    sums = queries.sums(kept)
    share = kept * queries.share / sums.mass
    at = np.cumsum(share, axis=1)
    rows = zip(at, sums.spent / sums.mass, sums.gained / sums.mass, strict=True)
    gained = np.array([np.interp(*row) for row in rows])
    toc = np.divide(gained, at, out=np.zeros_like(at), where=at > 0) - gained[:, -1:]
    weights = [share * weighting.of_toc(at) for weighting in EFFECTS.values()]
    return np.stack([np.einsum("ij,ij->i", weight, toc) for weight in weights], axis=1)


def rank_weighted_influence(
    queries: ScoredQueries, names: Sequence[str] = tuple(EFFECTS)
) -> FloatArray:
    """Return influence times share of every query on every effect, shape (n, n_names)."""
    usage, slope = (values[0] for values in _usage_and_slope(queries.sums()))
    size = np.diff(queries.ends, prepend=0)
    columns = []
    for weighting in (EFFECTS[name] for name in names):
        h = weighting.slope(usage)
        mean = np.diff(weighting.integral(usage)) / np.diff(usage)
        later = np.append(slope[1:] * np.diff(h[1:]), 0.0)
        edges = np.cumsum(later[::-1])[::-1] - slope @ np.diff(usage * h)
        within = (queries.gain - np.repeat(slope, size)) * np.repeat(mean, size)
        columns.append(queries.share * (within + np.repeat(slope * h[1:] + edges, size)))
    return np.stack(columns, axis=1)


def _usage_and_slope(sums: RunningSums) -> tuple[FloatArray, FloatArray]:
    usage = sums.spent / sums.spent[:, -1:]
    rise, run = np.diff(sums.gained / sums.mass, axis=1), np.diff(usage, axis=1)
    return usage, np.divide(rise, run, out=np.zeros_like(run), where=run > 0)


class RankWeightedEffect(NamedTuple):
    """One effect with its interval."""

    value: float
    se: float
    lower: float
    upper: float
    p_value: float


@dataclass(frozen=True, kw_only=True)
class RankWeightedEffects(BandResult):
    """What a router's ranking is worth, in three weightings of the ranks.

    The verdict is on the claim that the area is above zero: that the router beats random routing.

    Parameters
    ----------
    effects : tuple of str
        ``"area"``, ``"autoc"`` and ``"qini_scaled"``.
    value, se, lower, upper : ndarray of shape (3,)
        In gold units per query.
    p_value : ndarray of shape (3,)
        Two-sided, against an effect of 0: a ranking that knows nothing.
    df : float
        Degrees of freedom of the errors.
    average : {"usage", "queries"}
    """

    effects: tuple[str, ...]
    value: FloatArray
    se: FloatArray
    lower: FloatArray
    upper: FloatArray
    p_value: FloatArray
    df: float
    average: Average

    _TITLE = "Rank-weighted effects of the router"
    _COLUMNS = "effect=effects, value, se, ci_low=lower, ci_high=upper, p_value"
    _FACTS = BandResult._ERRORS | {
        "averaged over": "{self.average}",
        "level": "{self.level:g}",
        "verdict": "{self.verdict}",
    }
    _NOTES = (
        "area: integral of the efficiency gain over usages, which is the Qini coefficient; "
        "autoc: integral of the TOC; qini_scaled: area times sqrt(12). All are 0 for a "
        "ranking that knows nothing.",
        "{self.reason}",
    )

    def effect(self, name: str) -> RankWeightedEffect:
        """Return one effect.

        Parameters
        ----------
        name : {"area", "autoc", "qini_scaled"}

        Raises
        ------
        MetaRouterError
            If there is no such effect.
        """
        if name not in self.effects:
            raise MetaRouterError(
                f"{name!r} is no effect; choose one of {', '.join(self.effects)}."
            )
        k = self.effects.index(name)
        columns = (self.value, self.se, self.lower, self.upper, self.p_value)
        return RankWeightedEffect(*(float(column[k]) for column in columns))

    def plot(self, ax: Any = None) -> Any:
        """Draw the effects with their intervals, beside the zero of random routing."""
        names = [_NAMES[name] for name in self.effects]
        ax = draw_dots(names, self.value, self.lower, self.upper, new_axes(ax, height=2.4))
        units = f"gold units per query ({self.level:.0%} intervals; 0: random routing)"
        return label_axes(ax, units)


@validated()
def rank_weighted_effects(
    gold_gain: Gold,
    psi_hat: ArrayLike | None = None,
    *,
    average: Average = "usage",
    **options: Unpack[BandOptions],
) -> RankWeightedEffects:
    """AUTOC, Qini coefficient (plain and scaled) of a router's ranking, each with its interval.

    Parameters
    ----------
    gold_gain, psi_hat
        As in `efficiency_gain_band`, whose errors this raises.
    average : {"usage", "queries"}, default="usage"
        ``"usage"`` integrates the curves over all usages from 0 to 1, marginal queries being sent
        with a probability; ``"queries"`` averages them over the usages 1/n, 2/n, ..., 1, as grf
        does. The difference is of the order of log(n) / n.
    **options
        Of `BandOptions`: weights, groups, and how errors are found; ``method="auto"`` by default.
        By the influence function the area has the standard error of
        `metarouter.evaluation.efficiency_gain_curve`. It falls short for the AUTOC of few queries,
        so that "auto" takes half-samples below 300 (effective) queries.

    Notes
    -----
    AUTOC is the mean of the TOC, and looks at the queries sent first; the Qini coefficient is the
    mean of u TOC(u), and looks at all. For a gain that is linear in a Gaussian score with slope 1
    they are 0.9032 and 1 / (2 sqrt(pi)). Weighing the TOC by 1 / u instead, and calling it AUTOC,
    gives 1.99 there. P values are two-sided: a ranking may also be worse than random.

    References
    ----------
    Yadlowsky et al. (2025), Evaluating treatment prioritization rules via rank-weighted average
    treatment effects, JASA 120.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> psi = rng.standard_normal(500)
    >>> effects = rank_weighted_effects(psi + rng.standard_normal(500), psi)
    >>> effects.to_frame().round(3)
            effect  value     se  ci_low  ci_high  p_value
    0         area  0.287  0.016   0.256    0.318      0.0
    1        autoc  0.902  0.055   0.793    1.011      0.0
    2  qini_scaled  0.994  0.054   0.888    1.100      0.0
    """
    queries = as_queries(gold_gain, options, psi_hat=psi_hat)

    def statistic(kept: Kept) -> FloatArray:
        if average == "queries":
            return _effects_over_queries(queries, kept)
        return effects_over_usage(queries.sums(kept))

    influence = partial(rank_weighted_influence, queries)
    found = estimated(statistic, influence, queries, options, auto=method_for_ranks(queries))
    value, se, margin = found.value, found.se, found.pointwise * found.se
    with np.errstate(invalid="ignore", divide="ignore"):
        statistics = np.where((value == 0) & (se == 0), 0.0, value / se)
    area = "The area under the efficiency gain"
    return RankWeightedEffects(
        effects=tuple(EFFECTS),
        value=value,
        se=se,
        lower=value - margin,
        upper=value + margin,
        p_value=p_value_of(statistics, found.df),
        df=found.df,
        average=average,
        **found.judged(above_zero(area, float(value[0]), float(margin[0]), queries.n_gold)),
    )
