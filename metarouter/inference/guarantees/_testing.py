"""P values of the null hypothesis that a mean exceeds its limit.

The family-wise error over many of them is controlled by MAPIE. Its Hoeffding-Bentkus p value is
not used: it is no part of its documented interface (and has moved between releases), and it is
four lines; a test holds the two together.

The p value of every constraint at every w.

Which w are certified: sequences from the safe ends, or along an order learned on other queries.

A larger w spends less, a smaller one sends more queries with a predicted gain. So each kind of
constraint has a safe end, and fixed-sequence testing goes from there until the first p value above
its level. What is proven:

- Constraints of one kind. With p the largest of their p values, H(w) = "some constraint is not met
  at w" is tested at level delta (intersection-union). If testing goes beyond the first w* at which
  H holds, it has passed p(w*) <= delta, which happens with probability delta at most. Routings
  change only at the turning points of the sample and are continuous from the right in w, hence a
  sequence over the turning points is one over all w, and no grid has to be fixed beforehand.
- Constraints of both kinds, ``search="ends"``. Two sequences, each at delta / 2. Both are right
  with probability 1 - delta, and every w that both passed keeps every constraint. At delta = 0.1
  the halving widens margins from 1.28 to 1.64 errors, by 28%.
- ``search="split"``. The order of w is learned on a part of the queries (smallest p value first, as
  in Pareto testing, Laufer-Goldshtein et al. 2023); along it the largest p value of all
  constraints, on the other queries, is tested at delta. A third of the labels given away widens
  margins by 22%. It pays where quality is not at its best at w = 0, for there the walk from that
  end stops at once.

Whatever is certified is certified all at once, so that any choice among it keeps the constraints.

Learn on some of the queries in which order to try the trade-offs on the others.

How many gold labels and queries would certify a threshold, if what is observed is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, rel_entr, stdtr, stdtrit

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference._limits import MINIMA, MOST_SKEWNESS, rows_needed
from metarouter.inference.guarantees._constraints import CertifyingQueries, ConstrainedMean
from metarouter.inference.guarantees._path import (
    RoutingPath,
    routing_path,
    running_mean,
    running_moments,
)
from metarouter.inference.intervals import FloatArray, cluster_sums, skewness_of


def hoeffding_bentkus(mean: Any, n: Any, limit: float, *, binary: bool = False) -> FloatArray:
    """P value of "the mean is above `limit`" for n independent values in [0, 1].

    It holds in finite samples, whatever the distribution.

    Parameters
    ----------
    mean : float or ndarray
        Observed mean.
    n : int or ndarray
    limit : float
    binary : bool, default=False
        Whether the values are 0 or 1: the p value is then that of the exact binomial test.

    References
    ----------
    Angelopoulos, Bates, Candès, Jordan and Lei (2021), Learn then test, proposition 2.

    Examples
    --------
    >>> hoeffding_bentkus(0.02, 200, 0.05, binary=True).round(4)
    np.float64(0.0264)
    """
    mean = np.asarray(mean, dtype=np.float64)
    if limit >= 1:
        return np.zeros(mean.shape)
    if limit < 0:
        return np.ones(mean.shape)
    below = np.minimum(mean, limit)
    relative_entropy = rel_entr(below, limit) + rel_entr(1 - below, 1 - limit)
    hoeffding = np.exp(-n * relative_entropy)
    # n * mean is a count up to rounding, and ceil must not take the rounding for one more.
    bentkus = bdtr(np.ceil(n * mean - 1e-9), n, limit) * (1.0 if binary else np.e)
    return np.minimum(1.0, np.minimum(hoeffding, bentkus))


def student(mean: FloatArray, se: FloatArray, df: float, third: FloatArray) -> FloatArray:
    """P value of "the mean is above 0", by the central limit theorem.

    Where values have a long tail upwards, samples that miss it have both too low a mean and too
    small a standard error. Hall's (1992) cubic takes the skewness out of the t statistic; it is
    used where it raises the p value, and never to lower it.

    Parameters
    ----------
    mean, se, third : ndarray of shape (m,)
        The third is the third cumulant of the mean.
    df : float

    Examples
    --------
    >>> mean, se = np.array([-2.0, -2.0]), np.ones(2)
    >>> student(mean, se, 1e9, np.array([0.0, 0.2])).round(4)
    array([0.0228, 0.0435])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(se > 0, mean / se, np.where(mean <= 0, -np.inf, np.inf))
        g = np.where(se > 0, third / se**3, 0.0)
        cubic = t + g / 6 + g * t**2 / 3 + g**2 * t**3 / 27
    return np.asarray(stdtr(df, np.where(np.isfinite(cubic), np.maximum(t, cubic), t)))


