"""What quality a router buys at what cost, with a joint band."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference.bands._curve_bands import curve_line, somewhere_above_zero
from metarouter.inference.bands._curves import Gold, Kept, as_queries, curve_at
from metarouter.inference.bands._estimates import BandOptions, BandResult, errors_at_ends, estimated
from metarouter.inference.intervals import FloatArray, skewed_limits, third_over_second
from metarouter.utils.arguments import validated
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
            from matplotlib.patches import PathPatch
            from matplotlib.path import Path

            left, right = self.cost_lower, self.cost_upper
            low, high = self.quality_lower, self.quality_upper
            corners = [left, low, right, low, right, high, left, high, left, low]
            boxes = np.stack(corners, axis=1).reshape(-1, 5, 2)
            covered = Path.make_compound_path(*(Path(box, closed=True) for box in boxes))
            ax.add_patch(PathPatch(covered, color=drawn.get_color(), alpha=0.18, linewidth=0))
        cost, quality = self.ends[::2], self.ends[1::2]
        ax.plot(cost, quality, **random_line())
        return label_axes(ax, "cost per query", "quality per query", legend="best")


@validated()
def cost_quality_band(
    gold_gain: Gold,
    psi_hat: ArrayLike | None = None,
    cost: ArrayLike | None = None,
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
    cost : array-like of shape (n,), optional
        As of `ScoredQueries`; one of the two gives it. Single queries may cost less with the
        primary model, but not all together.
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
        If a setting is out of its range, or there are no costs.

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
    queries = as_queries(gold_gain, options, psi_hat=psi_hat, cost=cost)
    if queries.cost is None:
        raise MetaRouterError(
            "cost is missing: give what the primary model costs beyond the alternative."
        )
    curve, share = curve_at("qini", queries, grid, thresholds), queries.share
    costs = queries.with_gain(queries.cost)  # their Qini curve is the cost that routing adds
    total_gain, total_cost = (
        float(curve.points(column.sums()).total[0, 0]) for column in (queries, costs)
    )
    if total_cost <= 0:
        raise DataError(
            f"The mean cost is {total_cost:g}: the primary model does not cost more, so that "
            "sending every query to it saves money; swap the models."
        )
    alternative = np.zeros((queries.n, 2))
    if alternative_quality is not None:
        alternative[:, 0] = queries.column(alternative_quality, "alternative_quality")
    if alternative_cost is not None:
        alternative[:, 1] = queries.column(alternative_cost, "alternative_cost")
    mean_quality, mean_cost = (float(mean) for mean in share @ alternative)

    def statistic(kept: Kept) -> FloatArray:
        """Quality, cost and advantage at all points, shape (b, 3 m)."""
        gain, cost = (curve.points(column.sums(kept)) for column in (queries, costs))
        base = kept @ (share[:, None] * alternative) / (kept @ share[:, None])
        advantage = gain.gained - gain.total * cost.gained / cost.total
        quality = gain.gained + base[:, :1]
        return np.concatenate([quality, cost.gained + base[:, 1:], advantage], axis=1)

    @cache  # the influence method has use for it twice
    def influence() -> FloatArray:
        """Influence times share of every query on these numbers, shape (n, 3 m)."""
        gain, cost = curve.influence(queries), curve.influence(costs)
        of_gain = (share * (queries.gain - total_gain))[:, None]
        of_cost = (share * (costs.gain - total_cost))[:, None]
        spent = curve.points(costs.sums()).gained / total_cost
        slope = total_gain / total_cost
        advantage = gain - spent * of_gain - slope * (cost - spent * of_cost)
        base = share[:, None] * (alternative - share @ alternative)
        return np.concatenate([gain + base[:, :1], cost + base[:, 1:], advantage], axis=1)

    found = estimated(statistic, influence, queries, options)
    usage, n_effective = curve.points(queries.sums()).usage[0], queries.effective_clusters
    skew = third_over_second(queries.by_cluster(influence()))
    quality, cost_added, advantage = (slice(k * usage.size, (k + 1) * usage.size) for k in range(3))
    critical = found.taken(slice(2 * usage.size)).critical()
    columns: dict[str, Any] = {}
    for name, points in (("quality", quality), ("cost", cost_added)):
        # Both start at nothing; the alternative's own errors do not.
        se, skewness = errors_at_ends(
            found.se[points], usage, n_effective, skew=skew[points], both=False
        )
        lower, upper = skewed_limits(found.value[points], se, critical, skewness)
        columns |= {
            name: found.value[points],
            f"{name}_se": se,
            f"{name}_lower": lower,
            f"{name}_upper": upper,
        }
    value, se = found.value[advantage], errors_at_ends(found.se[advantage], usage, n_effective)[0]
    advantage_critical = found.taken(advantage).critical()
    margin, band_margin = found.pointwise * se, advantage_critical * se
    lower, upper = value - band_margin, value + band_margin
    return CostQualityBand(
        usage=usage,
        threshold=curve.threshold,
        advantage=value,
        advantage_se=se,
        advantage_lower=value - margin,
        advantage_upper=value + margin,
        advantage_band_lower=lower,
        advantage_band_upper=upper,
        critical=critical,
        advantage_critical=advantage_critical,
        ends=(mean_cost, mean_quality, mean_cost + total_cost, mean_quality + total_gain),
        **columns,
        **found.judged(somewhere_above_zero(usage, value, lower, upper, queries.n_gold)),
    )
