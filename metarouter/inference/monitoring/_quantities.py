"""Confidence sequences: intervals that hold after every query at once.

Both come from Gaussian mixtures of exponential supermartingales (Robbins 1970). For shares, and
anything else within [0, 1], the exponents are those of a coin, so nothing is asymptotic and what is
covered is the mean so far of chances that may change from query to query. For costs and quality,
which have no bounds, they are normal, which holds once the mean is nearly so.

Why not a library: MAPIE 1.6 offers bounds for [0, 1] only inside ``RiskMonitoring``, which takes
binary labels and predictions, keeps the whole stream, and solves for every past bound again with
each update; its functions are not public. These need the sums alone, in any order.

What is monitored, with confidence sequences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.inference._limits import MINIMA, Minimum
from metarouter.inference.intervals import Limits, bounded_limits, reach_of_scores
from metarouter.inference.monitoring import _sums
from metarouter.inference.monitoring._sums import Moments, OfShare

FloatArray = NDArray[np.float64]

_PER_OCTAVE = 4
_OCTAVES_BELOW, _OCTAVES_ABOVE = 9, 2
_COIN_VARIANCE = 0.2  # of a share near 0.28 or 0.72: only tunes where the sequence is tightest
_TUNED_FOR = 0.05
_HALVINGS = 45
_COLUMNS_AT_ONCE = 20_000


def mean_half_width(n: ArrayLike, sd: ArrayLike, alpha: ArrayLike, horizon: float) -> FloatArray:
    """Return half widths of the asymptotic confidence sequence for a mean.

    Parameters
    ----------
    n : array-like
        Number of queries so far.
    sd : array-like
        Their standard deviation so far.
    alpha : array-like
        Chance that the true mean ever leaves the sequence, once n is large.
    horizon : float
        Number of queries at which the sequence is tightest; any choice is valid.

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Time-uniform central limit theory and
    asymptotic confidence sequences, Annals of Statistics 52, theorem 2.2 and section 2.3.

    Examples
    --------
    >>> mean_half_width([100, 1000, 10000], 1.0, alpha=0.05, horizon=1000).round(3)
    array([0.386, 0.096, 0.032])
    """
    n, alpha = np.asarray(n, dtype=np.float64), np.asarray(alpha, dtype=np.float64)
    scaled = n * _precision(alpha, horizon) + 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        width = np.sqrt(2.0 * scaled * np.log(np.sqrt(scaled) / alpha) / (scaled - 1.0) / n)
        return np.asarray(np.asarray(sd) * width, dtype=np.float64)


def share_evidence(total: ArrayLike, n: ArrayLike, share: ArrayLike, horizon: float) -> FloatArray:
    """Return the log of the evidence against a mean, for numbers within [0, 1].

    For a bet b and conditional means m_i, exp(b sum x_i - sum log(1 - m_i + m_i e^b)) is a
    supermartingale that starts at 1. As the second term is concave in m_i, it is largest where all
    m_i equal their mean: putting that mean in their place leaves a process below a supermartingale,
    whatever the single m_i. Bets of both signs are mixed with normal weights.

    Parameters
    ----------
    total, n : array-like
        Sum of the numbers and their count.
    share : array-like
        The mean that is doubted.
    horizon : float
        Number of queries at which the mixture is tuned to be most telling.

    Returns
    -------
    ndarray
        Exceeds log(1 / alpha), at any time, with a chance of at most alpha.

    References
    ----------
    Howard, Ramdas, McAuliffe & Sekhon (2021), Time-uniform, nonparametric, nonasymptotic confidence
    sequences, Annals of Statistics 49, for mixtures; Robbins (1970).
    """
    bets, log_weights = _bets(horizon)
    total, n, share = np.broadcast_arrays(total, n, share)
    evidence = np.empty(total.size)
    for start in range(0, total.size, _COLUMNS_AT_ONCE):
        part = slice(start, start + _COLUMNS_AT_ONCE)
        s, m, doubted = (np.ravel(column)[part] for column in (total, n, share))
        logs = log_weights + bets * s - m * np.log1p(doubted * np.expm1(bets))
        top = logs.max(axis=0)
        evidence[part] = top + np.log(np.exp(logs - top).sum(axis=0))
    return evidence.reshape(total.shape)


def share_limits(total: ArrayLike, n: ArrayLike, alpha: ArrayLike, horizon: float) -> Limits:
    """Return a confidence sequence for the mean of numbers within [0, 1].

    Parameters
    ----------
    total, n : array-like of one shape
        Sums and counts so far.
    alpha : array-like
        Chance that the mean so far of the conditional means is ever left out.
    horizon : float
        Number of queries at which the sequence is tightest; any choice is valid.

    Examples
    --------
    >>> lower, upper = share_limits([300.0], [1000.0], alpha=0.05, horizon=1000)
    >>> bool(0.24 < lower[0] < 0.27 and 0.33 < upper[0] < 0.36)
    True
    """
    total, n = np.asarray(total, dtype=np.float64), np.asarray(n, dtype=np.float64)
    middle = np.divide(total, n, out=np.full(n.shape, 0.5), where=n > 0)
    level = -np.log(np.asarray(alpha, dtype=np.float64))
    ends = []
    for far in (0.0, 1.0):
        # Evidence is convex in the share and not positive at the observed one.
        inside, outside = middle.copy(), np.full(n.shape, far)
        held = share_evidence(total, n, outside, horizon) < level
        for _ in range(_HALVINGS):
            half = (inside + outside) / 2.0
            kept = share_evidence(total, n, half, horizon) < level
            inside, outside = np.where(kept, half, inside), np.where(kept, outside, half)
        ends.append(np.where(held, far, outside))
    return Limits(*ends)


class BoundedSums(NamedTuple):
    """How a quantity with known bounds is read from sums.

    Parameters
    ----------
    total, squares : callable
        From sums of shape (k, m) to the sums of numbers x and of their squares.
    reach : pair of float
        How far x reaches below and above zero, both at least 0.
    unit : float
        Width of the bounds, the unit of the bets.
    ends : pair of float
        Between which the mean must lie.
    """

    total: Callable[[FloatArray], FloatArray]
    squares: Callable[[FloatArray], FloatArray]
    reach: tuple[float, float]
    unit: float
    ends: tuple[float, float]


def _precision(alpha: FloatArray, horizon: float) -> FloatArray:
    """Return rho squared, which makes the two-sided normal mixture tightest at the horizon."""
    log = -2.0 * np.log(alpha)
    return np.asarray((log + np.log(log + 1.0)) / horizon)


@lru_cache
def _bets(horizon: float) -> tuple[FloatArray, FloatArray]:
    """Return a column of bets, ever finer towards 0, and the logs of its normal weights."""
    spread = np.sqrt(_precision(np.asarray(_TUNED_FOR), horizon) / _COIN_VARIANCE)
    steps = np.arange(-_OCTAVES_BELOW * _PER_OCTAVE, _OCTAVES_ABOVE * _PER_OCTAVE + 1)
    sizes = 2.0 ** (steps / _PER_OCTAVE)
    weights = sizes * np.exp(-(sizes**2) / 2.0)
    log_weights = np.log(weights / (2.0 * weights.sum()))
    bets = np.concatenate([-sizes, sizes]) * spread
    return bets[:, None], np.concatenate([log_weights, log_weights])[:, None]


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
    constraint : str or None
        The setting that bounds it.
    minimum : Minimum or None
        Rows that an asymptotic interval needs; None where the interval is exact.
    evidence : callable
        From sums to the number of such rows.
    of_share : callable or None
        From sums to `OfShare`: what the quantity would be if nothing but the share varied.
    skewness : callable or None
        From sums to the skewness of the mean, of which an asymptotic interval bears only so much.
    bounded : callable or None
        From bounds of single gains or costs, and the smallest chance of a gold label, to
        `BoundedSums`: intervals are then exact.
    """

    name: str
    kept: Kept
    moments: Callable[[FloatArray], Moments]
    constraint: str | None
    minimum: Minimum | None
    evidence: Callable[[FloatArray], FloatArray]
    of_share: Callable[[FloatArray], OfShare] | None = None
    skewness: Callable[[FloatArray], FloatArray] | None = None
    bounded: Callable[[tuple[float, float], float], BoundedSums] | None = None


