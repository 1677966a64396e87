"""The p value of every demand at every w."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import MINIMA
from metarouter.inference.guarantees._demands import Demand
from metarouter.inference.guarantees._p_values import hoeffding_bentkus, student
from metarouter.inference.guarantees._path import RoutingPath, running_mean, running_moments
from metarouter.inference.guarantees._queries import CertifyingQueries
from metarouter.inference.intervals import FloatArray, unit_sums

__all__ = ["Method", "Tested", "has_enough", "require_conformal", "tested", "worst_distance"]

Method = Literal["auto", "hoeffding_bentkus", "clt", "conformal"]
_METHODS = ("auto", "hoeffding_bentkus", "clt", "conformal")
_FEWEST = MINIMA["gold_rows"].count
_MOST_SKEWNESS = 0.4
_USUAL_KURTOSIS = 4.5


@dataclass(frozen=True)
class Tested:
    """A demand along a path.

    Parameters
    ----------
    demand : Demand
    method : {"hoeffding_bentkus", "clt", "conformal"}
    mean : ndarray of shape (m,)
        What must not exceed zero, in the demand's own unit.
    se : ndarray of shape (m,)
        Its standard error, never below that of `least_variance`.
    p_value : ndarray of shape (m,)
        Of "the demand is not met"; with conformal risk control 0 where it is met in expectation
        and 1 elsewhere.
    df : float
    rests_on_few : bool
        Whether the central limit theorem is not to be called upon, see `tail_decides`.
    """

    demand: Demand
    method: str
    mean: FloatArray
    se: FloatArray
    p_value: FloatArray
    df: float
    rests_on_few: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether the p value holds in finite samples."""
        return self.method == "hoeffding_bentkus"

    @property
    def has_no_gap(self) -> bool:
        """Whether a share of a gap is demanded where there is no gap."""
        return _has_no_gap(self.demand)

    @property
    def is_silent(self) -> bool:
        """Whether all gold labels say 0, of which the central limit theorem knows nothing."""
        return self.method == "clt" and _is_silent(self.demand)


def tested(demand: Demand, queries: CertifyingQueries, path: RoutingPath, method: Method) -> Tested:
    """Test a demand at every w of a path.

    Raises
    ------
    MetaRouterError
        If the method is unknown, or needs bounds or independence that are not there.
    """
    chosen = _choose(method, demand, queries)
    sign, z = demand.sign, demand.base - demand.limit * demand.denominator
    moments = running_moments(path, sign * z, sign * demand.move, demand.share, queries.units)
    informed = demand.share * demand.information
    n_units = int((unit_sums(informed, queries.units) > 0).sum())
    se = np.sqrt(np.maximum(moments.variance, least_variance(demand, queries)))
    df = float(max(1, n_units - 1))
    if chosen == "clt":
        p_value = student(moments.mean, se, df, moments.third)
        if not has_enough(demand, queries):
            p_value = np.ones_like(p_value)
    else:
        p_value = _bounded(demand, path, moments.mean, chosen)
    if _has_no_gap(demand):
        p_value = np.ones_like(p_value)
    few = chosen == "clt" and tail_decides(demand, queries)
    return Tested(demand, chosen, moments.mean, se, p_value, df, few)


def has_enough(demand: Demand, queries: CertifyingQueries) -> bool:
    """Whether the central limit theorem may be called upon: enough labels, not all of them 0."""
    informed = unit_sums(demand.share * demand.information, queries.units)
    least = MINIMA["gold_rows" if queries.units is None else "clusters"]
    few = least.missing(int((informed > 0).sum()))
    return not (few or _is_silent(demand) or tail_decides(demand, queries))


def tail_decides(demand: Demand, queries: CertifyingQueries) -> bool:
    """Whether a handful of rare and large values decides, or all gold labels are alike.

    The mean of n values, of which a share p is large, has the skewness (n p)^(-1/2): above 0.4
    it rests on six values or fewer. Samples that hold too few of them are then so common, and look
    so harmless, that no correction for skewness keeps its level. Looked at are all labels that are
    there, wherever their queries go, on the side that endangers the demand. A tail of which the
    sample holds nothing at all cannot be seen: only bounds help there.
    """
    if demand.is_budget:  # costs are known for every query: Hall's correction sees their tail
        return False
    if np.ptp(demand.move[demand.information & (demand.share > 0)]) == 0:
        return True
    return max(_skewness(demand, queries, sent) for sent in (0.0, 1.0)) > _MOST_SKEWNESS


