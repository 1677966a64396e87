"""Routers compared pair by pair, with statements that hold for all pairs at once.

Errors of the differences of all pairs, and p values adjusted for their number.

Compare all pairs of routers on the same queries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import Verdict, about, rows_needed
from metarouter.inference.bands import Finding, error_facts, too_few_queries
from metarouter.inference.comparisons._routers_on_queries import RouterStatistic, routers_on_queries
from metarouter.inference.curves import (
    EFFECTS,
    AtUsage,
    BandMethod,
    BandOptions,
    Deviations,
    GoldGain,
    ScoredQueries,
    band_settings,
    curve_influence,
    curve_of,
    deviations_of,
    effects_over_usage,
    method_for_ranks,
    rank_weighted_influence,
    running_sums,
    weights_of,
)
from metarouter.inference.intervals import FloatArray, p_value_of
from metarouter.utils.columns import as_grid
from metarouter.utils.plotting import draw_dots
from metarouter.utils.style import router_label
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class AllPairs(Printed):
    """Differences of all pairs of routers on the same queries.

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
    method : {"half_sample", "influence"}
    level : float
    n, n_units : int
    n_draws : int
    verdict : Verdict
        On the claim that one router beats all others.
    needed : int or None
        Gold labels that would tell the two best apart.
    reason : str
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
    method: BandMethod
    level: float
    n: int
    n_units: int
    n_draws: int
    verdict: Verdict
    needed: int | None
    reason: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per pair."""
        import pandas as pd

        return pd.DataFrame(
            {
                "first": self.first,
                "second": self.second,
                "difference": self.difference,
                "se": self.difference_se,
                "band_low": self.difference_lower,
                "band_high": self.difference_upper,
                "p_value": self.p_value,
                "p_value_max_t": self.p_value_max_t,
                "p_value_stepdown": self.p_value_stepdown,
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the differences with limits that hold for all pairs at once.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        pairs = zip(self.first, self.second, strict=True)
        names = [f"{router_label(a)} – {router_label(b)}" for a, b in pairs]
        ax = draw_dots(names, self.difference, self.difference_lower, self.difference_upper, ax)
        ax.locator_params(axis="x", nbins=6)
        ax.set_xlabel(f"difference in {self.what} ({self.level:.0%} for all pairs at once)")
        return ax

    def _title(self) -> str:
        return f"All pairs of {len(self.routers)} routers: {self.what}"

    def _facts(self) -> dict[str, str]:
        return error_facts(self.n, self.n_units, self.method, self.n_draws) | {
            "level": f"{self.level:g}, for all pairs at once",
            "critical value": f"{self.critical:.3f}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        each = zip(self.routers, self.value, self.se, strict=True)
        return (
            "Each by itself: " + ", ".join(f"{name} {v:.4f} (s.e. {s:.4f})" for name, v, s in each),
            "band: limits that hold for all pairs at once (max-t). p_value: each pair by itself; "
            "max_t and stepdown (Romano and Wolf): adjusted for all pairs.",
            self.reason,
        )


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


def compare_all_pairs(
    gold_gain: GoldGain,
    predictions: Mapping[str, ArrayLike],
    *,
    effect: str = "area",
    usage: float | None = None,
    **options: Unpack[BandOptions],
) -> AllPairs:
    """Compare all pairs of routers on the same test queries, adjusted for their number.

    Parameters
    ----------
    gold_gain : array-like of shape (n,) or DoublyRobustGains
        Gold labels of the test queries, or their doubly robust scores (`doubly_robust_gains`).
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

    Returns
    -------
    AllPairs
        With too few queries the errors are NaN and the verdict is INCONCLUSIVE.

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
    compared = _at_usage(usage) if usage is not None else _effect(effect)
    routers = routers_on_queries(gold_gain, predictions, **weights_of(options))
    by_rank = usage is None and effect == "autoc"
    n_effective = routers.base.effective_clusters if by_rank else np.inf
    chosen = method_for_ranks(options.pop("method", "auto"), n_effective)
    settings = band_settings(options, chosen, n_draws=4000)
    value = routers.of_halves(compared)[0]
    pairs, contrast = all_pairs(value.size)
    difference = value @ contrast
    shortage = too_few_queries(routers.base)
    deviations = None
    if shortage is None:
        deviations = deviations_of(
            lambda kept: routers.of_halves(compared, kept),
            lambda: routers.influence_values(compared),
            routers.base,
            settings,
        )
    errors = pair_errors(deviations, difference, contrast, settings.level)
    margin = errors.critical * errors.difference_se
    names = routers.names
    not_beaten = _not_beaten(names, pairs, difference, margin)
    best = _judge(names, pairs, value, difference, margin, not_beaten, routers.base.n_gold)
    verdict, needed, reason = shortage or best
    return AllPairs(
        what=compared.name,
        routers=names,
        value=value,
        se=errors.se,
        lower=value - errors.pointwise * errors.se,
        upper=value + errors.pointwise * errors.se,
        first=tuple(names[i] for i in pairs[:, 0]),
        second=tuple(names[j] for j in pairs[:, 1]),
        difference=difference,
        difference_se=errors.difference_se,
        difference_lower=difference - margin,
        difference_upper=difference + margin,
        p_value=errors.p_value,
        p_value_max_t=errors.p_value_max_t,
        p_value_stepdown=errors.p_value_stepdown,
        not_beaten=not_beaten,
        critical=errors.critical,
        method=settings.method,
        level=settings.level,
        n=routers.base.n,
        n_units=routers.base.n_units,
        n_draws=settings.draws_used,
        verdict=verdict,
        needed=needed,
        reason=reason,
    )