Method = Literal["auto", "hoeffding_bentkus", "clt", "conformal"]
_METHODS = ("auto", "hoeffding_bentkus", "clt", "conformal")
_FEWEST = MINIMA["gold_rows"].count
_USUAL_KURTOSIS = 4.5


@dataclass(frozen=True)
class Tested:
    """A constraint along a path.

    Parameters
    ----------
    constrained : ConstrainedMean
    method : {"hoeffding_bentkus", "clt", "conformal"}
    mean : ndarray of shape (m,)
        What must not exceed zero, in the constraint's own unit.
    se : ndarray of shape (m,)
        Its standard error, never below that of `least_variance`.
    p_value : ndarray of shape (m,)
        Of "the constraint is not met"; with conformal risk control 0 where it is met in expectation
        and 1 elsewhere.
    df : float
    rests_on_few : bool
        Whether the central limit theorem is not to be called upon, see `tail_decides`.
    few_groups : bool
        Whether queries lie in too few independent groups for it.
    """

    constrained: ConstrainedMean
    method: str
    mean: FloatArray
    se: FloatArray
    p_value: FloatArray
    df: float
    rests_on_few: bool = False
    few_groups: bool = False

    @property
    def is_exact(self) -> bool:
        """Whether the p value holds in finite samples."""
        return self.method == "hoeffding_bentkus"

    @property
    def has_no_gap(self) -> bool:
        """Whether a share of a gap is demanded where there is no gap."""
        return _has_no_gap(self.constrained)

    @property
    def is_degenerate(self) -> bool:
        """Whether all gold labels say 0, of which the central limit theorem knows nothing."""
        return self.method == "clt" and _is_degenerate(self.constrained)


def tested(
    constrained: ConstrainedMean, queries: CertifyingQueries, path: RoutingPath, method: Method
) -> Tested:
    """Test a constraint at every w of a path.

    Raises
    ------
    MetaRouterError
        If the method is unknown, or needs bounds or independence that are not there.
    """
    chosen = _choose(method, constrained, queries)
    sign, z = constrained.sign, constrained.base - constrained.limit * constrained.denominator
    moments = running_moments(
        path, sign * z, sign * constrained.move, constrained.share, queries.clusters
    )
    informed = constrained.share * constrained.information
    n_units = int((cluster_sums(informed, queries.clusters) > 0).sum())
    se = np.sqrt(np.maximum(moments.variance, least_variance(constrained, queries)))
    df = float(max(1, n_units - 1))
    if chosen == "clt":
        p_value = student(moments.mean, se, df, moments.third)
        if not has_enough(constrained, queries):
            p_value = np.ones_like(p_value)
    else:
        p_value = _bounded(constrained, path, moments.mean, chosen)
    if _has_no_gap(constrained):
        p_value = np.ones_like(p_value)
    few = chosen == "clt" and tail_decides(constrained, queries)
    in_groups = chosen == "clt" and queries.clusters is not None
    few_groups = in_groups and MINIMA["clusters"].missing(n_units) > 0
    return Tested(constrained, chosen, moments.mean, se, p_value, df, few, few_groups)


def has_enough(constrained: ConstrainedMean, queries: CertifyingQueries) -> bool:
    """Whether the central limit theorem may be called upon: enough labels, not all of them 0."""
    informed = cluster_sums(constrained.share * constrained.information, queries.clusters)
    least = MINIMA["gold_rows" if queries.clusters is None else "clusters"]
    few = least.missing(int((informed > 0).sum()))
    return not (few or _is_degenerate(constrained) or tail_decides(constrained, queries))


