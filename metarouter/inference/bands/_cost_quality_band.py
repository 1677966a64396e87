"""What quality a router buys at what cost, with a joint band."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError
from metarouter.inference.bands._curve_bands import (
    as_where,
    curve_line,
    somewhere_above_zero,
    too_few_queries,
)
from metarouter.inference.curves import (
    AtThresholds,
    AtUsage,
    BandOptions,
    BandResult,
    GoldGain,
    ScoredQueries,
    as_gains,
    band_settings,
    curve_influence,
    deviations_of,
    floor_at_ends,
    running_sums,
    scored_queries,
    skewness_at_ends,
)
from metarouter.inference.intervals import (
    FloatArray,
    Limits,
    cluster_sums,
    skewed_limits,
    third_over_second,
)
from metarouter.utils.arguments import validated
from metarouter.utils.columns import as_finite_column, check_same_length
from metarouter.utils.plotting import label_axes, new_axes
from metarouter.utils.style import random_line


@dataclass(frozen=True, kw_only=True)
class CostQualityBand(BandResult):
    """Mean cost and quality of a router over its dial, with limits.

    The verdict is on the claim that the router beats random routing somewhere.

    Parameters
    ----------
    usage : ndarray of shape (m,)
        Share of queries sent to the primary model.
    threshold : ndarray of shape (m,) or None
        Scores from which on queries are sent, where they were fixed beforehand.
    cost, cost_se, quality, quality_se : ndarray of shape (m,)
        Per query; in excess of the alternative's where its own were not given.
    cost_lower, cost_upper, quality_lower, quality_upper : ndarray of shape (m,)
        Limits that hold for cost and quality at all points at once.
    advantage, advantage_se : ndarray of shape (m,)
        Quality beyond that of random routing at the same cost.
    advantage_lower, advantage_upper : ndarray of shape (m,)
        Limits of the advantage at one point.
    advantage_band_lower, advantage_band_upper : ndarray of shape (m,)
        Limits of the advantage at all points at once.
    critical : float
        Standard errors to either side of cost and quality that hold at all points at once.
    advantage_critical : float
        The same for the advantage.
    ends : tuple of float
        Cost and quality of the alternative, cost and quality of the primary model.
    """

    usage: FloatArray
    threshold: FloatArray | None
    cost: FloatArray
    cost_se: FloatArray
    cost_lower: FloatArray
    cost_upper: FloatArray
    quality: FloatArray
    quality_se: FloatArray
    quality_lower: FloatArray
    quality_upper: FloatArray
    advantage: FloatArray
    advantage_se: FloatArray
    advantage_lower: FloatArray
    advantage_upper: FloatArray
    advantage_band_lower: FloatArray
    advantage_band_upper: FloatArray
    critical: float
    advantage_critical: float
    ends: tuple[float, float, float, float]

    _IS_CURVE = True
    _TITLE = "Quality and cost of the router"
    _COLUMNS = (
        "usage, threshold, cost, cost_low=cost_lower, cost_high=cost_upper, quality, "
        "quality_low=quality_lower, quality_high=quality_upper, advantage, "
        "advantage_low=advantage_band_lower, advantage_high=advantage_band_upper"
    )
    _FACTS = BandResult._ERRORS | {
        "level": "{self.level:g}, for all points at once",
        "verdict": "{self.verdict}",
    }
    _NOTES = (
        "usage: share of queries sent to the primary model. low, high: limits that hold at all "
        "points at once, for cost and quality together, and for the advantage: quality beyond "
        "that of random routing at the same cost.",
        "{self.reason}",
    )

    def plot(self, ax: Any = None, *, name: str = "router", band: bool = True) -> Any:
        """Draw quality against cost with the joint band, and the line of random routing.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        name : str, default="router"
        band : bool, default=True
            Shade what the rectangles around all points cover together.
        """
        ax = new_axes(ax, height=4.2)
        (drawn,) = ax.plot(self.cost, self.quality, **curve_line(name))
        if band and np.isfinite(self.critical):
            ax.fill_between(*self._covered(), color=drawn.get_color(), alpha=0.18, linewidth=0)
        cheap, low, dear, high = self.ends
        ax.plot([cheap, dear], [low, high], **random_line())
        return label_axes(ax, "cost per query", "quality per query", legend="best")

    def _covered(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lowest and highest quality of all rectangles that reach a cost."""
        costs = np.linspace(self.cost_lower.min(), self.cost_upper.max(), 400)
        reach = (self.cost_lower <= costs[:, None]) & (costs[:, None] <= self.cost_upper)
        low = np.where(reach, self.quality_lower, np.inf).min(axis=1)
        high = np.where(reach, self.quality_upper, -np.inf).max(axis=1)
        order = np.argsort(self.cost, kind="stable")
        # Between rectangles that do not touch, their limits are joined by straight lines.
        between = [
            np.interp(costs, self.cost[order], limit[order])
            for limit in (self.quality_lower, self.quality_upper)
        ]
        gap = ~reach.any(axis=1)
        return costs, np.where(gap, between[0], low), np.where(gap, between[1], high)


