"""What is monitored: estimates and standard deviations from sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.inference._limits import MINIMA, Minimum
from metarouter.inference.monitoring._sequences import mean_half_width, share_limits

__all__ = [
    "QUANTITIES",
    "Estimates",
    "Quantity",
    "cost_columns",
    "estimates",
    "quality_columns",
    "usage_columns",
]

FloatArray = NDArray[np.float64]
Kept = Literal["usage", "cost", "quality"]


class Moments(NamedTuple):
    """Estimates and standard deviations of one row, shape (m,) each."""

    value: FloatArray
    sd: FloatArray


@dataclass(frozen=True)
class Quantity:
    """Something that is estimated from sums.

    Parameters
    ----------
    name : str
        As printed.
    kept : {"usage", "cost", "quality"}
        Which sums it is made of.
    moments : callable
        From sums of shape (k, m) to `Moments`.
    promise : str or None
        The setting that bounds it.
    minimum : Minimum or None
        Rows that an asymptotic interval needs; None where the interval is exact.
    evidence : callable
        From sums to the number of such rows.
    """

    name: str
    kept: Kept
    moments: Callable[[FloatArray], Moments]
    promise: str | None
    minimum: Minimum | None
    evidence: Callable[[FloatArray], FloatArray]


def usage_columns(primary: NDArray[np.bool_]) -> FloatArray:
    """Return what is summed of decisions."""
    return primary[:, None].astype(np.float64)


def cost_columns(
    primary: NDArray[np.bool_], cost_primary: FloatArray, cost_alternative: FloatArray
) -> FloatArray:
    """Return what is summed of costs: those paid, those of either model, squares, products."""
    paid = np.where(primary, cost_primary, cost_alternative)
    costs = np.column_stack([paid, cost_primary, cost_alternative])
    return np.column_stack([costs, costs**2, costs[:, :1] * costs[:, 1:]])


def quality_columns(
    primary: NDArray[np.bool_], drawn: NDArray[np.bool_], probability: FloatArray, score: FloatArray
) -> FloatArray:
    """Return what is summed of debiased gain scores, and of the draw of gold labels."""
    expected = np.where(drawn, 1.0 / probability, 0.0)
    sent = np.where(primary, score, 0.0)
    return np.column_stack(
        [
            drawn,
            expected,
            expected**2,
            primary,
            score,
            score**2,
            sent,
            sent * score,
            drawn & primary,
        ]
    )


class Estimates(NamedTuple):
    """Estimates with confidence sequences, and the rows that are missing to have them."""

    value: FloatArray
    lower: FloatArray
    upper: FloatArray
    missing: NDArray[np.intp]


def estimates(
    quantity: Quantity, sums: FloatArray, alpha: float | FloatArray, horizon: float
) -> Estimates:
    """Return estimates and confidence sequences from rows of sums, shape (m, k).

    Where there are fewer rows than a claim needs, or gold labels that do not vary and so cannot
    tell how far they may be off, estimate and ends are NaN: no number is given without its
    uncertainty.
    """
    n = sums[:, 0]
    value, sd = quantity.moments(sums.T)
    if quantity.minimum is None:
        lower, upper = share_limits(sums[:, 1], n, alpha, horizon)
        return Estimates(value, lower, upper, np.zeros(len(n), dtype=np.intp))
    missing = np.maximum(0, quantity.minimum.count - quantity.evidence(sums.T)).astype(np.intp)
    half = mean_half_width(n, sd, alpha, horizon)
    value = np.where((missing == 0) & ~np.isnan(half), value, np.nan)
    return Estimates(value, value - half, value + half, missing)


def _mean(n: FloatArray, total: FloatArray, squares: FloatArray) -> Moments:
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / n
        spread = np.maximum(squares - n * mean**2, 0.0) / (n - 1.0)
    return Moments(mean, np.sqrt(spread))


def _share(sums: FloatArray) -> Moments:
    n, total = sums
    return _mean(n, total, total)


def _cost(sums: FloatArray) -> Moments:
    return _mean(sums[0], sums[1], sums[4])


def _paid_over(sums: FloatArray, model: int) -> Moments:
    """Cost paid over that of always calling one model: a ratio of means, linearised."""
    n, paid, other = sums[0], sums[1], sums[2 + model]
    squares, other_squares, products = sums[4], sums[5 + model], sums[7 + model]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(other > 0, paid / other, np.nan)
        residual = squares - 2 * ratio * products + ratio**2 * other_squares
        # The residuals have mean zero, up to what rounding leaves.
        sd = np.sqrt(np.maximum(residual, 0.0) / (n - 1.0)) * n / other
    return Moments(ratio, sd)


def _saving(sums: FloatArray) -> Moments:
    ratio, sd = _paid_over(sums, 0)
    return Moments(1.0 - ratio, sd)


def _extra(sums: FloatArray) -> Moments:
    ratio, sd = _paid_over(sums, 1)
    return Moments(ratio - 1.0, sd)


def _varied(found: Moments) -> Moments:
    """Take scores that are all alike, as where every gold label is 0, for no sign of certainty."""
    # What rounding leaves of a constant is no variation.
    varies = found.sd > 1e-6 * np.abs(found.value)
    return Moments(found.value, np.where(varies, found.sd, np.nan))


def _gain(sums: FloatArray) -> Moments:
    return _varied(_mean(sums[0], sums[7], sums[8]))


def _loss(sums: FloatArray) -> Moments:
    return _varied(_mean(sums[0], sums[5] - sums[7], sums[6] - sums[8]))


def _efficiency_gain(sums: FloatArray) -> Moments:
    """Covariance of decision and gain: EG of Meta-Router, by its influence function."""
    n, sent, score, squares, sent_score, sent_squares = (sums[k] for k in (0, 4, 5, 6, 7, 8))
    with np.errstate(divide="ignore", invalid="ignore"):
        share, mean = sent / n, score / n
        value = sent_score / n - share * mean
        # (a - share)^2 (s - mean)^2, with a^2 = a.
        all_squares = squares / n - mean**2
        own = sent_squares / n - 2 * mean * sent_score / n + mean**2 * share
        spread = (1 - 2 * share) * own + share**2 * all_squares - value**2
        return _varied(Moments(value, np.sqrt(np.maximum(spread, 0.0) * n / (n - 1.0))))


def _drawn(sums: FloatArray) -> Moments:
    return _mean(sums[0], sums[2], sums[3])


def _rows(sums: FloatArray) -> FloatArray:
    return sums[0]


def _labels(sums: FloatArray) -> FloatArray:
    return sums[1]


def _labels_of_sent(sums: FloatArray) -> FloatArray:
    return sums[9]


def _labels_of_others(sums: FloatArray) -> FloatArray:
    return np.asarray(sums[1] - sums[9])


def _labels_of_either(sums: FloatArray) -> FloatArray:
    return np.minimum(sums[9], sums[1] - sums[9])


_COSTS, _GOLD = MINIMA["monitored_costs"], MINIMA["monitored_gold"]

QUANTITIES = {
    "share": Quantity("usage ratio (PMUR)", "usage", _share, "max_share", None, _rows),
    "saving": Quantity(
        "saving against always-primary", "cost", _saving, "min_saving", _COSTS, _rows
    ),
    "extra_cost": Quantity(
        "extra cost over always-alternative", "cost", _extra, None, _COSTS, _rows
    ),
    "cost": Quantity("cost per query", "cost", _cost, "max_cost", _COSTS, _rows),
    "gain": Quantity(
        "gold gain over always-alternative", "quality", _gain, "min_gain", _GOLD, _labels_of_sent
    ),
    "loss": Quantity(
        "gold loss against always-primary", "quality", _loss, "max_loss", _GOLD, _labels_of_others
    ),
    "efficiency_gain": Quantity(
        "efficiency gain over random routing",
        "quality",
        _efficiency_gain,
        None,
        _GOLD,
        _labels_of_either,
    ),
    "drawn": Quantity(
        "gold labels drawn over those expected", "quality", _drawn, None, _GOLD, _labels
    ),
}