def tail_decides(constrained: ConstrainedMean, queries: CertifyingQueries) -> bool:
    """Whether a handful of rare and large values decides, or all gold labels are alike.

    The mean of n values, of which a share p is large, has the skewness (n p)^(-1/2): above 0.4
    it rests on six values or fewer. Samples that hold too few of them are then so common, and look
    so harmless, that no correction for skewness keeps its level. Looked at are all labels that are
    there, wherever their queries go, on the side that endangers the constraint. A tail of which the
    sample holds nothing at all cannot be seen: only bounds help there.
    """
    if constrained.is_budget:  # costs are known for every query: Hall's correction sees their tail
        return False
    if np.ptp(constrained.move[constrained.information & (constrained.share > 0)]) == 0:
        return True
    return max(_skewness(constrained, queries, sent) for sent in (0.0, 1.0)) > MOST_SKEWNESS


def _skewness(constrained: ConstrainedMean, queries: CertifyingQueries, sent: float) -> float:
    """Skewness of the mean of what must not exceed zero, if all queries went to one model."""
    informed = constrained.share * constrained.information
    value = constrained.sign * (
        constrained.base + sent * constrained.move - constrained.limit * constrained.denominator
    )
    influence = informed * (value - informed @ value / informed.sum())
    summed = cluster_sums(influence, queries.clusters)
    spread = float(summed @ summed)
    # What rounding leaves of a constant is no spread.
    if spread <= (1e-9 * float(np.abs(informed * value).max(initial=0.0))) ** 2:
        return 0.0
    return skewness_of(summed)


