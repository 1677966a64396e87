"""Predictions for every query by routers that have not seen it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.pipeline import Pipeline

from metarouter.base_learners import default_regressor
from metarouter.datasets import LabelledQueries
from metarouter.evaluation import RouterComparison, compare_routers
from metarouter.inference.labels import held_out_routers
from metarouter.routing import (
    AdaptiveMetaRouter,
    MetaRouter,
    ThresholdRouter,
    TunedThreshold,
    tune_threshold,
)
from metarouter.shift import ZeroShift

__all__ = ["AsPredicted", "OutOfFold", "predict_out_of_fold"]

_FEWEST_OF_OTHERS = 10
_Gains = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class OutOfFold:
    """psi-hat of every query, out of fold, of the router and of two simpler ones.

    Parameters
    ----------
    gains : dict of str to ndarray of shape (n_queries,)
        Under the names ``this router``, ``pooled`` and ``gold_only``.
    ranks : dict of str to ndarray of shape (n_queries,)
        Place of every query within its fold: what routers are compared by.
    queries : LabelledQueries
    left_out : dict of str to str
        Routers that could not be compared with, and why.
    """

    gains: _Gains
    ranks: _Gains
    queries: LabelledQueries
    left_out: dict[str, str]

    def comparison(self) -> RouterComparison:
        """Compare the routers on the queries that carry a gold label."""
        rows = self.queries.has_gold
        weight, groups = self.queries.weight, self.queries.groups
        return compare_routers(
            self.queries.gold[rows],
            {name: rank[rows] for name, rank in self.ranks.items()},
            reference="this router",
            sample_weight=None if weight is None else weight[rows],
            groups=None if groups is None else groups[rows],
        )

    def tune(self, budget: dict[str, float], cost: Any, inputs: dict[str, Any]) -> TunedThreshold:
        """Find the smallest w that keeps the budget, on predictions out of fold."""
        gain = self.gains["this router"]
        router = ThresholdRouter(AsPredicted(), cost=cost)
        return tune_threshold(router, gain[:, None], gold=self.queries.gold, **budget, **inputs)


def predict_out_of_fold(
    queries: LabelledQueries, folds: int, seed: int, unfitted: Any
) -> OutOfFold:
    """Predict every query by routers fitted on the other folds.

    Parameters
    ----------
    queries : LabelledQueries
    folds : int
        Stratified by which labels a query carries; groups stay together.
    seed : int
    unfitted : ThresholdRouter or Pipeline
        A pipeline begins with an encoder, which is fitted anew in every fold.

    Returns
    -------
    OutOfFold
    """
    *encoders, router = _steps(unfitted)
    contenders = {"this router": router.model}
    if queries.n_preference:
        contenders |= {
            "pooled": _simpler(router.model, queries.n_queries, shift=ZeroShift()),
            "gold_only": _simpler(router.model, queries.n_gold, sources="gold"),
        }
    left_out: dict[str, str] = {}
    if "pooled" in contenders and (why := _why_not_pooled(queries)):
        left_out["pooled"] = why
        del contenders["pooled"]
    predicted = held_out_routers(
        queries, contenders, folds, seed, scheme="cross_fit", encoders=encoders
    )
    return OutOfFold(predicted.gains, predicted.ranks(), queries, left_out)


def _why_not_pooled(queries: LabelledQueries) -> str:
    """Say why both kinds of labels cannot be brought to one scale in every fold; else nothing."""
    for kind, labels in (("gold", queries.gold), ("preference", queries.preference)):
        known = labels[~np.isnan(labels)]
        values, times = np.unique(known, return_counts=True)
        # A fold that holds all of the rarer labels leaves the others without any.
        if known.size - times.max() < _FEWEST_OF_OTHERS:
            return f"{times.max()} of {known.size} {kind} labels are {values[times.argmax()]:g}"
    return ""


def _simpler(model: Any, n_rows: int, **settings: Any) -> Any:
    """Return a simpler router with the settings of `model`, as far as it has them."""
    if not isinstance(model, AdaptiveMetaRouter):
        return clone(model).set_params(**settings)
    # Every fold trains on more than half of the rows.
    regressor = default_regressor(n_jobs=model.n_jobs, n_rows=n_rows // 2)
    # Curves and areas do not depend on the calibration, which costs fits.
    return MetaRouter(
        regressor=regressor, calibrate=False, random_state=model.random_state, **settings
    )


def _steps(router: Any) -> list[Any]:
    return [step for _, step in router.steps] if isinstance(router, Pipeline) else [router]


class AsPredicted(RegressorMixin, BaseEstimator):
    """A gain model for gains that are known already: the one column is the prediction."""

    def fit(self, X: Any, y: Any = None) -> AsPredicted:
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        return np.asarray(X)[:, 0]

    def __sklearn_is_fitted__(self) -> bool:
        return True
