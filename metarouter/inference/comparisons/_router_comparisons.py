"""Routers compared on the same queries: what a query does to all of them cancels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Unpack

import numpy as np
from numpy.typing import ArrayLike

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import Verdict, about, rows_needed
from metarouter.inference._result import Finding
from metarouter.inference.bands import (
    BandOptions,
    BandResult,
    Curve,
    CurveBand,
    CurveName,
    Estimates,
    Gold,
    Kept,
    ScoredQueries,
    as_queries,
    curve_at,
    curve_band,
    effects_over_usage,
    estimated,
    method_for_ranks,
    rank_weighted_influence,
)
from metarouter.inference.intervals import FloatArray, interval_of, p_value_of
from metarouter.utils.arguments import validated
from metarouter.utils.columns import as_grid, check_routers
from metarouter.utils.plotting import draw_dots, label_axes
from metarouter.utils.style import router_label

EffectName = Literal["area", "autoc", "qini_scaled"]


class _Effect(NamedTuple):
    """An average over all usages; it is computed as a `Curve` of one point is."""

    name: EffectName

    def values(self, sums: Any) -> FloatArray:
        return effects_over_usage(sums, (self.name,))

    def influence(self, queries: ScoredQueries, columns: slice) -> FloatArray:
        return rank_weighted_influence(queries, (self.name,))


class RoutersOnQueries(NamedTuple):
    """The same queries in the order of the rows, and in that of every router."""

    base: ScoredQueries
    by_router: dict[str, ScoredQueries]

    def values(self, statistic: Curve | _Effect, kept: Kept) -> FloatArray:
        """Compute a statistic of every router on halves, shape (b, n_routers, m)."""
        values = []
        for queries in self.by_router.values():
            place = np.searchsorted(self.base.order, queries.order)
            values.append(statistic.values(queries.sums(kept[:, place])))
        return np.stack(values, axis=1)

    def influence(self, statistic: Curve | _Effect, columns: slice = slice(None)) -> FloatArray:
        """Compute the influence on every router in the order of the rows, (n, n_routers, m)."""
        ranked = self.by_router.values()
        influence = [statistic.influence(each, columns)[np.argsort(each.order)] for each in ranked]
        return np.stack(influence, axis=1)


@validated()
def difference_band(
    gold_gain: Gold,
    psi_hat: ArrayLike | None = None,
    reference: ArrayLike | None = None,
    *,
    curve: CurveName = "efficiency_gain",
    grid: ArrayLike | None = None,
    **options: Unpack[BandOptions],
) -> CurveBand:
    """Difference of two routers at every usage, with a band that holds at all usages at once.

    Parameters
    ----------
    gold_gain, psi_hat, grid, **options
        As in `efficiency_gain_band`, whose errors this raises.
    reference : array-like of shape (n,)
        What the router that it is compared with sorts queries by.
    curve : {"efficiency_gain", "toc", "qini"}, default="efficiency_gain"
        The difference of Qini curves is that of efficiency gains: at one usage, random routing
        gains the same for both.

    Returns
    -------
    CurveBand
        Of the router's curve minus that of the reference.

    Notes
    -----
    Both curves are computed on the same halves, so that what a query does to both cancels.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> signal, noise = rng.standard_normal(400), rng.standard_normal((3, 400))
    >>> near, far = signal + 0.5 * noise[0], signal + 3 * noise[1]
    >>> band = difference_band(signal + noise[2], near, far, grid=[0.25, 0.5, 0.75])
    >>> band.to_frame()[["usage", "value", "band_low", "band_high"]].round(2)
       usage  value  band_low  band_high
    0   0.25   0.19      0.11       0.27
    1   0.50   0.22      0.13       0.32
    2   0.75   0.18      0.11       0.26
    """
    if reference is None:
        raise MetaRouterError("reference is missing: give what the other router sorts queries by.")
    router = as_queries(gold_gain, options, psi_hat=psi_hat)
    base = router.in_rows()
    other = router.sorted_by(reference, "reference")
    routers = RoutersOnQueries(base, {"router": router, "reference": other})
    at = curve_at(curve, base, grid, None).anchored(base)

    def difference(kept: Kept) -> FloatArray:
        values = routers.values(at, kept)
        return values[:, 0] - values[:, 1]

    def influence(columns: slice) -> FloatArray:
        values = routers.influence(at, columns)
        return values[:, 0] - values[:, 1]

    return curve_band(at, base, options, difference, influence, "reference")


@dataclass(frozen=True, kw_only=True)
class AllPairs(BandResult):
    """Differences of all pairs of routers on the same queries.

    The verdict is on the claim that one router beats all others; `needed` would tell the two best
    apart.

    Parameters
    ----------
    what : str
        What is compared, such as ``"area"``.
    routers : tuple of str
    value, se, lower, upper : ndarray of shape (n_routers,)
        Of every router by itself, in gold units per query.
    first, second : tuple of str
        The routers of every pair.
    difference, difference_se : ndarray of shape (n_pairs,)
        First minus second, and its paired standard error.
    difference_lower, difference_upper : ndarray of shape (n_pairs,)
        Limits that hold for all pairs at once (max-t).
    p_value : ndarray of shape (n_pairs,)
        Two-sided, each pair by itself.
    p_value_max_t, p_value_stepdown : ndarray of shape (n_pairs,)
        Adjusted for all pairs: in one step, and by the step-down of Romano and Wolf, which is
        never larger.
    not_beaten : tuple of str
        Routers that no other is shown to beat.
    critical : float
        Standard errors to either side that hold for all pairs at once.
    """

    what: str
    routers: tuple[str, ...]
    value: FloatArray
    se: FloatArray
    lower: FloatArray
    upper: FloatArray
    first: tuple[str, ...]
    second: tuple[str, ...]
    difference: FloatArray
    difference_se: FloatArray
    difference_lower: FloatArray
    difference_upper: FloatArray
    p_value: FloatArray
    p_value_max_t: FloatArray
    p_value_stepdown: FloatArray
    not_beaten: tuple[str, ...]
    critical: float

    _TITLE = "All pairs of routers: {self.what}"
    _COLUMNS = (
        "first, second, difference, se=difference_se, band_low=difference_lower, "
        "band_high=difference_upper, p_value, p_value_max_t, p_value_stepdown"
    )
    _FACTS = BandResult._ERRORS | {
        "level": "{self.level:g}, for all pairs at once",
        "critical value": "{self.critical:.3f}",
        "verdict": "{self.verdict}",
    }
    _NOTES = (
        "Each by itself: {self._each}",
        "band: limits that hold for all pairs at once (max-t). p_value: each pair by itself; "
        "max_t and stepdown (Romano and Wolf): adjusted for all pairs.",
        "{self.reason}",
    )

    @property
    def _each(self) -> str:
        each = zip(self.routers, self.value, self.se, strict=True)
        return ", ".join(f"{name} {value:.4f} (s.e. {se:.4f})" for name, value, se in each)

    def plot(self, ax: Any = None) -> Any:
        """Draw the differences with limits that hold for all pairs at once."""
        pairs = zip(self.first, self.second, strict=True)
        names = [f"{router_label(a)} – {router_label(b)}" for a, b in pairs]
        ax = draw_dots(names, self.difference, self.difference_lower, self.difference_upper, ax)
        ax.locator_params(axis="x", nbins=6)
        return label_axes(ax, f"difference in {self.what} ({self.level:.0%} for all pairs at once)")


def all_pairs(n: int) -> tuple[Any, Any, FloatArray]:
    """Return the first and the second of all pairs of n things, and contrasts, (n, n_pairs)."""
    first, second = np.triu_indices(n, 1)
    return first, second, np.eye(n)[:, first] - np.eye(n)[:, second]


@validated()
def compare_all_pairs(
    gold_gain: Gold,
    predictions: Mapping[str, ArrayLike],
    *,
    effect: EffectName = "area",
    usage: float | None = None,
    **options: Unpack[BandOptions],
) -> AllPairs:
    """Compare all pairs of routers on the same test queries, adjusted for their number.

    Parameters
    ----------
    gold_gain
        As in `efficiency_gain_band`.
    predictions : dict of str to array-like of shape (n,)
        psi-hat of each router, none of which has seen these labels.
    effect : {"area", "autoc", "qini_scaled"}, default="area"
        What is compared, as in `rank_weighted_effects`.
    usage : float, optional
        Compare the efficiency gain at this usage instead.
    **options
        Of `BandOptions`: weights, groups, and how errors are found. ``method="auto"``, the default,
        takes the influence function, and half-samples for the AUTOC of fewer than 300 (effective)
        queries; ``level`` is that of all limits at once; ``n_draws`` is 4000 by default, and no
        adjusted p value lies below 1 / (n_draws + 1).

    Raises
    ------
    DataError
        If lengths differ or values are missing or infinite; the router is named.
    MetaRouterError
        If there are fewer than two routers, or a setting is out of its range.

    See Also
    --------
    difference_band : The difference of two routers at all usages at once.

    Notes
    -----
    A query moves all routers at once: their errors are drawn jointly, from one set of halves or
    multipliers, and what a query does to both routers of a pair cancels. ``max_t`` compares every
    |t| with the largest of all pairs; the step-down of Romano and Wolf leaves out, for the second
    largest, the pair that was rejected first, and so on. Both keep the probability of a single
    false rejection among all pairs at 1 - level.

    References
    ----------
    Romano and Wolf (2005), Exact and approximate stepdown methods for multiple hypothesis testing,
    JASA 100.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> signal, noise = rng.standard_normal(400), rng.standard_normal((3, 400))
    >>> routers = {"near": signal + 0.5 * noise[0], "far": signal + 3 * noise[1]}
    >>> pairs = compare_all_pairs(signal + noise[2], routers)
    >>> pairs.to_frame()[["first", "second", "difference", "band_low", "band_high"]].round(2)
      first second  difference  band_low  band_high
    0  near    far        0.16      0.12        0.2
    >>> print(pairs.verdict, pairs.reason)
    PASS near beats all others.
    """
    check_routers(predictions)
    if len(predictions) < 2:
        raise MetaRouterError(
            f"there is one router, {next(iter(predictions))!r}: give at least two to compare."
        )
    queries = as_queries(gold_gain, options).in_rows()
    by_router = {
        str(name): queries.sorted_by(psi_hat, f"psi_hat of {name}")
        for name, psi_hat in predictions.items()
    }
    routers, names = RoutersOnQueries(queries, by_router), tuple(by_router)
    what: str = effect
    compared: Curve | _Effect = _Effect(effect)
    if usage is not None:
        what = f"efficiency gain at usage {usage:g}"
        compared = Curve("efficiency_gain", as_grid([usage]))
    found = estimated(
        lambda kept: routers.values(compared, kept)[..., 0],
        lambda: routers.influence(compared)[..., 0],
        queries,
        options,
        auto=method_for_ranks(queries) if what == "autoc" else "influence",
        n_draws=4000,
    )
    first, second, contrast = all_pairs(len(names))
    of_pairs = found.combined(contrast)
    value, difference = found.value, of_pairs.value
    lower, upper = interval_of(value, found.se, found.df, found.level)
    known: dict[str, Any] = {
        "what": what,
        "routers": names,
        "value": value,
        "se": found.se,
        "lower": lower,
        "upper": upper,
        "first": tuple(names[k] for k in first),
        "second": tuple(names[k] for k in second),
        "difference": difference,
    }
    if found.shortage is not None:
        known |= found.judged(found.shortage) | {"not_beaten": names}
        return AllPairs.inconclusive(found.shortage, first.size, **known)
    se, drawn = of_pairs.se, of_pairs.absolute_t()
    largest = drawn.max(axis=1, keepdims=True)
    critical = max(found.pointwise, float(np.quantile(largest, found.level)))
    margin = critical * se
    # Two routers that send the same queries first do not differ, whatever else happens.
    t = np.divide(difference, se, out=np.zeros_like(se), where=se > 0)
    beaten = set(second[difference > margin]) | set(first[difference < -margin])
    not_beaten = tuple(name for k, name in enumerate(names) if k not in beaten)
    return AllPairs(
        difference_se=se,
        difference_lower=difference - margin,
        difference_upper=difference + margin,
        p_value=p_value_of(t, found.df),
        p_value_max_t=_share_beyond(np.abs(t), largest),
        p_value_stepdown=stepdown_p_values(np.abs(t), drawn),
        not_beaten=not_beaten,
        critical=critical,
        **known,
        **found.judged(_judge(names, found, margin, not_beaten)),
    )


def _judge(
    names: tuple[str, ...], found: Estimates, margin: FloatArray, not_beaten: tuple[str, ...]
) -> Finding:
    """Judge the claim that one router beats all others."""
    best, next_best = np.argsort(-found.value, kind="stable")[:2]
    *_, contrast = all_pairs(len(names))
    distance, of_best, n = np.abs(found.value @ contrast), contrast[best] != 0, found.queries.n_gold
    if (distance > margin)[of_best].all():
        return Finding(Verdict.PASS, None, f"{names[best]} beats all others.")
    (pair,) = np.flatnonzero(of_best & (contrast[next_best] != 0))
    needed = rows_needed(n, float(margin[pair]), float(distance[pair]))
    would = "their estimates are equal"
    if needed is not None:
        both = f"{names[best]} from {names[next_best]}"
        would = f"{about(needed, n)} gold labels would tell {both}, {n} are there"
    reason = f"Not shown to be beaten: {', '.join(not_beaten)}; {would}."
    return Finding(Verdict.INCONCLUSIVE, needed, reason)


def stepdown_p_values(statistic: FloatArray, drawn: FloatArray) -> FloatArray:
    """Compare every |t| with draws of the largest of those that are not larger.

    Romano and Wolf (2005), algorithm 4.1 and section 4.2, with p values as in Romano and Wolf
    (2016), Efficient computation of adjusted p-values for resampling-based stepdown multiple
    testing: the largest |t| is compared with the largest of all draws, the second with the largest
    of all but the first, and so on; no p value is smaller than that of a larger |t|.
    Statistics have shape (m,), draws (n_draws, m).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> drawn = np.abs(rng.standard_normal((10_000, 2)))
    >>> stepdown_p_values(np.array([1.96, 5.0]), drawn).round(2)
    array([0.05, 0.  ])
    """
    falling = np.argsort(-statistic, kind="stable")
    largest = np.maximum.accumulate(drawn[:, falling[::-1]], axis=1)[:, ::-1]
    adjusted = np.empty(statistic.size)
    adjusted[falling] = np.maximum.accumulate(_share_beyond(statistic[falling], largest))
    return adjusted


def _share_beyond(statistic: FloatArray, drawn: FloatArray) -> FloatArray:
    """P values by draws, shape (n_draws, m) or (n_draws, 1), none of them 0."""
    return np.asarray((1.0 + (drawn >= statistic).sum(axis=0)) / (1.0 + len(drawn)))
