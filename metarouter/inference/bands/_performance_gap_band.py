"""Performance gap recovered, with bands; its average and call thresholds, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

import numpy as np
from numpy.typing import ArrayLike

from metarouter.evaluation._performance_gap import check_target, first_crossing
from metarouter.exceptions import DataError
from metarouter.inference._limits import Verdict, about, rows_needed
from metarouter.inference._result import Finding
from metarouter.inference.bands._curve_bands import UsageBand, above_zero
from metarouter.inference.bands._curves import Curve, Gold, Kept, as_queries
from metarouter.inference.bands._estimates import (
    BandOptions,
    Estimates,
    errors_at_ends,
    estimated,
)
from metarouter.inference.bands._rank_weighted_effects import (
    effects_over_usage,
    rank_weighted_influence,
)
from metarouter.inference.intervals import FloatArray, RatioErrors, fieller
from metarouter.utils.arguments import validated
from metarouter.utils.columns import as_grid

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class PerformanceGapBand(UsageBand):
    """PGR, APGR and CPT of RouteLLM with limits.

    The verdict is on the claim that APGR is above 0.5: that the router beats random routing. Limits
    are infinite where the gap is not significantly different from zero.

    Parameters
    ----------
    pgr : ndarray of shape (m,)
        Share of the performance gap recovered.
    apgr, apgr_lower, apgr_upper : float
        Average PGR over usages from 0 to 1; 0.5 for random routing.
    target : tuple of float
    cpt, cpt_lower, cpt_upper : ndarray of shape (n_targets,)
        Smallest usage at which PGR reaches each target, and the usages at which it may do so.
    gap, gap_se : float
        Mean gain of the primary model, in gold units.
    """

    pgr: FloatArray
    apgr: float
    apgr_lower: float
    apgr_upper: float
    target: tuple[float, ...]
    cpt: FloatArray
    cpt_lower: FloatArray
    cpt_upper: FloatArray
    gap: float
    gap_se: float

    _TITLE = "Performance gap recovered"
    _DRAWN = "pgr"
    _YLABEL = "performance gap recovered"
    _COLUMNS = "usage, pgr, ci_low=lower, ci_high=upper, band_low=band_lower, band_high=band_upper"
    _FACTS = UsageBand._ERRORS | {
        "level": "{self.level:g}",
        "gap": "{self.gap:.4f} (s.e. {self.gap_se:.4f})",
        "verdict": "{self.verdict}",
    }
    _NOTES = (
        "{self._numbers}",
        "ci: holds at one usage; band: holds at all at once. Random routing recovers the share "
        "that it sends.",
        "{self.reason}",
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

    @property
    def _numbers(self) -> str:
        rows = self.numbers_frame().itertuples(index=False)
        said = (f"{r.quantity} {r.value:.3f} ({r.ci_low:.3f} to {r.ci_high:.3f})" for r in rows)
        return f"{'; '.join(said)}.".replace("(nan to nan)", "(no interval)")


@validated()
def performance_gap_band(
    gold_gain: Gold,
    psi_hat: ArrayLike | None = None,
    *,
    grid: ArrayLike | None = None,
    target: tuple[float, ...] = (0.5, 0.8),
    **options: Unpack[BandOptions],
) -> PerformanceGapBand:
    """PGR with bands, APGR and CPT with intervals, that hold however uncertain the gap is.

    Parameters
    ----------
    gold_gain, psi_hat, grid, **options
        As in `efficiency_gain_band`.
    target : tuple of float, default=(0.5, 0.8)
        Values of PGR, above 0 and at most 1, for CPT.

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
    check_target(target)
    queries = as_queries(gold_gain, options, psi_hat=psi_hat)
    wanted = as_grid(grid)
    # Call thresholds are looked for everywhere, whatever usages are to be given.
    curve = Curve("qini", np.union1d(wanted, as_grid(None)))
    shown = np.searchsorted(curve.at, wanted)
    mean = float(curve.points(queries.sums()).total[0, 0])
    if mean <= 0:
        raise DataError(
            f"The mean gold_gain is {mean:g} on these {queries.n} queries: the primary model is "
            "not the better one, so there is no gap to recover; swap the models."
        )

    def statistic(kept: Kept) -> FloatArray:
        """Y at all usages, its integral, and the gap Y(1), shape (b, m + 2)."""
        sums = queries.sums(kept)
        _, gained, total = curve.points(sums)
        integral = effects_over_usage(sums, ("area",)) + total / 2
        return np.concatenate([gained, integral, total], axis=1)

    def influence() -> FloatArray:
        """Influence times share of every query on these numbers, shape (n, m + 2)."""
        of_gap = (queries.share * (queries.gain - mean))[:, None]
        of_integral = rank_weighted_influence(queries, ("area",)) + of_gap / 2
        return np.concatenate([curve.influence(queries), of_integral, of_gap], axis=1)

    found = estimated(statistic, influence, queries, options)
    pointwise, gap, gap_se = found.pointwise, float(found.value[-1]), float(found.se[-1])
    ratio = found.value[:-1] / gap
    left = _left_over(found, ratio)
    critical = left.taken(slice(-1)).critical()
    floored, _ = errors_at_ends(left.se[:-1], curve.at, queries.clusters_for_errors)
    floored = np.append(floored, left.se[-1])
    wider = np.divide(floored, left.se, out=np.ones_like(ratio), where=left.se != 0)
    covariance = found.errors[:, :-1].T @ found.errors[:, -1]
    errors = RatioErrors(found.se[:-1] ** 2, gap_se**2, covariance)

    def limits(critical: float) -> list[FloatArray]:
        ends = fieller(found.value[:-1], gap, errors, critical)
        return [ratio + wider * (end - ratio) for end in ends]

    (lower, upper), (band_lower, band_upper) = limits(pointwise), limits(critical)
    crossings = [_crossings(curve.at, _left_over(found, value), pointwise) for value in target]
    cpt_lower, cpt_upper = np.array(crossings).reshape(-1, 2).T
    sums = queries.sums()
    spent, gained = sums.spent[0] / sums.spent[0, -1], sums.gained[0] / sums.gained[0, -1]
    apgr, apgr_lower, apgr_upper = float(ratio[-1]), float(lower[-1]), float(upper[-1])
    return PerformanceGapBand(
        usage=wanted,
        pgr=ratio[shown],
        lower=lower[shown],
        upper=upper[shown],
        band_lower=band_lower[shown],
        band_upper=band_upper[shown],
        critical=critical,
        apgr=apgr,
        apgr_lower=apgr_lower,
        apgr_upper=apgr_upper,
        target=tuple(target),
        cpt=np.array([first_crossing(spent, gained, value) for value in target]),
        cpt_lower=cpt_lower,
        cpt_upper=cpt_upper,
        gap=gap,
        gap_se=gap_se,
        **found.judged(
            _judge(apgr, apgr_lower, apgr_upper, gap, pointwise * gap_se, queries.n_gold)
        ),
    )


