"""Limits of PGR, APGR and CPT."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.evaluation._performance_gap import check_target, first_crossing
from metarouter.exceptions import DataError
from metarouter.inference._limits import Verdict, rows_needed
from metarouter.inference._verdict import about
from metarouter.inference.bands._claims_of_bands import Finding, above_zero, too_few_queries
from metarouter.inference.bands._performance_gap_limits import Collected, GapLimits, gap_limits
from metarouter.inference.bands._performance_gap_result import PerformanceGapBand
from metarouter.inference.curves import (
    AtUsage,
    BandMethod,
    BandSettings,
    GoldGain,
    ScoredQueries,
    Seed,
    band_settings,
    curve_pulls,
    deviations_of,
    effects_over_usage,
    rank_weighted_pulls,
    running_sums,
    scored_queries,
)
from metarouter.inference.intervals import FloatArray
from metarouter.utils.columns import as_grid

__all__ = ["performance_gap_band"]


def performance_gap_band(
    gold_gain: GoldGain,
    psi_hat: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    grid: ArrayLike | None = None,
    target: tuple[float, ...] = (0.5, 0.8),
    method: BandMethod = "half_sample",
    level: float = 0.95,
    n_draws: int = 1000,
    random_state: Seed = 0,
) -> PerformanceGapBand:
    """PGR with bands, APGR and CPT with intervals, that hold however uncertain the gap is.

    Parameters
    ----------
    gold_gain : array-like of shape (n,) or DoublyRobustGains
        Quality of the primary minus that of the alternative model, or doubly robust scores of it.
    psi_hat : array-like of shape (n,)
        What the router sorts queries by.
    sample_weight, groups : array-like of shape (n,), optional
        As in `efficiency_gain_band`.
    grid : array-like, optional
        Increasing usages; by default 0, 0.01, ..., 1.
    target : tuple of float, default=(0.5, 0.8)
        Values of PGR, above 0 and at most 1, for CPT.
    method : {"half_sample", "influence"}, default="half_sample"
    level : float, default=0.95
    n_draws : int, default=1000
    random_state : int, Generator or None, default=0

    Returns
    -------
    PerformanceGapBand

    Raises
    ------
    DataError
        If the inputs are malformed, or the primary model is not the better one: then there is no
        gap to recover.
    MetaRouterError
        If a setting or a target is out of its range.

    See Also
    --------
    metarouter.evaluation.performance_gap_curve : The curve with standard errors.

    Notes
    -----
    PGR(u) is the ratio of Y(u), the gain collected at usage u, to the gap T. A ratio has no
    standard error worth the name when T is uncertain; its limits are those of Fieller, all x with
    ``|Y(u) - x T| <= c se(Y(u) - x T)``. CPT is where ``Y(u) - target T`` crosses zero, and its
    interval holds the usages at which that difference is not told from zero, so that neither the
    gap nor the slope of the curve need be known well.

    References
    ----------
    Ong et al. (2024), RouteLLM, arXiv:2406.18665; Fieller (1954), Some problems in interval
    estimation, Journal of the Royal Statistical Society B 16.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> psi = rng.standard_normal(500)
    >>> band = performance_gap_band(1 + psi + rng.standard_normal(500), psi)
    >>> band.numbers_frame().round(2)
       quantity  value  ci_low  ci_high
    0      APGR   0.82    0.77     0.88
    1  CPT(50%)   0.20    0.17     0.22
    2  CPT(80%)   0.38    0.33     0.44
    """
    settings = band_settings(method, level, n_draws, random_state)
    queries = scored_queries(gold_gain, psi_hat, sample_weight=sample_weight, groups=groups)
    wanted = as_grid(grid)
    # Call thresholds are looked for everywhere, whatever usages are to be given.
    where = AtUsage(np.union1d(wanted, as_grid(None)))
    shown = np.searchsorted(where.grid, wanted)
    _check(queries, target)
    collected = _collected(queries, where, settings)
    limits = gap_limits(collected, tuple(target), settings.level)
    apgr = collected.integral / collected.gap
    verdict, needed, reason = too_few_queries(queries) or _judge(
        limits, apgr, collected, queries.n_gold
    )
    sums = running_sums(queries)
    curve = sums.spent[0] / sums.spent[0, -1], sums.gained[0] / sums.gained[0, -1]
    return PerformanceGapBand(
        usage=wanted,
        pgr=collected.gained[shown] / collected.gap,
        lower=limits.lower[shown],
        upper=limits.upper[shown],
        band_lower=limits.band_lower[shown],
        band_upper=limits.band_upper[shown],
        apgr=apgr,
        apgr_lower=float(limits.lower[-1]),
        apgr_upper=float(limits.upper[-1]),
        target=tuple(target),
        cpt=np.array([first_crossing(*curve, value) for value in target]),
        cpt_lower=limits.cpt_lower,
        cpt_upper=limits.cpt_upper,
        gap=collected.gap,
        gap_se=limits.gap_se,
        critical=limits.critical,
        method=settings.method,
        level=settings.level,
        n=queries.n,
        n_units=queries.n_units,
        n_draws=settings.draws_used,
        verdict=verdict,
        needed=needed,
        reason=reason,
    )


def _collected(queries: ScoredQueries, where: AtUsage, settings: BandSettings) -> Collected:
    def numbers(kept: NDArray[np.bool_] | None) -> FloatArray:
        sums = running_sums(queries, kept)
        points = where.read(sums)
        integral = effects_over_usage(sums, ("area",)) + points.total / 2
        return np.concatenate([points.gained, integral, points.total], axis=1)

    def pulls() -> FloatArray:
        sums = running_sums(queries)
        points = where.read(sums)
        of_gap = (queries.share * (queries.gain - points.total[0, 0]))[:, None]
        of_area = rank_weighted_pulls(queries, sums, ("area",))
        of_curve = curve_pulls("qini", queries, sums, points, where)
        return np.concatenate([of_curve, of_area + of_gap / 2, of_gap], axis=1)

    *gained, integral, gap = numbers(None)[0]
    deviations = None
    if too_few_queries(queries) is None:
        deviations = deviations_of(numbers, pulls, queries, settings)
    return Collected(
        where.grid, np.array(gained), integral, gap, deviations, queries.units_for_errors
    )


def _judge(limits: GapLimits, apgr: float, collected: Collected, n: int) -> Finding:
    if not np.isfinite(limits.lower[-1]):
        needed = rows_needed(n, limits.gap_margin, collected.gap)
        return Finding(
            Verdict.INCONCLUSIVE,
            needed,
            "The gap between the models is not told from zero, so that no share of it is known; "
            f"if its estimate is right, {about(needed, n)} gold labels would do, {n} are there.",
        )
    beyond = apgr - 0.5
    margin = (apgr - limits.lower[-1]) if beyond > 0 else (limits.upper[-1] - apgr)
    return above_zero("APGR less the 0.5 of random routing", beyond, float(margin), n)


def _check(queries: ScoredQueries, target: tuple[float, ...]) -> None:
    check_target(target)
    gap = float(queries.share @ queries.gain)
    if gap <= 0:
        raise DataError(
            f"The mean gold_gain is {gap:g} on these {queries.n} queries: the primary model is not "
            "the better one, so there is no gap to recover; swap the models."
        )