@validated()
def cost_quality_band(
    gold_gain: GoldGain,
    psi_hat: ArrayLike,
    cost: ArrayLike,
    *,
    alternative_quality: ArrayLike | None = None,
    alternative_cost: ArrayLike | None = None,
    grid: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
    **options: Unpack[BandOptions],
) -> CostQualityBand:
    """Cost and quality of a router over its dial, with limits that hold for both at all points.

    Parameters
    ----------
    gold_gain, psi_hat
        As in `efficiency_gain_band`.
    cost : array-like of shape (n,)
        What the primary model costs beyond the alternative. Single queries may cost less, but not
        all together.
    alternative_quality, alternative_cost : array-like of shape (n,), optional
        Quality and cost of the alternative model; left out, quality and cost are given in excess
        of these.
    grid, thresholds, **options
        As in `efficiency_gain_band`; usages are shares of queries sent.

    Raises
    ------
    DataError
        If the inputs are malformed, or the primary model does not cost more.
    MetaRouterError
        If a setting is out of its range.

    See Also
    --------
    efficiency_gain_band : With ``cost=``, the advantage at shares of the extra cost.
    metarouter.evaluation.cost_quality_curve : Hull and AIQ of any router with a dial.

    Notes
    -----
    At a threshold, cost and quality are means over the queries, and ``2 m`` of them share one
    critical value. Random routing at the same cost lies on the chord from the alternative to the
    primary model: with Y and C the gain and cost added by routing, T and S those of sending all,
    the advantage is ``Y - T C / S``.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> psi, cost = rng.standard_normal(500), rng.uniform(1, 3, 500)
    >>> band = cost_quality_band(psi + rng.standard_normal(500), psi, cost, grid=[0.25, 0.75])
    >>> band.to_frame()[["cost", "quality", "advantage", "advantage_low"]].round(2)
       cost  quality  advantage  advantage_low
    0  0.48     0.33       0.32           0.27
    1  1.50     0.33       0.31           0.26
    """
    settings = band_settings(options)
    queries = scored_queries(gold_gain, psi_hat, options)
    n_given = as_gains(gold_gain, options).gain.size

    def sorted_column(values: ArrayLike | None, name: str) -> FloatArray:
        if values is None:
            return np.zeros(queries.n)
        column = as_finite_column(values, name)
        check_same_length(name, column.size, "gold_gain", n_given)
        return column[queries.order]

    dial = _Dial(
        queries,
        replace(queries, gain=sorted_column(cost, "cost")),
        sorted_column(alternative_quality, "alternative_quality"),
        sorted_column(alternative_cost, "alternative_cost"),
        as_where(queries, grid, thresholds),
    )
    total = float(queries.share @ dial.costs.gain)
    if total <= 0:
        raise DataError(
            f"The mean cost is {total:g}: the primary model does not cost more, so that sending "
            "every query to it saves money; swap the models."
        )
    where, value = dial.where, dial.numbers()[0]
    usage = where.read(queries.sums).usage[0]
    quality, cost_of, advantage = np.split(value, 3)
    alternative = float(queries.share @ dial.base_cost), float(queries.share @ dial.base_quality)
    known: dict[str, Any] = {
        "usage": usage,
        "threshold": where.threshold if isinstance(where, AtThresholds) else None,
        "cost": cost_of,
        "quality": quality,
        "advantage": advantage,
        "ends": (
            *alternative,
            alternative[0] + total,
            alternative[1] + float(queries.share @ queries.gain),
        ),
        **settings.known(queries),
    }
    shortage = too_few_queries(queries)
    if shortage is not None:
        return CostQualityBand.inconclusive(shortage, usage.size, **known)
    n_effective, m = queries.effective_clusters, usage.size
    influence = cache(dial.influence_values)  # the influence method has use for it twice
    deviations = deviations_of(dial.numbers, influence, queries, settings)
    joint, of_advantage = deviations.taken(slice(2 * m)), deviations.taken(slice(2 * m, None))
    summed = cluster_sums(influence()[:, : 2 * m], queries.clusters)
    # Quality and cost added by routing start at nothing; the alternative's own errors do not.
    se = [floor_at_ends(own, usage, n_effective, both=False) for own in np.split(joint.se, 2)]
    skewness = [
        skewness_at_ends(third_over_second(column), own, usage, n_effective, both=False)
        for column, own in zip(np.split(summed, 2, axis=1), se, strict=True)
    ]
    critical, pointwise = joint.critical(settings.level), deviations.pointwise(settings.level)
    both = skewed_limits(value[: 2 * m], np.concatenate(se), critical, np.concatenate(skewness))
    (quality_lower, cost_lower), (quality_upper, cost_upper) = (np.split(end, 2) for end in both)
    advantage_se = floor_at_ends(of_advantage.se, usage, n_effective)
    advantage_critical = of_advantage.critical(settings.level)
    margin = advantage_critical * advantage_se
    band = Limits(advantage - margin, advantage + margin)
    return CostQualityBand(
        cost_se=se[1],
        cost_lower=cost_lower,
        cost_upper=cost_upper,
        quality_se=se[0],
        quality_lower=quality_lower,
        quality_upper=quality_upper,
        advantage_se=advantage_se,
        advantage_lower=advantage - pointwise * advantage_se,
        advantage_upper=advantage + pointwise * advantage_se,
        advantage_band_lower=band.lower,
        advantage_band_upper=band.upper,
        critical=critical,
        advantage_critical=advantage_critical,
        **known,
        **somewhere_above_zero(usage, advantage, band, queries.n_gold)._asdict(),
    )


