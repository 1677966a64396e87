"""Which w are certified: p values of every constraint at every w, tested in a fixed sequence.

The family-wise error over many p values is controlled by MAPIE. Its Hoeffding-Bentkus p value is
not used: it is no part of its documented interface (and has moved between releases), and it is
four lines; a test holds the two together.

As w grows, a query that costs more with the primary model leaves it for good at w = psi-hat /
extra cost, and one that costs less joins it there. Between two of these turning points nothing
changes, so a sample knows finitely many routings, and a sequence over its turning points is one
over every w.

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
  margins by 22%. It pays where quality is not at its best at w = 0, for there the sequence from
  that end stops at once.

Whatever is certified is certified all at once, so that any choice among it keeps the constraints.
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
from metarouter.inference.guarantees._constraints import (
    CertifyingQueries,
    ConstrainedMean,
    Constraint,
)
from metarouter.inference.intervals import Clusters, FloatArray, cluster_sums, skewness_of
from metarouter.routing._tuning import turning_points


class RoutingPath(NamedTuple):
    """The trade-offs at which the routing of some queries changes.

    Parameters
    ----------
    w : ndarray of shape (m,)
        Increasing from 0; the routing at w[k] holds up to, and without, w[k + 1].
    sent : ndarray of bool of shape (n,)
        Whether each query goes to the primary model at w = 0.
    mover : ndarray of int of shape (k,)
        The queries that change sides, in the order in which they do.
    step : ndarray of int of shape (k,)
        Position in `w` from which on the query is on its new side.
    """

    w: FloatArray
    sent: NDArray[np.bool_]
    mover: NDArray[np.intp]
    step: NDArray[np.intp]

    def at(self, w: FloatArray) -> NDArray[np.intp]:
        """Return the position whose routing holds at each w, shape as `w`."""
        return np.searchsorted(self.w, w, side="right") - 1

    def sent_at(self, position: int) -> NDArray[np.bool_]:
        """Return which queries go to the primary model at w[position], shape (n,)."""
        sent = self.sent.copy()
        moved = self.mover[self.step <= position]
        sent[moved] = ~sent[moved]
        return sent


class Moments(NamedTuple):
    """A weighted mean, its variance and third cumulant along a path, shape (m,) each."""

    mean: FloatArray
    variance: FloatArray
    third: FloatArray


def routing_path(psi_hat: FloatArray, extra_cost: FloatArray) -> RoutingPath:
    """Find every w at which the routing of these queries changes.

    Examples
    --------
    >>> import numpy as np
    >>> path = routing_path(np.array([0.5, -0.2, 1.0]), np.ones(3))
    >>> path.w
    array([0. , 0.5, 1. ])
    >>> path.sent_at(1)
    array([False, False,  True])
    """
    sent = psi_hat > 0
    mover = np.flatnonzero((sent & (extra_cost > 0)) | (~sent & (extra_cost < 0)))
    turning = turning_points(psi_hat[mover], extra_cost[mover], ~sent[mover])
    values, step = np.unique(turning, return_inverse=True)
    step = step.reshape(-1) + 1
    order = np.argsort(step, kind="stable")
    return RoutingPath(np.append(0.0, values), sent, mover[order], step[order])


def running_mean(
    path: RoutingPath, base: FloatArray, move: FloatArray, share: FloatArray
) -> FloatArray:
    """Compute the mean of ``base + sent * move`` at every w of a path, shape (m,).

    Parameters
    ----------
    path : RoutingPath
    base, move : ndarray of shape (n,)
        Value of a query at the alternative, and what the primary adds to it.
    share : ndarray of shape (n,)
        Weights that sum to one; 0 for queries that do not count.
    """
    start = float(share @ (base + np.where(path.sent, move, 0.0)))
    return start + np.cumsum(_at_steps(path, share[path.mover] * _change(path, move)))


def running_moments(
    path: RoutingPath, base: FloatArray, move: FloatArray, share: FloatArray, clusters: Clusters
) -> Moments:
    """Compute the mean of ``base + sent * move`` at every w, its variance and third cumulant.

    Parameters
    ----------
    path, base, move, share
        As for `running_mean`.
    clusters : ndarray of int of shape (n,) or None
        Queries of one unit depend on each other.

    Notes
    -----
    With A_g = sum of share z over unit g and W_g its weight, the variance of the mean m is
    G / (G - 1) times sum (A_g - m W_g)^2, and its third cumulant sum (A_g - m W_g)^3. A query that
    changes sides moves one A_g by c, hence sum A_g^2 by 2 A_g c + c^2, and so for the cubes: the
    whole path costs one sort.
    """
    mean = running_mean(path, base, move, share)
    unit = np.arange(share.size) if clusters is None else clusters
    # Values are taken from the mean at w = 0, so that little is lost in the differences below.
    value = base + np.where(path.sent, move, 0.0) - mean[0]
    total, weight = cluster_sums(share * value, unit), cluster_sums(share, unit)
    moved = unit[path.mover]
    change = share[path.mover] * _change(path, move)
    before = total[moved] + _earlier_changes(change, moved)
    after = before + change

    def along(power: int, weights: int) -> FloatArray:
        """Sum of A_g^power W_g^weights at every w."""
        steps = (after**power - before**power) * weight[moved] ** weights
        return float(total**power @ weight**weights) + np.cumsum(_at_steps(path, steps))

    centre = mean - mean[0]
    spread = along(2, 0) - 2 * centre * along(1, 1) + centre**2 * float(weight @ weight)
    third = along(3, 0) - 3 * centre * along(2, 1) + 3 * centre**2 * along(1, 2)
    third -= centre**3 * float((weight**3).sum())
    n_units = int((weight > 0).sum())
    return Moments(mean, np.maximum(spread, 0.0) * n_units / max(1, n_units - 1), third)


def _change(path: RoutingPath, move: FloatArray) -> FloatArray:
    return np.where(path.sent[path.mover], -1.0, 1.0) * move[path.mover]


def _at_steps(path: RoutingPath, change: FloatArray) -> FloatArray:
    return np.bincount(path.step, weights=change, minlength=path.w.size).astype(np.float64)


def _earlier_changes(change: FloatArray, unit: NDArray[np.intp]) -> FloatArray:
    """Sum, for each change, those that came before it in its own unit."""
    order = np.argsort(unit, kind="stable")
    running = np.cumsum(change[order]) - change[order]
    first = np.flatnonzero(np.diff(unit[order], prepend=-1))
    start = np.repeat(running[first], np.diff(np.append(first, unit.size)))
    earlier = np.empty_like(change)
    earlier[order] = running - start
    return earlier


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
    def constraint(self) -> Constraint:
        """What is tested."""
        return self.constrained.constraint


def tested(constrained: ConstrainedMean, path: RoutingPath, method: Method) -> Tested:
    """Test a constraint at every w of a path.

    Raises
    ------
    MetaRouterError
        If the method is unknown, or needs bounds or independence that are not there.
    """
    chosen = _choose(method, constrained)
    move, clusters = constrained.sign * constrained.move, constrained.queries.clusters
    moments = running_moments(path, constrained.excess(), move, constrained.share, clusters)
    n_units = constrained.n_units
    se = np.sqrt(np.maximum(moments.variance, least_variance(constrained)))
    df = float(max(1, n_units - 1))
    if chosen == "clt":
        p_value = student(moments.mean, se, df, moments.third)
        if not has_enough(constrained):
            p_value = np.ones_like(p_value)
    else:
        p_value = _bounded(constrained, path, moments.mean, chosen)
    if constrained.has_no_gap:
        p_value = np.ones_like(p_value)
    few = chosen == "clt" and tail_decides(constrained)
    in_groups = chosen == "clt" and clusters is not None
    few_groups = in_groups and MINIMA["clusters"].missing(n_units) > 0
    return Tested(constrained, chosen, moments.mean, se, p_value, df, few, few_groups)


def has_enough(constrained: ConstrainedMean) -> bool:
    """Whether the central limit theorem may be called upon: enough labels, not all of them 0."""
    least = MINIMA["gold_rows" if constrained.queries.clusters is None else "clusters"]
    few = least.missing(constrained.n_units)
    return not (few or constrained.is_degenerate or tail_decides(constrained))


def tail_decides(constrained: ConstrainedMean) -> bool:
    """Whether a handful of rare and large values decides, or all gold labels are alike.

    The mean of n values, of which a share p is large, has the skewness (n p)^(-1/2): above 0.4
    it rests on six values or fewer. Samples that hold too few of them are then so common, and look
    so harmless, that no correction for skewness keeps its level. Looked at are all labels that are
    there, wherever their queries go, on the side that endangers the constraint. A tail of which the
    sample holds nothing at all cannot be seen: only bounds help there.
    """
    if constrained.constraint.is_budget:  # known for all queries: Hall's correction sees the tail
        return False
    if np.ptp(constrained.move[constrained.informed > 0]) == 0:
        return True
    return max(_skewness(constrained, sent) for sent in (0.0, 1.0)) > MOST_SKEWNESS


def _skewness(constrained: ConstrainedMean, sent: float) -> float:
    """Skewness of the mean of what must not exceed zero, if all queries went to one model."""
    informed, value = constrained.informed, constrained.excess(sent)
    influence = informed * (value - informed @ value / informed.sum())
    summed = cluster_sums(influence, constrained.queries.clusters)
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


def least_variance(constrained: ConstrainedMean) -> float:
    """Variance of the mean if only thirty informative queries were on their own side.

    Where nearly all queries go to one model, the few others may all happen to be alike, or be
    missing, and the variance in the sample comes out far too small. The central limit theorem
    knows nothing there; with this floor it never claims more than thirty such queries could show,
    those of one group being taken for one.
    """
    informed = constrained.informed
    summed = cluster_sums(informed, constrained.queries.clusters)
    n_queries, n_units = _effective(informed), _effective(summed)
    second_moment = float(constrained.share @ constrained.move**2)
    # Rare and large values carry the variance: it takes more queries to have seen enough of them.
    fourth_moment = float(constrained.share @ constrained.move**4) * float(informed.sum())
    kurtosis = fourth_moment / max(second_moment**2, np.finfo(float).tiny)
    if constrained.constraint.is_budget:
        kurtosis = 1.0
    fewest = _FEWEST * max(1.0, kurtosis / _USUAL_KURTOSIS)
    return min(1.0, fewest / n_queries) * second_moment / n_units


def _effective(share: FloatArray) -> float:
    """Return the number of equal shares that would leave as much uncertainty (Kish 1965)."""
    return float(share.sum() ** 2 / (share @ share))


def _bounded(
    constrained: ConstrainedMean, path: RoutingPath, mean: FloatArray, chosen: str
) -> FloatArray:
    scaled, limit = constrained.scaled(mean)
    if chosen == "conformal":
        met = (constrained.n * scaled + 1) / (constrained.n + 1) <= limit
        return np.where(met, 0.0, 1.0)
    if constrained.constraint.is_count:
        counted = running_mean(path, constrained.base, constrained.move, constrained.share)
        # The limit as given, without what arithmetic on bounds leaves of it.
        limit = constrained.constraint.limit
        if constrained.sign < 0:
            counted, limit = 1 - counted, 1 - limit
        return hoeffding_bentkus(counted, constrained.n, limit, binary=True)
    return hoeffding_bentkus(scaled, constrained.n, limit)


def _choose(method: Method, constrained: ConstrainedMean) -> str:
    possible = constrained.queries.independent and constrained.bounds is not None
    if method == "conformal":
        if not (possible and constrained.constraint.only_falls(constrained.queries)):
            raise MetaRouterError(
                "method='conformal' holds for bounded losses of exchangeable queries that can only "
                "fall towards the safe end, which is not said of "
                f"{constrained.constraint.name} here; budgets and max_missed_gain with bounds and "
                "without weights or groups are such losses."
            )
    elif method == "hoeffding_bentkus" and not possible:
        lacks = "queries of equal weight that stand for themselves"
        if constrained.queries.independent:
            lacks = (
                f"bounds for {constrained.constraint.name} (gain_bounds= or cost_bounds=; doubly "
                "robust scores have none)"
            )
        raise MetaRouterError(f"method='hoeffding_bentkus' needs {lacks}; use 'clt'.")
    elif method == "auto" or constrained.constraint.is_count:
        # A count of independent queries has an exact test, whatever is asked for.
        return "hoeffding_bentkus" if possible else "clt"
    return method


def level_of_each_sequence(tests: Sequence[Tested], delta: float) -> float:
    """Return delta over the number of ends that the constraints are tested from."""
    return delta / len({test.constraint.is_budget for test in tests})


def certified_between_ends(
    tests: Sequence[Tested], position: NDArray[np.intp], delta: float
) -> NDArray[np.bool_]:
    """Say which positions, in the order of growing w, the sequences from both ends pass."""
    level = level_of_each_sequence(tests, delta)
    certified = np.ones(position.size, dtype=bool)
    for budget in (True, False):
        of_kind = [test for test in tests if test.constraint.is_budget == budget]
        if of_kind:
            from_the_safe_end = np.arange(position.size)[:: -1 if budget else 1]
            certified &= certified_in_order(of_kind, position, from_the_safe_end, level)
    return certified


def certified_in_order(
    tests: Sequence[Tested], position: NDArray[np.intp], order: NDArray[np.intp], level: float
) -> NDArray[np.bool_]:
    """Say which positions are passed by one sequence in a given order.

    What is tested is the largest p value, of "some constraint is not met".
    """
    from mapie.risk_control import control_fwer

    in_order = np.max([test.p_value for test in tests], axis=0)[position][order]
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
        elif test.constraint.is_budget:
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
    unmet: list[str] = []
    counts: dict[bool, list[int | None]] = {True: [], False: []}
    for test in tests:
        hardest = _hardest(test, position, search)
        if test.mean[hardest] >= 0:
            unmet.append(test.constraint.name)
        counts[test.constraint.is_budget].append(_rows(test, hardest, delta))
    return Needed(_most(counts[False]), _most(counts[True]), tuple(unmet))


def _hardest(test: Tested, position: int, search: str) -> int:
    """Return the place with the worst value on the way to a position."""
    if search == "split":
        return position
    own = worst_distance([test])
    if test.constraint.is_budget:
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
    scaled, limit = constrained.scaled(mean)
    if test.method == "conformal":
        return max(constrained.n, int(np.ceil((1 - limit) / (limit - scaled))))
    return _smallest(scaled, limit, delta, constrained.n, binary=constrained.constraint.is_count)


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
