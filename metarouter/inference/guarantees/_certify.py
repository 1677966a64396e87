"""Choose the trade-off w so that demands are kept with a stated probability."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import MetaRouterError
from metarouter.inference.guarantees._demands import Bounds, as_demands
from metarouter.inference.guarantees._findings import finding_of
from metarouter.inference.guarantees._observed import Promise, observed
from metarouter.inference.guarantees._path import RoutingPath, routing_path, running_mean
from metarouter.inference.guarantees._queries import CertifyingQueries, certifying_queries
from metarouter.inference.guarantees._result import CertifiedThreshold, GuaranteePath
from metarouter.inference.guarantees._split import learned_order, split
from metarouter.inference.guarantees._tested import Method, Tested, tested
from metarouter.inference.guarantees._walks import (
    certified_between_ends,
    certified_in_order,
    level_of_each_walk,
)
from metarouter.inference.intervals import FloatArray
from metarouter.inference.labels import DoublyRobustGains
from metarouter.routing._cost_model import is_real
from metarouter.utils.columns import as_level
from metarouter.utils.random import seed_of

__all__ = ["Prefer", "Search", "as_delta", "certify_predictions"]

Search = Literal["ends", "split"]
Prefer = Literal["auto", "quality", "cost"]


def certify_predictions(
    psi_hat: ArrayLike,
    gold_gain: ArrayLike | DoublyRobustGains | None = None,
    *,
    costs: ArrayLike | None = None,
    max_share: float | None = None,
    max_cost: float | None = None,
    max_cost_ratio: float | None = None,
    min_gain: float | None = None,
    max_loss: float | None = None,
    min_gap_share: float | None = None,
    max_missed_gain: float | None = None,
    delta: float = 0.1,
    method: Method = "auto",
    search: Search = "ends",
    prefer: Prefer = "auto",
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
    costs : array-like of shape (n, 2), optional
        Columns [alternative, primary]; by default 0 and 1.
    max_share, max_cost, max_cost_ratio, min_gain, max_loss, min_gap_share, max_missed_gain
        Demands, as for `certify_threshold`.
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
    _check_choice("search", search, ("ends", "split"))
    _check_choice("prefer", prefer, ("auto", "quality", "cost"))
    queries = certifying_queries(psi_hat, gold_gain, costs, sample_weight, groups)
    limits = {
        "max_share": max_share,
        "max_cost": max_cost,
        "max_cost_ratio": max_cost_ratio,
        "min_gain": min_gain,
        "max_loss": max_loss,
        "min_gap_share": min_gap_share,
        "max_missed_gain": max_missed_gain,
    }
    bounds = (gain_bounds, cost_bounds)
    points = None if grid is None else _as_grid(grid)
    if search == "split":
        learned, queries = split(queries, seed_of(random_state))
        tests = _tests(learned, limits, bounds, method)[1]
        points, order = learned_order(learned, tests, points)
    path, tests = _tests(queries, limits, bounds, method)
    position = np.arange(path.w.size) if points is None else path.at(points)
    if search == "split":
        certified = certified_in_order(tests, position, order, delta)
        each = delta
    else:
        certified = certified_between_ends(tests, position, delta)
        each = level_of_each_walk(tests, delta)
    walk = _Walk(path.w if points is None else points, position, certified, each)
    return _result(queries, path, tests, walk, (delta, level, search, prefer), bounds)


class _Walk(NamedTuple):
    """Trade-offs in growing order, their positions on the path, and which are certified."""

    w: FloatArray
    position: NDArray[np.intp]
    certified: NDArray[np.bool_]
    level: float


def _tests(
    queries: CertifyingQueries,
    limits: dict[str, float | None],
    bounds: tuple[Bounds, Bounds],
    method: Method,
) -> tuple[RoutingPath, list[Tested]]:
    demands = as_demands(queries, limits, *bounds)
    path = routing_path(queries.psi_hat, queries.costs[:, 1] - queries.costs[:, 0])
    return path, [tested(demand, queries, path, method) for demand in demands]


def _result(
    queries: CertifyingQueries,
    path: RoutingPath,
    tests: list[Tested],
    walk: _Walk,
    settings: tuple[float, float, str, str],
    bounds: tuple[Bounds, Bounds],
) -> CertifiedThreshold:
    delta, level, search, prefer = settings
    chosen = _choose(tests, walk, prefer)
    finding = finding_of(tests, path, walk.level, chosen is not None, search)
    position = finding.closest if chosen is None else int(walk.position[chosen])
    certified = walk.w[walk.certified]
    return CertifiedThreshold(
        w=np.nan if chosen is None else float(walk.w[chosen]),
        certified_low=float(certified.min()) if certified.size else np.nan,
        certified_high=float(certified.max()) if certified.size else np.nan,
        promises=_promises(queries, path, tests, position, level, bounds),
        delta=delta,
        guarantee=_guarantee(tests),
        search=search,
        n=queries.n,
        n_gold=queries.n_gold,
        n_units=queries.n if queries.units is None else int(queries.units.max()) + 1,
        level=level,
        verdict=finding.verdict,
        needed_gold=finding.needed_gold,
        needed_queries=finding.needed_queries,
        reason=finding.reason,
        path=_guarantee_path(queries, path, tests, walk),
    )


def _choose(tests: list[Tested], walk: _Walk, prefer: str) -> int | None:
    """Pick one of the certified trade-offs: all of them keep all demands."""
    places = np.flatnonzero(walk.certified)
    if not places.size:
        return None
    if prefer == "auto":
        prefer = "quality" if any(test.demand.is_budget for test in tests) else "cost"
    return int(places[0 if prefer == "quality" else -1])


def _promises(
    queries: CertifyingQueries,
    path: RoutingPath,
    tests: list[Tested],
    position: int,
    level: float,
    bounds: tuple[Bounds, Bounds],
) -> tuple[Promise, ...]:
    sent = path.sent_at(position)
    kept = [
        observed(
            test.demand,
            queries,
            sent,
            level,
            p_value=np.nan if test.method == "conformal" else float(test.p_value[position]),
            method="binomial" if test.is_exact and test.demand.is_count else test.method,
        )
        for test in tests
    ]
    names = {promise.name for promise in kept}
    known = {
        "max_share": True,
        "max_cost": bool((queries.costs != (0.0, 1.0)).any()),  # else it is the share
        "min_gain": queries.gain is not None,
    }
    others: dict[str, float | None] = {
        name: 0.0 for name, there in known.items() if there and name not in names
    }
    more = as_demands(queries, others, *bounds) if others else ()
    return (*kept, *(observed(demand, queries, sent, level) for demand in more))


def _guarantee_path(
    queries: CertifyingQueries, path: RoutingPath, tests: list[Tested], walk: _Walk
) -> GuaranteePath:
    one = np.ones(queries.share.size)
    usage = running_mean(path, 0 * one, one, queries.share)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = {test.demand.name: -test.mean / test.se for test in tests}
    return GuaranteePath(
        w=walk.w,
        usage_ratio=usage[walk.position],
        distance={name: values[walk.position] for name, values in distance.items()},
        p_value={test.demand.name: test.p_value[walk.position] for test in tests},
        certified=walk.certified,
    )


def _guarantee(tests: list[Tested]) -> str:
    if any(test.method == "conformal" for test in tests):
        return "in expectation only"
    return "finite samples" if all(test.is_exact for test in tests) else "large samples"


def as_delta(delta: float) -> float:
    """Validate a probability with which demands may be broken."""
    if not (is_real(delta) and 0 < delta < 0.5):
        raise MetaRouterError(f"delta is {delta!r}: give a probability above 0 and below 0.5.")
    return float(delta)


def _as_grid(grid: ArrayLike) -> FloatArray:
    try:
        points = np.unique(np.asarray(grid, dtype=np.float64))
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.size == 0 or np.isnan(points).any() or points[0] < 0:
        raise MetaRouterError(
            "grid must hold at least one trade-off, none below 0 or NaN; fix it before looking at "
            "these queries, or leave it out."
        )
    return points


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise MetaRouterError(f"{name}={value!r} is unknown; choose one of {', '.join(known)}.")
