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
its level; what is proven of it is in ``docs/guarantees.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, rel_entr, stdtr, stdtrit

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference._limits import (
    MINIMUM_SAMPLE_SIZES,
    MOST_SKEWNESS,
    USUAL_KURTOSIS,
    Verdict,
    rows_needed,
    scarce,
)
from metarouter.inference._result import Finding
from metarouter.inference.guarantees._constraints import (
    CertifyingQueries,
    ConstrainedMean,
    Constraint,
    constrained_mean,
)
from metarouter.inference.intervals import (
    Clusters,
    FloatArray,
    cluster_sums,
    hall_cubic,
    skewness_of,
)
from metarouter.routing._tuning import turning_points


class RoutingPath(NamedTuple):
    """The trade-offs at which the routing of some queries changes."""

    w: FloatArray  # (m,), increasing from 0; a routing holds up to, and without, the next w
    sent: NDArray[np.bool_]  # (n,), whether each query goes to the primary model at w = 0
    mover: NDArray[np.intp]  # (k,), the queries that change sides, in the order in which they do
    step: NDArray[np.intp]  # (k,), position in `w` from which on the query is on its new side

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
    """Find every w at which the routing of these queries changes."""
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

    The shares, which sum to one, are 0 for queries that do not count.
    """
    start = float(share @ (base + np.where(path.sent, move, 0.0)))
    return start + np.cumsum(_at_steps(path, share[path.mover] * _change(path, move)))


def running_moments(
    path: RoutingPath, base: FloatArray, move: FloatArray, share: FloatArray, clusters: Clusters
) -> Moments:
    """Compute the mean of ``base + sent * move`` at every w, its variance and third cumulant.

    Notes
    -----
    With A_g = sum of share z over cluster (or query) g and W_g its weight, the variance of the mean
    m is G / (G - 1) times sum (A_g - m W_g)^2, and its third cumulant sum (A_g - m W_g)^3. A query
    that changes sides moves one A_g by c, hence sum A_g^2 by 2 A_g c + c^2, and so for the cubes:
    the whole path costs one sort.
    """
    import pandas as pd

    mean = running_mean(path, base, move, share)
    cluster = np.arange(share.size) if clusters is None else clusters
    # Values are taken from the mean at w = 0, so that little is lost in the differences below.
    value = base + np.where(path.sent, move, 0.0) - mean[0]
    total, weight = cluster_sums(share * value, cluster), cluster_sums(share, cluster)
    moved = cluster[path.mover]
    change = share[path.mover] * _change(path, move)
    earlier = pd.Series(change).groupby(moved).cumsum().to_numpy() - change
    before = total[moved] + earlier
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


def hoeffding_bentkus(mean: Any, n: Any, limit: float, *, binary: bool = False) -> FloatArray:
    """P value of "the mean is above `limit`" for n independent values in [0, 1].

    It holds in finite samples, whatever the distribution. For `binary` values, which are 0 or 1, it
    is that of the exact binomial test. The observed mean and n are numbers or arrays.

    References
    ----------
    Angelopoulos, Bates, Candès, Jordan and Lei (2021), Learn then test, proposition 2.
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
    used where it raises the p value, and never to lower it. All have the shape (m,); the third is
    the third cumulant of the mean.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(se > 0, mean / se, np.where(mean <= 0, -np.inf, np.inf))
        skewness = np.where(se > 0, third / se**3, 0.0)
        cubic = hall_cubic(t, skewness)
    return np.asarray(stdtr(df, np.where(np.isfinite(cubic), np.maximum(t, cubic), t)))


Method = Literal["auto", "hoeffding_bentkus", "clt", "conformal"]
_FEWEST_ROWS = MINIMUM_SAMPLE_SIZES["gold_rows"].count