class _Dial(NamedTuple):
    """A router's dial on queries with gains, and on the same queries with costs for gains."""

    gains: ScoredQueries
    costs: ScoredQueries
    base_quality: FloatArray
    base_cost: FloatArray
    where: AtUsage | AtThresholds

    def numbers(self, kept: NDArray[np.bool_] | None = None) -> FloatArray:
        """Quality, cost and advantage at all points, shape (b, 3 m)."""
        gain, cost = (
            self.where.read(running_sums(column, kept)) for column in (self.gains, self.costs)
        )
        share = self.gains.share * (np.ones((1, self.gains.n)) if kept is None else kept)
        share = share / share.sum(axis=1, keepdims=True)
        quality = gain.gained + (share @ self.base_quality)[:, None]
        money = cost.gained + (share @ self.base_cost)[:, None]
        advantage = gain.gained - gain.total * cost.gained / cost.total
        return np.concatenate([quality, money, advantage], axis=1)

    def influence_values(self) -> FloatArray:
        """Influence times share of every query on these numbers, shape (n, 3 m)."""
        share, added, of_total, points = self.gains.share, [], [], []
        for column in (self.gains, self.costs):
            points.append(self.where.read(column.sums))
            added.append(curve_influence("qini", column, self.where))
            of_total.append((share * (column.gain - points[-1].total[0, 0]))[:, None])
        gain, cost = points
        spent, slope = cost.gained / cost.total, gain.total / cost.total
        advantage = added[0] - spent * of_total[0] - slope * (added[1] - spent * of_total[1])
        quality = added[0] + _centred(share, self.base_quality)
        money = added[1] + _centred(share, self.base_cost)
        return np.concatenate([quality, money, advantage], axis=1)


def _centred(share: FloatArray, values: FloatArray) -> FloatArray:
    return np.asarray((share * (values - share @ values))[:, None])
