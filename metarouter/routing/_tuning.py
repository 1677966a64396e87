"""Find the trade-off w for a budget (Meta-Router, appendix A.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.routing._budget import BUDGETS, always_primary, one_budget, spending
from metarouter.routing._cost_model import counted
from metarouter.routing._pipeline import split_router
from metarouter.routing._tuned_threshold import TunedThreshold
from metarouter.routing.threshold_router import decision
from metarouter.utils.arguments import validated
from metarouter.utils.features import as_floats

__all__ = ["costs_of", "tune_threshold", "turning_points"]


@validated(
    max_share="no_validation", max_cost="no_validation", max_cost_ratio="no_validation"
)  # which are refused together
def tune_threshold(
    router: Any,
    X: Any,
    *,
    max_share: float | None = None,
    max_cost: float | None = None,
    max_cost_ratio: float | None = None,
    gold: ArrayLike | None = None,
    **cost_inputs: Any,
) -> TunedThreshold:
    """Find the smallest w that keeps a budget on a sample of queries (appendix A.1).

    Parameters
    ----------
    router : ThresholdRouter or Pipeline
        Fitted; a pipeline ends in a `ThresholdRouter`. Its own w is ignored, and it is not changed.
    X : array-like of shape (n, d)
        Queries like those that will come, best not those that the router was fitted on.
    max_share : float, optional
        Largest share of queries sent to the primary model, from 0 to 1.
    max_cost : float, optional
        Largest mean cost per query, in the unit of the cost model.
    max_cost_ratio : float, optional
        Largest total cost relative to sending every query to the primary model. Give exactly one
        of the three budgets.
    gold : array-like of shape (n,), optional
        Gold labels (quality gains) of the same queries, NaN where there is none. They do not choose
        w; the gain that it realises is reported. Use labels that the router has not been fitted on.
    **cost_inputs
        What the cost model needs to know of each query, as for `ThresholdRouter.predict`.

    Returns
    -------
    TunedThreshold
        The trade-off, and what it does on this sample with its uncertainty.

    Raises
    ------
    BudgetError
        If no w keeps the budget, or not exactly one budget is given, or it is out of range.
    DataError
        If the lengths of `X`, `gold` and the cost inputs differ.

    Notes
    -----
    As w grows, a query that costs more with the primary model leaves it for good at
    w = psi-hat / extra cost, and a query that costs less joins it there. The smallest w is hence
    one of these ratios, or 0, and is found exactly. Queries with equal ratios move together, so
    ties can leave part of a budget unused, never exceed it.

    The mean cost never rises with w, so that every larger w keeps a cost budget too. So it is for
    `max_share` as long as no query is cheaper with the primary model; where some are, the share
    may rise again, and the smallest w that keeps it is returned all the same.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from metarouter.routing import ThresholdRouter
    >>> X = np.arange(10.0).reshape(-1, 1)
    >>> router = ThresholdRouter(LinearRegression().fit(X, X.ravel()))
    >>> tuned = tune_threshold(router, X, max_share=0.3)
    >>> round(tuned.w, 6), tuned.usage_ratio
    (6.0, 0.3)
    >>> float(np.mean(tuned.apply(router).predict(X) == "primary"))
    0.3
    """
    name, limit = one_budget(
        {"max_share": max_share, "max_cost": max_cost, "max_cost_ratio": max_cost_ratio}
    )
    features, last = split_router(router, X)
    psi_hat = last.predict_gain(features)
    costs = costs_of(last, features, len(psi_hat), cost_inputs)
    gold = _gold_labels(gold, len(psi_hat))
    w = _smallest_w(psi_hat, costs, name, limit)
    return TunedThreshold.measure(w, psi_hat, costs, gold, budget=name, limit=limit)


def _smallest_w(
    psi_hat: NDArray[np.float64], costs: NDArray[np.float64], name: str, limit: float
) -> float:
    extra = costs[:, 1] - costs[:, 0]
    candidates, spent = _spending_path(psi_hat, extra, costs, name)
    # Sums along the path carry rounding errors: they only say where to look, and a budget is kept
    # when the decisions themselves keep it.
    slack = 1e-9 * (np.abs(spent).max() + abs(limit))
    least = np.inf
    for w in candidates[spent <= limit + slack]:
        kept = spending(decision(psi_hat, extra, w) > 0, costs, name)
        if kept <= limit:
            return float(w)
        least = min(least, kept)
    raise _out_of_reach(name, limit, min(least, float(spent.min())), len(psi_hat))


def _spending_path(
    psi_hat: NDArray[np.float64],
    extra: NDArray[np.float64],
    costs: NDArray[np.float64],
    name: str,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give every w at which the routed set changes, and what is spent from there on."""
    at_zero = psi_hat > 0
    leaves = at_zero & (extra > 0)
    joins = ~at_zero & (extra < 0)
    movers = np.flatnonzero(leaves | joins)
    turning = turning_points(psi_hat[movers], extra[movers], joins[movers])
    if name == "max_share":
        step, start = np.ones(len(movers)), float(at_zero.sum())
        unit = float(len(psi_hat))
    else:
        step = np.abs(extra[movers])
        start = float(np.where(at_zero, costs[:, 1], costs[:, 0]).sum())
        unit = float(len(psi_hat)) if name == "max_cost" else always_primary(costs)
    # Leaving saves the extra cost; joining saves it too where the extra cost is negative, but
    # always adds to the share.
    change = np.where(joins[movers] & (name == "max_share"), step, -step)
    candidates, where = np.unique(turning, return_inverse=True)
    path = start + np.cumsum(np.bincount(where, weights=change, minlength=len(candidates)))
    return np.append(0.0, candidates), np.append(start, path) / unit


