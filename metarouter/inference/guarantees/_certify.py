"""Choose the trade-off w so that constraints are kept with a stated probability.

`certify_threshold` is what users call: it gets predictions and costs from a router and hands them
to `certify_predictions`, which lays out the constraints (``_constraints``), tests them at every w
(``_testing``), and words what was found (``_result``).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import Verdict
from metarouter.inference.guarantees._constraints import (
    CONSTRAINTS,
    Bounds,
    Constraint,
    as_constraints,
    certifying_queries,
)
from metarouter.inference.guarantees._result import CertifiedThreshold, GuaranteePath, estimates_of
from metarouter.inference.guarantees._testing import (
    Method,
    RoutingPath,
    Tested,
    hardest_on_the_way,
    learned_order,
    passed_in_sequence,
    rows_to_certify,
    running_mean,
    split,
    tested_along_path,
)
from metarouter.inference.intervals import FloatArray
from metarouter.inference.labels import DoublyRobustGains
from metarouter.routing._cost_model import is_real
from metarouter.routing._pipeline import split_router
from metarouter.routing._tuning import costs_of
from metarouter.routing.unit_cost import UnitCost
from metarouter.utils.arguments import validated
from metarouter.utils.columns import as_level
from metarouter.utils.features import as_floats
from metarouter.utils.random import seed_of

_KEPT = {
    Verdict.PASS: "kept on new queries, but for an unlucky sample, which delta allows for",
    Verdict.CAUTION: "kept on average over samples like this one; it may well be broken with this",
}


class SearchResult(NamedTuple):
    """Verdict on a search, and the rows that would do if it found nothing (None: unknown)."""

    verdict: Verdict
    reason: str
    needed_gold: int | None = None
    needed_queries: int | None = None


class Choice(NamedTuple):
    """The chosen w, the range of all that are certified (NaN: none), and where its routing is."""

    w: float
    low: float
    high: float
    position: int  # on the path; where none is certified, that at which constraints come closest
    found: SearchResult


def _chosen(
    tests: Sequence[Tested], w: FloatArray, position: NDArray[np.intp], prefer: str, guarantee: str
) -> Choice:
    """Choose one of the certified trade-offs, all of which keep all constraints."""
    has_budget = any(test.constraint.is_budget for test in tests)
    smallest = has_budget if prefer == "auto" else prefer == "quality"
    place = 0 if smallest else -1
    verdict = Verdict.CAUTION if guarantee == "in expectation only" else Verdict.PASS
    found = SearchResult(verdict, f"{_names(tests)}: {_KEPT[verdict]}.")
    return Choice(float(w[place]), float(w[0]), float(w[-1]), int(position[place]), found)


def _closest(tests: Sequence[Tested], path: RoutingPath, search: str, level: float) -> Choice:
    """Describe the w that comes closest to being certified at this level."""
    hardest = [hardest_on_the_way(test, search) for test in tests]
    distance = [test.distance[way] for test, way in zip(tests, hardest, strict=True)]
    position = int(np.argmin(np.max(distance, axis=0)))
    worst = [int(way[position]) for way in hardest]
    found = _not_found(tests, worst, level, path.w[position])
    return Choice(np.nan, np.nan, np.nan, position, found)


def _not_found(
    tests: Sequence[Tested], hardest: Sequence[int], level: float, w: float
) -> SearchResult:
    """Say why no w is certified, and count the rows that would do, if more would.

    For each constraint, `hardest` is the position of the worst value on the way to w.
    """
    obstacles = [(test.constraint.is_budget, test.obstacle) for test in tests if test.obstacle]
    if obstacles:
        fewest = {is_budget: obstacle.needed for is_budget, obstacle in obstacles}
        reason = obstacles[0][1].reason
        return SearchResult(Verdict.INCONCLUSIVE, reason, fewest.get(False), fewest.get(True))
    on_the_way = list(zip(tests, hardest, strict=True))
    missed = _names([test for test, position in on_the_way if test.mean[position] >= 0])
    if missed:
        reason = (
            f"No w meets {_names(tests)} even as observed: where they come closest, at w = "
            f"{w:.4g}, {missed} is missed, and more labels would not help."
        )
        if (np.max([test.distance for test in tests], axis=0) < 0).any():
            reason = (
                f"No w is certified: {missed} is missed at the safe end, where testing begins, "
                "though not everywhere; search='split' may find a place."
            )
        return SearchResult(Verdict.INCONCLUSIVE, reason)
    counts = [(test, rows_to_certify(test, position, level)) for test, position in on_the_way]
    endless = _names([test for test, wanted in counts if np.isinf(wanted)])
    if endless:
        reason = (
            f"No w is certified: what is observed at w = {w:.4g} lies at the limit of {endless}, "
            "and more labels would not help."
        )
        return SearchResult(Verdict.INCONCLUSIVE, reason)
    needed: list[int | None] = []
    enough = []
    for noun, is_budget in (("gold labels", False), ("queries", True)):
        of_kind = [pair for pair in counts if pair[0].constraint.is_budget == is_budget]
        wanted = max((wanted for _, wanted in of_kind), default=np.inf)
        needed.append(int(wanted) if np.isfinite(wanted) else None)
        there = max((test.constrained.n for test, _ in of_kind), default=0)
        if there < wanted < np.inf:
            enough.append(f"about {wanted:.0f} {noun} ({there} are there)")
    would_do = " and ".join(enough or ["a few more labels"])
    reason = (
        f"No w is certified. If what is observed up to w = {w:.4g} is right, {would_do} would do."
    )
    return SearchResult(Verdict.INCONCLUSIVE, reason, needed[0], needed[1])


def _names(tests: Sequence[Tested]) -> str:
    return " and ".join(test.constraint.name for test in tests)


# Limits are checked where they become constraints.
_CHECKED_LATER = dict.fromkeys(CONSTRAINTS.keys() - {"min_saving"}, "no_validation")


@validated(random_state=["random_state"], **_CHECKED_LATER)
def certify_predictions(
    psi_hat: ArrayLike,
    gold_gain: ArrayLike | DoublyRobustGains | None = None,
    constraints: Constraint | Iterable[Constraint] = (),
    *,
    costs: ArrayLike | None = None,
    latencies: ArrayLike | None = None,
    max_share: float | None = None,
    max_cost: float | None = None,
    max_cost_ratio: float | None = None,
    min_gain: float | None = None,
    max_loss: float | None = None,
    min_gap_share: float | None = None,
    max_missed_gain: float | None = None,
    delta: float = 0.1,
    method: Method = "auto",
    search: Literal["ends", "split"] = "ends",
    prefer: Literal["auto", "quality", "cost"] = "auto",
    gain_bounds: Bounds = None,
    cost_bounds: Bounds = None,
    grid: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    level: float = 0.95,
    random_state: Any = None,
) -> CertifiedThreshold:
    """Certify a threshold for predicted gains: `certify_threshold` without a router.

    Parameters
    ----------
    psi_hat : array-like of shape (n,)
        Predicted gains, each by a model that has not seen the query's own labels.
    gold_gain : array-like of shape (n,) or DoublyRobustGains, optional
        As for `certify_threshold`.
    constraints : Constraint or sequence of Constraint, default=()
        As for `certify_threshold`.
    costs : array-like of shape (n, 2), optional
        Columns [alternative, primary]; by default 0 and 1.
    latencies : array-like of shape (n, 2), optional
        Seconds that either model takes, the same columns; for `max_slow_share`.
    max_share, max_cost, max_cost_ratio, min_gain, max_loss, min_gap_share, max_missed_gain
        Constraints by their names, as for `certify_threshold`.
    delta, method, search, prefer, gain_bounds, cost_bounds, grid, sample_weight, groups, level
        As for `certify_threshold`.
    random_state : int, RandomState or None

    Returns
    -------
    CertifiedThreshold

    Raises
    ------
    BudgetError, DataError, MetaRouterError
        As `certify_threshold`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> psi_hat = rng.normal(size=2000)
    >>> gold = np.clip(psi_hat + rng.normal(size=2000), -1, 1)
    >>> found = certify_predictions(psi_hat, gold, max_share=0.3, min_gain=0.1)
    >>> print(found.verdict)
    PASS
    >>> bool(np.mean(psi_hat > found.w) <= 0.3)
    True
    """
    delta, level = as_delta(delta), as_level(level)
    named = {
        "max_share": max_share,
        "max_cost": max_cost,
        "max_cost_ratio": max_cost_ratio,
        "min_gain": min_gain,
        "max_loss": max_loss,
        "min_gap_share": min_gap_share,
        "max_missed_gain": max_missed_gain,
    }
    required = as_constraints(constraints, named)
    queries = certifying_queries(
        psi_hat,
        gold_gain,
        costs=costs,
        latencies=latencies,
        gain_bounds=gain_bounds,
        cost_bounds=cost_bounds,
        sample_weight=sample_weight,
        groups=groups,
    )
    points, order = None if grid is None else _as_grid(grid), None
    if search == "split":
        learned, queries = split(queries, seed_of(random_state))
        points, order = learned_order(*tested_along_path(learned, required, method), points)
    path, tests = tested_along_path(queries, required, method)
    position = np.arange(path.w.size) if points is None else path.at(points)
    passed = passed_in_sequence(tests, position, delta, order)
    certified = passed.all(axis=0)
    w = path.w if points is None else points
    guarantee = "in expectation only" if method == "conformal" else "finite samples"
    if any(test.method == "clt" for test in tests):
        guarantee = "large samples"
    if certified.any():
        chosen = _chosen(tests, w[certified], position[certified], prefer, guarantee)
    else:
        chosen = _closest(tests, path, search, delta / len(passed))
    weight, gain, clusters = queries.weight, queries.gain, queries.clusters
    n, one = int((weight > 0).sum()), np.ones(weight.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = {test.constraint.name: (-test.mean / test.se)[position] for test in tests}
    return CertifiedThreshold(
        w=chosen.w,
        certified_low=chosen.low,
        certified_high=chosen.high,
        estimates=estimates_of(tests, path, chosen.position, level),
        delta=delta,
        guarantee=guarantee,
        search=search,
        n=n,
        n_gold=0 if gain is None else int((gain.is_gold & (weight > 0)).sum()),
        n_units=n if clusters is None else int(clusters.max()) + 1,
        level=level,
        path=GuaranteePath(
            w=w,
            usage_ratio=running_mean(path, 0 * one, one, weight / weight.sum())[position],
            distance=distance,
            p_value={test.constraint.name: test.p_value[position] for test in tests},
            certified=certified,
        ),
        **chosen.found._asdict(),
    )


def as_delta(delta: float) -> float:
    """Validate a probability with which constraints may be broken."""
    if not (is_real(delta) and 0 < delta < 0.5):
        raise MetaRouterError(
            f"delta is {delta!r}: give a probability above 0 and below 0.5.", parameter="delta"
        )
    return float(delta)


def _as_grid(grid: ArrayLike) -> FloatArray:
    wrong = (
        "grid must hold at least one trade-off, none below 0 or NaN; fix it before looking at "
        "these queries, or leave it out."
    )
    points = np.unique(as_floats("grid", grid, wrong))
    if np.ndim(grid) != 1 or points.size == 0 or np.isnan(points).any() or points[0] < 0:
        raise MetaRouterError(wrong)
    return points


_SETTINGS = tuple(
    name
    for name, parameter in inspect.signature(certify_predictions).parameters.items()
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name != "costs"
)


@validated()
def certify_threshold(
    router: Any,
    X: Any,
    gold_gain: ArrayLike | DoublyRobustGains | None = None,
    constraints: Constraint | Iterable[Constraint] = (),
    **settings: Any,
) -> CertifiedThreshold:
    """Choose w so that a budget and a quality are kept with probability 1 - delta.

    `tune_threshold` finds the w that keeps a budget on a sample; on new queries it breaks it about
    every second time. This keeps all constraints at once on new queries, but for a share `delta` of
    the samples that it might have been given.

    Parameters
    ----------
    router : ThresholdRouter or Pipeline
        Fitted on other queries. Its own w is ignored, and it is not changed.
    X : array-like of shape (n, d)
        Queries like those that will come, which the gain model has not seen.
    gold_gain : array-like of shape (n,) or DoublyRobustGains, optional
        Gold labels, NaN where there is none: these must then be a random part of the queries.
        Where they are not, or are scarce, give `doubly_robust_gains`. Budgets need none.
    constraints : Constraint or sequence of Constraint, default=()
        What must be kept, as in ``[max_share(0.3), min_gain(0.1), max_slow_share(0.05, 2.0)]``:
        those below, `min_saving`, `max_slow_share`, or your own (see `Constraint`).
    max_share, max_cost, max_cost_ratio, min_gain, max_loss, min_gap_share, max_missed_gain
        Limits of the constraints of these names, as float; see `max_share` and so on.
    delta : float, default=0.1
        The constraints may be broken with this probability.
    method : {"auto", "hoeffding_bentkus", "clt", "conformal"}, default="auto"
        - ``"hoeffding_bentkus"``: finite-sample p values of bounded values (the exact binomial
          test for `max_share`); no weights, groups or doubly robust scores.
        - ``"clt"``: one-sided t tests, for values without bounds; weights and groups count.
        - ``"auto"``: the first where it is possible, else the second, constraint by constraint.
        - ``"conformal"``: conformal risk control. It holds in expectation only, not for the one
          sample at hand, and only for `max_share`, `max_cost`, `max_cost_ratio` and
          `max_missed_gain`.
    search : {"ends", "split"}, default="ends"
        "ends" tests in order from w = infinity for budgets and from w = 0 for quality, and takes
        what both have passed; with constraints of both kinds each sequence gets half of delta.
        "split" learns the order of w on a third of the queries and tests along it on the others;
        take it where quality is not at its best at w = 0, because psi-hat is too high there.
    prefer : {"auto", "quality", "cost"}, default="auto"
        Which certified w is chosen: the smallest, which sends the most queries, or the largest.
        "auto" is the smallest where there is a budget, else the largest.
    gain_bounds, cost_bounds : pair of float, optional
        Ends that no gain of a query, and no cost of a query with either model, can leave. They
        must be known, not taken from the sample. With `UnitCost` the latter are 0 and 1.
    grid : array-like, optional
        The w to choose from, fixed without looking at these queries. By default all.
    sample_weight, groups : array-like of shape (n,), optional
        Weights, and queries that depend on each other; doubly robust gains bring their own.
    level : float, default=0.95
        Of the two-sided intervals of what is observed.
    random_state : int, RandomState or None
        Of the split.
    latencies : array-like of shape (n, 2), optional
        Seconds that either model takes, columns [alternative, primary]; for `max_slow_share`.
    **cost_inputs
        What the cost model needs to know of each query, as for `ThresholdRouter.predict`.

    Returns
    -------
    CertifiedThreshold
        Its ``apply(router)`` gives a router with the certified w. If nothing is certified the
        verdict is INCONCLUSIVE, w is NaN, and it says how many labels would do.

    Raises
    ------
    BudgetError
        If no constraint is given, or a limit is out of range.
    DataError
        If lengths differ, values leave their bounds, or gold labels are missing.
    MetaRouterError
        If a choice is unknown, or the method does not hold for a constraint.

    See Also
    --------
    certify_predictions : The same from predicted gains.
    metarouter.routing.tune_threshold : The smallest w that keeps a budget on a sample.

    Notes
    -----
    Every constraint is on a mean over queries that must not exceed its limit, and is tested at
    every w (learn-then-test). Fixed-sequence testing from a safe end keeps the family-wise error;
    constraints with the same safe end share one sequence with the largest of their p values. See
    ``docs/guarantees.md`` for what is proven and how often constraints were broken in worlds with
    known truth.

    References
    ----------
    Angelopoulos, Bates, Candès, Jordan and Lei (2021), Learn then test, arXiv 2110.01052.
    Laufer-Goldshtein, Fisch, Barzilay and Jaakkola (2023), Efficiently controlling multiple risks
    with Pareto testing, ICLR. Angelopoulos, Bates, Fisch, Lei and Schuster (2024), Conformal risk
    control, ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from metarouter.routing import ThresholdRouter
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(3000, 1))
    >>> gold = X[:, 0] + rng.normal(size=3000)
    >>> router = ThresholdRouter(LinearRegression().fit(X[:1000], gold[:1000]))
    >>> found = certify_threshold(
    ...     router, X[1000:], gold[1000:], max_share=0.4, min_gain=0.2, delta=0.05
    ... )
    >>> print(found.verdict, round(found.w, 2))
    PASS 0.34
    >>> found.apply(router).predict(np.array([[0.1], [0.9]])).tolist()
    ['alternative', 'primary']

    Quality, share and latency together, as objects:

    >>> from metarouter.inference import max_share, max_slow_share, min_gain
    >>> seconds = rng.exponential([0.3, 0.8], (2000, 2))
    >>> constraints = [max_share(0.4), min_gain(0.2), max_slow_share(0.08, seconds=2.0)]
    >>> found = certify_threshold(
    ...     router, X[1000:], gold[1000:], constraints, latencies=seconds
    ... )
    >>> print(found.verdict)
    PASS
    """
    given = {name: settings.pop(name) for name in _SETTINGS if name in settings}
    features, last = split_router(router, X)
    psi_hat = last.predict_gain(features)
    if given.get("cost_bounds") is None and isinstance(last._cost_model(), UnitCost):
        given["cost_bounds"] = (0.0, 1.0)
    costs = costs_of(last, features, len(psi_hat), settings)
    return certify_predictions(psi_hat, gold_gain, constraints, costs=costs, **given)