@dataclass(frozen=True)
class Tested:
    """A constraint along a path; arrays have the shape (m,)."""

    constrained: ConstrainedMean
    method: str  # "binomial", "hoeffding_bentkus", "clt" or "conformal"
    mean: FloatArray  # what must not exceed zero, in the constraint's own unit
    se: FloatArray  # its standard error, never below that of `least_variance`
    p_value: FloatArray  # of "the constraint is not met"; 0 or 1 if it is met in expectation only
    df: float
    obstacle: Finding | None  # why no labels like those that are there would certify anything

    @property
    def constraint(self) -> Constraint:
        """What is tested."""
        return self.constrained.constraint

    @property
    def distance(self) -> FloatArray:
        """How many errors it lies beyond its limit."""
        return np.divide(self.mean, self.se, out=self.mean.copy(), where=self.se > 0)


def tested_along_path(
    queries: CertifyingQueries, constraints: Sequence[Constraint], method: Method
) -> tuple[RoutingPath, list[Tested]]:
    """Test constraints at every w at which the routing of the queries changes."""
    means = [constrained_mean(constraint, queries) for constraint in constraints]
    path = routing_path(queries.psi_hat, queries.costs[:, 1] - queries.costs[:, 0])
    return path, [tested(mean, path, method) for mean in means]


def tested(constrained: ConstrainedMean, path: RoutingPath, method: Method) -> Tested:
    """Test a constraint at every w of a path, if the method holds for it."""
    chosen = _choose(method, constrained)
    move, clusters = constrained.sign * constrained.move, constrained.queries.clusters
    moments = running_moments(path, constrained.excess(), move, constrained.share, clusters)
    se = np.sqrt(np.maximum(moments.variance, least_variance(constrained)))
    df = max(1.0, constrained.n_units - 1.0)
    obstacle = obstacle_of(constrained) if chosen == "clt" else None
    if obstacle is None and not constrained.share @ constrained.denominator > 0:
        reason = (
            "Always asking the primary model gains nothing on these queries, so that there is no "
            "gap to recover a share of; give min_gain instead."
        )
        obstacle = Finding(Verdict.INCONCLUSIVE, None, reason)
    if obstacle is not None:
        p_value = np.ones(path.w.size)
    elif chosen == "clt":
        p_value = student(moments.mean, se, df, moments.third)
    elif chosen == "binomial":
        # The share and the limit as given, without what arithmetic on bounds leaves of them.
        share = running_mean(path, constrained.base, constrained.move, constrained.share)
        limit = constrained.constraint.limit
        if constrained.constraint.at_least:
            share, limit = 1 - share, 1 - limit
        p_value = hoeffding_bentkus(share, constrained.n, limit, binary=True)
    else:
        scaled, limit = constrained.scaled(moments.mean)
        p_value = hoeffding_bentkus(scaled, constrained.n, limit)
        if chosen == "conformal":
            met = (constrained.n * scaled + 1) / (constrained.n + 1) <= limit
            p_value = np.where(met, 0.0, 1.0)
    return Tested(constrained, chosen, moments.mean, se, p_value, df, obstacle)


def _choose(method: Method, constrained: ConstrainedMean) -> str:
    constraint, queries = constrained.constraint, constrained.queries
    possible = queries.independent and constrained.bounds is not None
    if method == "conformal":
        if not (possible and constraint.only_falls(queries)):
            raise MetaRouterError(
                "method='conformal' holds for bounded losses of exchangeable queries that can only "
                f"fall towards the safe end, which is not said of {constraint.name} here; "
                "max_share, max_cost, max_cost_ratio and max_missed_gain are such losses, with "
                "bounds and without weights or groups."
            )
        return method
    if method == "hoeffding_bentkus" and not possible:
        lacks = "queries of equal weight that stand for themselves"
        if queries.independent:
            lacks = (
                f"bounds for {constraint.name} (gain_bounds= or cost_bounds=; doubly robust "
                "scores have none)"
            )
        raise MetaRouterError(f"method='hoeffding_bentkus' needs {lacks}; use 'clt'.")
    if possible and constraint.is_count:  # there is an exact test, whatever is asked for
        return "binomial"
    return "hoeffding_bentkus" if possible and method != "clt" else "clt"


