"""Performance gap recovered, with bands, its average and call thresholds with intervals.

Limits of the share of the performance gap that is recovered, and of call thresholds.

Limits of PGR, APGR and CPT.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.evaluation._performance_gap import check_target, first_crossing
from metarouter.exceptions import DataError
from metarouter.inference._limits import Verdict, about, rows_needed
from metarouter.inference.bands._curve_bands import (
    Finding,
    above_zero,
    draw_band,
    error_facts,
    too_few_queries,
)
from metarouter.inference.curves import (
    AtUsage,
    BandMethod,
    BandOptions,
    BandSettings,
    Deviations,
    GoldGain,
    ScoredQueries,
    band_settings,
    curve_influence,
    deviations_of,
    effects_over_usage,
    floor_at_ends,
    rank_weighted_influence,
    running_sums,
    scored_queries,
    weights_of,
)
from metarouter.inference.intervals import FloatArray, RatioErrors, fieller
from metarouter.utils.columns import as_grid
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import random_line
from metarouter.utils.tables import Printed, thinned

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class PerformanceGapBand(Printed):
    """PGR, APGR and CPT of RouteLLM with limits.

    Parameters
    ----------
    usage : ndarray of shape (m,)
        Shares of queries sent to the primary model.
    pgr : ndarray of shape (m,)
        Share of the performance gap recovered.
    lower, upper : ndarray of shape (m,)
        Limits that hold at one usage.
    band_lower, band_upper : ndarray of shape (m,)
        Limits that hold at all usages at once. Infinite where the gap is not significantly
        different from zero.
    apgr, apgr_lower, apgr_upper : float
        Average PGR over usages from 0 to 1; 0.5 for random routing.
    target : tuple of float
    cpt, cpt_lower, cpt_upper : ndarray of shape (n_targets,)
        Smallest usage at which PGR reaches each target, and the usages at which it may do so.
    gap, gap_se : float
        Mean gain of the primary model, in gold units.
    critical : float
        Standard errors to either side that make the band.
    method : {"half_sample", "influence"}
    level : float
    n, n_units, n_draws : int
    verdict : Verdict
        On the claim that APGR is above 0.5: that the router beats random routing.
    needed : int or None
    reason : str
    """

    usage: FloatArray
    pgr: FloatArray
    lower: FloatArray
    upper: FloatArray
    band_lower: FloatArray
    band_upper: FloatArray
    apgr: float
    apgr_lower: float
    apgr_upper: float
    target: tuple[float, ...]
    cpt: FloatArray
    cpt_lower: FloatArray
    cpt_upper: FloatArray
    gap: float
    gap_se: float
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
        """Return one row per usage."""
        import pandas as pd

        return pd.DataFrame(
            {
                "usage": self.usage,
                "pgr": self.pgr,
                "ci_low": self.lower,
                "ci_high": self.upper,
                "band_low": self.band_lower,
                "band_high": self.band_upper,
            }
        )

    def numbers_frame(self) -> pd.DataFrame:
        """Return one row for APGR and one for every call threshold."""
        import pandas as pd

        return pd.DataFrame(
            {
                "quantity": ["APGR", *(f"CPT({target:.0%})" for target in self.target)],
                "value": [self.apgr, *self.cpt],
                "ci_low": [self.apgr_lower, *self.cpt_lower],
                "ci_high": [self.apgr_upper, *self.cpt_upper],
            }
        )

    def plot(self, ax: Any = None, *, name: str = "router", band: bool = True) -> Any:
        """Draw PGR against usage, with its band.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        name : str, default="router"
        band : bool, default=True

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax, height=4.2)
        limits = (self.band_lower, self.band_upper) if band else None
        draw_band(ax, name, self.usage, self.pgr, (self.lower, self.upper), limits)
        ax.plot([0, 1], [0, 1], **random_line())
        ax.set_xlabel("share of queries sent to the primary model")
        ax.set_ylabel("performance gap recovered")
        ax.set_xlim(0, 1)
        ax.legend(frameon=False, fontsize="small")
        return ax

    def _title(self) -> str:
        return "Performance gap recovered"

    def _facts(self) -> dict[str, str]:
        return error_facts(self.n, self.n_units, self.method, self.n_draws) | {
            "level": f"{self.level:g}",
            "gap": f"{self.gap:.4f} (s.e. {self.gap_se:.4f})",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        numbers = self.numbers_frame().itertuples(index=False)
        return (
            "; ".join(
                f"{row.quantity} {row.value:.3f} ({row.ci_low:.3f} to {row.ci_high:.3f})"
                for row in numbers
            )
            + ".",
            "ci: holds at one usage; band: holds at all at once. Random routing recovers the share "
            "that it sends.",
            self.reason,
        )

    def _written(self, decimals: int = 4) -> pd.DataFrame:
        return thinned(super()._written(decimals))


class Collected(NamedTuple):
    """What a router collects.

    Parameters
    ----------
    usage : ndarray of shape (m,)
        From 0 to 1.
    gained : ndarray of shape (m,)
        Y(u).
    integral : float
        Of Y over usages from 0 to 1.
    gap : float
        Y(1).
    deviations : Deviations or None
        Of the m + 2 numbers in this order; None where there are too few queries.
    n_effective : float
        Effective number of independent queries.
    """

    usage: FloatArray
    gained: FloatArray
    integral: float
    gap: float
    deviations: Deviations | None
    n_effective: float


class GapLimits(NamedTuple):
    """Limits of PGR and APGR (last entry), the band of PGR, the limits of CPT."""

    lower: FloatArray
    upper: FloatArray
    band_lower: FloatArray
    band_upper: FloatArray
    cpt_lower: FloatArray
    cpt_upper: FloatArray
    critical: float
    gap_margin: float
    gap_se: float


def gap_limits(collected: Collected, target: tuple[float, ...], level: float) -> GapLimits:
    """Find the limits of ratios to the gap, and the usages at which they may reach the targets."""
    deviations = collected.deviations
    if deviations is None:
        return _unknown(collected.usage.size, len(target))
    one = deviations.pointwise(level)
    numerator = np.append(collected.gained, collected.integral)
    ratio = numerator / collected.gap
    errors = RatioErrors(
        deviations.se[:-1] ** 2,
        float(deviations.se[-1] ** 2),
        deviations.covariance_with(-1)[:-1],
    )
    left = _left_over(deviations, ratio[:-1])
    critical = left.critical(level)
    floored = floor_at_ends(left.se, collected.usage, collected.n_effective)
    wider = np.divide(floored, left.se, out=np.ones_like(floored), where=left.se > 0)
    band = RatioErrors(errors.numerator[:-1], errors.denominator, errors.both[:-1])
    lower, upper = _widened(
        ratio, fieller(numerator, collected.gap, errors, one), np.append(wider, 1.0)
    )
    band_lower, band_upper = _widened(
        ratio[:-1], fieller(collected.gained, collected.gap, band, critical), wider
    )
    crossings = np.array([_crossings(collected, deviations, value, one) for value in target])
    return GapLimits(
        lower=lower,
        upper=upper,
        band_lower=band_lower,
        band_upper=band_upper,
        cpt_lower=crossings.reshape(-1, 2)[:, 0],
        cpt_upper=crossings.reshape(-1, 2)[:, 1],
        critical=critical,
        gap_margin=one * float(deviations.se[-1]),
        gap_se=float(deviations.se[-1]),
    )


def _left_over(deviations: Deviations, ratio: FloatArray) -> Deviations:
    """Errors of Y(u) - ratio(u) T, which is zero at the true ratio."""
    weights = np.zeros((ratio.size + 2, ratio.size))
    weights[: ratio.size] = np.eye(ratio.size)
    weights[-1] = -ratio
    left = deviations.combined(weights)
    # At both ends Y is nothing or the gap itself, up to the last bits.
    known = left.se <= 1e-9 * deviations.se[-1]
    return left.combined(np.diag(np.where(known, 0.0, 1.0)))


def _widened(
    ratio: FloatArray, limits: tuple[FloatArray, FloatArray], wider: FloatArray
) -> tuple[FloatArray, FloatArray]:
    lower, upper = limits
    return ratio + wider * (lower - ratio), ratio + wider * (upper - ratio)


def _crossings(
    collected: Collected, deviations: Deviations, target: float, one: float
) -> tuple[float, float]:
    """Return the first and last usage at which Y(u) - target T may be zero."""
    m = collected.usage.size
    difference = collected.gained - target * collected.gap
    margin = one * _left_over(deviations, np.full(m, target)).se
    first = first_crossing(collected.usage, difference + margin, 0.0)
    last = first_crossing(collected.usage[::-1], (margin - difference)[::-1], 0.0)
    return first, last


def _unknown(n_usages: int, n_targets: int) -> GapLimits:
    each, points, targets = (np.full(k, np.nan) for k in (n_usages + 1, n_usages, n_targets))
    return GapLimits(each, each, points, points, targets, targets, np.nan, np.nan, np.nan)


def performance_gap_band(
    gold_gain: GoldGain,
    psi_hat: ArrayLike,
    *,
    grid: ArrayLike | None = None,
    target: tuple[float, ...] = (0.5, 0.8),
    **options: Unpack[BandOptions],
) -> PerformanceGapBand:
    """PGR with bands, APGR and CPT with intervals, that hold however uncertain the gap is.

    Parameters
    ----------
    gold_gain : array-like of shape (n,) or DoublyRobustGains
        Quality of the primary minus that of the alternative model, or doubly robust scores of it.
    psi_hat : array-like of shape (n,)
        What the router sorts queries by.
    grid : array-like, optional
        Increasing usages; by default 0, 0.01, ..., 1.
    target : tuple of float, default=(0.5, 0.8)
        Values of PGR, above 0 and at most 1, for CPT.
    **options
        Of `BandOptions`: weights, groups, and how errors are found.

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
    interval holds the usages at which that difference is not significantly different from zero, so
    that neither the gap nor the slope of the curve need be known well.

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
    settings = band_settings(options)
    queries = scored_queries(gold_gain, psi_hat, **weights_of(options))
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

    def influence_values() -> FloatArray:
        sums = running_sums(queries)
        points = where.read(sums)
        of_gap = (queries.share * (queries.gain - points.total[0, 0]))[:, None]
        of_area = rank_weighted_influence(queries, sums, ("area",))
        of_curve = curve_influence("qini", queries, sums, points, where)
        return np.concatenate([of_curve, of_area + of_gap / 2, of_gap], axis=1)

    *gained, integral, gap = numbers(None)[0]
    deviations = None
    if too_few_queries(queries) is None:
        deviations = deviations_of(numbers, influence_values, queries, settings)
    return Collected(
        where.grid, np.array(gained), integral, gap, deviations, queries.clusters_for_errors
    )


def _judge(limits: GapLimits, apgr: float, collected: Collected, n: int) -> Finding:
    if not np.isfinite(limits.lower[-1]):
        needed = rows_needed(n, limits.gap_margin, collected.gap)
        return Finding(
            Verdict.INCONCLUSIVE,
            needed,
            "The gap between the models is not significantly different from zero, so that no share "
            "of it is known; "
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