def _effect(name: str) -> RouterStatistic:
    if name not in EFFECTS:
        raise MetaRouterError(f"effect={name!r} is unknown; choose one of {', '.join(EFFECTS)}.")

    def of_halves(queries: ScoredQueries, kept: NDArray[np.bool_] | None) -> FloatArray:
        return effects_over_usage(running_sums(queries, kept), (name,))

    def influence_values(queries: ScoredQueries) -> FloatArray:
        return rank_weighted_influence(queries, running_sums(queries), (name,))

    return RouterStatistic(name, of_halves, influence_values)


def _at_usage(usage: float) -> RouterStatistic:
    where = AtUsage(as_grid([usage]))

    def of_halves(queries: ScoredQueries, kept: NDArray[np.bool_] | None) -> FloatArray:
        return curve_of("efficiency_gain", where.read(running_sums(queries, kept)))

    def influence_values(queries: ScoredQueries) -> FloatArray:
        sums = running_sums(queries)
        return curve_influence("efficiency_gain", queries, sums, where.read(sums), where)

    return RouterStatistic(f"efficiency gain at usage {usage:g}", of_halves, influence_values)


def _not_beaten(
    names: tuple[str, ...], pairs: NDArray[np.intp], difference: FloatArray, margin: FloatArray
) -> tuple[str, ...]:
    beaten = set(pairs[difference > margin, 1]) | set(pairs[difference < -margin, 0])
    return tuple(name for k, name in enumerate(names) if k not in beaten)


def _judge(
    names: tuple[str, ...],
    pairs: NDArray[np.intp],
    value: FloatArray,
    difference: FloatArray,
    margin: FloatArray,
    not_beaten: tuple[str, ...],
    n: int,
) -> Finding:
    """Judge the claim that one router beats all others."""
    best, next_best = (int(k) for k in np.argsort(-value, kind="stable")[:2])
    of_best = (pairs == best).any(axis=1)
    if (np.abs(difference[of_best]) > margin[of_best]).all():
        return Finding(Verdict.PASS, None, f"{names[best]} beats all others.")
    (pair,) = np.flatnonzero(of_best & (pairs == next_best).any(axis=1))
    needed = rows_needed(n, float(margin[pair]), abs(float(difference[pair])))
    would = "their estimates are equal"
    if needed is not None:
        both = f"{names[best]} from {names[next_best]}"
        would = f"{about(needed, n)} gold labels would tell {both}, {n} are there"
    reason = f"Not shown to be beaten: {', '.join(not_beaten)}; {would}."
    return Finding(Verdict.INCONCLUSIVE, needed, reason)
