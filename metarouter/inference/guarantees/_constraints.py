"""Constraints on a threshold, and the queries that they are tested on.

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

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.inference._result import renamed
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

Bounds = tuple[float, float] | None
_BOUNDS = "give bounds that no query can leave, or none, and the central limit theorem is used."


class Gain(NamedTuple):
    """Gold gains, or doubly robust scores of them, in columns of shape (n,)."""

    value: FloatArray  # 0 where there is none
    is_gold: NDArray[np.bool_]  # which queries have a gold label
    is_score: bool  # whether the values are scores, which no bound holds


@dataclass(frozen=True)
class CertifyingQueries:
    """Queries that the gain model has not seen, with what they cost and gain.

    Columns have the shape (n,), or (n, 2): [alternative, primary].
    """

    psi_hat: FloatArray
    costs: FloatArray
    latencies: FloatArray | None  # in seconds
    weight: FloatArray
    clusters: Clusters
    independent: bool  # weigh the same, stand for themselves, as finite-sample bounds demand
    gain: Gain | None
    gain_bounds: Bounds  # ends that no gain, and no cost, can leave
    cost_bounds: Bounds
    index: NDArray[np.intp]  # positions among those that were given, of which a split takes a part

    def taken(self, rows: NDArray[Any]) -> CertifyingQueries:
        """Keep some queries."""
        part: dict[str, Any] = {
            name: column[rows]
            for name, column in vars(self).items()
            if isinstance(column, np.ndarray)
        }
        if self.gain is not None:
            value, is_gold, is_score = self.gain
            part["gain"] = Gain(value[rows], is_gold[rows], is_score)
        return replace(self, **part | {"clusters": as_clusters(part.get("clusters"))})


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
        beforehand: with them the guarantee holds in finite samples. Counts need none.
    """

    alternative: FloatArray
    primary: FloatArray
    denominator: FloatArray | None = None
    bounds: Bounds = None


