"""The router that is deployed is the one that was certified.

A threshold is certified for one gain model, on queries that this model has not seen. So the router
learns from some of the queries, its threshold is certified on the others, and the two are saved
together. A threshold that was certified on predictions of several models would be about none of
them, and on queries that the deployed model has learned from it would be about nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from metarouter.datasets import LabelledQueries
from metarouter.datasets._labelled_queries import TrainingRows
from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.inference import (
    CertifiedThreshold,
    Constraint,
    certify_threshold,
    doubly_robust_gains,
)
from metarouter.inference.guarantees import as_constraints
from metarouter.inference.labels import fold_of_each_query
from metarouter.nuisance import Nuisances
from metarouter.routing._pipeline import split_router, with_w
from metarouter.utils.parameters import renamed_parameters

__all__ = ["CertifiedRouter", "certify_router", "fit_router"]

_PARTS, _LEARNED_FROM = 5, 3  # three parts of five are learned from, two certify


@dataclass(frozen=True)
class CertifiedRouter:
    """A fitted router and the threshold that was certified for it.

    Parameters
    ----------
    router : ThresholdRouter or Pipeline
        Learned from the queries that were not held back; with the certified w, or with an infinite
        one where none is certified.
    threshold : CertifiedThreshold
    held_back : ndarray of bool of shape (n_queries,)
        The queries that the router has not seen, on which the threshold was certified.
    sent : ndarray of bool of shape (n_queries,)
        Which queries the router sends to the primary model.
    """

    router: Any = field(repr=False)
    threshold: CertifiedThreshold
    held_back: NDArray[np.bool_] = field(repr=False)
    sent: NDArray[np.bool_] = field(repr=False)

    def summary(self) -> str:
        """Say how many queries did what, and what the router does with all of them."""
        learned = int((~self.held_back).sum())
        return (
            f"The router learned from {learned} queries; its threshold was certified on the "
            f"{int(self.held_back.sum())} others, of which it sends "
            f"{self.sent[self.held_back].mean():.1%}. Of the whole table it sends "
            f"{self.sent.mean():.1%}."
        )


@renamed_parameters(demands="constraints")
def certify_router(
    unfitted: Any,
    queries: LabelledQueries,
    constraints: Constraint | Iterable[Constraint] | Mapping[str, float],
    *,
    delta: float = 0.1,
    level: float = 0.95,
    nuisances: Nuisances | None = None,
    gold_at_random: bool = False,
    cost_inputs: Mapping[str, NDArray[np.float64]] | None = None,
    random_state: int = 0,
) -> CertifiedRouter:
    """Fit a router on three fifths of the queries, and certify its threshold on the others.

    Parameters
    ----------
    unfitted : ThresholdRouter or Pipeline
        A pipeline ends in a `ThresholdRouter`, and begins with an encoder.
    queries : LabelledQueries
        Groups are kept together.
    constraints : sequence of Constraint, or dict of str to float
        Constraints, or limits under the names of `metarouter.inference.certify_threshold`.
    delta : float, default=0.1
        Probability with which the constraints may be broken.
    level : float, default=0.95
        Of the intervals of what is observed.
    nuisances : Nuisances, optional
        Recipe of those of the doubly robust gains, which speak for queries without a gold label.
    gold_at_random : bool, default=False
        Whether the queries with gold labels were drawn at random; gold labels then speak for all.
    cost_inputs : dict of str to ndarray of shape (n_queries,), optional
        What the cost model of the router needs to know of each query.
    random_state : int, default=0

    Raises
    ------
    BudgetError
        If there is no constraint, or a limit is out of range.
    DataError
        If there are too few queries.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from metarouter import MetaRouter, ThresholdRouter, ZeroShift
    >>> from metarouter.datasets import make_judged_queries
    >>> queries = make_judged_queries(1000, gold_share=0.2, random_state=0)
    >>> model = MetaRouter(shift=ZeroShift(), regressor=Ridge(), random_state=0)
    >>> router = ThresholdRouter(model)
    >>> found = certify_router(router, queries, {"max_share": 0.3})
    >>> sent = found.router.predict(queries.X[found.held_back]) == "primary"
    >>> share = found.threshold.estimate("max_share").value
    >>> bool(abs(sent.mean() - share) < 1e-12), bool(share <= 0.3)
    (True, True)
    """
    if queries.n_queries < 2 * _PARTS:
        raise DataError(
            f"{queries.name} has {queries.n_queries} queries, too few to learn from some and to "
            f"certify a threshold on others; give at least {2 * _PARTS}."
        )
    inputs = {} if cost_inputs is None else dict(cost_inputs)
    held_back = fold_of_each_query(queries, _PARTS, random_state) >= _LEARNED_FROM
    router = fit_router(unfitted, queries.subset(~held_back).training_rows())
    features, last = split_router(router, queries.X)
    unseen = replace(queries, X=features, feature_names=None).subset(held_back)
    kept = as_constraints(constraints)
    only_budgets = all(constraint.is_budget for constraint in kept)
    options: dict[str, Any] = {"level": level, "random_state": random_state}
    gold_gain: Any = unseen.gold if unseen.n_gold else None
    if gold_gain is not None and not (gold_at_random or unseen.has_gold.all()):
        gold_gain = _doubly_robust(unseen, last, only_budgets, nuisances=nuisances, **options)
    options |= {name: values[held_back] for name, values in inputs.items()}
    threshold = certify_threshold(
        last,
        unseen.X,
        gold_gain,
        kept,
        delta=delta,
        sample_weight=unseen.weight,
        groups=unseen.groups,
        **options,
    )
    w = threshold.w if threshold.is_certified else np.inf
    decision = with_w(last, w).decision_function(features, **inputs)
    return CertifiedRouter(with_w(router, w), threshold, held_back, decision > 0)


def fit_router(unfitted: Any, rows: TrainingRows) -> Any:
    """Fit a router, or a pipeline that ends in one, on rows of both sources."""
    given = {
        "is_gold": rows.is_gold,
        "sample_weight": rows.sample_weight,
        "groups": rows.groups,
    }
    prefix = f"{unfitted.steps[-1][0]}__" if isinstance(unfitted, Pipeline) else ""
    return unfitted.fit(rows.X, rows.y, **{f"{prefix}{name}": v for name, v in given.items()})


def _doubly_robust(unseen: LabelledQueries, router: Any, only_budgets: bool, **options: Any) -> Any:
    """Return doubly robust gains, or gold labels where they do not suffice for them."""
    try:
        gold_outcome = router.predict_gain(unseen.X)
        gains = doubly_robust_gains(unseen, gold_outcome=gold_outcome, **options)
    except BudgetError:
        raise
    except MetaRouterError:
        return unseen.gold
    # Queries out of support have no score; a budget counts them as any other.
    weight = 1.0 if gains.sample_weight is None else np.asarray(gains.sample_weight)
    return None if only_budgets and np.any(weight == 0) else gains
