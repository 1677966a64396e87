"""What is monitored, with confidence sequences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.inference._limits import MINIMA, Minimum
from metarouter.inference.monitoring import _moments
from metarouter.inference.monitoring._moments import Moments, OfShare
from metarouter.inference.monitoring._sequences import Limits, mean_half_width, share_limits

__all__ = ["QUANTITIES", "Estimates", "Quantity", "estimates"]

FloatArray = NDArray[np.float64]
Kept = Literal["usage", "cost", "quality"]

_MOST_SKEWNESS = 0.45
_ROUNDING = 1e-5  # what it leaves of the standard deviation of a constant, over its size


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
    of_share : callable or None
        From sums to `OfShare`: what the quantity would be if nothing but the share varied.
    skewness : callable or None
        From sums to the skewness of the mean, of which an asymptotic interval bears only so much.
    """

    name: str
    kept: Kept
    moments: Callable[[FloatArray], Moments]
    promise: str | None
    minimum: Minimum | None
    evidence: Callable[[FloatArray], FloatArray]
    of_share: Callable[[FloatArray], OfShare] | None = None
    skewness: Callable[[FloatArray], FloatArray] | None = None


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

    An asymptotic interval knows only of the variation that was seen: it would have no width where
    all queries went to one model at one price, whatever the next query may bring. It is therefore
    never narrower than the exact sequence for the share that the quantity is a function of.

    Where there are fewer rows than a claim needs, or numbers that do not vary and so cannot tell
    how far they may be off, estimate and ends are NaN: no number is given without its uncertainty.
    Nor where a few rare and large values decide: the mean of n values of which a share p is large
    has the skewness (n p)^(-1/2), and above 0.45 it rests on five of them or fewer.
    """
    n = sums[:, 0]
    value, sd, size = quantity.moments(sums.T)
    if quantity.minimum is None:
        lower, upper = share_limits(sums[:, 1], n, alpha, horizon)
        return Estimates(value, lower, upper, np.zeros(len(n), dtype=np.intp))
    missing = np.maximum(0, quantity.minimum.count - quantity.evidence(sums.T)).astype(np.intp)
    half = mean_half_width(n, np.where(sd > _ROUNDING * size, sd, 0.0), alpha, horizon)
    lower, upper = value - half, value + half
    if quantity.of_share is not None:
        exact = _limits_of_share(quantity.of_share(sums.T), n, alpha, horizon)
        lower, upper = np.minimum(lower, exact.lower), np.maximum(upper, exact.upper)
    known = (missing == 0) & (upper - lower > _ROUNDING**2 * size)
    if quantity.skewness is not None:
        known &= ~(quantity.skewness(sums.T) > _MOST_SKEWNESS)
    value, lower, upper = (np.where(known, found, np.nan) for found in (value, lower, upper))
    return Estimates(value, lower, upper, missing)


def _limits_of_share(
    of: OfShare, n: FloatArray, alpha: float | FloatArray, horizon: float
) -> Limits:
    share = np.clip(of.share, 0.0, 1.0)
    ends = [
        of.at_none + (of.at_all - of.at_none) * end
        for end in share_limits(n * share, n, alpha, horizon)
    ]
    return Limits(np.minimum(*ends), np.maximum(*ends))


_COSTS, _GOLD = MINIMA["monitored_costs"], MINIMA["monitored_gold"]

QUANTITIES = {
    "share": Quantity(
        "usage ratio (PMUR)", "usage", _moments.share, "max_share", None, _moments.rows
    ),
    "saving": Quantity(
        "saving against always-primary",
        "cost",
        _moments.saving,
        "min_saving",
        _COSTS,
        _moments.rows,
        _moments.saving_of_share,
        _moments.skewness_of_cost,
    ),
    "extra_cost": Quantity(
        "extra cost over always-alternative",
        "cost",
        _moments.extra_cost,
        None,
        _COSTS,
        _moments.rows,
        _moments.extra_cost_of_share,
        _moments.skewness_of_cost,
    ),
    "cost": Quantity(
        "cost per query",
        "cost",
        _moments.cost,
        "max_cost",
        _COSTS,
        _moments.rows,
        _moments.cost_of_share,
        _moments.skewness_of_cost,
    ),
    "gain": Quantity(
        "gold gain over always-alternative",
        "quality",
        _moments.gain,
        "min_gain",
        _GOLD,
        _moments.labels_of_sent,
        skewness=_moments.skewness_of_gain,
    ),
    "loss": Quantity(
        "gold loss against always-primary",
        "quality",
        _moments.loss,
        "max_loss",
        _GOLD,
        _moments.labels_of_others,
        skewness=_moments.skewness_of_loss,
    ),
    "efficiency_gain": Quantity(
        "efficiency gain over random routing",
        "quality",
        _moments.efficiency_gain,
        None,
        _GOLD,
        _moments.labels_of_either,
        skewness=_moments.skewness_of_either,
    ),
    "drawn": Quantity(
        "gold labels drawn over those expected",
        "quality",
        _moments.drawn,
        None,
        _GOLD,
        _moments.labels,
        _moments.drawn_of_share,
    ),
}