_ALLOWED = {
    "any": (-np.inf, np.inf, "a finite number"),
    "from 0": (0.0, np.inf, "a number of at least 0"),
    "share": (0.0, 1.0, "a share from 0 to 1, as in 0.3 for 30%"),
    "saving": (-np.inf, 1.0, "a share of what always calling the primary model costs, at most 1"),
}


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
    description : str
        What is limited, for tables.
    at_least : bool
        Whether the limit is a lower one.
    is_budget : bool
        Whether a larger w is the safer one, as for costs; else a smaller one, as for quality.
    of_gain : bool
        Whether it is judged on the queries with a gold label (or on doubly robust scores).
    is_count : bool
        Whether queries are counted, so that outcomes are 0 or 1: an exact test then exists.
    allowed : {"any", "from 0", "share", "saving"}
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
    ...     name, description = "max_toxic_share", "share of toxic answers"
    ...     is_budget, is_count, allowed = False, True, "share"
    ...     def outcome(self, queries):
    ...         alternative, primary = toxic[queries.index].T.astype(float)
    ...         return Outcome(alternative, primary)
    >>> found = certify_predictions(
    ...     rng.normal(size=3000), constraints=[MaxToxicShare(0.065), max_share(0.6)]
    ... )
    >>> print(found.verdict, found.guarantee)
    PASS finite samples
    """

    limit: float

    name: ClassVar[str] = ""
    description: ClassVar[str] = ""
    at_least: ClassVar[bool] = False
    is_budget: ClassVar[bool] = True
    of_gain: ClassVar[bool] = False
    is_count: ClassVar[bool] = False
    allowed: ClassVar[Literal["any", "from 0", "share", "saving"]] = "any"

    words = renamed("description")

    def __init_subclass__(cls) -> None:
        if isinstance(vars(cls).get("words"), str):  # set by its former name
            cls.description = cls.words

    def __post_init__(self) -> None:
        low, high, wanted = _ALLOWED[self.allowed]
        if not (is_real(self.limit) and low <= self.limit <= high):
            raise BudgetError(f"{self.name} is {self.limit!r}; give {wanted}.", parameter=self.name)
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

    @property
    def sense(self) -> str:
        """The side of the limit: "at least" or "at most"."""
        return "at least" if self.at_least else "at most"


def _with_bounds(
    outcome_of: Callable[..., Outcome], columns: Sequence[FloatArray], ends: Bounds, limit: float
) -> Outcome:
    """Return an outcome that is monotone in each column, with its bounds if those have any."""
    outcome = outcome_of(*columns)
    if ends is None:
        return outcome
    extreme = outcome_of(*np.meshgrid(*[ends] * len(columns)))
    below = 1.0 if extreme.denominator is None else extreme.denominator
    excess = np.array([extreme.alternative, extreme.primary]) - limit * below
    return outcome._replace(bounds=(float(excess.min()), float(excess.max())))


def _primary_never_costs_less(_: Constraint, queries: CertifyingQueries) -> bool:
    return bool((queries.costs[:, 1] >= queries.costs[:, 0]).all())


class MaxShare(Constraint):
    """Largest share of queries sent to the primary model, E[D]."""

    name, description = "max_share", BUDGETS["max_share"]
    is_count, allowed = True, "share"
    only_falls = _primary_never_costs_less

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        return Outcome(np.zeros(queries.weight.size), np.ones(queries.weight.size))


class _Cost(Constraint):
    """A limit on what is paid; `_outcome_of` is that of the costs of both models."""

    _outcome_of: ClassVar[Callable[..., Outcome]]

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        return _with_bounds(self._outcome_of, [*queries.costs.T], queries.cost_bounds, self.limit)

    def only_falls(self, queries: CertifyingQueries) -> bool:
        return True


class MaxCost(_Cost):
    """Largest mean cost per query, in the unit of the cost model."""

    name, description = "max_cost", BUDGETS["max_cost"]
    allowed = "from 0"

    def _outcome_of(self, alternative: FloatArray, primary: FloatArray) -> Outcome:
        return Outcome(alternative, primary)


class MaxCostRatio(_Cost):
    """Largest mean cost relative to sending every query to the primary model."""

    name, description = "max_cost_ratio", BUDGETS["max_cost_ratio"]
    allowed = "from 0"

    def _outcome_of(self, alternative: FloatArray, primary: FloatArray) -> Outcome:
        return Outcome(alternative, primary, primary)


class MinSaving(Constraint):
    """Smallest share saved of what sending every query to the primary model costs."""

    name, description = "min_saving", "saving against always asking the primary model"
    at_least, allowed = True, "saving"

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        alternative, primary = queries.costs.T
        return Outcome(primary - alternative, 0 * primary, primary)


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

    name, is_count, allowed = "max_slow_share", True, "share"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (is_real(self.seconds) and self.seconds > 0):
            raise BudgetError(f"seconds is {self.seconds!r}; give a latency above 0.")
        text = f"share of queries that take more than {self.seconds:g} s"
        object.__setattr__(self, "description", text)

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        if queries.latencies is None:
            raise DataError(
                "max_slow_share is a constraint on latencies, but latencies is missing: give "
                "seconds per query, columns [alternative, primary]."
            )
        return Outcome(*(queries.latencies > self.seconds).T.astype(np.float64))


class _Quality(Constraint):
    """A limit on gains; `_outcome_of` is that of gains o."""

    is_budget, of_gain = False, True
    _outcome_of: ClassVar[Callable[..., Outcome]]

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        gain = queries.gain
        assert gain is not None  # seen to by `constrained_mean`
        ends = None if gain.is_score else queries.gain_bounds
        return _with_bounds(self._outcome_of, [gain.value], ends, self.limit)


class MinGain(_Quality):
    """Smallest mean gain over always asking the alternative, E[D o]."""

    name, description = "min_gain", "mean gain over always asking the alternative"
    at_least = True

    def _outcome_of(self, o: FloatArray) -> Outcome:
        return Outcome(0 * o, o)


class MinGapShare(_Quality):
    """Smallest share of the gain of always asking the primary model, E[D o] / E[o].

    This is the recovered performance gap; 1 is as good as always asking the primary model.
    """

    name, description = "min_gap_share", "share of the gain of always asking the primary model"
    at_least, allowed = True, "from 0"

    def _outcome_of(self, o: FloatArray) -> Outcome:
        return Outcome(0 * o, o, o)


class MaxLoss(_Quality):
    """Largest mean loss against always asking the primary model, E[(1 - D) o]."""

    name, description = "max_loss", "mean loss against always asking the primary model"

    def _outcome_of(self, o: FloatArray) -> Outcome:
        return Outcome(o, 0 * o)


class MaxMissedGain(_Quality):
    """Largest mean of the positive gains that are missed, E[(1 - D) max(o, 0)].

    This is the regret of the queries that stay with the alternative. Gold labels only.
    """

    name, description = "max_missed_gain", "mean gain missed at the alternative"
    allowed = "from 0"
    only_falls = _primary_never_costs_less

    def outcome(self, queries: CertifyingQueries) -> Outcome:
        if queries.gain is not None and queries.gain.is_score:
            raise MetaRouterError(
                "max_missed_gain needs gold labels: the positive part of a doubly robust score "
                "does not estimate that of the label; use max_loss, or give gold labels."
            )
        return super().outcome(queries)

    def _outcome_of(self, o: FloatArray) -> Outcome:
        return Outcome(np.maximum(o, 0.0), 0 * o)


max_share, max_cost, max_cost_ratio, min_saving = MaxShare, MaxCost, MaxCostRatio, MinSaving
max_slow_share = MaxSlowShare
min_gain, max_loss, min_gap_share, max_missed_gain = MinGain, MaxLoss, MinGapShare, MaxMissedGain

CONSTRAINTS: dict[str, type[Constraint]] = {
    kind.name: kind
    for kind in (
        MaxShare, MaxCost, MaxCostRatio, MinSaving, MinGain, MaxLoss, MinGapShare, MaxMissedGain,
    )
}  # fmt: skip


def constraint_of(name: str, limit: float) -> Constraint:
    """Build the constraint that a keyword stands for, or raise a BudgetError if there is none."""
    if name not in CONSTRAINTS:
        raise BudgetError(f"{name!r} is no constraint; give one of {', '.join(CONSTRAINTS)}.")
    return CONSTRAINTS[name](limit)


def as_constraints(
    given: Constraint | Iterable[Constraint] | Mapping[str, float | None],
    limits: Mapping[str, float | None] | None = None,
) -> tuple[Constraint, ...]:
    """Gather constraints from objects and keywords, and refuse none at all and one given twice."""
    named = dict(limits or {})
    if isinstance(given, Mapping):
        named |= given
        given = ()
    objects: tuple[Any, ...] = tuple(given) if isinstance(given, Iterable) else (given,)
    for item in objects:
        if not isinstance(item, Constraint):
            raise MetaRouterError(
                f"constraints holds a {type(item).__name__}: give objects such as max_share(0.3)."
            )
    built = [constraint_of(name, limit) for name, limit in named.items() if limit is not None]
    gathered = (*objects, *built)
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

    Columns have the shape (n,).
    """

    constraint: Constraint
    base: FloatArray  # outcome at the alternative
    move: FloatArray  # what the primary model adds to it
    denominator: FloatArray
    share: FloatArray  # weights that sum to one of the queries that it is judged on
    informed: FloatArray  # the same, 0 where there is no gold label, where these are meant
    bounds: Bounds  # of ``base + D move - limit denominator``
    queries: CertifyingQueries

    @property
    def sign(self) -> float:
        """1 for an upper limit, -1 for a lower one."""
        return -1.0 if self.constraint.at_least else 1.0

    @property
    def n(self) -> int:
        """Number of queries that bring information."""
        return int((self.informed > 0).sum())

    @property
    def n_units(self) -> int:
        """Number of independent units among them."""
        return int((cluster_sums(self.informed, self.queries.clusters) > 0).sum())

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
    """Lay out a constraint on queries, and refuse an outcome that does not fit them."""
    name, gain, weight = constraint.name, queries.gain, queries.weight
    informed = weight
    if constraint.of_gain:
        if gain is None:
            raise DataError(
                f"{name} is a constraint on the gain, but gold_gain is missing: give gold labels "
                "of some queries, NaN elsewhere, or doubly robust gains."
            )
        informed = weight * gain.is_gold
        weight = weight if gain.is_score else informed
    if not weight.any():
        raise DataError(
            f"none of {weight.size} queries has a gold label that weighs something: label some, "
            "drawn at random; search='split' needs some in both parts."
        )
    share, informed = weight / weight.sum(), informed / weight.sum()
    alternative, primary, denominator, bounds = constraint.outcome(queries)
    below = np.ones(share.size) if denominator is None else denominator
    columns = [np.asarray(column, dtype=np.float64) for column in (alternative, primary, below)]
    for column in columns:
        if column.shape != share.shape or not np.isfinite(column[share > 0]).all():
            raise DataError(
                f"the outcome of {name} has shape {column.shape} or values that are not finite, "
                f"but there are {share.size} queries: give one finite number each."
            )
    base, primary, below = columns
    if constraint.is_budget and not share @ below > 0:
        raise BudgetError(
            f"{name} has no meaning where the primary model costs nothing; give max_share or "
            "max_cost."
        )
    if constraint.is_count and denominator is None and bounds is None:
        bounds = (-constraint.limit, 1 - constraint.limit)
    return ConstrainedMean(
        constraint, base, primary - base, below, share, informed, bounds, queries
    )