def worst_distance(tests: Sequence[Tested]) -> FloatArray:
    """Return how many errors the worst constraint lies beyond its limit, shape (m,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = [np.where(test.se > 0, test.mean / test.se, test.mean) for test in tests]
    return np.asarray(np.max(distance, axis=0))


def _has_no_gap(constrained: ConstrainedMean) -> bool:
    return not (constrained.is_budget or constrained.share @ constrained.denominator > 0)


def _is_degenerate(constrained: ConstrainedMean) -> bool:
    return not constrained.is_budget and not constrained.share @ constrained.move**2 > 0


def least_variance(constrained: ConstrainedMean, queries: CertifyingQueries) -> float:
    """Variance of the mean if only thirty informative queries were on their own side.

    Where nearly all queries go to one model, the few others may all happen to be alike, or be
    missing, and the variance in the sample comes out far too small. The central limit theorem
    knows nothing there; with this floor it never claims more than thirty such queries could show,
    those of one group being taken for one.
    """
    informed = constrained.share * constrained.information
    n_queries, n_units = _effective(informed), _effective(cluster_sums(informed, queries.clusters))
    second_moment = float(constrained.share @ constrained.move**2)
    # Rare and large values carry the variance: it takes more queries to have seen enough of them.
    fourth_moment = float(constrained.share @ constrained.move**4) * float(informed.sum())
    kurtosis = fourth_moment / max(second_moment**2, np.finfo(float).tiny)
    if constrained.is_budget:
        kurtosis = 1.0
    fewest = _FEWEST * max(1.0, kurtosis / _USUAL_KURTOSIS)
    return min(1.0, fewest / n_queries) * second_moment / n_units


def _effective(share: FloatArray) -> float:
    """Return the number of equal shares that would leave as much uncertainty (Kish 1965)."""
    return float(share.sum() ** 2 / (share @ share))


def _bounded(
    constrained: ConstrainedMean, path: RoutingPath, mean: FloatArray, chosen: str
) -> FloatArray:
    assert constrained.bounds is not None
    ends = sorted(constrained.sign * end for end in constrained.bounds)
    width = ends[1] - ends[0]
    limit = -ends[0] / width
    if chosen == "conformal":
        met = (constrained.n * (mean - ends[0]) / width + 1) / (constrained.n + 1) <= limit
        return np.where(met, 0.0, 1.0)
    if constrained.is_count:
        counted = running_mean(path, constrained.base, constrained.move, constrained.share)
        # The limit as given, without what arithmetic on bounds leaves of it.
        limit = constrained.limit
        if constrained.sign < 0:
            counted, limit = 1 - counted, 1 - limit
        return hoeffding_bentkus(counted, constrained.n, limit, binary=True)
    return hoeffding_bentkus((mean - ends[0]) / width, constrained.n, limit)


def _choose(method: Method, constrained: ConstrainedMean, queries: CertifyingQueries) -> str:
    if method not in _METHODS:
        raise MetaRouterError(f"method={method!r} is unknown; choose one of {', '.join(_METHODS)}.")
    possible = queries.independent and constrained.bounds is not None
    if method == "conformal":
        require_conformal(constrained, queries)
    elif method == "hoeffding_bentkus" and not possible:
        lacks = (
            f"bounds for {constrained.name} (gain_bounds= or cost_bounds=; doubly robust scores "
            "have none)"
            if queries.independent
            else "queries of equal weight that stand for themselves"
        )
        raise MetaRouterError(f"method='hoeffding_bentkus' needs {lacks}; use 'clt'.")
    elif method == "auto" or constrained.is_count:
        # A count of independent queries has an exact test, whatever is asked for.
        return "hoeffding_bentkus" if possible else "clt"
    return method


def require_conformal(constrained: ConstrainedMean, queries: CertifyingQueries) -> None:
    """Refuse what conformal risk control does not hold for.

    Raises
    ------
    MetaRouterError
        If the loss of a query is unbounded or may rise towards the safe end, or if queries differ
        in weight or depend on each other.
    """
    monotone = constrained.constraint.only_falls(queries)
    if not (monotone and queries.independent and constrained.bounds is not None):
        raise MetaRouterError(
            f"method='conformal' holds for bounded losses of exchangeable queries that can only "
            f"fall towards the safe end, which is not said of {constrained.name} here; budgets and "
            "max_missed_gain with bounds and without weights or groups are such losses."
        )


def level_of_each_sequence(tests: Sequence[Tested], delta: float) -> float:
    """Return delta over the number of ends that the constraints are tested from."""
    return delta / len({test.constrained.is_budget for test in tests})


def certified_between_ends(
    tests: Sequence[Tested], position: NDArray[np.intp], delta: float
) -> NDArray[np.bool_]:
    """Say which positions, in the order of growing w, the sequences from both ends pass."""
    level = level_of_each_sequence(tests, delta)
    certified = np.ones(position.size, dtype=bool)
    for budget in (True, False):
        of_kind = [test for test in tests if test.constrained.is_budget == budget]
        if of_kind:
            from_the_safe_end = np.arange(position.size)[:: -1 if budget else 1]
            certified &= _passed(of_kind, position, from_the_safe_end, level)
    return certified


def certified_in_order(
    tests: Sequence[Tested], position: NDArray[np.intp], order: NDArray[np.intp], delta: float
) -> NDArray[np.bool_]:
    """Say which positions are passed by one sequence in a given order."""
    return _passed(tests, position, order, delta)


def largest_p_values(tests: Sequence[Tested]) -> FloatArray:
    """Return, for every w, the p value of "some constraint is not met", shape (m,)."""
    return np.asarray(np.max([test.p_value for test in tests], axis=0))


def _passed(
    tests: Sequence[Tested], position: NDArray[np.intp], order: NDArray[np.intp], level: float
) -> NDArray[np.bool_]:
    from mapie.risk_control import control_fwer

    in_order = largest_p_values(tests)[position][order]
    passed = np.zeros(position.size, dtype=bool)
    passed[order[control_fwer(in_order, level, "fixed_sequence")]] = True
    return passed


_LEARNED_ON = 1 / 3
_MOST_LEARNED = 100


def split(queries: CertifyingQueries, seed: int) -> tuple[CertifyingQueries, CertifyingQueries]:
    """Part the queries in two, whole units and gold labels alike; the first is the smaller."""
    unit = np.arange(queries.share.size) if queries.clusters is None else queries.clusters
    has_gold = np.zeros(int(unit.max()) + 1, dtype=bool)
    if queries.gain is not None:
        has_gold[unit[queries.gain.is_gold]] = True
    rng = np.random.default_rng(seed)
    first = np.zeros(has_gold.size, dtype=bool)
    for kind in (has_gold, ~has_gold):
        shuffled = rng.permutation(np.flatnonzero(kind))
        first[shuffled[: round(_LEARNED_ON * shuffled.size)]] = True
    if not first.any():
        raise DataError(f"{has_gold.size} independent queries are too few to split; give more.")
    rows = first[unit]
    return queries.taken(np.flatnonzero(rows)), queries.taken(np.flatnonzero(~rows))


def learned_order(
    learned: CertifyingQueries, tests: list[Tested], points: FloatArray | None
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Order trade-offs from the most to the least promising."""
    path = routing_path(learned.psi_hat, learned.costs[:, 1] - learned.costs[:, 0])
    if points is None:
        even = np.linspace(0, path.w.size - 1, _MOST_LEARNED)
        points = path.w[np.unique(even.round().astype(int))]
    at = path.at(points)
    return points, np.argsort(worst_distance(tests)[at], kind="stable")