def obstacle_of(constrained: ConstrainedMean) -> Finding | None:
    """Say why the central limit theorem may not be called upon, None where it may."""
    constraint, is_grouped = constrained.constraint, constrained.queries.clusters is not None
    least = MINIMUM_SAMPLE_SIZES["clusters" if is_grouped else "gold_rows"]
    needed, reason = None, ""
    if least.missing(constrained.n_units):
        noun = "queries" if constraint.is_budget else "gold labels"
        few = scarce(constrained.n_units, "independent groups" if is_grouped else noun)
        needed = _FEWEST_ROWS if constrained.n < _FEWEST_ROWS else None
        reason = f"{few} to judge {constraint.name}; {least.count} would do."
    elif constraint.is_budget or not constrained.denominator.any():
        return None  # Hall's correction sees the tail of known costs; of no gap speaks `tested`
    elif not constrained.share @ constrained.move**2 > 0:
        reason = (
            f"All that the gold labels say about {constraint.name} is 0, which does not tell how "
            "far their mean may be off; give more labels, or gain_bounds."
        )
    elif tail_decides(constrained):
        reason = (
            f"{constraint.name}: the labels are all alike, or a few rare and large ones decide, so "
            "that what has not been seen yet may break it; give gain_bounds, or more labels."
        )
    return Finding(Verdict.INCONCLUSIVE, needed, reason) if reason else None


def tail_decides(constrained: ConstrainedMean) -> bool:
    """Whether a handful of rare and large values decides, or all gold labels are alike.

    The mean of n values, of which a share p is large, has the skewness (n p)^(-1/2): above 0.4
    it rests on six values or fewer. Samples that hold too few of them are then so common, and look
    so harmless, that no correction for skewness keeps its level. Looked at are all labels that are
    there, wherever their queries go, on the side that endangers the constraint. A tail of which the
    sample holds nothing at all cannot be seen: only bounds help there.
    """
    informed = constrained.informed
    if np.ptp(constrained.move[informed > 0]) == 0:
        return True
    for sent in (0.0, 1.0):  # all queries went to one model
        value = constrained.excess(sent)
        influence = informed * (value - informed @ value / informed.sum())
        summed = cluster_sums(influence, constrained.queries.clusters)
        # What rounding leaves of a constant is no spread.
        rounding = 1e-9 * float(np.abs(informed * value).max(initial=0.0))
        if summed @ summed > rounding**2 and skewness_of(summed) > MOST_SKEWNESS:
            return True
    return False


def least_variance(constrained: ConstrainedMean) -> float:
    """Variance of the mean if only thirty informative queries were on their own side.

    Where nearly all queries go to one model, the few others may all happen to be alike, or be
    missing, and the variance in the sample comes out far too small. The central limit theorem
    knows nothing there; with this floor it never claims more than thirty such queries could show,
    those of one group being taken for one.
    """
    informed = constrained.informed
    summed = cluster_sums(informed, constrained.queries.clusters)
    # The number of equal shares that would leave as much uncertainty (Kish 1965).
    n_queries, n_units = (share.sum() ** 2 / (share @ share) for share in (informed, summed))
    second_moment = float(constrained.share @ constrained.move**2)
    fewest = float(_FEWEST_ROWS)
    if not constrained.constraint.is_budget:
        # Rare and large values carry the variance: it takes more queries to have seen enough.
        fourth_moment = float(constrained.share @ constrained.move**4) * float(informed.sum())
        kurtosis = fourth_moment / max(second_moment**2, np.finfo(float).tiny)
        fewest *= max(1.0, kurtosis / USUAL_KURTOSIS)
    return float(min(1.0, fewest / n_queries) * second_moment / n_units)