def certifying_queries(
    psi_hat: ArrayLike,
    gold_gain: ArrayLike | DoublyRobustGains | None,
    *,
    costs: ArrayLike | None = None,
    latencies: ArrayLike | None = None,
    gain_bounds: Bounds = None,
    cost_bounds: Bounds = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> CertifyingQueries:
    """Validate what is given per query, and whether it lies within its bounds."""
    scores = as_finite_column(psi_hat, "psi_hat")
    n = scores.size
    gain_bounds = as_bounds("gain_bounds", gain_bounds)
    cost_bounds = as_bounds("cost_bounds", cost_bounds)
    gain = supported = None
    if isinstance(gold_gain, DoublyRobustGains):
        check_same_length("gold_gain", gold_gain.score.size, "psi_hat", n)
        gain = Gain(gold_gain.score, gold_gain.is_gold, True)
        supported = gold_gain.sample_weight
        sample_weight = supported if sample_weight is None else sample_weight
        groups = gold_gain.groups if groups is None else groups
    elif gold_gain is not None:
        wanted = f"one finite gain for each of {n} queries, NaN where there is none"
        label = _as_numbers("gold_gain", gold_gain, (n,), wanted, np.isinf)
        gain = Gain(np.nan_to_num(label, nan=0.0), ~np.isnan(label), False)
        check_within("gain_bounds", gain_bounds, label[gain.is_gold], _BOUNDS)
    for name, column in (("sample_weight", sample_weight), ("groups", groups)):
        if column is not None:
            check_same_length(name, np.size(column), "psi_hat", n)
    weight = as_weight(sample_weight, n)
    if supported is not None:  # queries out of support have no score, whatever weights are given
        weight = np.where(np.asarray(supported) > 0, weight, 0.0)
    clusters = as_clusters(as_groups(groups, n))
    positive = weight[weight > 0]
    wanted = f"columns [alternative, primary] of finite numbers for {n} queries"
    unit = np.tile([0.0, 1.0], (n, 1))
    table = _as_numbers("costs", unit if costs is None else costs, (n, 2), wanted)
    check_within("cost_bounds", cost_bounds, table, _BOUNDS)
    seconds = None if latencies is None else _as_numbers("latencies", latencies, (n, 2), wanted)
    return CertifyingQueries(
        psi_hat=scores,
        costs=table,
        latencies=seconds,
        weight=weight,
        clusters=clusters,
        independent=clusters is None and bool(positive.min() == positive.max()),
        gain=gain,
        gain_bounds=gain_bounds,
        cost_bounds=cost_bounds,
        index=np.arange(n),
    )


def _as_numbers(
    name: str,
    values: ArrayLike,
    shape: tuple[int, ...],
    wanted: str,
    refused: Callable[[FloatArray], NDArray[np.bool_]] = lambda numbers: ~np.isfinite(numbers),
) -> FloatArray:
    numbers = as_floats(name, values, f"{name} holds values that are not numbers: give {wanted}.")
    wrong = int(refused(numbers).sum())
    if numbers.shape != shape or wrong:
        raise DataError(
            f"{name} has shape {numbers.shape} and {wrong} values that are not finite: give "
            f"{wanted}."
        )
    return numbers
