"""What is demanded of a threshold: every demand is a mean that must not exceed zero.

With D = 1 where a query goes to the primary model, o its gold gain, C_a and C_p its costs:

    max_share         E[D]                       <= limit
    max_cost          E[C_a + D (C_p - C_a)]     <= limit
    max_cost_ratio    E[C_a + D (C_p - C_a)]     <= limit E[C_p]
    min_gain          E[D o]                     >= limit
    max_loss          E[(1 - D) o]               <= limit
    min_gap_share     E[D o]                     >= limit E[o]
    max_missed_gain   E[(1 - D) max(o, 0)]       <= limit

All are means of ``base + D move - limit denominator``, linear in D, with another sign for "at
least".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.inference.guarantees._queries import CertifyingQueries, Gain
from metarouter.inference.intervals import FloatArray
from metarouter.routing._budget import BUDGETS
from metarouter.routing._cost_model import is_real

__all__ = ["BUDGETS", "QUALITIES", "Bounds", "Demand", "as_demands", "check_limit"]

Bounds = tuple[float, float] | None

QUALITIES = {
    "min_gain": "mean gain over always asking the alternative",
    "max_loss": "mean loss against always asking the primary model",
    "min_gap_share": "share of the gain of always asking the primary model",
    "max_missed_gain": "mean gain missed at the alternative",
}


class _Mean(NamedTuple):
    """Numerator of a demand, and its denominator where the demand is a ratio."""

    base: FloatArray
    move: FloatArray
    denominator: FloatArray
    bounds: Bounds  # of base + D move - limit denominator


@dataclass(frozen=True)
class Demand:
    """One demand on the queries at hand.

    Parameters
    ----------
    name : str
        As in the signature of `certify_threshold`.
    limit : float
    base, move, denominator : ndarray of shape (n,)
        See the module.
    share : ndarray of shape (n,)
        Weights that sum to one of the queries that the demand is judged on.
    information : ndarray of bool of shape (n,)
        Which of them bring information: those with a gold label, where gold labels are meant.
    bounds : tuple of float or None
        Ends that ``base + D move - limit denominator`` never leaves, where they are known.
    """

    name: str
    limit: float
    base: FloatArray
    move: FloatArray
    denominator: FloatArray
    share: FloatArray
    information: np.ndarray
    bounds: Bounds

    @property
    def words(self) -> str:
        """What is limited."""
        return (BUDGETS | QUALITIES)[self.name]

    @property
    def sign(self) -> float:
        """1 for an upper limit, -1 for a lower one."""
        return -1.0 if self.name.startswith("min") else 1.0

    @property
    def is_budget(self) -> bool:
        """Whether a larger w is the safer one; else it is a smaller w."""
        return self.name in BUDGETS

    @property
    def is_count(self) -> bool:
        """Whether queries are counted: the mean is one of zeros and ones."""
        return self.name == "max_share"

    @property
    def n(self) -> int:
        """Number of queries that bring information."""
        return int((self.information & (self.share > 0)).sum())


def as_demands(
    queries: CertifyingQueries,
    limits: dict[str, float | None],
    gain_bounds: Bounds,
    cost_bounds: Bounds,
) -> tuple[Demand, ...]:
    """Lay out the demands that are given.

    Raises
    ------
    BudgetError
        If none is given, or a limit is out of range.
    DataError
        If a demand on the gain is made without gold gains, or values leave their bounds.
    """
    given = {name: limit for name, limit in limits.items() if limit is not None}
    if not given:
        raise BudgetError(f"Nothing is demanded; give at least one of {', '.join(limits)}.")
    for name, limit in given.items():
        check_limit(name, limit)
    _check_bounds("cost_bounds", cost_bounds, queries.costs)
    gain = queries.gain
    if gain is not None and not gain.is_score:
        _check_bounds("gain_bounds", gain_bounds, gain.value[gain.is_gold])
    demands = []
    for name, limit in given.items():
        if name in BUDGETS:
            mean = _budget(name, limit, queries.costs, cost_bounds)
            share, information = queries.share, queries.share > 0
        elif gain is None:
            raise DataError(
                f"{name} is a demand on the gain, but gold_gain is missing: give gold labels of "
                "some queries, NaN elsewhere, or doubly robust gains."
            )
        else:
            mean = _QUALITY[name](limit, gain, None if gain.is_score else gain_bounds)
            share, information = gain.share, gain.is_gold & (gain.share > 0)
        demands.append(Demand(name, float(limit), *mean[:3], share, information, mean.bounds))
    return tuple(demands)


def _budget(name: str, limit: float, costs: FloatArray, bounds: Bounds) -> _Mean:
    one = np.ones(len(costs))
    if name == "max_share":
        return _Mean(0 * one, one, one, (-limit, 1 - limit))
    alternative, primary = costs.T
    if name == "max_cost":
        ends = None if bounds is None else (bounds[0] - limit, bounds[1] - limit)
        return _Mean(alternative, primary - alternative, one, ends)
    if not primary.mean() > 0:
        raise BudgetError(
            "max_cost_ratio has no meaning where the primary model costs nothing; give max_share "
            "or max_cost."
        )
    low, high = (np.nan, np.nan) if bounds is None else bounds
    ends = None if bounds is None else (low - limit * high, high - limit * low)
    return _Mean(alternative, primary - alternative, primary, ends)


def _gain(limit: float, gain: Gain, bounds: Bounds) -> _Mean:
    o, one = gain.value, np.ones(gain.value.size)
    return _Mean(0 * one, o, one, _with_zero(bounds, limit))


def _loss(limit: float, gain: Gain, bounds: Bounds) -> _Mean:
    o = gain.value
    return _Mean(o, -o, np.ones(o.size), _with_zero(bounds, limit))


def _gap_share(limit: float, gain: Gain, bounds: Bounds) -> _Mean:
    o = gain.value
    ends: Bounds = None
    if bounds is not None:
        corners = [part * end for part in (1 - limit, -limit) for end in bounds]
        ends = (min(corners), max(corners))
    return _Mean(0 * o, o, o, ends)


def _missed_gain(limit: float, gain: Gain, bounds: Bounds) -> _Mean:
    if gain.is_score:
        raise MetaRouterError(
            "max_missed_gain needs gold labels: the positive part of a doubly robust score does "
            "not estimate that of the label; use max_loss, or give gold labels."
        )
    missed = np.maximum(gain.value, 0.0)
    ends = None if bounds is None else _with_zero((0.0, bounds[1]), limit)
    return _Mean(missed, -missed, np.ones(missed.size), ends)


_QUALITY: dict[str, Callable[[float, Gain, Bounds], _Mean]] = {
    "min_gain": _gain,
    "max_loss": _loss,
    "min_gap_share": _gap_share,
    "max_missed_gain": _missed_gain,
}


def _with_zero(bounds: Bounds, limit: float) -> Bounds:
    """Return the ends of what a query brings to one of two models, and nothing to the other."""
    if bounds is None:
        return None
    return (min(bounds[0], 0.0) - limit, max(bounds[1], 0.0) - limit)


def check_limit(name: str, limit: float) -> None:
    """Refuse a limit that is out of range.

    Raises
    ------
    BudgetError
        If there is no such demand, or the limit is no number that it could have.
    """
    known = BUDGETS | QUALITIES
    if name not in known:
        raise BudgetError(f"{name!r} is no demand; give one of {', '.join(known)}.")
    if not is_real(limit):
        raise BudgetError(f"{name} is {limit!r}; give a finite number.")
    if name == "max_share" and not 0 <= limit <= 1:
        raise BudgetError(f"{name} is {limit!r}; give a share from 0 to 1, as in 0.3 for 30%.")
    if name in ("max_cost", "max_cost_ratio", "min_gap_share", "max_missed_gain") and limit < 0:
        raise BudgetError(f"{name} is {limit!r}; give a number of at least 0.")


def _check_bounds(name: str, bounds: Bounds, values: FloatArray) -> None:
    if bounds is None:
        return
    low, high = bounds if len(bounds) == 2 else (None, None)
    if not (is_real(low) and is_real(high) and low < high):
        raise MetaRouterError(f"{name} is {bounds!r}; give two finite numbers, (lowest, highest).")
    outside = int(((values < low) | (values > high)).sum())
    if outside:
        raise DataError(
            f"{outside} of {values.size} values lie outside {name}={bounds!r}: give bounds that no "
            "query can leave, or none, and the central limit theorem is used."
        )
