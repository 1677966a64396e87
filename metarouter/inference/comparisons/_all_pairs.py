"""Compare all pairs of routers on the same queries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import Verdict, rows_needed
from metarouter.inference._verdict import about
from metarouter.inference.bands import Finding, too_few_queries
from metarouter.inference.comparisons._all_pairs_result import AllPairs
from metarouter.inference.comparisons._pair_errors import all_pairs, pair_errors
from metarouter.inference.comparisons._routers_on_queries import RouterStatistic, routers_on_queries
from metarouter.inference.curves import (
    EFFECTS,
    AtUsage,
    BandMethod,
    GoldGain,
    ScoredQueries,
    Seed,
    band_settings,
    curve_of,
    curve_pulls,
    deviations_of,
    effects_over_usage,
    method_for_ranks,
    rank_weighted_pulls,
    running_sums,
)
from metarouter.inference.intervals import FloatArray
from metarouter.utils.columns import as_grid

__all__ = ["compare_all_pairs"]


def compare_all_pairs(
    gold_gain: GoldGain,
    predictions: Mapping[str, ArrayLike],
    *,
    effect: str = "area",
    usage: float | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    method: BandMethod | Literal["auto"] = "auto",
    level: float = 0.95,
    n_draws: int = 4000,
    random_state: Seed = 0,
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
    sample_weight : array-like of shape (n,), optional
    groups : array-like of shape (n,), optional
        Queries that share a value may depend on each other.
    method : {"auto", "influence", "half_sample"}, default="auto"
        "auto" takes the influence function, and half-samples for the AUTOC of fewer than 300
        (effective) queries.
    level : float, default=0.95
        Of all limits at once.
    n_draws : int, default=4000
        Half-samples, or draws of the multipliers; no adjusted p value lies below 1 / (n_draws + 1).
    random_state : int, Generator or None, default=0
        Seed of the half-samples or multipliers.

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
    routers = routers_on_queries(gold_gain, predictions, sample_weight, groups)
    by_rank = usage is None and effect == "autoc"
    chosen = method_for_ranks(method, routers.base.effective_units if by_rank else np.inf)
    settings = band_settings(chosen, level, n_draws, random_state)
    value = routers.of_halves(compared)[0]
    pairs, contrast = all_pairs(value.size)
    difference = value @ contrast
    lack = too_few_queries(routers.base)
    deviations = None
    if lack is None:
        deviations = deviations_of(
            lambda kept: routers.of_halves(compared, kept),
            lambda: routers.pulls(compared),
            routers.base,
            settings,
        )
    errors = pair_errors(deviations, difference, contrast, settings.level)
    margin = errors.critical * errors.difference_se
    names = routers.names
    not_beaten = _not_beaten(names, pairs, difference, margin)
    best = _judge(names, pairs, value, difference, margin, not_beaten, routers.base.n_gold)
    verdict, needed, reason = lack or best
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

    def pulls(queries: ScoredQueries) -> FloatArray:
        return rank_weighted_pulls(queries, running_sums(queries), (name,))

    return RouterStatistic(name, of_halves, pulls)


def _at_usage(usage: float) -> RouterStatistic:
    where = AtUsage(as_grid([usage]))

    def of_halves(queries: ScoredQueries, kept: NDArray[np.bool_] | None) -> FloatArray:
        return curve_of("efficiency_gain", where.read(running_sums(queries, kept)))

    def pulls(queries: ScoredQueries) -> FloatArray:
        sums = running_sums(queries)
        return curve_pulls("efficiency_gain", queries, sums, where.read(sums), where)

    return RouterStatistic(f"efficiency gain at usage {usage:g}", of_halves, pulls)


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
