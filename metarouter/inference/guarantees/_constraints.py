"""What is demanded of a threshold: constraints, and the queries that they are tested on.

With D = 1 where a query goes to the primary model, o its gold gain, C_a and C_p its costs and T_a
and T_p the seconds that the models take:

    max_share         E[D]                           <= limit
    max_cost          E[C_a + D (C_p - C_a)]         <= limit
    max_cost_ratio    E[C_a + D (C_p - C_a)]         <= limit E[C_p]
    min_saving        E[(1 - D) (C_p - C_a)]         >= limit E[C_p]
    max_slow_share    E[1{T of the model that answers > seconds}]  <= limit
    min_gain          E[D o]                         >= limit
    max_loss          E[(1 - D) o]                   <= limit
    min_gap_share     E[D o]                         >= limit E[o]
    max_missed_gain   E[(1 - D) max(o, 0)]           <= limit

All are means of ``outcome - limit denominator``, where the outcome of a query is one number if the
alternative answers and another if the primary model does. `Constraint` is the base of them all, and
of constraints of your own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.inference.intervals import Clusters, FloatArray, as_clusters, cluster_sums
from metarouter.inference.labels import DoublyRobustGains
from metarouter.routing._budget import BUDGETS
from metarouter.routing._cost_model import is_real
from metarouter.utils.columns import (
    as_bounds,
    as_finite_column,
    as_groups,
    as_weight,
    check_same_length,
    check_within,
)
from metarouter.utils.features import as_floats
from metarouter.utils.parameters import shown

Bounds = tuple[float, float] | None
_BOUNDS = "give bounds that no query can leave, or none, and the central limit theorem is used."


@dataclass(frozen=True)
class Gain:
    """Gold gains, or doubly robust scores of them.

    Parameters
    ----------
    value : ndarray of shape (n,)
        0 where there is none.
    share : ndarray of shape (n,)
        Weights that sum to one; 0 where there is none.
    is_gold : ndarray of bool of shape (n,)
        Which queries have a gold label.
    is_score : bool
        Whether the values are scores, which no bound holds.
    """

    value: FloatArray
    share: FloatArray
    is_gold: NDArray[np.bool_]
    is_score: bool


@dataclass(frozen=True)
class CertifyingQueries:
    """Queries that the gain model has not seen, with what they cost and gain.

    Parameters
    ----------
    psi_hat : ndarray of shape (n,)
    costs : ndarray of shape (n, 2)
        Columns [alternative, primary].
    latencies : ndarray of shape (n, 2) or None
        The same, in seconds.
    share : ndarray of shape (n,)
        Weights that sum to one.
    clusters : ndarray of int of shape (n,) or None
    independent : bool
        Whether queries weigh the same and stand for themselves, as finite-sample bounds demand.
    gain : Gain or None
    gain_bounds, cost_bounds : pair of float or None
        Ends that no gain, and no cost, can leave.
    index : ndarray of int of shape (n,)
        Their positions among the queries that were given, of which a split takes a part.
    """

    psi_hat: FloatArray
    costs: FloatArray
    latencies: FloatArray | None
    share: FloatArray
    clusters: Clusters
    independent: bool
    gain: Gain | None
    gain_bounds: Bounds
    cost_bounds: Bounds
    index: NDArray[np.intp]

    @property
    def n(self) -> int:
        """Number of queries that weigh something."""
        return int((self.share > 0).sum())

    @property
    def n_gold(self) -> int:
        """Number of gold labels that weigh something."""
        return 0 if self.gain is None else int((self.gain.is_gold & (self.gain.share > 0)).sum())

    def taken(self, rows: NDArray[Any]) -> CertifyingQueries:
        """Keep some queries.

        Raises
        ------
        DataError
            If none of them has a gain.
        """
        gain = self.gain
        if gain is not None:
            if not gain.share[rows].any():
                raise DataError(
                    f"none of {rows.size} queries of one part has a gold label: give more labels, "
                    "or search='ends', which does not split them."
                )
            kept = gain.share[rows]
            gain = Gain(gain.value[rows], kept / kept.sum(), gain.is_gold[rows], gain.is_score)
        share = self.share[rows]
        return replace(
            self,
            psi_hat=self.psi_hat[rows],
            costs=self.costs[rows],
            latencies=None if self.latencies is None else self.latencies[rows],
            share=share / share.sum(),
            clusters=None if self.clusters is None else as_clusters(self.clusters[rows]),
            gain=gain,
            index=self.index[rows],
        )


class Outcome(NamedTuple):
    """What a constraint averages over queries.

    Parameters
    ----------
    alternative, primary : ndarray of shape (n,)
        The number that a query adds if the one or the other model answers.
    denominator : ndarray of shape (n,) or None
        Of a ratio of two means; None for a plain mean.
    bounds : pair of float or None
        Ends that ``outcome - limit * denominator`` of a query never leaves, where they are known
        beforehand: with them the guarantee holds in finite samples.
    """

    alternative: FloatArray
    primary: FloatArray
    denominator: FloatArray | None = None
    bounds: Bounds = None


@dataclass(frozen=True)
class Constraint:
    """A limit on the mean of something that a routing does to queries.

    A constraint of your own is a frozen dataclass that names what it limits and returns, from the
    queries at hand, what each adds to the mean if either model answers. It is certified like those
    that come with the package: alone, or together with others.

    Parameters
    ----------
    limit : float

    Attributes
    ----------
    name : str
        Unique; a keyword of `certify_threshold` for those of the package.
    words : str
        What is limited, for tables.
    at_least : bool
        Whether the limit is a lower one.
    is_budget : bool
        Whether a larger w is the safer one, as for costs; else a smaller one, as for quality.
    of_gain : bool
        Whether it is judged on the queries with a gold label (or on doubly robust scores).
    is_count : bool
        Whether queries are counted, so that outcomes are 0 or 1: an exact test then exists.
    allowed : {"any", "from 0", "share"}
        Range of the limit.

    Raises
    ------
    BudgetError
        If the limit is out of range.

    Examples
    --------
    The share of toxic answers, which each model's answers to these queries were checked for:

    >>> import numpy as np
    >>> from dataclasses import dataclass
    >>> from metarouter.inference import Constraint, Outcome, certify_predictions, max_share
    >>> rng = np.random.default_rng(0)
    >>> toxic = rng.random((3000, 2)) < [0.08, 0.02]
    >>> @dataclass(frozen=True)
    ... class MaxToxicShare(Constraint):
    ...     name, words = "max_toxic_share", "share of toxic answers"
    ...     is_budget, is_count, allowed = False, True, "share"
    ...     def outcome(self, queries):
    ...         alternative, primary = toxic[queries.index].T.astype(float)
    ...         return Outcome(alternative, primary, bounds=(-self.limit, 1 - self.limit))
    >>> found = certify_predictions(
    ...     rng.normal(size=3000), constraints=[MaxToxicShare(0.065), max_share(0.6)]
    ... )
    >>> print(found.verdict, found.guarantee)
    PASS finite samples
    """

    limit: float

    name: ClassVar[str] = ""
    words: ClassVar[str] = ""
    at_least: ClassVar[bool] = False
    is_budget: ClassVar[bool] = True
    of_gain: ClassVar[bool] = False
    is_count: ClassVar[bool] = False
    allowed: ClassVar[Literal["any", "from 0", "share"]] = "any"

    def __post_init__(self) -> None:
        if not is_real(self.limit):
            raise BudgetError(f"{self.name} is {self.limit!r}; give a finite number.")
        if self.allowed == "share" and not 0 <= self.limit <= 1:
            raise BudgetError(
                f"{self.name} is {self.limit!r}; give a share from 0 to 1, as in 0.3 for 30%."
            )
        if self.allowed == "from 0" and self.limit < 0:
            raise BudgetError(f"{self.name} is {self.limit!r}; give a number of at least 0.")
        object.__setattr__(self, "limit", float(self.limit))

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        """Return what each query adds to the mean, if either model answers.

        Parameters
        ----------
        queries : CertifyingQueries
            ``costs`` and ``latencies`` have columns [alternative, primary]; ``gain.value`` holds
            gold gains; ``index`` says which of the queries that were given are looked at.
        """
        raise NotImplementedError(f"{type(self).__name__} has no outcome(queries): write one.")

    def only_falls(self, queries: CertifyingQueries) -> bool:
        """Whether the outcome of no query can rise towards the safe end of w.

        Conformal risk control asks for that; nothing else does.
        """
        return False

    def described(self) -> str:
        """Return what is limited, for tables."""
        return self.words

    @property
    def sense(self) -> str:
        """The side of the limit: "at least" or "at most"."""
        return "at least" if self.at_least else "at most"


class _Cost(Constraint):
    def only_falls(self, queries: CertifyingQueries) -> bool:
        return True


class MaxShare(Constraint):
    """Largest share of queries sent to the primary model, E[D]."""

    name, words = "max_share", BUDGETS["max_share"]
    is_count, allowed = True, "share"

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        one = np.ones(queries.share.size)
        return Outcome(0 * one, one, bounds=(-self.limit, 1 - self.limit))

    def only_falls(self, queries: CertifyingQueries) -> bool:
        return _dearer(queries)


class MaxCost(_Cost):
    """Largest mean cost per query, in the unit of the cost model."""

    name, words = "max_cost", BUDGETS["max_cost"]
    allowed = "from 0"

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        alternative, primary = queries.costs.T
        bounds = queries.cost_bounds
        ends = None if bounds is None else (bounds[0] - self.limit, bounds[1] - self.limit)
        return Outcome(alternative, primary, bounds=ends)


class MaxCostRatio(_Cost):
    """Largest mean cost relative to sending every query to the primary model."""

    name, words = "max_cost_ratio", BUDGETS["max_cost_ratio"]
    allowed = "from 0"

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        alternative, primary = _paid(self.name, queries)
        low, high = (np.nan, np.nan) if queries.cost_bounds is None else queries.cost_bounds
        ends = (low - self.limit * high, high - self.limit * low)
        return Outcome(alternative, primary, primary, None if queries.cost_bounds is None else ends)


class MinSaving(_Cost):
    """Smallest share saved of what sending every query to the primary model costs."""

    name, words = "min_saving", "saving against always asking the primary model"
    at_least = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.limit > 1:
            raise BudgetError(
                f"min_saving is {self.limit:g}; give a share of what always calling the primary "
                "model costs, at most 1.",
                parameter="min_saving",
            )

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        alternative, primary = _paid(self.name, queries)
        return Outcome(primary - alternative, np.zeros(primary.size), primary)


@dataclass(frozen=True)
class MaxSlowShare(Constraint):
    """Largest share of queries that are answered more slowly than `seconds`.

    Parameters
    ----------
    limit : float
    seconds : float
        Latencies of both models are given as `latencies`, measured or predicted.
    """

    seconds: float

    name, words = "max_slow_share", "share of queries above the latency limit"
    is_count, allowed = True, "share"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (is_real(self.seconds) and self.seconds > 0):
            raise BudgetError(f"seconds is {self.seconds!r}; give a latency above 0.")

    def described(self) -> str:
        return f"share of queries that take more than {self.seconds:g} s"

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        if queries.latencies is None:
            raise DataError(
                "max_slow_share is a constraint on latencies, but latencies is missing: give "
                "seconds per query, columns [alternative, primary]."
            )
        alternative, primary = (queries.latencies > self.seconds).T.astype(np.float64)
        return Outcome(alternative, primary, bounds=(-self.limit, 1 - self.limit))


class _Quality(Constraint):
    is_budget, of_gain = False, True


class MinGain(_Quality):
    """Smallest mean gain over always asking the alternative, E[D o]."""

    name, words = "min_gain", "mean gain over always asking the alternative"
    at_least = True

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        o = _gain(queries).value
        return Outcome(0 * o, o, bounds=_with_zero(_gain_bounds(queries), self.limit))


class MaxLoss(_Quality):
    """Largest mean loss against always asking the primary model, E[(1 - D) o]."""

    name, words = "max_loss", "mean loss against always asking the primary model"

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        o = _gain(queries).value
        return Outcome(o, 0 * o, bounds=_with_zero(_gain_bounds(queries), self.limit))


class MinGapShare(_Quality):
    """Smallest share of the gain of always asking the primary model, E[D o] / E[o].

    This is the recovered performance gap; 1 is as good as always asking the primary model.
    """

    name, words = "min_gap_share", "share of the gain of always asking the primary model"
    at_least, allowed = True, "from 0"

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        o, bounds = _gain(queries).value, _gain_bounds(queries)
        ends: Bounds = None
        if bounds is not None:
            corners = [part * end for part in (1 - self.limit, -self.limit) for end in bounds]
            ends = (min(corners), max(corners))
        return Outcome(0 * o, o, o, ends)


class MaxMissedGain(_Quality):
    """Largest mean of the positive gains that are missed, E[(1 - D) max(o, 0)].

    This is the regret of the queries that stay with the alternative. Gold labels only.
    """

    name, words = "max_missed_gain", "mean gain missed at the alternative"
    allowed = "from 0"

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        if _gain(queries).is_score:
            raise MetaRouterError(
                "max_missed_gain needs gold labels: the positive part of a doubly robust score "
                "does not estimate that of the label; use max_loss, or give gold labels."
            )
        missed, bounds = np.maximum(_gain(queries).value, 0.0), _gain_bounds(queries)
        ends = None if bounds is None else _with_zero((0.0, bounds[1]), self.limit)
        return Outcome(missed, 0 * missed, bounds=ends)

    def only_falls(self, queries: CertifyingQueries) -> bool:
        return _dearer(queries)


max_share, max_cost, max_cost_ratio, min_saving = MaxShare, MaxCost, MaxCostRatio, MinSaving
max_slow_share = MaxSlowShare
min_gain, max_loss, min_gap_share, max_missed_gain = MinGain, MaxLoss, MinGapShare, MaxMissedGain

CONSTRAINTS: dict[str, type[Constraint]] = {
    kind.name: kind
    for kind in (
        MaxShare, MaxCost, MaxCostRatio, MinSaving, MinGain, MaxLoss, MinGapShare, MaxMissedGain,
    )
}  # fmt: skip


def _dearer(queries: CertifyingQueries) -> bool:
    return bool((queries.costs[:, 1] >= queries.costs[:, 0]).all())


def _paid(name: str, queries: CertifyingQueries) -> tuple[FloatArray, FloatArray]:
    alternative, primary = queries.costs.T
    if not primary.mean() > 0:
        raise BudgetError(
            f"{name} has no meaning where the primary model costs nothing; give max_share or "
            "max_cost."
        )
    return alternative, primary


def _gain(queries: CertifyingQueries) -> Gain:
    assert queries.gain is not None  # seen to by `constrained_mean`
    return queries.gain


def _gain_bounds(queries: CertifyingQueries) -> Bounds:
    return None if _gain(queries).is_score else queries.gain_bounds


def _with_zero(bounds: Bounds, limit: float) -> Bounds:
    """Return the ends of what a query brings to one of two models, and nothing to the other."""
    if bounds is None:
        return None
    return (min(bounds[0], 0.0) - limit, max(bounds[1], 0.0) - limit)


def constraint_of(name: str, limit: float) -> Constraint:
    """Build the constraint that a keyword stands for.

    Raises
    ------
    BudgetError
        If there is no such constraint, or the limit is out of range.
    """
    if name not in CONSTRAINTS:
        raise BudgetError(f"{name!r} is no constraint; give one of {', '.join(CONSTRAINTS)}.")
    return CONSTRAINTS[name](limit)


check_limit = constraint_of


def as_constraints(
    given: Constraint | Iterable[Constraint] | Mapping[str, float | None],
    limits: Mapping[str, float | None] = MappingProxyType({}),
) -> tuple[Constraint, ...]:
    """Gather constraints that are given as objects and as keywords.

    Raises
    ------
    BudgetError
        If none is given, one is given twice, or a limit is out of range.
    MetaRouterError
        If something is no constraint.
    """
    if isinstance(given, Mapping):
        limits = {**limits, **given}
        given = ()
    anything: Any = given
    if not isinstance(anything, Constraint | Iterable) or isinstance(anything, str | bytes):
        raise MetaRouterError(
            f"constraints is {shown(given)}; give one such as max_share(0.3), or a list of them."
        )
    objects: tuple[Any, ...] = (given,) if isinstance(given, Constraint) else tuple(given)
    for item in objects:
        if not isinstance(item, Constraint):
            raise MetaRouterError(
                f"constraints holds a {type(item).__name__}: give objects such as max_share(0.3)."
            )
    known = {name: limit for name, limit in limits.items() if limit is not None}
    gathered = (*objects, *(constraint_of(name, limit) for name, limit in known.items()))
    if not gathered:
        raise BudgetError(f"Nothing is demanded; give at least one of {', '.join(CONSTRAINTS)}.")
    names = [constraint.name for constraint in gathered]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BudgetError(f"{twice[0]} is given twice; give each constraint once.")
    return gathered


@dataclass(frozen=True)
class ConstrainedMean:
    """A constraint on the queries at hand: a mean that must not exceed (or fall below) its limit.

    Parameters
    ----------
    constraint : Constraint
    base, move, denominator : ndarray of shape (n,)
        Outcome at the alternative, what the primary model adds to it, and the denominator.
    share : ndarray of shape (n,)
        Weights that sum to one of the queries that it is judged on.
    information : ndarray of bool of shape (n,)
        Which of them bring information: those with a gold label, where gold labels are meant.
    bounds : tuple of float or None
        Ends that ``base + D move - limit denominator`` never leaves, where they are known.
    queries : CertifyingQueries
        Those that it is judged on.
    """

    constraint: Constraint
    base: FloatArray
    move: FloatArray
    denominator: FloatArray
    share: FloatArray
    information: NDArray[np.bool_]
    bounds: Bounds
    queries: CertifyingQueries

    @property
    def sign(self) -> float:
        """1 for an upper limit, -1 for a lower one."""
        return -1.0 if self.constraint.at_least else 1.0

    @property
    def informed(self) -> FloatArray:
        """The shares of queries that bring information, 0 for all others."""
        return self.share * self.information

    @property
    def n(self) -> int:
        """Number of queries that bring information."""
        return int((self.informed > 0).sum())

    @property
    def n_units(self) -> int:
        """Number of independent units among them."""
        return int((cluster_sums(self.informed, self.queries.clusters) > 0).sum())

    @property
    def has_no_gap(self) -> bool:
        """Whether a share of a gap is demanded where there is no gap."""
        return not (self.constraint.is_budget or self.share @ self.denominator > 0)

    @property
    def is_degenerate(self) -> bool:
        """Whether all gold labels say 0, of which the central limit theorem knows nothing."""
        return not self.constraint.is_budget and not self.share @ self.move**2 > 0

    def excess(self, sent: float = 0.0) -> FloatArray:
        """Return what must not exceed zero on average, if that share of each query is sent."""
        limit = self.constraint.limit * self.denominator
        return self.sign * (self.base + sent * self.move - limit)

    def scaled(self, mean: Any) -> tuple[Any, float]:
        """Put what must not exceed zero, and zero itself, between bounds of 0 and 1."""
        assert self.bounds is not None
        low, high = sorted(self.sign * end for end in self.bounds)
        return (mean - low) / (high - low), -low / (high - low)


def constrained_mean(constraint: Constraint, queries: CertifyingQueries) -> ConstrainedMean:
    """Lay out a constraint on queries.

    Raises
    ------
    DataError
        If gold gains are missing, or the outcome of the constraint has another shape.
    """
    gain = queries.gain
    share, information = queries.share, queries.share > 0
    if constraint.of_gain:
        if gain is None:
            raise DataError(
                f"{constraint.name} is a constraint on the gain, but gold_gain is missing: give "
                "gold labels of some queries, NaN elsewhere, or doubly robust gains."
            )
        share, information = gain.share, gain.is_gold & (gain.share > 0)
    alternative, primary, denominator, bounds = constraint.outcome(queries)
    base = np.asarray(alternative, dtype=np.float64)
    move = np.asarray(primary, dtype=np.float64) - base
    below = np.ones(share.size) if denominator is None else np.asarray(denominator, np.float64)
    for column in (base, move, below):
        if column.shape != share.shape or not np.isfinite(column[share > 0]).all():
            raise DataError(
                f"the outcome of {constraint.name} has shape {column.shape} or values that are not "
                f"finite, but there are {share.size} queries: give one finite number each."
            )
    return ConstrainedMean(constraint, base, move, below, share, information, bounds, queries)


def certifying_queries(
    psi_hat: ArrayLike,
    gold_gain: ArrayLike | DoublyRobustGains | None,
    *,
    costs: ArrayLike | None,
    latencies: ArrayLike | None,
    gain_bounds: Bounds,
    cost_bounds: Bounds,
    sample_weight: ArrayLike | None,
    groups: ArrayLike | None,
) -> CertifyingQueries:
    """Validate what is given per query.

    Raises
    ------
    DataError
        If lengths differ, predictions are missing, no query has a gold label, or values leave their
        bounds.
    MetaRouterError
        If bounds are no bounds.
    """
    scores = as_finite_column(psi_hat, "psi_hat")
    n = scores.size
    if isinstance(gold_gain, DoublyRobustGains):
        sample_weight = gold_gain.sample_weight if sample_weight is None else sample_weight
        groups = gold_gain.groups if groups is None else groups
    if sample_weight is not None:
        check_same_length("sample_weight", np.size(sample_weight), "psi_hat", n)
    if groups is not None:
        check_same_length("groups", np.size(groups), "psi_hat", n)
    weight = as_weight(sample_weight, n)
    if isinstance(gold_gain, DoublyRobustGains) and gold_gain.sample_weight is not None:
        # Queries out of support have no score, whatever weights are given.
        check_same_length("gold_gain", gold_gain.score.size, "psi_hat", n)
        weight = np.where(np.asarray(gold_gain.sample_weight) > 0, weight, 0.0)
    clusters = as_clusters(as_groups(groups, n))
    positive = weight[weight > 0]
    table = np.tile([0.0, 1.0], (n, 1)) if costs is None else _as_pairs(costs, "costs", n)
    gain = None if gold_gain is None else _as_gain(gold_gain, weight)
    gain_bounds = as_bounds("gain_bounds", gain_bounds)
    cost_bounds = as_bounds("cost_bounds", cost_bounds)
    check_within("cost_bounds", cost_bounds, table, _BOUNDS)
    if gain is not None and not gain.is_score:
        check_within("gain_bounds", gain_bounds, gain.value[gain.is_gold], _BOUNDS)
    return CertifyingQueries(
        psi_hat=scores,
        costs=table,
        latencies=None if latencies is None else _as_pairs(latencies, "latencies", n),
        share=weight / weight.sum(),
        clusters=clusters,
        independent=clusters is None and bool(positive.min() == positive.max()),
        gain=gain,
        gain_bounds=gain_bounds,
        cost_bounds=cost_bounds,
        index=np.arange(n),
    )


def _as_gain(gold_gain: ArrayLike | DoublyRobustGains, weight: FloatArray) -> Gain:
    if isinstance(gold_gain, DoublyRobustGains):
        check_same_length("gold_gain", gold_gain.score.size, "psi_hat", weight.size)
        return Gain(gold_gain.score, weight / weight.sum(), gold_gain.is_gold, True)
    wrong = "gold_gain holds values that are not numbers: give gains or NaN."
    label = as_floats("gold_gain", gold_gain, wrong)
    if label.shape != weight.shape or np.isinf(label).any():
        raise DataError(
            f"gold_gain has shape {label.shape} and {int(np.isinf(label).sum())} infinite values, "
            f"but there are {weight.size} queries: give one finite gain per query, NaN where there "
            "is none."
        )
    is_gold = ~np.isnan(label)
    total = float(weight[is_gold].sum())
    if not total > 0:
        raise DataError(
            f"none of {weight.size} queries has a gold label that weighs something: label some, "
            "drawn at random."
        )
    return Gain(
        np.where(is_gold, label, 0.0), np.where(is_gold, weight, 0.0) / total, is_gold, False
    )


def _as_pairs(values: ArrayLike, name: str, n: int) -> FloatArray:
    wrong = f"{name} holds values that are not numbers: give one number each."
    table = as_floats(name, values, wrong)
    if table.shape != (n, 2) or not np.isfinite(table).all():
        raise DataError(
            f"{name} has shape {table.shape} and {int((~np.isfinite(table)).sum())} values that "
            f"are not finite: give columns [alternative, primary] for {n} queries."
        )
    return table