class Estimates(NamedTuple):
    """Estimates with confidence sequences, and the rows that are missing to have them."""

    value: FloatArray
    lower: FloatArray
    upper: FloatArray
    missing: NDArray[np.intp]


def estimates(
    quantity: Quantity,
    sums: FloatArray,
    alpha: float | FloatArray,
    horizon: float,
    bounded: BoundedSums | None = None,
) -> Estimates:
    """Return estimates and confidence sequences from rows of sums, shape (m, k).

    An asymptotic interval knows only of the variation that was seen: it would have no width where
    all queries went to one model at one price, whatever the next query may bring. It is therefore
    never narrower than the exact sequence for the share that the quantity is a function of.

    Where there are fewer rows than a claim needs, or numbers that do not vary and so cannot tell
    how far they may be off, estimate and ends are NaN: no number is given without its uncertainty.
    Nor where a few rare and large values decide: the mean of n values of which a share p is large
    has the skewness (n p)^(-1/2), and above 0.45 it rests on five of them or fewer. None of that
    is asked of numbers whose bounds are known.
    """
    n = sums[:, 0]
    value, sd, size = quantity.moments(sums.T)
    if quantity.minimum is None:
        lower, upper = share_limits(sums[:, 1], n, alpha, horizon)
        return Estimates(value, lower, upper, np.zeros(len(n), dtype=np.intp))
    if bounded is not None:
        total, squares = bounded.total(sums.T), bounded.squares(sums.T)
        exact = bounded_limits(total, squares, n, alpha, bounded.reach, bounded.unit)
        lower, upper = (np.clip(end, *bounded.ends) for end in exact)
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


