"""Predictions for every query by routers that have not seen it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from metarouter._groups import count_groups, group_codes
from metarouter.datasets import LabelledQueries
from metarouter.datasets._labelled_queries import take_rows
from metarouter.evaluation import RouterComparison, compare_routers
from metarouter.fitting import FitLedger
from metarouter.routing import ThresholdRouter, TunedThreshold, tune_threshold
from metarouter.shift import ZeroShift

__all__ = ["OutOfFold", "predict_out_of_fold", "too_few_to_check"]

_Gains = dict[str, NDArray[np.float64]]
_FEWEST_GOLD = 20


@dataclass(frozen=True)
class OutOfFold:
    """psi-hat of every query, out of fold, of the router and of two simpler ones.

    Parameters
    ----------
    gains : dict of str to ndarray of shape (n_queries,)
        Under the names ``this router``, ``pooled`` and ``gold_only``.
    queries : LabelledQueries
    """

    gains: _Gains
    queries: LabelledQueries

    def comparison(self) -> RouterComparison:
        """Compare the routers on the queries that carry a gold label."""
        rows = self.queries.has_gold
        weight, groups = self.queries.weight, self.queries.groups
        return compare_routers(
            self.queries.gold[rows],
            {name: gain[rows] for name, gain in self.gains.items()},
            reference="this router",
            sample_weight=None if weight is None else weight[rows],
            groups=None if groups is None else groups[rows],
        )

    def tune(self, max_share: float) -> TunedThreshold:
        """Find the smallest w that keeps the share, on predictions out of fold."""
        gain = self.gains["this router"]
        router = ThresholdRouter(_AsPredicted())
        return tune_threshold(router, gain[:, None], max_share=max_share, gold=self.queries.gold)


def too_few_to_check(queries: LabelledQueries, folds: int) -> str:
    """Say why the labels do not allow a check out of fold; nothing where they do."""
    needed = max(_FEWEST_GOLD, 2 * folds)
    if queries.n_gold < needed:
        return f"{queries.n_gold} gold labels are too few, {needed} are needed"
    for kind, labelled in (("gold", queries.has_gold), ("preference", queries.has_preference)):
        if queries.groups is not None:
            n_groups = count_groups(queries.groups[labelled])
            if n_groups < 2 * folds:
                return f"{n_groups} groups with {kind} labels are too few, {2 * folds} are needed"
    return ""


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
    *steps, router = _steps(unfitted)
    contenders = {
        "this router": router,
        "pooled": clone(router).set_params(model__shift=ZeroShift()),
        "gold_only": clone(router).set_params(model__sources="gold"),
    }
    gains = {name: np.empty(queries.n_queries) for name in contenders}
    for train, test, train_X, test_X in _encoded_folds(queries, folds, seed, steps):
        rows = queries.subset(train).training_rows()
        # training_rows() counts queries within the training fold.
        X = take_rows(train_X, rows.query)
        with FitLedger(reuse=True):
            for name, contender in contenders.items():
                model = clone(contender).fit(
                    X,
                    rows.y,
                    is_gold=rows.is_gold,
                    sample_weight=rows.sample_weight,
                    groups=rows.groups,
                )
                gains[name][test] = model.predict_gain(test_X)
    return OutOfFold(gains, queries)


def _steps(router: Any) -> list[Any]:
    return [step for _, step in router.steps] if isinstance(router, Pipeline) else [router]


def _encoded_folds(
    queries: LabelledQueries, folds: int, seed: int, encoders: list[Any]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], Any, Any]]:
    X: Any = queries.X
    if encoders and not get_tags(encoders[0]).requires_fit:
        # An encoder that learns nothing gives the same vectors in every fold.
        X, encoders = clone(encoders[0]).fit(X).transform(X), []
    kind = 2 * queries.has_gold.astype(int) + queries.has_preference
    splitter: Any = StratifiedKFold if queries.groups is None else StratifiedGroupKFold
    split = splitter(folds, shuffle=True, random_state=seed)
    groups = None if queries.groups is None else group_codes(queries.groups)
    for train, test in split.split(np.zeros(queries.n_queries), kind, groups):
        train_X, test_X = take_rows(X, train), take_rows(X, test)
        for encoder in encoders:
            fitted = clone(encoder)
            train_X = fitted.fit_transform(train_X)
            test_X = fitted.transform(test_X)
        yield train, test, train_X, test_X


class _AsPredicted(RegressorMixin, BaseEstimator):
    """A gain model for gains that are known already: the one column is the prediction."""

    def fit(self, X: Any, y: Any = None) -> _AsPredicted:
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        return np.asarray(X)[:, 0]

    def __sklearn_is_fitted__(self) -> bool:
        return True