def _left_over(found: Estimates, ratio: FloatArray | float) -> Estimates:
    """Estimate Y(u) - ratio(u) T, which is zero at the true ratio, and so for the integral."""
    m = found.value.size - 1
    left = found.combined(np.vstack([np.eye(m), -np.broadcast_to(ratio, m)]))
    # At both ends Y is nothing or the gap itself, up to the last bits.
    known = left.se <= 1e-9 * found.se[-1]
    return left.combined(np.diag(np.where(known, 0.0, 1.0)))


def _crossings(usage: FloatArray, left: Estimates, critical: float) -> tuple[float, float]:
    """Return the first and last usage at which Y(u) - target T may be zero."""
    difference, margin = left.value[:-1], critical * left.se[:-1]
    if np.isnan(margin).any():
        return np.nan, np.nan
    first = first_crossing(usage, difference + margin, 0.0)
    return first, first_crossing(usage[::-1], (margin - difference)[::-1], 0.0)


def _judge(
    apgr: float, lower: float, upper: float, gap: float, gap_margin: float, n: int
) -> Finding:
    if not np.isfinite(lower):
        needed = rows_needed(n, gap_margin, gap)
        reason = (
            "The gap between the models is not significantly different from zero, so that no share "
            f"of it is known; if it is {gap:.3g}, {about(needed, n)} gold labels would do, {n} are "
            "there."
        )
        return Finding(Verdict.INCONCLUSIVE, needed, reason)
    margin = apgr - lower if apgr > 0.5 else upper - apgr
    return above_zero("APGR less the 0.5 of random routing", apgr - 0.5, margin, n)