def turning_points(
    psi_hat: NDArray[np.float64], extra: NDArray[np.float64], joins: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Find the smallest float w at which each query has moved."""
    with np.errstate(over="ignore", under="ignore"):
        # A gain of exactly 0 joins at any w > 0, and the product with w must not vanish.
        w = np.where(psi_hat == 0, np.finfo(float).tiny / np.minimum(np.abs(extra), 1.0), 0.0)
        w = np.where(psi_hat == 0, w, psi_hat / extra)
        for _ in range(2):
            moved = (psi_hat - w * extra > 0) == joins
            w = np.where(moved, w, np.nextafter(w, np.inf))
    return w


def costs_of(router: Any, X: Any, n: int, cost_inputs: dict[str, Any]) -> NDArray[np.float64]:
    if n == 0:
        raise DataError("X holds no queries; give at least one to tune the threshold on.")
    costs = np.asarray(router._cost_model().costs(X, **cost_inputs), dtype=float)
    if costs.shape != (n, 2) or not np.all(np.isfinite(costs)):
        raise MetaRouterError(
            f"The cost model gives an array of shape {costs.shape} for {counted(n, 'query')}; "
            "its costs() must give finite columns [alternative, primary]."
        )
    return costs


def _gold_labels(gold: ArrayLike | None, n: int) -> NDArray[np.float64] | None:
    if gold is None:
        return None
    labels = as_floats("gold", gold, "gold holds values that are not numbers; give numbers.")
    if labels.shape != (n,):
        raise DataError(
            f"gold has shape {labels.shape} where X has {n} rows; give one label per query, "
            "NaN where there is none."
        )
    if np.isinf(labels).any():
        raise DataError(
            f"gold is infinite in {counted(int(np.isinf(labels).sum()), 'row')} of {n}; give NaN "
            "where there is no label."
        )
    if np.isnan(labels).all():
        raise DataError(f"gold is missing in all {n} rows; leave gold out.")
    return labels


def _out_of_reach(name: str, limit: float, least: float, n: int) -> BudgetError:
    mend = (
        "raise max_share, or let the cost model charge for the primary model on every query"
        if name == "max_share"
        else f"raise {name} to at least that, or choose a cheaper alternative model"
    )
    # Rounded up, so that the number shown is a budget that can be met.
    digits = 5 - int(np.floor(np.log10(least))) if least > 0 else 0
    shown = np.ceil(least * 10.0**digits * (1 - 1e-12)) / 10.0**digits
    return BudgetError(
        f"{name}={limit:g} cannot be met: the least possible {BUDGETS[name]} on "
        f"{counted(n, 'query')} is {shown:.6g}; {mend}."
    )