def _bounded_score(name: Literal["gain", "loss"]) -> Callable[..., BoundedSums]:
    """Return what reads debiased scores of gains within bounds."""
    read = getattr(_sums, f"{name}_sums")

    def bounded(bounds: tuple[float, float], p: float) -> BoundedSums:
        low, high = bounds
        return BoundedSums(
            lambda s: read(s)[0],
            lambda s: read(s)[1],
            reach_of_scores(bounds, p),
            high - low,
            (min(low, 0.0), max(high, 0.0)),
        )

    return bounded


def _bounded_cost(bounds: tuple[float, float], p: float) -> BoundedSums:
    low, high = bounds
    reach = (max(0.0, -low), max(0.0, high))
    return BoundedSums(lambda s: s[1], lambda s: s[4], reach, high - low, bounds)


_COSTS, _GOLD = MINIMA["monitored_costs"], MINIMA["monitored_gold"]

QUANTITIES = {
    "share": Quantity("usage ratio (PMUR)", "usage", _sums.share, "max_share", None, _sums.rows),
    "saving": Quantity(
        "saving against always-primary",
        "cost",
        _sums.saving,
        "min_saving",
        _COSTS,
        _sums.rows,
        _sums.saving_of_share,
        _sums.skewness_of_cost,
    ),
    "extra_cost": Quantity(
        "extra cost over always-alternative",
        "cost",
        _sums.extra_cost,
        None,
        _COSTS,
        _sums.rows,
        _sums.extra_cost_of_share,
        _sums.skewness_of_cost,
    ),
    "cost": Quantity(
        "cost per query",
        "cost",
        _sums.cost,
        "max_cost",
        _COSTS,
        _sums.rows,
        _sums.cost_of_share,
        _sums.skewness_of_cost,
        _bounded_cost,
    ),
    "gain": Quantity(
        "gold gain over always-alternative",
        "quality",
        _sums.gain,
        "min_gain",
        _GOLD,
        _sums.labels_of_sent,
        skewness=_sums.skewness_of_gain,
        bounded=_bounded_score("gain"),
    ),
    "loss": Quantity(
        "gold loss against always-primary",
        "quality",
        _sums.loss,
        "max_loss",
        _GOLD,
        _sums.labels_of_others,
        skewness=_sums.skewness_of_loss,
        bounded=_bounded_score("loss"),
    ),
    "efficiency_gain": Quantity(
        "efficiency gain over random routing",
        "quality",
        _sums.efficiency_gain,
        None,
        _GOLD,
        _sums.labels_of_either,
        skewness=_sums.skewness_of_either,
    ),
    "drawn": Quantity(
        "gold labels drawn over those expected",
        "quality",
        _sums.drawn,
        None,
        _GOLD,
        _sums.labels,
        _sums.drawn_of_share,
    ),
}