_MOST = 10_000_000


class Needed(NamedTuple):
    """Rows that would do; None where no number would, or where the constraint is not made."""

    gold: int | None
    queries: int | None
    unmet: tuple[str, ...]  # constraints that are not even met as observed, somewhere on the way


def most_promising(tests: Sequence[Tested], search: str) -> int:
    """Return the position that a search comes closest to certifying.

    A sequence from an end must pass all that lies before a position: the worst of it counts.
    """
    distance = []
    for test in tests:
        own = worst_distance([test])
        if search == "split":
            distance.append(own)
        elif test.constrained.is_budget:
            distance.append(np.maximum.accumulate(own[::-1])[::-1])
        else:
            distance.append(np.maximum.accumulate(own))
    return int(np.argmin(np.max(distance, axis=0)))


def needed_at(tests: Sequence[Tested], position: int, delta: float, search: str) -> Needed:
    """Count the rows with which the sequences would get to one position.

    Parameters
    ----------
    tests : sequence of Tested
    position : int
        Best `most_promising`; it was chosen by looking, so that the counts are on the low side.
    delta : float
        Level of each sequence.
    search : {"ends", "split"}
    """
    hardest = {test.constrained.name: _hardest(test, position, search) for test in tests}
    unmet = tuple(name for test in tests if test.mean[hardest[name := test.constrained.name]] >= 0)
    counts = {
        budget: [
            _rows(test, hardest[test.constrained.name], delta)
            for test in tests
            if test.constrained.is_budget == budget
        ]
        for budget in (True, False)
    }
    return Needed(_most(counts[False]), _most(counts[True]), unmet)


def _hardest(test: Tested, position: int, search: str) -> int:
    """Return the place with the worst value on the way to a position."""
    if search == "split":
        return position
    own = worst_distance([test])
    if test.constrained.is_budget:
        return position + int(np.argmax(own[position:]))
    return int(np.argmax(own[: position + 1]))


def _most(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return max(known) if counts and len(known) == len(counts) else None


def _rows(test: Tested, position: int, delta: float) -> int | None:
    constrained, mean = test.constrained, float(test.mean[position])
    if mean >= 0:
        return None
    if test.method == "clt":
        margin = float(stdtrit(test.df, 1 - delta) * test.se[position])
        wanted = rows_needed(constrained.n, margin, -mean)
        return None if wanted is None else max(wanted, MINIMA["gold_rows"].count)
    assert constrained.bounds is not None
    low, high = sorted(constrained.sign * end for end in constrained.bounds)
    scaled, limit = (mean - low) / (high - low), -low / (high - low)
    if test.method == "conformal":
        return max(constrained.n, int(np.ceil((1 - limit) / (limit - scaled))))
    return _smallest(scaled, limit, delta, constrained.n, binary=constrained.is_count)


def _smallest(mean: float, limit: float, delta: float, n: int, *, binary: bool) -> int | None:
    few, many = n, n
    while hoeffding_bentkus(mean, many, limit, binary=binary) > delta:
        few, many = many, 2 * many
        if many > _MOST:
            return None
    while many - few > max(1, few // 100):
        middle = (few + many) // 2
        met = hoeffding_bentkus(mean, middle, limit, binary=binary) <= delta
        few, many = (few, middle) if met else (middle, many)
    return many