def passed_in_sequence(
    tests: Sequence[Tested],
    position: NDArray[np.intp],
    delta: float,
    order: NDArray[np.intp] | None = None,
) -> NDArray[np.bool_]:
    """Test positions along a learned order, or in their own (of growing w) from both safe ends.

    What is tested is the largest p value, of "some constraint is not met"; sequences have equal
    parts of delta. Returns what each of them passes, shape (n_sequences, n_positions).
    """
    from mapie.risk_control import control_fwer

    if order is None:
        growing = np.arange(position.size)
        budgets = [test for test in tests if test.constraint.is_budget]
        others = [test for test in tests if not test.constraint.is_budget]
        both = ((growing[::-1], budgets), (growing, others))
        sequences = [(along, of_kind) for along, of_kind in both if of_kind]
    else:
        sequences = [(order, list(tests))]
    passed = np.zeros((len(sequences), position.size), dtype=bool)
    for one, (along, of_kind) in zip(passed, sequences, strict=True):
        p_value = np.max([test.p_value for test in of_kind], axis=0)[position][along]
        one[along[control_fwer(p_value, delta / len(sequences), "fixed_sequence")]] = True
    return passed


_SHARE_LEARNED_ON = 1 / 3
_MOST_POINTS_LEARNED = 100


def split(queries: CertifyingQueries, seed: int) -> tuple[CertifyingQueries, CertifyingQueries]:
    """Part the queries in two, whole clusters and gold labels alike; the first is the smaller."""
    cluster = np.arange(queries.weight.size) if queries.clusters is None else queries.clusters
    has_gold = np.zeros(int(cluster.max()) + 1, dtype=bool)
    if queries.gain is not None:
        has_gold[cluster[queries.gain.is_gold]] = True
    rng = np.random.default_rng(seed)
    first = np.zeros(has_gold.size, dtype=bool)
    for kind in (has_gold, ~has_gold):
        shuffled = rng.permutation(np.flatnonzero(kind))
        first[shuffled[: round(_SHARE_LEARNED_ON * shuffled.size)]] = True
    if not first.any():
        raise DataError(f"{has_gold.size} independent queries are too few to split; give more.")
    rows = first[cluster]
    return queries.taken(np.flatnonzero(rows)), queries.taken(np.flatnonzero(~rows))


def learned_order(
    path: RoutingPath, tests: Sequence[Tested], points: FloatArray | None
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Order trade-offs from the most to the least promising."""
    if points is None:
        even = np.linspace(0, path.w.size - 1, _MOST_POINTS_LEARNED)
        points = path.w[np.unique(even.round().astype(int))]
    worst = np.max([test.distance for test in tests], axis=0)
    return points, np.argsort(worst[path.at(points)], kind="stable")


def hardest_on_the_way(test: Tested, search: str) -> NDArray[np.intp]:
    """Return where the worst value lies that must be passed to get to every position, shape (m,).

    A sequence from an end must pass all that lies before a position.
    """
    place = np.arange(test.mean.size)
    if search == "split":
        return place
    along = place[::-1] if test.constraint.is_budget else place
    distance = test.distance[along]
    is_worst = distance == np.maximum.accumulate(distance)
    hardest = np.empty_like(place)
    hardest[along] = along[np.maximum.accumulate(np.where(is_worst, place, 0))]
    return hardest


_MOST_ROWS = 10_000_000


def rows_to_certify(test: Tested, position: int, level: float) -> float:
    """Count the rows with which one position would be passed, infinite if no number would do.

    The position is the most promising, chosen by looking: the counts are on the low side.
    """
    constrained, n, mean = test.constrained, test.constrained.n, float(test.mean[position])
    if test.method == "clt":
        margin = float(stdtrit(test.df, 1 - level) * test.se[position])
        wanted = rows_needed(n, margin, -mean)
        return np.inf if wanted is None or wanted > _MOST_ROWS else max(wanted, _FEWEST_ROWS)
    scaled, limit = constrained.scaled(mean)
    if test.method == "conformal":
        return max(n, int(np.ceil((1 - limit) / (limit - scaled))))

    def passes(size: int) -> bool:
        binary = test.method == "binomial"
        return bool(hoeffding_bentkus(scaled, size, limit, binary=binary) <= level)

    few = many = n
    while not passes(many):
        few, many = many, 2 * many
        if many > _MOST_ROWS:
            return np.inf
    while many - few > max(1, few // 100):
        middle = (few + many) // 2
        few, many = (few, middle) if passes(middle) else (middle, many)
    return many
