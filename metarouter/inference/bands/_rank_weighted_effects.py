"""Rank-weighted effects with their intervals.

AUTOC, Qini coefficient and area under the efficiency gain, with intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import Verdict
from metarouter.inference.bands._curve_bands import above_zero, error_facts, too_few_queries
from metarouter.inference.curves import (
    EFFECTS,
    BandMethod,
    BandOptions,
    GoldGain,
    ScoredQueries,
    band_settings,
    deviations_of,
    effects_over_queries,
    effects_over_usage,
    method_for_ranks,
    rank_weighted_influence,
    running_sums,
    scored_queries,
    weights_of,
)
from metarouter.inference.intervals import FloatArray, p_value_of
from metarouter.utils.plotting import draw_dots, new_axes
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd


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


@dataclass(frozen=True)
class RankWeightedEffects(Printed):
    """What a router's ranking is worth, in three weightings of the ranks.

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
    method : {"half_sample", "influence"}
    average : {"usage", "queries"}
    level : float
    n, n_units : int
    n_draws : int
    verdict : Verdict
        On the claim that the area is above zero: that the router beats random routing.
    needed : int or None
        Gold labels that would settle an open verdict.
    reason : str
    """

    effects: tuple[str, ...]
    value: FloatArray
    se: FloatArray
    lower: FloatArray
    upper: FloatArray
    p_value: FloatArray
    df: float
    method: BandMethod
    average: Average
    level: float
    n: int
    n_units: int
    n_draws: int
    verdict: Verdict
    needed: int | None
    reason: str

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

    def to_frame(self) -> pd.DataFrame:
        """Return one row per effect."""
        import pandas as pd

        return pd.DataFrame(
            {
                "effect": self.effects,
                "value": self.value,
                "se": self.se,
                "ci_low": self.lower,
                "ci_high": self.upper,
                "p_value": self.p_value,
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the effects with their intervals, beside the zero of random routing.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        names = [_NAMES[name] for name in self.effects]
        ax = draw_dots(names, self.value, self.lower, self.upper, new_axes(ax, height=2.4))
        ax.set_xlabel(f"gold units per query ({self.level:.0%} intervals; 0: random routing)")
        return ax

    def _title(self) -> str:
        return "Rank-weighted effects of the router"

    def _facts(self) -> dict[str, str]:
        return error_facts(self.n, self.n_units, self.method, self.n_draws) | {
            "averaged over": self.average,
            "level": f"{self.level:g}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            "area: integral of the efficiency gain over usages, which is the Qini coefficient; "
            "autoc: integral of the TOC; qini_scaled: area times sqrt(12). All are 0 for a "
            "ranking that knows nothing.",
            self.reason,
        )


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
    gold_gain : array-like of shape (n,) or DoublyRobustGains
        Gold labels of the test queries, or their doubly robust scores (`doubly_robust_gains`).
    psi_hat : array-like of shape (n,)
        What the router sorts queries by, from a router that has not seen these labels. Queries
        with equal values are sent in random order.
    average : {"usage", "queries"}, default="usage"
        ``"usage"`` integrates the curves over all usages from 0 to 1, marginal queries being sent
        with a probability; ``"queries"`` averages them over the usages 1/n, 2/n, ..., 1, as grf
        does. The difference is of the order of log(n) / n.
    **options
        Of `BandOptions`: weights, groups, and how errors are found; ``method="auto"`` by default.
        By the influence function the area has the standard error of
        `metarouter.evaluation.efficiency_gain_curve`. It falls short for the AUTOC of few queries,
        so that "auto" takes half-samples below 300 (effective) queries.

    Returns
    -------
    RankWeightedEffects
        With too few queries the errors are NaN and the verdict is INCONCLUSIVE.

    Raises
    ------
    DataError
        If the inputs differ in length, are empty, or hold missing or infinite values.
    MetaRouterError
        If a setting is out of its range.

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
    queries = scored_queries(gold_gain, psi_hat, **weights_of(options))
    chosen = method_for_ranks(options.pop("method", "auto"), queries.effective_clusters)
    settings = band_settings(options, chosen)
    if average not in ("usage", "queries"):
        raise MetaRouterError(f"average={average!r} is unknown; choose 'usage' or 'queries'.")

    def statistic(kept: NDArray[np.bool_]) -> FloatArray:
        return _effects(queries, kept, average)

    value = statistic(np.ones((1, queries.n), dtype=bool))[0]
    shortage = too_few_queries(queries)
    se = margin = np.full(value.size, np.nan)
    if shortage is None:
        sums = running_sums(queries)
        deviations = deviations_of(
            statistic, lambda: rank_weighted_influence(queries, sums), queries, settings
        )
        se, margin = deviations.se, deviations.pointwise(settings.level) * deviations.se
    with np.errstate(invalid="ignore", divide="ignore"):
        p_value = p_value_of(np.where(value == 0, 0.0, value / se), queries.df)
    verdict, needed, reason = shortage or above_zero(
        "The area under the efficiency gain", float(value[0]), float(margin[0]), queries.n_gold
    )
    return RankWeightedEffects(
        effects=tuple(EFFECTS),
        value=value,
        se=se,
        lower=value - margin,
        upper=value + margin,
        p_value=np.where(np.isnan(se), np.nan, p_value),
        df=queries.df,
        method=settings.method,
        average=average,
        level=settings.level,
        n=queries.n,
        n_units=queries.n_units,
        n_draws=settings.draws_used,
        verdict=verdict,
        needed=needed,
        reason=reason,
    )


def _effects(queries: ScoredQueries, kept: NDArray[np.bool_], average: Average) -> FloatArray:
    sums = running_sums(queries, kept)
    if average == "usage":
        return effects_over_usage(sums)
    return effects_over_queries(queries, sums, kept)
