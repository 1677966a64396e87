"""AUTOC, Qini coefficient and area under the efficiency gain, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import MetaRouterError
from metarouter.inference.bands._curve_bands import above_zero, too_few_queries
from metarouter.inference.curves import (
    EFFECTS,
    BandOptions,
    BandResult,
    GoldGain,
    band_settings,
    deviations_of,
    effects_over_queries,
    effects_over_usage,
    rank_weighted_influence,
    running_sums,
    scored_queries,
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
    gold_gain: GoldGain,
    psi_hat: ArrayLike,
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
    queries = scored_queries(gold_gain, psi_hat, options)
    settings = band_settings(options, n_effective=queries.effective_clusters)

    def statistic(kept: NDArray[np.bool_]) -> FloatArray:
        sums = running_sums(queries, kept)
        if average == "usage":
            return effects_over_usage(sums)
        return effects_over_queries(queries, sums, kept)

    value = statistic(np.ones((1, queries.n), dtype=bool))[0]
    known: dict[str, Any] = {
        "effects": tuple(EFFECTS),
        "value": value,
        "df": queries.df,
        "average": average,
        **settings.known(queries),
    }
    shortage = too_few_queries(queries)
    if shortage is not None:
        return RankWeightedEffects.inconclusive(shortage, value.size, **known)
    deviations = deviations_of(
        statistic, lambda: rank_weighted_influence(queries), queries, settings
    )
    margin = deviations.pointwise(settings.level) * deviations.se
    with np.errstate(invalid="ignore", divide="ignore"):
        p_value = p_value_of(np.where(value == 0, 0.0, value / deviations.se), queries.df)
    area = "The area under the efficiency gain"
    return RankWeightedEffects(
        se=deviations.se,
        lower=value - margin,
        upper=value + margin,
        p_value=p_value,
        **known,
        **above_zero(area, float(value[0]), float(margin[0]), queries.n_gold)._asdict(),
    )
