"""Limits of the share of the performance gap that is recovered, and of call thresholds."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metarouter.evaluation._performance_gap import first_crossing
from metarouter.inference.curves import Deviations, steady_ends
from metarouter.inference.intervals import FloatArray, RatioErrors, fieller

__all__ = ["Collected", "GapLimits", "gap_limits"]


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
    steady = steady_ends(left.se, collected.usage, collected.n_effective)
    wider = np.divide(steady, left.se, out=np.ones_like(steady), where=left.se > 0)
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
    """Return the first and last usage at which Y(u) - target T is not told from zero."""
    m = collected.usage.size
    difference = collected.gained - target * collected.gap
    margin = one * _left_over(deviations, np.full(m, target)).se
    first = first_crossing(collected.usage, difference + margin, 0.0)
    last = first_crossing(collected.usage[::-1], (margin - difference)[::-1], 0.0)
    return first, last


def _unknown(n_usages: int, n_targets: int) -> GapLimits:
    each, points, targets = (np.full(k, np.nan) for k in (n_usages + 1, n_usages, n_targets))
    return GapLimits(each, each, points, points, targets, targets, np.nan, np.nan, np.nan)
