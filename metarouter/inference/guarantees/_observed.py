"""What a routing does on the queries that it was certified on, with two-sided intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from metarouter.inference.guarantees._demands import Demand
from metarouter.inference.guarantees._queries import CertifyingQueries
from metarouter.inference.guarantees._tested import has_enough
from metarouter.inference.intervals import (
    FloatArray,
    RatioErrors,
    fieller,
    interval_of,
    share_interval,
    unit_sums,
)

__all__ = ["Promise", "observed"]


@dataclass(frozen=True)
class Promise:
    """One quantity of a routing, and the demand on it if there is one.

    Parameters
    ----------
    name : str
        As in the signature of `certify_threshold`.
    words : str
        What is measured.
    limit : float
        NaN where nothing is demanded.
    at_least : bool
        Whether the limit is a lower one.
    value, se, lower, upper : float
        Observed, with a two-sided interval that holds for one threshold; NaN where there are too
        few labels for one.
    p_value : float
        Of "the demand is not met"; NaN where nothing is demanded, or only in expectation.
    method : str
        What the p value rests on; "" where nothing is demanded.
    n : int
        Queries, or gold labels, that it rests on.
    """

    name: str
    words: str
    limit: float
    at_least: bool
    value: float
    se: float
    lower: float
    upper: float
    p_value: float
    method: str
    n: int

    @property
    def demand(self) -> str:
        """The demand in words, "" if there is none."""
        if np.isnan(self.limit):
            return ""
        return f"{'at least' if self.at_least else 'at most'} {self.limit:g}"


def observed(
    demand: Demand,
    queries: CertifyingQueries,
    sent: NDArray[np.bool_],
    level: float,
    *,
    p_value: float = np.nan,
    method: str = "",
) -> Promise:
    """Measure the quantity that a demand limits; the demand counts if a method is named.

    With fewer labels than an interval needs to hold its level, value and interval are NaN.
    """
    value = demand.base + np.where(sent, demand.move, 0.0)
    numerator = float(demand.share @ value)
    denominator = float(demand.share @ demand.denominator)
    enough = demand.is_count or has_enough(demand, queries)
    ratio = numerator / denominator if denominator and enough else np.nan
    pulls = demand.share[:, None] * np.column_stack(
        [value - numerator, demand.denominator - denominator]
    )
    summed = unit_sums(pulls, queries.units)
    informed = unit_sums(demand.share * demand.information, queries.units) > 0
    n_units = int(informed.sum())
    covariance = summed.T @ summed * n_units / max(1, n_units - 1)
    slope = np.array([1.0, -ratio]) / denominator if denominator else np.full(2, np.nan)
    se = float(np.sqrt(slope @ covariance @ slope)) if n_units > 1 else np.nan
    lower, upper = _limits(demand, queries, sent, level, ratio, se, n_units, covariance)
    return Promise(
        name=demand.name,
        words=demand.words,
        limit=demand.limit if method else np.nan,
        at_least=demand.sign < 0,
        value=ratio,
        se=se,
        lower=lower,
        upper=upper,
        p_value=p_value,
        method=method,
        n=demand.n,
    )


def _limits(
    demand: Demand,
    queries: CertifyingQueries,
    sent: NDArray[np.bool_],
    level: float,
    value: float,
    se: float,
    n_units: int,
    covariance: FloatArray,
) -> tuple[float, float]:
    if demand.is_count:
        measured = share_interval(sent, demand.share, queries.units, level)
        return measured.lower, measured.upper
    df = max(1.0, n_units - 1.0)
    if np.ptp(demand.denominator[demand.share > 0]) == 0:
        lower, upper = interval_of(value, se, df, level)
        return float(lower), float(upper)
    denominator = float(demand.share @ demand.denominator)
    errors = RatioErrors(covariance[:1, 0], float(covariance[1, 1]), covariance[:1, 1])
    ends = fieller(
        np.array([value * denominator]), denominator, errors, stdtrit(df, 0.5 + level / 2)
    )
    return float(ends[0][0]), float(ends[1][0])