def _skewness(demand: Demand, queries: CertifyingQueries, sent: float) -> float:
    """Skewness of the mean of what must not exceed zero, if all queries went to one model."""
    informed = demand.share * demand.information
    value = demand.sign * (demand.base + sent * demand.move - demand.limit * demand.denominator)
    pull = informed * (value - informed @ value / informed.sum())
    summed = unit_sums(pull, queries.units)
    spread = float(summed @ summed)
    # What rounding leaves of a constant is no spread.
    if spread <= (1e-9 * float(np.abs(informed * value).max(initial=0.0))) ** 2:
        return 0.0
    return float((summed**3).sum()) / spread**1.5


def worst_distance(tests: Sequence[Tested]) -> FloatArray:
    """Return how many errors the worst demand lies beyond its limit, shape (m,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = [np.where(test.se > 0, test.mean / test.se, test.mean) for test in tests]
    return np.asarray(np.max(distance, axis=0))


def _has_no_gap(demand: Demand) -> bool:
    return demand.name == "min_gap_share" and not demand.share @ demand.denominator > 0


def _is_silent(demand: Demand) -> bool:
    return not demand.is_budget and not demand.share @ demand.move**2 > 0


def least_variance(demand: Demand, queries: CertifyingQueries) -> float:
    """Variance of the mean if only thirty informative queries were on their own side.

    Where nearly all queries go to one model, the few others may all happen to be alike, or be
    missing, and the variance in the sample comes out far too small. The central limit theorem
    knows nothing there; with this floor it never claims more than thirty such queries could show,
    those of one group being taken for one.
    """
    informed = demand.share * demand.information
    n_queries, n_units = _effective(informed), _effective(unit_sums(informed, queries.units))
    second_moment = float(demand.share @ demand.move**2)
    # Rare and large values carry the variance: it takes more queries to have seen enough of them.
    fourth_moment = float(demand.share @ demand.move**4) * float(informed.sum())
    kurtosis = fourth_moment / max(second_moment**2, np.finfo(float).tiny)
    if demand.is_budget:
        kurtosis = 1.0
    fewest = _FEWEST * max(1.0, kurtosis / _USUAL_KURTOSIS)
    return min(1.0, fewest / n_queries) * second_moment / n_units


def _effective(share: FloatArray) -> float:
    """Return the number of equal shares that would leave as much uncertainty (Kish 1965)."""
    return float(share.sum() ** 2 / (share @ share))


def _bounded(demand: Demand, path: RoutingPath, mean: FloatArray, chosen: str) -> FloatArray:
    assert demand.bounds is not None
    ends = sorted(demand.sign * end for end in demand.bounds)
    width = ends[1] - ends[0]
    limit = -ends[0] / width
    if chosen == "conformal":
        met = (demand.n * (mean - ends[0]) / width + 1) / (demand.n + 1) <= limit
        return np.where(met, 0.0, 1.0)
    if demand.is_count:
        sent = running_mean(path, demand.base, demand.move, demand.share)
        return hoeffding_bentkus(sent, demand.n, demand.limit, binary=True)
    return hoeffding_bentkus((mean - ends[0]) / width, demand.n, limit)


def _choose(method: Method, demand: Demand, queries: CertifyingQueries) -> str:
    if method not in _METHODS:
        raise MetaRouterError(f"method={method!r} is unknown; choose one of {', '.join(_METHODS)}.")
    possible = queries.independent and demand.bounds is not None
    if method == "conformal":
        require_conformal(demand, queries)
    elif method == "hoeffding_bentkus" and not possible:
        lacks = (
            f"bounds for {demand.name} (gain_bounds= or cost_bounds=; doubly robust scores have "
            "none)"
            if queries.independent
            else "queries of equal weight that stand for themselves"
        )
        raise MetaRouterError(f"method='hoeffding_bentkus' needs {lacks}; use 'clt'.")
    elif method == "auto" or demand.is_count:
        # A count of independent queries has an exact test, whatever is asked for.
        return "hoeffding_bentkus" if possible else "clt"
    return method


def require_conformal(demand: Demand, queries: CertifyingQueries) -> None:
    """Refuse what conformal risk control does not hold for.

    Raises
    ------
    MetaRouterError
        If the loss of a query is unbounded or may rise towards the safe end, or if queries differ
        in weight or depend on each other.
    """
    monotone = demand.name in ("max_cost", "max_cost_ratio") or (
        demand.name in ("max_share", "max_missed_gain")
        and bool((queries.costs[:, 1] >= queries.costs[:, 0]).all())
    )
    if not (monotone and queries.independent and demand.bounds is not None):
        raise MetaRouterError(
            f"method='conformal' holds for bounded losses of exchangeable queries that can only "
            f"fall towards the safe end, which is not said of {demand.name} here; budgets and "
            "max_missed_gain with bounds and without weights or groups are such losses."
        )
